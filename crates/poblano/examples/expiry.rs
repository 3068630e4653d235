//! What a crowd whose time is over at the same moment costs the others: everybody's session ends within how long of its
//! due time, how long the control thread's other work waits meanwhile, and how long a packet of somebody who stays.
//!
//!     sudo target/release/examples/expiry [guests]
//!
//! Engine, session table and database are those of the gateway, and as root the kernel's maps of the offload too. Each
//! number stands beside the one asked for. Beside the gap in forwarding stands that of a thread that wakes as often in the
//! same time and does nothing: how long the machine keeps threads waiting, its other users' part included.
#![allow(clippy::print_stdout, reason = "a measurement talks")]

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use std::{env, process, thread};

use anyhow::{Context, ensure};
use engine::dhcp::{self, Lease};
use engine::gateway::{Config, Output, Survivor};
use engine::session::{Grant, KeptSession, Status};
use engine::{Engine, dns};
use fastpath::garden::Garden;
use fastpath::session::{Policy, SlotIndex, Usage};
use fastpath::table::{Table, Writer};
use platform::netns::{self, Netns};
use platform::{Host, Offload, OffloadSpec, System, monotonic};
use store::Store;
use wire::routes::Routes;
use wire::{GuestKey, MacAddr, Now, Vlan};

const GATEWAY: Ipv4Addr = Ipv4Addr::new(10, 80, 0, 1);
const PREFIX: u8 = 12;
/// How long the machine is watched before the end of all sessions, and how long before that they begin.
const WATCHED: Duration = Duration::from_secs(2);
/// How often a packet of somebody who stays comes.
const EVERY: Duration = Duration::from_micros(100);

fn main() -> anyhow::Result<()> {
    let guests = env::args().nth(1).map_or(Ok(100_000), |text| text.parse::<u32>())?;
    let offload = match offload(guests + 1) {
        Ok(offload) => Some(offload),
        Err(error) => {
            println!("without the offload: {error:#}");
            None
        }
    };
    let (table, mut writer) = match &offload {
        Some((_, offload)) => Table::with_meters(guests + 1, 1, offload.meters()),
        None => Table::new(guests + 1, 1),
    };
    // The one who stays is not the engine's business: its packets are looked at as everybody's are.
    let stays = GuestKey { mac: MacAddr([2, 0xff, 0, 0, 0, 1]), ..key(0) };
    let policy = Policy { online: true, ..Policy::default() };
    let address = Ipv4Addr::from_bits(GATEWAY.to_bits() + guests + 1);
    ensure!(writer.insert(stays, address, &policy).is_ok(), "the table has no room");
    let mut engine = engine(writer, guests)?;
    engine.set_mirror(offload.as_ref().map(|(_, offload)| offload.mirror()));

    let directory = env::temp_dir().join(format!("poblano-expiry-{}", process::id()));
    let database = Arc::new(Store::open(&directory)?.store);
    let disk = store::Writer::start(database, Duration::from_secs(2), guests as usize * 2, Box::new(|_| {}))?;

    let began = Instant::now();
    let now = now();
    let due = now.mono + WATCHED + restore(&mut engine, now, guests);
    println!("{guests} sessions in the tables after {:.1?}", began.elapsed());
    let (watch, control) = (Arc::new(Watch::default()), Arc::new(Watch::default()));
    let carrier = watch.start(move || table.by_key(stays).is_some_and(|guest| guest.online_at(monotonic())));
    let idler = control.start(|| true);
    let (mut stops, mut last, mut longest) = (0, Duration::ZERO, Duration::ZERO);
    let mut idle_gap = None;
    while stops < guests {
        let next = engine.poll_timeout().context("nothing is due any more")?;
        thread::sleep(next.min(due).saturating_sub(monotonic()));
        if idle_gap.is_none() && monotonic() >= due {
            idle_gap = Some([&watch, &control].map(|watch| watch.longest.swap(0, Ordering::Relaxed)));
        }
        let turn = Instant::now();
        engine.handle_timeout(self::now());
        while let Some(output) = engine.poll_output() {
            match output {
                Output::SessionEnded(key) => disk.delete_session(key),
                Output::Account(record) if matches!(record.status, Status::Stop(_)) => {
                    stops += 1;
                    last = monotonic().saturating_sub(due);
                }
                _ => {}
            }
        }
        if monotonic() >= due {
            longest = longest.max(turn.elapsed());
        }
    }
    let gaps = [&watch, &control].map(|watch| watch.longest.load(Ordering::Relaxed));
    for (watch, thread) in [(&watch, carrier), (&control, idler)] {
        watch.stop.store(true, Ordering::Relaxed);
        let carried = thread.join().map_err(|_| anyhow::anyhow!("the carrier has panicked"))?;
        ensure!(carried, "who stays lost its session");
    }
    drop(disk);
    std::fs::remove_dir_all(&directory)?;
    println!("{:44}{:>12}{:>12}", "", "asked", "measured");
    let line = |what: &str, asked: Duration, measured: Duration| {
        println!("{what:44}{asked:>12.1?}{measured:>12.1?}");
    };
    line("the last record Stop after the due time", Duration::from_secs(1), last);
    line("longest turn of the control thread", Duration::from_millis(5), longest);
    let [gap, nothing] = gaps.map(Duration::from_nanos);
    let [gap_before, nothing_before] = idle_gap.unwrap_or_default().map(Duration::from_nanos);
    line("longest gap in forwarding", Duration::from_millis(5), gap);
    let line = |what: &str, measured: Duration| println!("{what:56}{measured:>12.1?}");
    line("of a thread that does nothing", nothing);
    line("in forwarding just before", gap_before);
    line("of a thread that does nothing, just before", nothing_before);
    Ok(())
}

