//! The operator's Unix socket: one JSON object in a line asks, one in a line answers.

mod search;

use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::net::Ipv4Addr;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::UnixStream as StdUnixStream;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use config::{BitRate, Config, Direction};
use engine::changes::Changes;
use engine::gateway::{GuestView, MOST_BLOCKED};
use engine::session::{Cause, Source};
use fastpath::police::Rate;
use portal::{Credential, Login, LoginOutcome};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt};
use tokio::net::unix::OwnedWriteHalf;
use tokio::net::{UnixListener, UnixStream};
use tracing::warn;
use wire::MacAddr;

use crate::allowances::BY_TERMS;
use crate::gateway::Gateway;
use crate::uplinks::Uplinks;
use crate::{cli, garden, scripts, vouchers};

/// Longest request; a longer one is cut off.
const MAX_REQUEST: u64 = 4096;
/// A request that has not come by then does not come.
const PATIENCE: Duration = Duration::from_secs(10);

/// Events told of at once if a request does not say.
const EVENTS_AT_ONCE: u64 = 200;

/// Guests told of in one piece. With a crowd all of them together would keep everybody else waiting for a second.
const GUESTS_AT_ONCE: usize = 64;

/// What does not change while the gateway runs.
pub(crate) struct Facts {
    direction: Direction,
    nas_identifier: String,
    since: Instant,
    uplinks: Option<Rc<Uplinks>>,
}

impl Facts {
    pub(crate) fn new(config: &Config, uplinks: Option<Rc<Uplinks>>) -> Self {
        let nas_identifier = config.radius.nas_identifier.clone();
        Self { direction: config.accounting.direction, nas_identifier, since: Instant::now(), uplinks }
    }

    fn to_json(&self) -> Value {
        json!({
            "direction": match self.direction {
                Direction::Rfc2866 => "rfc2866",
                Direction::Chilli => "chilli",
            },
            "nas_identifier": self.nas_identifier,
            "process": std::process::id(),
            "seconds": self.since.elapsed().as_secs(),
        })
    }
}

/// A gateway to be asked about, or one of several.
pub(crate) struct Zone {
    /// Empty if it is the only one.
    pub(crate) name: String,
    pub(crate) gateway: Rc<Gateway>,
    pub(crate) facts: Facts,
}

/// The socket's file, which goes with it.
pub(crate) struct Socket {
    listener: UnixListener,
    path: PathBuf,
}

impl Socket {
    /// Opens the socket for its owner only. One that a crash left behind is replaced, one that answers is not.
    pub(crate) fn open(path: &Path) -> anyhow::Result<Self> {
        let doing = || format!("cannot open the control socket {}", path.display());
        if let Ok(found) = std::fs::symlink_metadata(path) {
            if !found.file_type().is_socket() {
                bail!("{}: something else is there; set control.socket to another path", doing());
            }
            if StdUnixStream::connect(path).is_ok() {
                bail!("{}: another gateway answers there; give each its own control.socket", doing());
            }
            std::fs::remove_file(path).with_context(doing)?;
        }
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).with_context(doing)?;
        }
        let listener = UnixListener::bind(path).with_context(doing)?;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).with_context(doing)?;
        Ok(Self { listener, path: path.to_owned() })
    }

    /// Answers operators for as long as the gateway runs.
    pub(crate) async fn serve(self, zones: Rc<[Zone]>) {
        loop {
            match self.listener.accept().await {
                Ok((stream, _)) => {
                    tokio::task::spawn_local(answer(stream, Rc::clone(&zones)));
                }
                Err(error) => {
                    warn!(%error, "control socket");
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
            }
        }
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path); // a file left behind is replaced by the next start
    }
}

async fn answer(stream: UnixStream, zones: Rc<[Zone]>) {
    let (reader, mut writer) = stream.into_split();
    let mut line = String::new();
    let mut reader = tokio::io::BufReader::new(reader.take(MAX_REQUEST));
    let Ok(Ok(_)) = tokio::time::timeout(PATIENCE, reader.read_line(&mut line)).await else { return };
    let request = serde_json::from_str::<Value>(&line).map_err(|error| format!("not a JSON request: {error}"));
    let reply = match request.and_then(|request| Ok((meant(&zones, &request)?, request))) {
        Ok((zones, request)) if request["command"] == "sessions" && request["guest"].is_null() => {
            let _ = sessions(&zones, &mut writer).await; // who has left hears no more
            return;
        }
        Ok((zones, request)) => settled(&zones, &request).await,
        Err(error) => json!({ "error": error }),
    };
    let mut reply = reply.to_string();
    reply.push('\n');
    let _ = tokio::time::timeout(PATIENCE, writer.write_all(reply.as_bytes())).await;
}

