//! The gateway from start to stop. The order is the security argument: read and check everything, take the state,
//! shut the kernel out of the LAN, open the devices, and only then let anybody in. At the end the other way round.

use std::collections::{BTreeSet, HashSet};
use std::net::Ipv4Addr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, bail};
use config::{AuthMethod, Config};
use engine::Engine;
use engine::session::Cause;
use fastpath::counters::Counters;
use fastpath::pipeline::Plane;
use fastpath::port::{LanPort, TunPort};
use fastpath::pump;
use fastpath::redirect::Redirector;
use fastpath::session::{SlotIndex, Usage};
use fastpath::shape;
use fastpath::slow::StationLimit;
use fastpath::table::Table;
use platform::{Flows, ForwardSpec, Guard, Host, Interface, System, TunSpec, UplinkSpec, Waker};
use store::{Accounts, AccountsError, Changes, Store};
use tokio::net::{TcpListener, TcpSocket, UdpSocket};
use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;
use tracing::{error, info, warn};

use crate::aaa::{Aaa, AccessPointSockets, Unsent};
use crate::administrative::Administrative;
use crate::cli::Setup;
use crate::clock::Clock;
use crate::flows::Forgetting;
use crate::gateway::{Backend, Gateway, Outlets};
use crate::meters::Meters;
use crate::offload::Offload;
use crate::scripts::Scripts;
use crate::slow::{self, Queued};
use crate::{aaa, administrative, commands, control, garden, kept, leases, log, offload, scripts, settings};

/// Leases and sessions are written at most this often: a crash forgets that much, and the flash of a router lasts.
const WRITE_EVERY: Duration = Duration::from_secs(2);
/// Connections that may wait to be accepted: as many phones as come with one train.
const BACKLOG: u32 = 1024;
/// How long the last accounting records may take at the end.
const LAST_RECORDS: Duration = Duration::from_secs(5);

/// Why the gateway ends.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    /// Told to stop: nobody is online any more, and the machine is as it was.
    Stop,
    /// Another process goes on with the sessions, soon: the machine stays as it is, as after a crash.
    Handover,
}

/// Runs the gateway until it is told to stop.
pub(crate) fn run(setup: &Setup) -> anyhow::Result<()> {
    let loaded = settings::load(setup)?;
    log::start(loaded.config.log.level);
    for warning in &loaded.warnings {
        warn!("{warning}");
    }
    let config = loaded.config;
    let mut host = Host::new();
    let interfaces = check_machine(&host, &config)?;
    scripts::check(&config)?;

    let opened = Store::open(&config.state.directory)?;
    if let Some(warning) = opened.warning {
        warn!("{warning}");
    }
    let store = Arc::new(opened.store);
    first_account(&config)?;
    if let Some(warning) = damaged_accounts(&config) {
        warn!("{warning}");
    }

    if settings::resolvers(&config).is_empty() {
        warn!("there is no resolver (dns.resolvers, /etc/resolv.conf): guests' names are not found");
    }
    if let Err(error) = platform::raise_open_files() {
        warn!("{error}");
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().max_blocking_threads(4).build()?;
    // Before the first change to the machine: whoever is told to stop while it starts still takes back what it has done.
    let signals = Signals::catch(&runtime)?;
    let locked = host.lock_lan(&interfaces.0.name);
    let mut served = host.took_over();
    let result = match locked {
        Ok(()) => runtime.block_on(with_devices(&mut host, signals, config, setup, &interfaces, store, &mut served)),
        Err(error) => Err(error.into()), // half of a lock is undone like a whole one
    };
    drop(runtime); // and whatever it still has open
    if served && result.is_err() {
        // As after a crash: a machine that forwards by itself would now forward for everybody.
        warn!(
            "{} stays locked; the next start takes it over, and a clean stop unlocks it (or: nft delete table netdev poblano)",
            interfaces.0.name
        );
        return result.map(drop);
    }
    if matches!(result, Ok(End::Handover)) {
        info!(
            "handed over; the next start goes on from here, and until then nobody joins and only the offload forwards"
        );
        return Ok(());
    }
    // An orderly end leaves nothing behind, not even the lock; neither does a first start that failed.
    match host.undo() {
        Ok(()) => info!("stopped; everything that was changed is as it was"),
        Err(errors) => error!("stopped, but: {errors}"),
    }
    result.map(drop)
}

/// What the operator says. From when they are caught none of them ends the process by itself; what is told while it starts
/// is done as soon as it has.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hand_over: Signal,
    reload: Signal,
}

