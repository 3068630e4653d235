//! The gateway from start to stop. The order is the security argument: read and check everything, take the state,
//! shut the kernel out of the LAN, open the devices, and only then let anybody in. At the end the other way round.

mod former;
mod reload;
mod tasks;
mod threads;

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use config::{AuthMethod, Config};
use engine::Engine;
use fastpath::counters::Counters;
use fastpath::pipeline::Plane;
use fastpath::port::{LanPort, TunPort};
use fastpath::redirect::Redirector;
use fastpath::shape;
use fastpath::slow::StationLimit;
use fastpath::table::Table;
use platform::{
    Bridge, Flows, ForwardSpec, Guard, Host, Interface, System, Translations, TunSpec, UplinkLine, UplinkSpec,
    UplinksSpec, Waker,
};
use radius::TerminateCause;
use store::{Accounts, AccountsError, Store};
use tokio::net::{TcpListener, TcpSocket};
use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tracing::{Instrument, Span, error, info, warn};

use self::former::Former;
use self::reload::Reload;
use self::tasks::{OfOperator, servers_sockets, until_told};
use self::threads::Threads;

use crate::aaa::{Aaa, AccessPointSockets};
use crate::administrative::Administrative;
use crate::allowances::Allowances;
use crate::cli::Setup;
use crate::clock::Clock;
use crate::diary::{Diary, Pages};
use crate::flows::Forgetting;
use crate::gateway::{Gateway, Outlets};
use crate::https::Https;
use crate::meters::Meters;
use crate::offload::Offload;
use crate::retention::Retention;
use crate::scripts::Scripts;
use crate::slow::{self, Queued};
use crate::uplinks::Uplinks;
use crate::{
    aaa, commands, console, control, garden, https, log, metrics, offload, retention, scripts, settings, webhooks,
};

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