/// What the console asks: as the socket does, but for all guests at once.
pub(crate) async fn ask_here(zones: &[Zone], request: &Value) -> Value {
    match meant(zones, request) {
        Ok(zones) => settled(&zones, request).await,
        Err(error) => json!({ "error": error, "missing": true }),
    }
}

/// Does what is asked. What an operator was told has happened, a crash does not take back.
async fn settled(zones: &[&Zone], request: &Value) -> Value {
    let reply = perform(zones, request).await;
    let command = request["command"].as_str().unwrap_or_default();
    let of_vouchers = ["voucher_create", "voucher_import", "voucher_revoke", "voucher_extend"];
    let changes = matches!(command, "kick" | "login" | "authenticate" | "block" | "unblock");
    if changes || of_vouchers.contains(&command) {
        for zone in zones {
            let _ = tokio::time::timeout(PATIENCE, zone.gateway.settle()).await;
        }
    }
    reply
}

fn names(zones: &[&Zone]) -> String {
    zones.iter().map(|zone| &*zone.name).collect::<Vec<_>>().join(", ")
}

/// The zone that a request names, or all.
fn meant<'a>(zones: &'a [Zone], request: &Value) -> Result<Vec<&'a Zone>, String> {
    let all: Vec<&Zone> = zones.iter().collect();
    match &request["zone"] {
        Value::Null => Ok(all),
        name => match zones.iter().find(|zone| !zone.name.is_empty() && *name == zone.name.as_str()) {
            Some(zone) => Ok(vec![zone]),
            None if zones.iter().all(|zone| zone.name.is_empty()) => Err("there are no zones".to_owned()),
            None => Err(format!("there is no zone {name}; there are {}", names(&all))),
        },
    }
}

/// What has happened since, or lately.
fn events(any: &Gateway, zones: &[&Zone], request: &Value, guest: Option<cli::Guest>) -> Value {
    if guest.is_none() && !request["guest"].is_null() {
        return json!({ "error": format!("{} is no guest's address", request["guest"]) });
    }
    let guest = match guest {
        None | Some(cli::Guest::Mac(_)) => guest,
        // A session is of a guest, and its name is not in each event; addresses change.
        Some(named) => match zones.iter().find_map(|zone| zone.gateway.find(named).first().map(|view| view.key)) {
            // Its station is others' too.
            Some(key) if key.address_behind_router().is_some() => key.address_behind_router().map(cli::Guest::Address),
            Some(key) => Some(cli::Guest::Mac(key.mac)),
            None if matches!(named, cli::Guest::Session(_)) => {
                return missing(format!("there is no session {}", request["guest"]));
            }
            None => guest,
        },
    };
    let (from, most) = (request["from"].as_u64().unwrap_or(0), request["limit"].as_u64().unwrap_or(EVENTS_AT_ONCE));
    any.diary.pages().to_json(from, request["zone"].as_str(), guest, usize::try_from(most).unwrap_or(usize::MAX))
}

/// Does what is asked in the zones that are meant: a guest is looked for in all of them, a device is blocked or released
/// in each.
async fn perform(zones: &[&Zone], request: &Value) -> Value {
    let command = request["command"].as_str().unwrap_or_default();
    let guest = request["guest"].as_str().and_then(|guest| guest.parse::<cli::Guest>().ok());
    match zones {
        _ if command == "guests" => search::guests(zones, request, guest).await,
        [zone, ..] if command == "events" => events(&zone.gateway, zones, request, guest),
        [zone] => perform_in(&zone.gateway, &zone.facts, request, &zone.name).await,
        // One configuration is read for all.
        [zone, ..] if command == "reload" => perform_in(&zone.gateway, &zone.facts, request, &zone.name).await,
        _ if command == "state" => state(zones),
        _ if matches!(command, "block" | "unblock" | "release") => {
            let mut answer = Value::Null;
            for zone in zones {
                let its = perform_in(&zone.gateway, &zone.facts, request, &zone.name).await;
                if answer.is_null() || its["error"].is_null() {
                    answer = its;
                }
            }
            answer
        }
        _ => match guest {
            None => json!({ "error": format!("there are several zones; name one with --zone: {}", names(zones)) }),
            Some(guest) => {
                let having: Vec<&Zone> =
                    zones.iter().copied().filter(|zone| !zone.gateway.find(guest).is_empty()).collect();
                match &having[..] {
                    [] => missing(format!("there is no guest {guest}; `poblano sessions` lists guests")),
                    [zone] => perform_in(&zone.gateway, &zone.facts, request, &zone.name).await,
                    several => {
                        let names = names(several);
                        json!({ "error": format!("{guest} is a guest of several zones; name one with --zone: {names}") })
                    }
                }
            }
        },
    }
}

