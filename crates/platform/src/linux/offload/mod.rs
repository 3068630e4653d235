//! The packet path of guests who are online, in the kernel: three small programs (`bpf/offload.c`) that forward, count
//! and police what is certain, and leave the rest to user space. What they share with us:
//!
//! * `guests`: who is online, by station and by address, told by the session table as it changes;
//! * `meters`: what guests have used, in memory that both sides count in;
//! * `settings`: whose LAN this is, and until when its keeper, we, can be believed alive;
//! * `counters`: how many packets went this way.
//!
//! Programs and maps hang on the interfaces, not on us: when we die they go on forwarding, until the keeper's time is
//! over. The next start finds them there, opens them by the names that we leave (`pins`) or else by number, and takes them
//! over; a clean stop takes them away.

mod abi;
mod bpf;
mod object;
mod pins;
mod tc;
#[cfg(test)]
mod tests;
mod unseen;

use std::collections::HashSet;
use std::io;
use std::os::fd::BorrowedFd;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use fastpath::meter::{Adders, Meter, SharedMeters};
use fastpath::mirror::Mirror;
use fastpath::session::Snapshot;

use self::abi::{KEY_LEN, Settings, Way};
use self::bpf::{Map, Program, ProgramKind};
use self::tc::{Hook, TrafficControl};
pub(super) use self::unseen::send_on;
use crate::mapped::Mapped;
use crate::{Error, Interface, OffloadSpec, Result};

const LICENSE: &str = "MIT OR Apache-2.0";
/// Where each is among the maps.
const SETTINGS: usize = 0;
const GUESTS: usize = 1;
const METERS: usize = 2;
const COUNTERS: usize = 3;
/// A busy bucket is free again in microseconds; what is still busy after so many tries never will be.
const TRIES: u32 = 1000;

/// Programs and maps, loaded, whether or not they hang anywhere yet.
pub struct Offload {
    shared: Arc<Shared>,
    filter: Program,
    up: Program,
    down: Program,
    settings: Settings,
    /// The LAN's name.
    lan: String,
    took_over: bool,
    /// The former life's copy of its session table was whole to the end.
    copy_was_whole: bool,
    /// Why the next life will not find all this.
    unkept: OnceLock<Error>,
}

/// What outlives a switch of the offload: the maps.
struct Shared {
    maps: [Map; 5],
    /// The first word of `settings`.
    keeper: Mapped<AtomicU64>,
    meters: Mapped<Meter>,
    /// The kernel did not do what it must; the programs have been told to stop.
    broken: AtomicBool,
}

impl Offload {
    /// Loads the programs, with the maps of a former life if they are on the LAN and fit, else with new ones. The LAN has a
    /// [place](add_place) for them.
    pub(super) fn load(spec: &OffloadSpec, lan: &Interface) -> Result<Self> {
        let failed = |step: &str| {
            let doing = format!("{step} for the offload");
            move |e| Error::kernel(doing, e)
        };
        let settings = Settings {
            lan_index: lan.index,
            tun_index: 0,
            gateway: spec.gateway,
            aliases: spec.aliases,
            guests: spec.guests,
            lan_mac: lan.mac,
            tun_link_len: 0,
            diverts_http: spec.diverts_http,
        };
        TrafficControl::open()?.check_place(lan, Hook::Ingress)?;
        let wanted = abi::maps(spec.capacity);
        let former = former_maps(lan, &wanted, &settings)?;
        let took_over = former.is_some();
        let maps = match former {
            Some(maps) => maps,
            None => {
                let made: io::Result<Vec<Map>> = wanted.iter().map(|(name, spec)| Map::create(name, *spec)).collect();
                let made = made.map_err(failed("make maps"))?;
                made.try_into().expect("as many as are wanted")
            }
        };
        let program = |name: &str, kind| {
            let map = |wanted: &str| {
                let at = abi::MAPS.iter().position(|name| *name == wanted)?;
                Some(maps[at].fd())
            };
            let code = object::program(name, map).expect("the object is as its test found it");
            Program::load(&format!("poblano_{name}"), kind, LICENSE, &code)
                .map_err(failed(&format!("load the program {name:?}")))
        };
        let filter = program("filter", ProgramKind::SocketFilter)?;
        let up = program("up", ProgramKind::Classifier)?;
        let down = program("down", ProgramKind::Classifier)?;
        if !took_over {
            try_out(lan.index, &up)?;
        }
        let keeper: Mapped<AtomicU64> = Mapped::new(maps[SETTINGS].fd(), 1).map_err(failed("map the settings"))?;
        let meters = Mapped::new(maps[METERS].fd(), spec.capacity as usize).map_err(failed("map the meters"))?;
        let copy_was_whole = took_over && keeper[0].load(Ordering::Relaxed) != 0;
        let shared = Arc::new(Shared { maps, keeper, meters, broken: AtomicBool::new(false) });
        Ok(Self {
            shared,
            filter,
            up,
            down,
            settings,
            lan: lan.name.clone(),
            took_over,
            copy_was_whole,
            unkept: OnceLock::new(),
        })
    }