/// Runs the gateway until it is told to stop; with zones, the gateway of each.
pub(crate) fn run(setup: &Setup) -> anyhow::Result<()> {
    let loaded = settings::load(setup)?;
    log::start(&loaded.config.log);
    for warning in &loaded.warnings {
        warn!("{warning}");
    }
    let configs: Vec<Config> = [loaded.config].into_iter().chain(loaded.others).collect();
    let mut host = machine(&configs);
    let interfaces = of_each(&configs, |config| check_machine(&host, config))?;
    of_each(&configs, scripts::check)?;
    of_each(&configs, https::check)?;
    of_each(&configs, settings::templates)?;
    let stores = of_each(&configs, open_store)?;
    if let Err(error) = platform::raise_open_files() {
        warn!("{error}");
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().max_blocking_threads(4).build()?;
    // Before the first change to the machine: whoever is told to stop while it starts still takes back what it has done.
    let signals = Signals::catch(&runtime)?;
    let lans: Vec<&str> = configs.iter().map(|config| config.lan.interface.as_str()).collect();
    let locked = host.lock_lans(&lans);
    let lans = lans.join(", ");
    let mut served = host.took_over();
    let uplinks = interfaces.into_iter().map(|(_, uplinks)| uplinks);
    let zones: Vec<_> = configs.into_iter().zip(uplinks).zip(stores).collect();
    let result = match locked {
        Ok(()) => runtime.block_on(with_devices(&mut host, signals, zones, setup, &mut served)),
        Err(error) => Err(error.into()), // half of a lock is undone like a whole one
    };
    drop(runtime); // and whatever it still has open
    if served && result.is_err() {
        // As after a crash: a machine that forwards by itself would now forward for everybody.
        warn!(
            "{lans} stays locked; the next start takes it over, and a clean stop unlocks it (or: nft delete table netdev poblano)"
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

/// The machine, which knows of guests' interfaces that are to consist of several.
pub(crate) fn machine(configs: &[Config]) -> Host {
    let mut host = Host::new();
    for lan in configs.iter().map(|config| &config.lan).filter(|lan| !lan.ports.is_empty()) {
        host.join_ports(Bridge { name: lan.interface.clone(), ports: lan.ports.clone() });
    }
    host
}

/// Does something for each zone, the others too if one fails: what is wrong with any of them is told at once.
pub(crate) fn of_each<T>(
    configs: &[Config],
    mut ask: impl FnMut(&Config) -> anyhow::Result<T>,
) -> anyhow::Result<Vec<T>> {
    if let [config] = configs {
        return Ok(vec![ask(config)?]);
    }
    let (mut found, mut errors) = (Vec::new(), Vec::new());
    for config in configs {
        match log::zone(config).in_scope(|| ask(config)) {
            Ok(value) => found.push(value),
            Err(error) => errors.push(format!("zone {}: {error:#}", config.zone)),
        }
    }
    if errors.is_empty() { Ok(found) } else { bail!("{}", errors.join("\n")) }
}

/// Opens what outlives the process, and tells what is not as it should be.
fn open_store(config: &Config) -> anyhow::Result<Arc<Store>> {
    let opened = Store::open(&config.state.directory)?;
    if let Some(warning) = opened.warning {
        warn!("{warning}");
    }
    first_account(config)?;
    if let Some(warning) = damaged_accounts(config) {
        warn!("{warning}");
    }
    if settings::resolvers(config).is_empty() {
        warn!("there is no resolver (dns.resolvers, /etc/resolv.conf): guests' names are not found");
    }
    Ok(Arc::new(opened.store))
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

/// What `run` needs of the machine, guests' side and uplinks; `check` asks the same.
pub(crate) fn check_machine(host: &Host, config: &Config) -> anyhow::Result<(Interface, Vec<Interface>)> {
    if !config.lan.ports.is_empty() {
        host.check_ports().context("lan.interface")?;
    }
    let lan = host.lan(&config.lan.interface).context("lan.interface")?;
    let uplinks = match &config.uplink.lines[..] {
        [] => vec![one_uplink(host, config)?],
        lines => {
            host.check_uplinks()?;
            let interface = |line: &config::UplinkLine| host.interface(&line.interface).context("uplink.line");
            lines.iter().map(interface).collect::<anyhow::Result<_>>()?
        }
    };
    retention::check(host, config)?;
    platform::check_lan(&lan, host.default_route()?.as_ref())?;
    for uplink in &uplinks {
        if lan.index == uplink.index {
            bail!("lan.interface and uplink.interface are both {}; guests need an interface of their own", lan.name);
        }
        if let Some((guests, (address, prefix))) = settings::overlap(config, uplink) {
            bail!(
                "the guests' network {guests} overlaps the uplink's {address}/{prefix}; give them another private network"
            );
        }
    }
    Ok((lan, uplinks))
}

fn one_uplink(host: &Host, config: &Config) -> anyhow::Result<Interface> {
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
    host.interface(&uplink).context("uplink.interface")
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

/// A zone's configuration, its uplinks, and what outlives the process.
type Prepared = ((Config, Vec<Interface>), Arc<Store>);

async fn with_devices(
    host: &mut Host,
    signals: Signals,
    zones: Vec<Prepared>,
    setup: &Setup,
    served: &mut bool,
) -> anyhow::Result<End> {
    let waker = Waker::new()?;
    let (mut parts, mut ways) = (Vec::new(), Vec::new());
    for ((config, uplinks), store) in zones {
        let span = log::zone(&config);
        let (part, way) = span.in_scope(|| open_devices(host, config, &uplinks, store, &waker))?;
        parts.push(part);
        ways.push(way);
    }
    host.forward(&ways)?;
    let line = |line: &config::UplinkLine| UplinkLine { interface: line.interface.clone(), gateway: line.gateway };
    let uplinks = host.several_uplinks(&UplinksSpec {
        // The same for all zones.
        lines: parts.first().map_or_else(Vec::new, |part| part.config.uplink.lines.iter().map(line).collect()),
        guests: ways.iter().flat_map(|way| way.guests.iter().map(|guests| (way.tun.clone(), *guests))).collect(),
    })?;
    for part in &parts {
        if let Some(error) = part.offload.unkept() {
            log::zone(&part.config).in_scope(|| warn!("{error}"));
        }
    }
    let guard = host.guard_rules(&waker)?;
    *served = true;
    tokio::task::LocalSet::new().run_until(serve(parts, uplinks, signals, setup.clone(), waker, guard)).await
}

/// Opens what one gateway has of the machine, and says what is to be forwarded for it.
fn open_devices(
    host: &mut Host,
    config: Config,
    uplinks: &[Interface],
    store: Arc<Store>,
    waker: &Waker,
) -> anyhow::Result<(Parts, ForwardSpec)> {
    let lan = host.interface(&config.lan.interface)?;
    let offload = offload::load(host, &config)?;
    let lan_port = host.open_lan(&lan.name, waker)?;
    let mtu = config.tun.mtu.map_or(lan.mtu, u32::from);
    let tun_port = host.create_tun(
        &TunSpec {
            lan: lan.name,
            name: config.tun.name.clone(),
            mode: match config.tun.mode {
                config::TunMode::Tun => platform::TunMode::Tun,
                config::TunMode::Tap => platform::TunMode::Tap,
            },
            mtu,
            address: config.lan.gateway,
            prefix: config.lan.network.prefix,
            routes: settings::guests_networks(&config).split_off(1),
        },
        waker,
    )?;
    if let (Some(address), Some(gateway), [uplink, ..]) = (config.uplink.address, config.uplink.gateway, uplinks) {
        host.configure_uplink(&UplinkSpec {
            interface: uplink.name.clone(),
            address: address.address,
            prefix: address.prefix,
            gateway,
        })?;
    }
    let ports: Vec<u16> = [config.portal.port].into_iter().chain(config.uam.ui_port).collect();
    let portal = ports.iter().map(|port| listen(config.lan.gateway, *port)).collect::<anyhow::Result<_>>()?;
    let secure_port = config.portal.tls.as_ref().map(|tls| tls.port);
    let secure = secure_port.map(|port| listen(config.lan.gateway, port)).transpose()?;
    let way = ForwardSpec {
        tun: config.tun.name.clone(),
        uplinks: uplinks.iter().map(|uplink| uplink.name.clone()).collect(),
        gateway: config.lan.gateway,
        guests: settings::guests_networks(&config),
        masquerade: config.uplink.masquerade,
        tcp_ports: ports.into_iter().chain(secure_port).collect(),
        udp_ports: vec![],
        max_segment: config.tun.max_segment,
        http_proxy: config.uplink.http_proxy,
    };
    let flows = host.open_flows()?;
    let translations = retention::watch(host, &config, waker)?;
    let lan_mac = lan.mac;
    let parts = Parts { config, lan_mac, mtu, offload, lan_port, tun_port, flows, translations, portal, secure, store };
    Ok((parts, way))
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
            "cannot listen on {address}:{port}; stop what listens there (ss -ltnp), or set another port (portal.port, uam.ui_port, portal.tls.port)"
        )
    })
}

/// What one gateway is made of, open and locked.
struct Parts {
    config: Config,
    lan_mac: wire::MacAddr,
    mtu: u32,
    offload: Offload,
    lan_port: Arc<dyn LanPort>,
    tun_port: Arc<dyn TunPort>,
    flows: Box<dyn Flows>,
    /// What NAT does, if that is to be kept.
    translations: Option<Box<dyn Translations>>,
    portal: Vec<TcpListener>,
    /// For https.
    secure: Option<TcpListener>,
    store: Arc<Store>,
}

/// A gateway that is ready to serve.
struct Zone {
    config: Config,
    /// The same with what a RADIUS server says over it.
    in_force: Config,
    lan_mac: wire::MacAddr,
    mtu: u32,
    gateway: Rc<Gateway>,
    https: Option<Rc<Https>>,
    board: Rc<portal::Board>,
    meters: Meters,
    /// Sessions of a former run that go on.
    adopted: usize,
    ports: (Arc<dyn LanPort>, Arc<dyn TunPort>),
}

/// What a gateway's tasks take with them.
struct Inputs {
    frames: mpsc::Receiver<Queued>,
    board: Rc<portal::Board>,
    portal: Vec<TcpListener>,
    secure: Option<TcpListener>,
    of_access_points: Option<AccessPointSockets>,
}

/// Everything is open and locked: serves guests until a signal says stop.
async fn serve(
    all_parts: Vec<Parts>,
    uplinks: Option<Arc<dyn platform::Uplinks>>,
    mut signals: Signals,
    setup: Setup,
    waker: Waker,
    guard: Option<Box<dyn Guard>>,
) -> anyhow::Result<End> {
    let clock = Clock;
    let mut with_scripts = Vec::new();
    for parts in all_parts {
        let scripts = log::zone(&parts.config).in_scope(|| Scripts::start(&parts.config, parts.lan_mac, parts.mtu))?;
        with_scripts.push((parts, scripts));
    }
    for (parts, scripts) in &with_scripts {
        if scripts.up(signals.stop()).instrument(log::zone(&parts.config)).await {
            info!("told to stop while scripts.up ran");
            for (parts, scripts) in &with_scripts {
                scripts.finish(false).instrument(log::zone(&parts.config)).await;
            }
            return Ok(End::Stop);
        }
    }
    let pages = Pages::new();
    let uplinks = match (uplinks, with_scripts.first()) {
        (Some(system), Some((parts, _))) => Some(Uplinks::start(&parts.config.uplink, system).await?),
        _ => None,
    };
    let (mut zones, mut inputs) = (Vec::new(), Vec::new());
    for (parts, scripts) in with_scripts {
        let diary = Diary::new(&parts.config.zone, Rc::clone(&pages), settings::routes(&parts.config));
        let (zone, its) = log::zone(&parts.config).in_scope(|| make(parts, scripts, diary, clock))?;
        zones.push(zone);
        inputs.push(its);
    }
    let servers = servers_sockets(&zones)?;
    let Some(first) = zones.first() else { bail!("there is no gateway to run") };
    let of_operator = OfOperator {
        socket: control::Socket::open(&first.config.control.socket)?,
        metrics: metrics::listen(&first.config.metrics)?,
        console: console::open(&first.config)?,
        pages,
    };
    let mut threads = Threads::default();
    for zone in &zones {
        log::zone(&zone.config).in_scope(|| begin(zone, &mut threads, clock))?;
    }
    threads.guard_rules(guard)?;

    let running = |zone: &Zone| {
        let gateway = Rc::clone(&zone.gateway);
        let (config, in_force) = (zone.config.clone(), zone.in_force.clone());
        let (https, board) = (zone.https.clone(), Rc::clone(&zone.board));
        reload::Running { config, in_force, lan_mac: zone.lan_mac, mtu: zone.mtu, gateway, https, board }
    };
    let reload = Reload { setup, running: zones.iter().map(running).collect() };
    let Signals { terminate, interrupt, hand_over, reload: reread } = signals;
    let reloading = tokio::task::spawn_local(reload.on_signal(reread));
    let told = async {
        tokio::select! {
            end = tell(terminate, interrupt, hand_over) => Ok(end),
            () = threads.ended() => bail!("the gateway cannot go on (see above)"),
        }
    };
    let ended = until_told(&zones, uplinks, inputs, servers, of_operator, told).await;
    reloading.abort();
    threads.stop(&waker);
    finish(zones, matches!(ended, Ok(End::Handover))).await;
    ended
}

/// Makes one gateway, which goes on where a former run ended.
fn make(parts: Parts, scripts: Scripts, diary: Diary, clock: Clock) -> anyhow::Result<(Zone, Inputs)> {
    let Parts {
        config: file,
        lan_mac,
        mtu,
        offload,
        lan_port,
        tun_port,
        mut flows,
        translations,
        portal,
        secure,
        store,
    } = parts;
    let administrative = Administrative::open(&file);
    let config = administrative.as_ref().map_or_else(|| file.clone(), |own| own.apply(&file));
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
    let way_in = settings::way_in(&config);
    let plane = Arc::new(Plane {
        table,
        garden: Arc::clone(&garden),
        gateway: config.lan.gateway,
        network,
        broadcast: config.lan.network.last(),
        routes: settings::routes(&config),
        lan_mac,
        lan: 0,
        untagged: config.lan.untagged,
        http_proxy: config.uplink.http_proxy,
        portal_ports: [config.portal.port, config.uam.ui_port.unwrap_or(config.portal.port)],
        secure_port: config.portal.tls.as_ref().map(|tls| tls.port),
        redirector: Redirector::new(&way_in, config.lan.gateway, &settings::names(&config), redirect_key())
            .with_addresses(config.uam.alias_address, config.uam.logout_address),
        slow: Arc::new(queue),
        slow_limit: StationLimit::new(secret.rotate_left(23)),
        flows: shape::Flows::new(secret.rotate_left(46)),
        from_guests: Counters::default(),
        to_guests: Counters::default(),
    });
    let mut engine =
        Engine::new(settings::engine(&config, store.next_boot()? as u32, lan_mac, mtu)?, writer, garden, seed);
    engine.restore_hosts(clock.now(), store.hosts()?.records);
    for mac in store.blocked()?.records {
        engine.block(clock.now(), mac);
    }
    let mut unsent = aaa::open_records(&config)?;
    let known = store.allowances()?;
    if known.unreadable > 0 {
        warn!(count = known.unreadable, "vouchers of another version cannot be read; nobody gets in by them");
    }
    let key = || store.secret("retention", fresh_secret());
    let retention = Retention::start(&config, key, &plane, translations, clock)?;
    let (allowances, forgotten) = Allowances::new(&config, known.records, &store.secret("bookmarks", fresh_secret())?);
    let former = Former { store: &store, offload: &offload, allowances: &allowances };
    former.restore(&mut engine, |slot| meters.counted(&offload, slot), unsent.as_mut(), clock)?;
    scripts.adopt(engine.guests(clock.now()).filter(|guest| guest.session.is_some()).map(|guest| guest.key));
    let adopted: BTreeSet<Ipv4Addr> =
        engine.guests(clock.now()).filter(|guest| guest.session.is_some()).map(|guest| guest.address).collect();
    // The others' are of sessions that are over, maybe of guests whose addresses others get now.
    for network in settings::guests_networks(&config) {
        if let Err(error) = flows.forget_network(network, &adopted) {
            warn!("{error}");
        }
    }
    let flows = Forgetting::start(flows, config.guests.max as usize)?;
    let capacity = config.guests.max as usize * 2;
    let span = Span::current();
    let report = Box::new(move |error: &store::StoreError| span.in_scope(|| warn!("{error}")));
    let lease_writer = store::Writer::start(store, WRITE_EVERY, capacity, report)?;
    forgotten.into_iter().for_each(|name| lease_writer.delete_allowance(name));

    let aaa = Aaa::start(&config, lan_mac, clock, unsent)?;
    let of_access_points = aaa.access_points.open()?;
    let https = config.portal.tls.as_ref().map(Https::of_portal).transpose()?;
    let board = portal::Board::new(settings::site(&config, lan_mac));
    let desk = Rc::new(portal::Desk::new(&board.site().uam));
    let webhooks = webhooks::open(&config)?;
    let ports = (Arc::clone(&lan_port), tun_port);
    let outlets = Outlets {
        lan: lan_port,
        allowances,
        store: lease_writer,
        flows,
        offload,
        scripts,
        desk,
        diary,
        webhooks,
        retention,
        administrative,
    };
    let gateway = Gateway::new(plane, aaa, engine, outlets);
    gateway.with(|_, _| ()); // what has ended meanwhile is told
    let inputs = Inputs { frames, board: Rc::clone(&board), portal, secure, of_access_points };
    let adopted = adopted.len();
    Ok((Zone { config: file, in_force: config, lan_mac, mtu, gateway, https, board, meters, adopted, ports }, inputs))
}

/// From here on guests are served.
fn begin(zone: &Zone, threads: &mut Threads, clock: Clock) -> anyhow::Result<()> {
    match zone.adopted {
        0 => zone.gateway.aaa.account_gateway(true),
        // Accounting-On would end the sessions that go on (RFC 2866, 5.1). Those that do not have their own last records.
        sessions => info!(sessions, "sessions of the former run go on"),
    }
    let (lan, tun) = &zone.ports;
    threads.carry_packets(Arc::clone(&zone.gateway.plane), Arc::clone(lan), Arc::clone(tun), clock)?;
    let (Config { lan, .. }, portal) = (&zone.config, settings::portal(&zone.config));
    info!("guests on {} get {} and meet the portal at {portal}/", lan.named().join(", "), lan.network);
    info!("offload {}", zone.gateway.offload.state());
    Ok(())
}

/// Ends the sessions of all, or writes them down for the next.
async fn finish(zones: Vec<Zone>, hands_over: bool) {
    let mut last = JoinSet::new();
    for Zone { config, gateway, meters, .. } in zones {
        let span = log::zone(&config);
        span.in_scope(|| {
            if hands_over && config.session.outage.is_some() {
                gateway.with(|engine, now| engine.hand_over(now));
            } else {
                gateway.with(|engine, now| engine.shutdown(now));
                meters.forget();
            }
            if let Some(own) = &gateway.administrative {
                own.end(&gateway.aaa, TerminateCause::AdminReboot);
            }
            if !hands_over {
                gateway.aaa.account_gateway(false);
            }
        });
        // At a handover they are on the disk, and guests wait.
        let patience = if hands_over { Duration::ZERO } else { LAST_RECORDS };
        let records_and_scripts = async move {
            tokio::join!(gateway.aaa.finish(patience), gateway.scripts.finish(hands_over));
        };
        last.spawn_local(records_and_scripts.instrument(span));
    }
    last.join_all().await;
}

fn fresh_secret() -> [u8; 32] {
    let mut fresh = [0; 32];
    crate::dice(&mut fresh);
    fresh
}

/// The secret of the redirector's sequence numbers.
fn redirect_key() -> [u64; 2] {
    let mut key = [[0; 8]; 2];
    crate::dice(key.as_flattened_mut());
    key.map(u64::from_le_bytes)
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