/// All guests and what else there is to say, piece by piece. Who comes or leaves meanwhile may be told of or not.
async fn sessions(zones: &[&Zone], writer: &mut OwnedWriteHalf) -> std::io::Result<()> {
    let mut piece = "{\"guests\":[".to_owned();
    let mut is_first = true;
    for zone in zones {
        for addresses in zone.gateway.addresses().await.chunks(GUESTS_AT_ONCE) {
            for guest in zone.gateway.guests_at(addresses) {
                if !std::mem::take(&mut is_first) {
                    piece.push(',');
                }
                piece.push_str(&guest_json(&guest, &zone.name).to_string());
            }
            tokio::time::timeout(PATIENCE, writer.write_all(piece.as_bytes())).await??;
            piece.clear();
            tokio::task::yield_now().await;
        }
    }
    let rest = state(zones).to_string();
    piece.push_str("],");
    piece.push_str(rest.trim_start_matches('{'));
    piece.push('\n');
    tokio::time::timeout(PATIENCE, writer.write_all(piece.as_bytes())).await?
}

/// What is told of the gateway as a whole, or of each zone.
pub(crate) fn state(zones: &[&Zone]) -> Value {
    let told = |zone: &&Zone| beside_guests(&zone.gateway, &zone.facts, &zone.name);
    match zones {
        [zone] => told(zone),
        several => json!({ "zones": several.iter().map(told).collect::<Vec<_>>() }),
    }
}

fn beside_guests(gateway: &Gateway, facts: &Facts, zone: &str) -> Value {
    let (guests, sessions) = gateway.look(|engine, _| engine.population());
    json!({
        "zone": (!zone.is_empty()).then_some(zone),
        "guests_count": guests,
        "sessions_count": sessions,
        "blocked": gateway.blocked().iter().map(ToString::to_string).collect::<Vec<_>>(),
        "gateway": facts.to_json(),
        "counters": counters(gateway),
        "offload": gateway.offload.state(),
        "accounting": gateway.aaa.accounting().map(|accounting| json!({
            "records_waiting": accounting.waiting.records,
            "oldest_seconds": accounting.oldest.map(|age| age.as_secs()),
            "records_lost": accounting.waiting.lost,
            "server_answers": !accounting.waiting.silent,
            "disk_error": accounting.failure,
        })),
        "radius": gateway.aaa.health().iter().map(|(server, auth, acct)| {
            json!({ "server": server, "authentication": auth, "accounting": acct })
        }).collect::<Vec<_>>(),
        "administrative": gateway.administrative.as_ref().map(|own| own.to_json()),
        "dynamic_authorization": dynamic_authorization(&gateway.aaa.dynamic_authorization.stats()),
        "access_points": access_points(&gateway.aaa.access_points.stats()),
        "rogues": gateway.rogues(),
        "scripts": scripts(&gateway.scripts.state()),
        "retention": gateway.retention.to_json(),
        "vouchers": gateway.allowances.summary(gateway.clock.now().unix.as_secs()),
        "uplinks": facts.uplinks.as_ref().map(|uplinks| uplinks.to_json()),
    })
}