impl Signals {
    fn catch(runtime: &Runtime) -> std::io::Result<Self> {
        let _inside = runtime.enter();
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hand_over: signal(SignalKind::user_defined2())?,
            reload: signal(SignalKind::hangup())?,
        })
    }

    /// Waits until the operator ends it, before there is anything to hand over.
    async fn stop(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// What `run` needs of the machine; `check` asks the same.
pub(crate) fn check_machine(host: &Host, config: &Config) -> anyhow::Result<(Interface, Interface)> {
    let lan = host.interface(&config.lan.interface).context("lan.interface")?;
    let uplink = match &config.uplink.interface {
        Some(name) => name.clone(),
        None => {
            host.default_route()?
                .context(
                    "uplink.interface is not set and there is no default route to take it from; name it with --uplink",
                )?
                .interface
        }
    };
    let uplink = host.interface(&uplink).context("uplink.interface")?;
    if lan.index == uplink.index {
        bail!("lan.interface and uplink.interface are both {}; guests need an interface of their own", lan.name);
    }
    platform::check_lan(&lan, host.default_route()?.as_ref())?;
    if let Some((address, prefix)) = settings::overlap(config, &uplink) {
        bail!(
            "lan.network {} overlaps the uplink's {address}/{prefix}; set lan.network to another private network",
            config.lan.network
        );
    }
    Ok((lan, uplink))
}

/// A new installation with local accounts gets one, so that there is something to log in with.
fn first_account(config: &Config) -> anyhow::Result<()> {
    if !config.auth.methods.contains(&AuthMethod::Local) || config.auth.accounts.exists() {
        return Ok(());
    }
    let password = commands::make_password();
    commands::set_password(&config.auth.accounts, "guest", &password)?;
    commands::say(&format!("a first account was made: name guest, password {password} (it is not shown again)"));
    Ok(())
}

/// Accounts that cannot be read let nobody in; better told now than to the first guest. A file that only root may read
/// is none of them.
pub(crate) fn damaged_accounts(config: &Config) -> Option<String> {
    if !config.auth.methods.contains(&AuthMethod::Local) {
        return None;
    }
    match Accounts::load(&config.auth.accounts) {
        Err(error @ AccountsError::Line { .. }) => Some(format!("{error}; until then nobody logs in with an account")),
        _ => None,
    }
}

async fn with_devices(
    host: &mut Host,
    signals: Signals,
    config: Config,
    setup: &Setup,
    (lan, uplink): &(Interface, Interface),
    store: Arc<Store>,
    served: &mut bool,
) -> anyhow::Result<End> {
    let offload = offload::load(host, &config)?;
    let waker = Waker::new()?;
    let lan_port = host.open_lan(&lan.name, &waker)?;
    let mtu = config.tun.mtu.map_or(lan.mtu, u32::from);
    let tun_port = host.create_tun(
        &TunSpec {
            name: config.tun.name.clone(),
            mode: match config.tun.mode {
                config::TunMode::Tun => platform::TunMode::Tun,
                config::TunMode::Tap => platform::TunMode::Tap,
            },
            mtu,
            address: config.lan.gateway,
            prefix: config.lan.network.prefix,
        },
        &waker,
    )?;
    if let (Some(address), Some(gateway)) = (config.uplink.address, config.uplink.gateway) {
        host.configure_uplink(&UplinkSpec {
            interface: uplink.name.clone(),
            address: address.address,
            prefix: address.prefix,
            gateway,
        })?;
    }

    let ports: Vec<u16> = [config.portal.port].into_iter().chain(config.uam.ui_port).collect();
    let portal = ports.iter().map(|port| listen(config.lan.gateway, *port)).collect::<anyhow::Result<_>>()?;
    host.forward(&ForwardSpec {
        tun: config.tun.name.clone(),
        uplink: uplink.name.clone(),
        gateway: config.lan.gateway,
        guests: (config.lan.network.address, config.lan.network.prefix),
        masquerade: config.uplink.masquerade,
        tcp_ports: ports,
        udp_ports: vec![],
    })?;
    if let Some(error) = offload.unkept() {
        warn!("{error}");
    }
    let guard = host.guard_rules(&waker)?;
    let flows = host.open_flows()?;
    let setup = setup.clone();
    let lan_mac = lan.mac;
    let parts =
        Parts { signals, config, setup, lan_mac, mtu, offload, lan_port, tun_port, waker, guard, flows, portal, store };
    *served = true;
    tokio::task::LocalSet::new().run_until(serve(parts)).await
}

fn listen(address: Ipv4Addr, port: u16) -> anyhow::Result<TcpListener> {
    let listening = || {
        let socket = TcpSocket::new_v4()?;
        socket.set_reuseaddr(true)?; // a former run's connections still hold the port
        socket.bind((address, port).into())?;
        socket.listen(BACKLOG)
    };
    listening().with_context(|| {
        format!(
            "cannot listen on {address}:{port}; stop what listens there (ss -ltnp), or set another port (portal.port, uam.ui_port)"
        )
    })
}

struct Parts {
    signals: Signals,
    config: Config,
    setup: Setup,
    lan_mac: wire::MacAddr,
    mtu: u32,
    offload: Offload,
    lan_port: Arc<dyn LanPort>,
    tun_port: Arc<dyn TunPort>,
    waker: Waker,
    guard: Option<Box<dyn Guard>>,
    flows: Box<dyn Flows>,
    portal: Vec<TcpListener>,
    store: Arc<Store>,
}

/// Everything is open and locked: serves guests until a signal says stop.
async fn serve(parts: Parts) -> anyhow::Result<End> {
    let Parts {
        mut signals,
        config,
        setup,
        lan_mac,
        mtu,
        offload,
        lan_port,
        tun_port,
        waker,
        guard,
        mut flows,
        portal,
        store,
    } = parts;
    let administrative = Administrative::open(&config);
    let file = config;
    let config = administrative.as_ref().map_or_else(|| file.clone(), |own| own.apply(&file));
    let scripts = Scripts::start(&config, lan_mac, mtu)?;
    if scripts.up(signals.stop()).await {
        info!("told to stop while scripts.up ran");
        scripts.finish(false).await;
        return Ok(End::Stop);
    }
    let clock = Clock;
    let mut seed = [0; 32];
    crate::dice(&mut seed);
    let mut word = [0; 8];
    crate::dice(&mut word);
    let secret = u64::from_le_bytes(word);

    let meters = Meters::open(&config, &offload);
    let (table, writer) = match meters.shared(&offload) {
        Some(meters) => Table::with_meters(config.guests.max, secret, meters),
        None => Table::new(config.guests.max, secret),
    };
    let garden = Arc::new(garden::table(&config, secret.rotate_left(11) as u32)?);
    let (queue, frames) = slow::queue();
    let network = settings::network(config.lan.network)?;
    let plane = Arc::new(Plane {
        table,
        garden: Arc::clone(&garden),
        gateway: config.lan.gateway,
        network,
        broadcast: config.lan.network.last(),
        lan_mac,
        lan: 0,
        portal_ports: [config.portal.port, config.uam.ui_port.unwrap_or(config.portal.port)],
        redirector: Redirector::new(config.lan.gateway, config.portal.port, &settings::names(&config), redirect_key())
            .with_addresses(config.uam.alias_address, config.uam.logout_address),
        slow: Arc::new(queue),
        slow_limit: StationLimit::new(secret.rotate_left(23)),
        flows: shape::Flows::new(secret.rotate_left(46)),
        from_guests: Counters::default(),
        to_guests: Counters::default(),
    });
    let mut engine =
        Engine::new(settings::engine(&config, store.next_boot()? as u32, lan_mac, mtu)?, writer, garden, seed);
    for mac in store.blocked()?.records {
        engine.block(clock.now(), mac);
    }
    let mut unsent = aaa::open_records(&config)?;
    restore(&mut engine, &store, &offload, |slot| meters.counted(&offload, slot), unsent.as_mut(), clock)?;
    scripts.adopt(engine.guests(clock.now()).filter(|guest| guest.session.is_some()).map(|guest| guest.key));
    let adopted: BTreeSet<Ipv4Addr> =
        engine.guests(clock.now()).filter(|guest| guest.session.is_some()).map(|guest| guest.address).collect();
    // The others' are of sessions that are over, maybe of guests whose addresses others get now.
    if let Err(error) = flows.forget_network((config.lan.network.address, config.lan.network.prefix), &adopted) {
        warn!("{error}");
    }
    let flows = Forgetting::start(flows, config.guests.max as usize)?;
    let capacity = config.guests.max as usize * 2;
    let report = Box::new(|error: &store::StoreError| warn!("{error}"));
    let lease_writer = store::Writer::start(store, WRITE_EVERY, capacity, report)?;

    let aaa = Aaa::start(&config, lan_mac, clock, unsent)?;
    let requests =
        Requests { of_servers: aaa.dynamic_authorization.open()?, of_access_points: aaa.access_points.open()? };
    let socket = control::Socket::open(&config.control.socket)?;
    let facts = control::Facts::new(&config);
    let site = Rc::new(settings::site(&config, lan_mac));
    let base_url = &site.base_url;
    let started =
        format!("guests on {} get {} and meet the portal at {base_url}/", config.lan.interface, config.lan.network);
    let outlets = Outlets { lan: lan_port.clone(), store: lease_writer, flows, offload, scripts, administrative };
    let gateway = Gateway::new(Arc::clone(&plane), Rc::clone(&aaa), engine, outlets);
    gateway.with(|_, _| ()); // what has ended meanwhile is told

    if adopted.is_empty() {
        aaa.account_gateway(true);
    } else {
        // Accounting-On would end the sessions that go on (RFC 2866, 5.1). Those that do not have their own last records.
        info!(sessions = adopted.len(), "sessions of the former run go on");
    }
    let mut threads = Threads::default();
    threads.carry_packets(plane, lan_port, tun_port, clock)?;
    threads.guard_rules(guard)?;
    info!("{started}");
    info!("offload {}", gateway.offload.state());
    let keeps_sessions = config.session.outage.is_some();
    let reload = Reload { setup, config: file, in_force: config, lan_mac, mtu };
    let Signals { terminate, interrupt, hand_over, reload: reread } = signals;
    tokio::task::spawn_local(reload.on_signal(reread, Rc::clone(&gateway)));
    let told = async {
        tokio::select! {
            end = tell(terminate, interrupt, hand_over) => Ok(end),
            () = threads.ended() => bail!("the gateway cannot go on (see above)"),
        }
    };
    let ended = until_told(&gateway, told, frames, site, portal, requests, (socket, facts)).await;

    threads.stop(&waker);
    let hands_over = matches!(ended, Ok(End::Handover));
    if hands_over && keeps_sessions {
        gateway.with(|engine, now| engine.hand_over(now));
    } else {
        gateway.with(|engine, now| engine.shutdown(now));
        meters.forget();
    }
    if !hands_over {
        aaa.account_gateway(false);
    }
    // At a handover they are on the disk, and guests wait.
    tokio::join!(
        aaa.finish(if hands_over { Duration::ZERO } else { LAST_RECORDS }),
        gateway.scripts.finish(hands_over)
    );
    ended
}

/// The secret of the redirector's sequence numbers.
fn redirect_key() -> [u64; 2] {
    let mut key = [[0; 8]; 2];
    crate::dice(key.as_flattened_mut());
    key.map(u64::from_le_bytes)
}

/// Takes up what a former run has written down.
fn restore(
    engine: &mut Engine,
    store: &Store,
    offload: &Offload,
    counted: impl Fn(SlotIndex) -> Option<Usage>,
    unsent: Option<&mut Unsent>,
    clock: Clock,
) -> anyhow::Result<()> {
    let (leases, mut sessions) = (store.leases()?, store.sessions()?);
    if leases.unreadable > 0 {
        warn!(count = leases.unreadable, "leases of another version cannot be read; their guests ask again");
    }
    if sessions.unreadable > 0 {
        warn!(count = sessions.unreadable, "sessions of another version cannot be read; their guests log in again");
    }
    let written = clock.written();
    if let Some(unsent) = unsent {
        // Accounting's file is further than this one, which is written every two seconds.
        let (over, go_on): (Vec<_>, Vec<_>) =
            sessions.records.into_iter().partition(|record| unsent.has_ended(&record.id));
        if !over.is_empty() {
            let mut changes = Changes::default();
            over.iter().for_each(|record| changes.delete_session(record.key));
            store.write(&changes)?;
        }
        let ids: HashSet<String> = go_on.iter().map(|record| record.id.clone()).collect();
        unsent.end_forgotten(&ids, written, &counted);
        sessions.records = go_on;
    }
    let leases = leases.records.into_iter().map(leases::from_record).collect();
    let survivors = sessions.records.into_iter().map(|record| kept::from_record(record, &written, &counted)).collect();
    let now = clock.now();
    engine.restore(now, leases, survivors);
    // The kernel was told of an end at once, the disk a little later.
    let is_over = |slot: &SlotIndex| engine.table().snapshot(*slot).is_some_and(|guest| !offload.may_go_on(&guest));
    let with_session = engine.guests(now).filter(|guest| guest.session.is_some()).map(|guest| guest.slot);
    for slot in with_session.filter(is_over).collect::<Vec<_>>() {
        engine.end_session(now, slot, Cause::NasReboot);
    }
    Ok(())
}

/// Waits for the operator to end it.
async fn tell(mut terminate: Signal, mut interrupt: Signal, mut hand_over: Signal) -> End {
    tokio::select! {
        biased;
        _ = terminate.recv() => info!("told to stop by SIGTERM"),
        _ = interrupt.recv() => info!("told to stop by SIGINT"),
        _ = hand_over.recv() => {
            info!("told to hand over by SIGUSR2");
            return End::Handover;
        }
    }
    End::Stop
}

/// Sockets on which RADIUS asks us.
struct Requests {
    of_servers: Option<UdpSocket>,
    of_access_points: Option<AccessPointSockets>,
}

/// All tasks of the control thread, until one of them ends.
async fn until_told(
    gateway: &Rc<Gateway>,
    told: impl Future<Output = anyhow::Result<End>>,
    frames: mpsc::Receiver<Queued>,
    site: Rc<portal::Site>,
    portal: Vec<TcpListener>,
    requests: Requests,
    (socket, facts): (control::Socket, control::Facts),
) -> anyhow::Result<End> {
    let backend = Rc::new(Backend(Rc::clone(gateway)));
    tokio::select! {
        end = told => return end,
        () = Rc::clone(gateway).serve_frames(frames) => bail!("the packet threads are gone"),
        () = Rc::clone(gateway).keep_time() => {}
        () = Rc::clone(gateway).keep_offload() => {}
        () = Rc::clone(gateway).keep_small() => {}
        () = socket.serve(Rc::clone(gateway), facts) => {}
        () = gateway.aaa.dynamic_authorization.serve(requests.of_servers, gateway) => {}
        () = administrative::keep(gateway) => {}
        () = gateway.aaa.access_points.serve(requests.of_access_points, gateway) => {}
        _ = portal::serve(portal, site, backend) => {}
    }
    Ok(End::Stop)
}

/// Waits until a RADIUS server says something else about the configuration.
async fn said_otherwise(gateway: &Gateway) {
    match &gateway.administrative {
        Some(own) => own.changed.notified().await,
        None => std::future::pending().await,
    }
}

/// What SIGHUP needs: the configuration is read again, and what can change without a restart does.
struct Reload {
    setup: Setup,
    /// What the file says.
    config: Config,
    /// The same with what a RADIUS server says over it.
    in_force: Config,
    lan_mac: wire::MacAddr,
    mtu: u32,
}

impl Reload {
    async fn on_signal(mut self, mut hangup: Signal, gateway: Rc<Gateway>) {
        loop {
            tokio::select! {
                told = hangup.recv() => if told.is_none() { return },
                () = gateway.reload.notified() => {}
                () = said_otherwise(&gateway) => {
                    self.put_in_force(&gateway);
                    continue;
                }
            }
            match settings::load(&self.setup) {
                Ok(loaded) => self.apply(&gateway, loaded),
                Err(errors) => error!("the configuration stays as it is:\n{errors}"),
            }
        }
    }

    fn apply(&mut self, gateway: &Rc<Gateway>, loaded: config::Loaded) {
        for warning in &loaded.warnings {
            warn!("{warning}");
        }
        // All else is built into devices, tables and rules at start.
        let config::Garden { addresses, count, .. } = self.config.garden;
        let garden = config::Garden { addresses, count, ..loaded.config.garden.clone() };
        let now_running = Config { dhcp: loaded.config.dhcp.clone(), garden, ..self.config.clone() };
        if now_running != loaded.config {
            warn!("only [dhcp] and [garden] change without a restart; what else has changed waits for one");
        }
        if now_running.lan != loaded.config.lan || now_running.guests != loaded.config.guests {
            warn!("[dhcp] and [garden] wait too: they depend on [lan] and [guests], which have changed");
            return;
        }
        let dhcp = settings::dhcp(&now_running, self.lan_mac, self.mtu);
        gateway.with(|engine, now| engine.reconfigure_dhcp(now, dhcp));
        self.config = now_running;
        self.put_in_force(gateway);
        info!("[dhcp] and [garden] are as the configuration has them now");
    }

    /// The file, and what a RADIUS server says over it.
    fn put_in_force(&mut self, gateway: &Rc<Gateway>) {
        let own = gateway.administrative.as_ref();
        let config = own.map_or_else(|| self.config.clone(), |own| own.apply(&self.config));
        let before = std::mem::replace(&mut self.in_force, config.clone());
        if config.garden != before.garden {
            self.apply_garden(gateway, &config);
        }
        if config.mac_authentication != before.mac_authentication {
            let devices = settings::devices(&config.mac_authentication);
            gateway.with(|engine, _| engine.reconfigure_devices(devices));
        }
        gateway.aaa.reconfigure(&config);
    }

    fn apply_garden(&self, gateway: &Rc<Gateway>, config: &Config) {
        match garden::rules(config) {
            Ok(rules) => {
                let refused = gateway.with(|engine, _| engine.reconfigure_garden(rules, config.garden.domain_ttl));
                if refused > 0 {
                    warn!("[garden]: {refused} new networks found no room; a restart makes it");
                }
            }
            Err(error) => error!("[garden] stays as it is: {error:#}"),
        }
    }
}

/// The threads that carry packets, and the one that watches over the firewall rules.
#[derive(Default)]
struct Threads {
    stop: Arc<AtomicBool>,
    ended: Arc<tokio::sync::Notify>,
    threads: Vec<std::thread::JoinHandle<()>>,
}

impl Threads {
    fn carry_packets(
        &mut self,
        plane: Arc<Plane>,
        lan: Arc<dyn LanPort>,
        tun: Arc<dyn TunPort>,
        clock: Clock,
    ) -> std::io::Result<()> {
        type Carry = fn(&Plane, &dyn LanPort, &dyn TunPort, &dyn Fn() -> Duration, &AtomicBool) -> std::io::Result<()>;
        for (name, carry) in [("packets-up", pump::carry_up as Carry), ("packets-down", pump::carry_down as Carry)] {
            let (plane, lan, tun) = (Arc::clone(&plane), Arc::clone(&lan), Arc::clone(&tun));
            self.start(name, move |stop| {
                if let Err(error) = carry(&plane, &*lan, &*tun, &|| clock.mono(), stop) {
                    error!(%error, "{name}: the device cannot be read");
                }
            })?;
        }
        Ok(())
    }

    /// On a thread of its own, which is never busy with anything else.
    fn guard_rules(&mut self, guard: Option<Box<dyn Guard>>) -> std::io::Result<()> {
        let Some(mut guard) = guard else { return Ok(()) };
        self.start("rules", move |stop| {
            let mut fails = false;
            while !stop.load(Ordering::Relaxed) {
                let mended = guard.mend();
                match &mended {
                    Ok(true) => warn!("somebody took our firewall rules away (nft flush ruleset?); they are back"),
                    Err(error) if !fails => error!("{error}; what guests send may not be filtered until they are back"),
                    _ => {}
                }
                fails = mended.is_err();
                if let Err(error) = guard.wait() {
                    error!(%error, "the firewall rules cannot be watched");
                    return;
                }
            }
        })
    }

    fn start(&mut self, name: &str, run: impl FnOnce(&AtomicBool) + Send + 'static) -> std::io::Result<()> {
        let (stop, ended) = (Arc::clone(&self.stop), Arc::clone(&self.ended));
        let thread = std::thread::Builder::new().name(name.into()).spawn(move || {
            run(&stop);
            ended.notify_one();
        })?;
        self.threads.push(thread);
        Ok(())
    }

    /// Ends when a thread does.
    fn ended(&self) -> impl Future<Output = ()> + use<> {
        let ended = Arc::clone(&self.ended);
        async move { ended.notified().await }
    }

    fn stop(self, waker: &Waker) {
        self.stop.store(true, Ordering::Relaxed);
        waker.wake();
        for thread in self.threads {
            let _ = thread.join(); // a panic ends the process: panics abort
        }
    }
}