    pub(super) fn lan(&self) -> &str {
        &self.lan
    }

    pub(super) fn lan_index(&self) -> u32 {
        self.settings.lan_index
    }

    /// For each packet socket on the LAN, before it is bound.
    pub(super) fn socket_filter(&self) -> BorrowedFd<'_> {
        self.filter.fd()
    }

    /// Hangs on the TUN, which has the interface number `tun`.
    pub(super) fn attach_tun(&self, tun: u32) -> Result<()> {
        self.write_settings(tun)?;
        let mut tc = TrafficControl::open()?;
        tc.add_place(tun)?;
        tc.attach(tun, Hook::Egress, self.down.fd())
    }

    fn write_settings(&self, tun: u32) -> Result<()> {
        let settings = Settings { tun_index: tun, ..self.settings };
        let keeper = self.shared.keeper[0].load(Ordering::Relaxed);
        self.shared.maps[SETTINGS]
            .put(&[0; 4], &settings.emit(keeper))
            .map_err(|e| Error::kernel("set up the offload", e))
    }

    /// Hangs on the LAN, whose sockets must have the filter.
    pub(super) fn attach_lan(&self) -> Result<()> {
        let kept = self.keep();
        TrafficControl::open()?.attach(self.settings.lan_index, Hook::Ingress, self.up.fd())?;
        pins::forget(&self.lan, kept.as_ref().ok().copied());
        if let Err(e) = kept
            && !bpf::may_use_numbers()
        {
            let error = Error::kernel("leave the offload to the next start", e).hint(
                "what guests use around a crash is not counted; the BPF file system must be there (mount -t bpf bpf \
                 /sys/fs/bpf)",
            );
            let _ = self.unkept.set(error);
        }
        Ok(())
    }

    /// Has the next life find program and maps; says the program's number.
    fn keep(&self) -> io::Result<u32> {
        let id = self.up.id()?;
        let names = abi::maps(0).map(|(name, _)| name);
        let maps = names.iter().map(String::as_str).zip(self.shared.maps.iter().map(Map::fd));
        let things: Vec<_> = maps.chain([(bpf::PROGRAM, self.up.fd())]).collect();
        pins::keep(&self.lan, id, &things)?;
        Ok(id)
    }

    /// Why the next start will not take over what the kernel has counted, if it cannot.
    #[must_use]
    pub fn unkept(&self) -> Option<&Error> {
        self.unkept.get()
    }

    /// True if the programs of a former life go on, with the guests and meters that it left.
    #[must_use]
    pub fn took_over(&self) -> bool {
        self.took_over
    }

    /// Whether this guest was online at the end of the former life. None if nobody can tell: there was none, or it had the
    /// offload switched off.
    #[must_use]
    pub fn was_online(&self, guest: &Snapshot) -> Option<bool> {
        let wanted = abi::grant(guest, Way::Up);
        let mut found = wanted;
        let is_there = self.shared.maps[GUESTS].get(&abi::station(guest), &mut found).is_ok();
        // Slot and address come first.
        self.copy_was_whole.then(|| is_there && found[..8] == wanted[..8])
    }

    /// What guests use, in the kernel's memory: for [`fastpath::table::Table::with_meters`].
    #[must_use]
    pub fn meters(&self) -> SharedMeters {
        SharedMeters::new(Box::new(Meters(Arc::clone(&self.shared))), Adders::KernelToo)
    }

    /// The kernel's copy of the session table, for its [writer](fastpath::table::Writer::set_mirror). Without entries
    /// in it, user space carries all packets.
    #[must_use]
    pub fn mirror(&self) -> Box<dyn Mirror> {
        Box::new(KernelCopy(Arc::clone(&self.shared)))
    }

    /// Says that somebody looks after the sessions until this moment of [`crate::monotonic`]; after it the kernel leaves
    /// all packets to user space. Zero while the kernel has no copy of the session table, which would else be believed by
    /// the next start. False if the kernel failed at something, and the offload has ended for good.
    #[must_use]
    pub fn keep_until(&self, until: Duration) -> bool {
        self.shared.keep_until(until.as_nanos() as u64)
    }

    /// How many packets the kernel has forwarded.
    #[must_use]
    pub fn forwarded(&self) -> crate::Forwarded {
        let counters = &self.shared.maps[COUNTERS];
        let mut bytes = vec![0; 8 * abi::COUNTERS * counters.values()];
        let mut sums = [0u64; abi::COUNTERS];
        // A map of ours that cannot be read has counted nothing that we could tell.
        if counters.get(&[0; 4], &mut bytes).is_ok() {
            for (n, word) in bytes.chunks_exact(8).enumerate() {
                sums[n % abi::COUNTERS] += u64::from_ne_bytes(word.try_into().expect("eight octets"));
            }
        }
        let [up, down, not_sent_up, not_sent_down] = sums;
        crate::Forwarded { up, down, not_sent_up, not_sent_down }
    }
}