async fn perform_in(gateway: &Rc<Gateway>, facts: &Facts, request: &Value, zone: &str) -> Value {
    let guest = || -> Result<cli::Guest, Value> {
        let text = request["guest"].as_str().unwrap_or_default();
        text.parse().map_err(|error| json!({ "error": format!("guest {text:?}: {error}") }))
    };
    let mac = || -> Result<MacAddr, Value> {
        let text = request["mac"].as_str().unwrap_or_default();
        text.parse().map_err(|error| json!({ "error": format!("mac {text:?}: {error}") }))
    };
    let address = || -> Result<Ipv4Addr, Value> {
        let text = request["ip"].as_str().unwrap_or_default();
        text.parse().map_err(|error| json!({ "error": format!("ip {text:?}: {error}") }))
    };
    let changes = || changes(request).map_err(|error| json!({ "error": error }));
    let count = |key: &str, otherwise: &str, count: usize, guest: cli::Guest| match count {
        0 if gateway.find(guest).is_empty() => {
            missing(format!("there is no guest {guest}; `poblano sessions` lists guests"))
        }
        0 => json!({ "error": format!("{guest} {otherwise}") }),
        _ => json!({ key: count }),
    };
    match request["command"].as_str() {
        Some("sessions") => match guest() {
            Ok(guest) => {
                let mut told = beside_guests(gateway, facts, zone);
                told["guests"] = gateway.find(guest).iter().map(|guest| guest_json(guest, zone)).collect();
                told
            }
            Err(error) => error,
        },
        Some("state") => beside_guests(gateway, facts, zone),
        Some("kick") => match guest() {
            Ok(guest) => count("kicked", "is not logged in", gateway.kick(guest, Cause::AdminReset), guest),
            Err(error) => error,
        },
        Some("limit") => match (guest(), changes()) {
            (Ok(guest), Ok(changes)) => count("limited", "is not logged in", gateway.limit(guest, &changes), guest),
            (Err(error), _) | (_, Err(error)) => error,
        },
        Some("login") => match (guest(), changes()) {
            (Ok(guest), Ok(changes)) => {
                let user = request["user"].as_str().unwrap_or("operator");
                count("logged_in", "is online already", gateway.let_in(guest, user, &changes).await, guest)
            }
            (Err(error), _) | (_, Err(error)) => error,
        },
        Some("authenticate") => match guest() {
            Ok(guest) => authenticate(gateway, request, guest).await,
            Err(error) => error,
        },
        Some("garden") => garden::list(gateway),
        Some("garden_add" | "garden_remove") => {
            garden::edit(gateway, request).unwrap_or_else(|why| json!({ "error": why }))
        }
        Some("block") => match mac() {
            Ok(mac) if gateway.block(mac) => json!({ "blocked": 1 }),
            Ok(_) => json!({ "error": format!("{MOST_BLOCKED} devices are blocked already; unblock one") }),
            Err(error) => error,
        },
        Some("unblock") => match mac() {
            Ok(mac) if gateway.unblock(mac) => json!({ "unblocked": 1 }),
            Ok(mac) => missing(format!("{mac} is not blocked")),
            Err(error) => error,
        },
        Some("release") => match mac().map(|mac| (mac, gateway.with(|engine, now| engine.take_back(now, mac)))) {
            Ok((mac, 0)) => missing(format!("{mac} has no lease; `poblano sessions` lists guests")),
            Ok((_, leases)) => json!({ "released": leases }),
            Err(error) => error,
        },
        Some("hosts") => gateway.look(|engine, _| {
            let hosts = engine.hosts().map(|(mac, address, own)| {
                let from = if own { "operator" } else { "configuration" };
                json!({ "mac": mac.to_string(), "ip": address.to_string(), "from": from })
            });
            json!({ "hosts": hosts.collect::<Vec<_>>() })
        }),
        Some("host_add") => match (mac(), address()) {
            (Ok(mac), Ok(address)) => match gateway.add_host(mac, address) {
                Ok(()) => json!({ "added": mac.to_string(), "ip": address.to_string() }),
                Err(why) => json!({ "error": format!("{address}: {why}") }),
            },
            (Err(error), _) | (_, Err(error)) => error,
        },
        Some("host_remove") => match mac() {
            Ok(mac) if gateway.remove_host(mac) => json!({ "removed": mac.to_string() }),
            Ok(mac) => missing(format!("{mac} has no address from an operator; `poblano host list` shows")),
            Err(error) => error,
        },
        Some("voucher_csv" | "voucher_sheet") => {
            vouchers::file(gateway, request).await.unwrap_or_else(|why| why.to_json())
        }
        Some(command) if command.starts_with("voucher") => {
            vouchers::perform(gateway, request).unwrap_or_else(|why| why.to_json())
        }
        Some("reload") => {
            gateway.reload.notify_one();
            json!({ "reloads": true })
        }
        Some("offload") => match request["on"].as_bool().map_or(Ok(()), |on| gateway.switch_offload(on)) {
            Ok(()) => json!({ "offload": gateway.offload.state() }),
            Err(why) => json!({ "error": why }),
        },
        other => json!({
            "error": format!("unknown command {other:?}; there are sessions, guests, state, events, kick, limit, login, authenticate, block, \
                               unblock, release, hosts, host_add, host_remove, reload, garden, garden_add, garden_remove, offload, vouchers, \
                               voucher, voucher_batches, voucher_csv, voucher_sheet, voucher_create, voucher_revoke, \
                               voucher_extend and voucher_import")
        }),
    }
}