/// The kernel's maps, in a network namespace that must live as long.
fn offload(capacity: u32) -> anyhow::Result<(Netns, Arc<Offload>)> {
    netns::become_root()?;
    let (namespace, other) = (Netns::new()?, Netns::new()?);
    namespace.cable("lan0", None, &other, "wlan0", None)?;
    let spec = OffloadSpec {
        lan: "lan0".into(),
        gateway: GATEWAY,
        aliases: [None; 2],
        guests: (GATEWAY, PREFIX),
        diverts_http: false,
        capacity,
    };
    let loaded = namespace.run(|| {
        let mut host = Host::new();
        host.lock_lans(&[&spec.lan])?;
        host.load_offload(&spec)
    })??;
    Ok((namespace, loaded))
}

fn engine(writer: Writer, guests: u32) -> anyhow::Result<Engine> {
    let gateway_mac = MacAddr([2, 0, 0, 0, 0, 1]);
    let dhcp = dhcp::Config { max_leases: guests as usize, ..dhcp::Config::new(GATEWAY, PREFIX, gateway_mac) };
    let garden = Arc::new(Garden::new(0, 7));
    let (dns, longest_outage) = (dns::Config::default(), Duration::from_secs(300));
    let config = Config {
        boot: 1,
        longest_outage,
        gateway: GATEWAY,
        gateway_mac,
        routes: Routes::default(),
        untagged: true,
        dhcp,
        dns,
        garden: vec![],
        garden_addresses: 0,
        devices: Default::default(),
        rogue_probe: None,
    };
    Ok(Engine::new(config, writer, garden, [7; 32]))
}

/// Brings everybody online, as after a restart. Returns how long it takes until the time of all is over.
fn restore(engine: &mut Engine, now: Now, guests: u32) -> Duration {
    let lasts = Duration::from_secs(3 + u64::from(guests) / 50_000);
    let lease = |guest| Lease {
        key: key(guest),
        address: Ipv4Addr::from_bits(GATEWAY.to_bits() + 1 + guest),
        foreign: None,
        hostname: None,
        ends: now.mono + Duration::from_secs(1800),
        logged_in: true,
    };
    let session = |guest| KeptSession {
        key: key(guest),
        address: lease(guest).address,
        slot: SlotIndex(guest + 1),
        id: format!("{:06x}{guest:08x}{:08x}", 1, 7),
        user: format!("guest{guest}"),
        grant: Grant { session_timeout: Some(lasts + WATCHED), ..Grant::default() },
        duration: Duration::ZERO,
        baseline: Usage::default(),
        used: Usage::default(),
        joined: None,
    };
    let survivors = (0..guests).map(|guest| Survivor {
        session: session(guest),
        away: Some(Duration::ZERO),
        counted: Usage::default(),
    });
    engine.restore(now, (0..guests).map(lease).collect(), survivors.collect());
    lasts
}

fn key(guest: u32) -> GuestKey {
    let [a, b, c, d] = guest.to_be_bytes();
    GuestKey { lan: 0, vlan: Vlan::NONE, mac: MacAddr([2, 0, a, b, c, d]) }
}

fn now() -> Now {
    Now { mono: monotonic(), unix: Duration::from_secs(1_800_000_000) + monotonic() }
}

/// What a packet thread does for one guest.
#[derive(Default)]
struct Watch {
    longest: AtomicU64,
    stop: AtomicBool,
}

impl Watch {
    /// Does this, for each packet that comes, until told to stop. False if one was not to be carried.
    fn start(self: &Arc<Self>, carry: impl Fn() -> bool + Send + 'static) -> thread::JoinHandle<bool> {
        let watch = Arc::clone(self);
        thread::spawn(move || {
            let mut before = Instant::now();
            let mut carried = true;
            while !watch.stop.load(Ordering::Relaxed) {
                thread::sleep(EVERY);
                carried &= carry();
                let now = Instant::now();
                watch.longest.fetch_max((now - before).as_nanos() as u64, Ordering::Relaxed);
                before = now;
            }
            carried
        })
    }
}