/// What traffic control refuses is found out while user space can still carry all packets: a kernel may lack clsact or
/// cls_bpf, or another filter have our place. Nobody is in the new maps yet, so that the program does nothing.
fn try_out(lan: u32, up: &Program) -> Result<()> {
    let mut tc = TrafficControl::open()?;
    tc.attach(lan, Hook::Ingress, up.fd())?;
    tc.detach(lan, Hook::Ingress)
}

/// Makes the place for programs on an interface. False if there is one already, which is used.
pub(super) fn add_place(interface: u32) -> Result<bool> {
    TrafficControl::open()?.add_place(interface)
}

/// Takes it away, if no program is left in it.
pub(super) fn remove_place(interface: u32) -> Result<()> {
    TrafficControl::open()?.remove_place(interface)
}

/// Takes our programs off the interface, whoever of us has put them there.
pub(super) fn detach(name: &str, interface: u32) -> Result<()> {
    pins::forget(name, None);
    let mut tc = TrafficControl::open()?;
    tc.detach(interface, Hook::Ingress)?;
    tc.detach(interface, Hook::Egress)
}

/// True if a program of ours hangs on what this interface sends.
pub(super) fn is_on_egress(interface: u32) -> Result<bool> {
    Ok(TrafficControl::open()?.program(interface, Hook::Egress)?.is_some())
}

fn former_maps(lan: &Interface, wanted: &[(String, bpf::MapSpec); 5], settings: &Settings) -> Result<Option<[Map; 5]>> {
    let Some(program) = TrafficControl::open()?.program(lan.index, Hook::Ingress)? else { return Ok(None) };
    let wanted: Vec<_> = wanted.iter().map(|(name, spec)| (name.as_str(), *spec)).collect();
    // What cannot be read is not taken over.
    let Ok(Some(maps)) = bpf::maps_of_program(program, &wanted, |name| pins::open(&lan.name, program, name)) else {
        return Ok(None);
    };
    let Ok(maps) = <[Map; 5]>::try_from(maps) else { return Ok(None) };
    let mut bytes = Settings::room();
    Ok((maps[SETTINGS].get(&[0; 4], &mut bytes).is_ok() && settings.is_like(&bytes)).then_some(maps))
}

impl Shared {
    fn keep_until(&self, nanos: u64) -> bool {
        if self.broken.load(Ordering::Relaxed) {
            return false;
        }
        self.keeper[0].store(nanos, Ordering::Relaxed);
        true
    }

    /// The copy of the session table is not what it must be: nobody is forwarded by it any more.
    fn stop(&self) {
        self.broken.store(true, Ordering::Relaxed);
        self.keeper[0].store(0, Ordering::Relaxed);
    }

    fn remove(&self, key: &[u8]) {
        if (0..TRIES).all(|_| self.maps[GUESTS].remove(key).is_err()) {
            self.stop();
        }
    }

    fn keys(&self) -> Vec<[u8; KEY_LEN]> {
        let mut keys: Vec<[u8; KEY_LEN]> = Vec::new();
        let mut next = [0; KEY_LEN];
        while let Ok(true) = self.maps[GUESTS].next_key(keys.last().map(<[u8; KEY_LEN]>::as_slice), &mut next) {
            keys.push(next);
        }
        keys
    }
}

/// The copy of the session table in the kernel.
struct KernelCopy(Arc<Shared>);

impl Mirror for KernelCopy {
    fn put(&mut self, guest: &Snapshot) {
        let entered = [
            self.0.maps[GUESTS].put(&abi::station(guest), &abi::grant(guest, Way::Up)),
            self.0.maps[GUESTS].put(&abi::address(guest), &abi::grant(guest, Way::Down)),
        ];
        // No memory: then user space does it, but not by what was granted before.
        if entered.iter().any(io::Result::is_err) {
            self.remove(guest);
        }
    }

    fn remove(&mut self, guest: &Snapshot) {
        self.0.remove(&abi::station(guest));
        self.0.remove(&abi::address(guest));
    }

    fn replace(&mut self, guests: &mut dyn Iterator<Item = Snapshot>) {
        let mut wanted = HashSet::new();
        for guest in guests {
            wanted.extend([abi::station(&guest), abi::address(&guest)]);
            self.put(&guest);
        }
        for key in self.0.keys().iter().filter(|key| !wanted.contains(*key)) {
            self.0.remove(key);
        }
    }
}

struct Meters(Arc<Shared>);

impl AsRef<[Meter]> for Meters {
    fn as_ref(&self) -> &[Meter] {
        &self.0.meters
    }
}