/// An error because there is no such thing.
fn missing(words: String) -> Value {
    json!({ "error": words, "missing": true })
}

/// Logs a guest in as if it had given name and password to the portal.
async fn authenticate(gateway: &Rc<Gateway>, request: &Value, guest: cli::Guest) -> Value {
    let (Some(user), Some(password)) = (request["user"].as_str(), request["password"].as_str()) else {
        return json!({ "error": "user and password are missing" });
    };
    let found = gateway.find(guest);
    let [view] = &found[..] else {
        return json!({ "error": format!("{guest} is no guest, or several; `poblano sessions` lists guests") });
    };
    let Ok(attempt) = gateway.with(|engine, _| engine.begin_admission(view.address)) else {
        return json!({ "error": format!("{guest} is online already") });
    };
    let credential = Credential::Password(password.as_bytes().to_vec());
    let login =
        Login { name: user, credential: &credential, original_url: "", lang: "", session_id: "", logoff_url: "" };
    match gateway.authenticate(&attempt, &login, None).await {
        LoginOutcome::Accepted { .. } => json!({ "logged_in": 1 }),
        LoginOutcome::Rejected { message, .. } => {
            json!({ "error": message.unwrap_or_else(|| format!("{user} is refused: the name or the password is wrong")) })
        }
        LoginOutcome::Declined(why) => json!({ "error": format!("{user} is refused: {}", vouchers::words(why)) }),
        LoginOutcome::TooManyTries { .. } | LoginOutcome::Unavailable | LoginOutcome::Asked { .. } => {
            json!({ "error": "nobody can say whether the password is right now; `poblano sessions` shows the servers" })
        }
    }
}

/// What a request names of a session's limits, in the words of `sessions`; 0 is no limit.
fn changes(request: &Value) -> Result<Changes, String> {
    let number = |key: &str| match &request[key] {
        Value::Null => Ok(None),
        value => value.as_u64().map(Some).ok_or_else(|| format!("{key} is {value}; write a whole number")),
    };
    let limit = |key: &str| number(key).map(|number| number.map(|number| Some(number).filter(|number| *number > 0)));
    let time = |key: &str| limit(key).map(|limit| limit.map(|limit| limit.map(Duration::from_secs)));
    let rate = |key: &str| match number(key)? {
        None => Ok(None),
        Some(bits) => match BitRate::checked(bits) {
            Some(rate) => Ok(Some(Rate::bits_per_second(rate.0))),
            None => Err(format!("{key} is {bits}; a rate is 0 or 8000 and more")),
        },
    };
    Ok(Changes {
        session_timeout: time("seconds_max")?,
        idle_timeout: time("idle_seconds_max")?,
        interim: time("interim_seconds")?,
        rate_up: rate("bits_per_second_up")?,
        rate_down: rate("bits_per_second_down")?,
        octets_up: limit("input_octets_max")?,
        octets_down: limit("output_octets_max")?,
        octets_total: limit("total_octets_max")?,
        ..Changes::default()
    })
}

/// What became of servers' requests to end or change sessions.
fn dynamic_authorization(stats: &radius::dynauth::Stats) -> Value {
    json!({
        "acknowledged": stats.acknowledged,
        "refused": stats.refused,
        "duplicates": stats.duplicates,
        "foreign_source": stats.foreign_source,
        "forged": stats.forged,
        "unprotected": stats.unprotected,
        "stale": stats.stale,
        "malformed": stats.malformed,
        "too_many": stats.too_many,
    })
}

/// What became of access points' requests.
fn access_points(stats: &radius::proxy::Stats) -> Value {
    json!({
        "requests": stats.requests,
        "accepts": stats.accepts,
        "rejects": stats.rejects,
        "challenges": stats.challenges,
        "unanswered": stats.unanswered,
        "accounting": stats.accounting,
        "duplicates": stats.duplicates,
        "foreign_source": stats.foreign_source,
        "forged": stats.forged,
        "unprotected": stats.unprotected,
        "malformed": stats.malformed,
        "too_many": stats.too_many,
    })
}

/// What runs of the operator's own programs.
fn scripts(state: &scripts::State) -> Value {
    let running = state
        .running
        .iter()
        .map(|(process, event, age)| json!({ "process": process, "script": event, "seconds": age.as_secs() }));
    json!({
        "running": running.collect::<Vec<_>>(),
        "waiting": state.waiting,
        "started": state.started,
        "at_once": state.at_once,
    })
}

/// What became of packets, wherever they were forwarded.
fn counters(gateway: &Gateway) -> Value {
    let kernel = gateway.offload.forwarded();
    let list = |counters: &fastpath::counters::Counters, forward: u64, not_sent: u64| {
        let mut all: serde_json::Map<_, _> =
            counters.list().into_iter().map(|(label, count)| (label, json!(count))).collect();
        for (label, more) in [("forward", forward), ("forward_offloaded", forward), ("not_sent", not_sent)] {
            let count = all.get(label).and_then(Value::as_u64).unwrap_or(0) + more;
            if count > 0 {
                all.insert(label.to_owned(), json!(count));
            }
        }
        Value::Object(all)
    };
    json!({
        "from_guests": list(&gateway.plane.from_guests, kernel.up, kernel.not_sent_up),
        "to_guests": list(&gateway.plane.to_guests, kernel.down, kernel.not_sent_down),
    })
}

fn guest_json(guest: &GuestView, zone: &str) -> Value {
    let session = guest.session.as_ref().map(|session| {
        json!({
            "id": session.id,
            "user": session.user,
            "source": match session.grant.source {
                Source::Local => "local",
                Source::Radius => "radius",
                Source::Allowance if session.user.starts_with("voucher:") => "voucher",
                Source::Allowance if session.user.starts_with(BY_TERMS) => "click_through",
                Source::Allowance => "local",
                Source::Nobody => "nobody",
            },
            "started_unix": session.began.unix.as_secs(),
            "seconds": session.duration.as_secs(),
            "seconds_max": session.grant.session_timeout.map(|time| time.as_secs()),
            "idle_seconds_max": session.grant.idle_timeout.map(|time| time.as_secs()),
            "interim_seconds": session.grant.interim.map(|time| time.as_secs()),
            "ends_unix": session.grant.until.map(|until| until.as_secs()),
            "seconds_left": session.time_left.map(|left| left.as_secs()),
            "octets_left": session.octets_left,
            "idle_seconds": session.idle.as_secs(),
            "input_octets": session.usage.octets_up,
            "output_octets": session.usage.octets_down,
            "input_packets": session.usage.packets_up,
            "output_packets": session.usage.packets_down,
            "bits_per_second_up": session.grant.rate_up.limit(),
            "bits_per_second_down": session.grant.rate_down.limit(),
            "input_octets_max": session.grant.quota.octets_up,
            "output_octets_max": session.grant.quota.octets_down,
            "total_octets_max": session.grant.quota.octets_total,
        })
    });
    json!({
        "zone": (!zone.is_empty()).then_some(zone),
        "mac": guest.station.to_string(),
        "behind_router": guest.key.address_behind_router().is_some(),
        "vlan": (guest.key.vlan.0 != 0).then_some(guest.key.vlan.0),
        "ip": guest.address.to_string(),
        "foreign_ip": guest.foreign.map(|address| address.to_string()),
        "hostname": guest.hostname.as_deref(),
        "port": guest.slot.0,
        "lease_seconds": guest.lease_time.as_secs(),
        "lease_seconds_left": guest.lease_left.map(|left| left.as_secs()),
        "state": match &guest.session {
            Some(session) if session.grant.source == Source::Nobody => "unasked",
            Some(_) => "online",
            None if guest.refused => "refused",
            None => "not logged in",
        },
        "session": session,
    })
}

/// Asks a running gateway; an `error` in its answer is an error.
pub(crate) fn ask(socket: &Path, request: &Value) -> anyhow::Result<Value> {
    ask_within(PATIENCE, socket, request)
}

/// The same, with another patience.
pub(crate) fn ask_within(patience: Duration, socket: &Path, request: &Value) -> anyhow::Result<Value> {
    let doing =
        || format!("no gateway answers at {}; is it running? --socket names another control socket", socket.display());
    let mut stream = match StdUnixStream::connect(socket) {
        Err(error) if error.kind() == ErrorKind::PermissionDenied => {
            bail!("only the user that runs the gateway may use {}; try again with sudo", socket.display());
        }
        connected => connected.with_context(doing)?,
    };
    stream.set_read_timeout(Some(patience)).with_context(doing)?;
    writeln!(stream, "{request}").with_context(doing)?;
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).with_context(doing)?;
    let reply: Value = serde_json::from_str(&line).with_context(doing)?;
    match reply["error"].as_str() {
        Some(error) => bail!("{error}"),
        None => Ok(reply),
    }
}
