//! Who was online when, and by which public address and port: written down for as long as the law wants it, and no longer.
//!
//! Two kinds of lines, each an object of JSON. Sessions come from the control thread, what NAT does from the kernel
//! ([`mappings`]). A thread of its own writes both ([`files`]), so neither a guest nor a packet waits for a disk: what cannot be
//! written is counted, told in the log, and noted between the lines as a gap. `poblano retention find` reads them (`find.rs`).
//!
//! Account and MAC address can be hashed with a key of this installation or left out, and where connections went is left out
//! unless wanted.

mod files;
mod find;
mod mappings;

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use config::{Config, Destinations, Redaction};
use engine::session::{Record, Status};
use fastpath::pipeline::Plane;
use platform::{End, Host, System, Translations, Waker};
use ring::hmac;
use serde_json::{Map, Value, json};
use tracing::Span;
use wire::{GuestKey, MacAddr, Vlan};

use self::files::Files;
use self::mappings::Mappings;
use crate::clock::Clock;
use crate::kept::millis;

pub(crate) use self::find::find;

/// Lines that may wait for the disk, of up to 400 octets: a train of guests, or a second of a busy router's connections.
const MOST_WAITING: usize = 4096;
/// Lines that are written before files are looked after.
const AT_ONCE: usize = 1024;
/// Old files are looked for this often.
const LOOK: Duration = Duration::from_secs(60);
/// Digits of a hash: none of a million accounts has another's.
const HASH_OCTETS: usize = 12;

/// The gateway's own end.
pub(crate) struct Retention(Option<Open>);

struct Open {
    /// `None` while it ends.
    lines: Option<SyncSender<String>>,
    redactor: Redactor,
    sessions: bool,
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

/// What all threads know.
#[derive(Default)]
struct Shared {
    stop: AtomicBool,
    /// Lines that nobody has told of yet.
    untold: AtomicU32,
    lost: AtomicU32,
    gaps: AtomicU32,
}

impl Shared {
    fn lose(&self, lines: u32) {
        self.untold.fetch_add(lines, Ordering::Relaxed);
        self.lost.fetch_add(lines, Ordering::Relaxed);
    }
}

/// What it needs of the machine.
pub(crate) fn check(host: &Host, config: &Config) -> anyhow::Result<()> {
    if config.retention.mappings {
        host.check_translations()?;
    }
    Ok(())
}

/// The kernel's words on NAT, if they are wanted.
pub(crate) fn watch(host: &mut Host, config: &Config, waker: &Waker) -> anyhow::Result<Option<Box<dyn Translations>>> {
    Ok(config.retention.mappings.then(|| host.watch_translations(waker)).transpose()?)
}

impl Retention {
    /// Starts what is configured. `key` gives this installation's own.
    pub(crate) fn start(
        config: &Config,
        key: impl FnOnce() -> Result<[u8; 32], store::StoreError>,
        plane: &Arc<Plane>,
        kernel: Option<Box<dyn Translations>>,
        clock: Clock,
    ) -> anyhow::Result<Self> {
        let retention = &config.retention;
        if !retention.sessions && !retention.mappings {
            return Ok(Self(None));
        }
        let redactor = Redactor {
            account: retention.account,
            mac: retention.mac,
            destinations: retention.destinations,
            key: hmac::Key::new(hmac::HMAC_SHA256, &key()?),
        };
        let shared = Arc::new(Shared::default());
        let mut threads = Vec::new();
        // A queue and files for each kind: whoever makes connections keeps no session from being written down.
        let mut keeper = |kind: &'static str| -> anyhow::Result<SyncSender<String>> {
            let files = Files::open(retention, kind, clock.now())?;
            let (lines, waiting) = sync_channel(MOST_WAITING);
            let theirs = Arc::clone(&shared);
            threads.push(thread("retention", move || keep(files, &waiting, &theirs, clock))?);
            Ok(lines)
        };
        let lines = retention.sessions.then(|| keeper(files::SESSIONS)).transpose()?;
        let of_mappings = kernel.is_some().then(|| keeper(files::MAPPINGS)).transpose()?;
        if let Some((kernel, of_mappings)) = kernel.zip(of_mappings) {
            let networks =
                [config.lan.network].into_iter().chain(config.lan.routed.iter().map(|routed| routed.network));
            let mappings = Mappings::new(
                Arc::clone(plane),
                networks.collect(),
                redactor.clone(),
                of_mappings,
                Arc::clone(&shared),
                clock,
            );
            threads.push(thread("mappings", move || mappings.watch(kernel))?);
        }
        Ok(Self(Some(Open { lines, redactor, sessions: retention.sessions, shared, threads })))
    }

    /// Writes down that a session has begun or ended.
    pub(crate) fn session(&self, record: &Record, mac: MacAddr) {
        let Some(open) = self.0.as_ref().filter(|open| open.sessions) else { return };
        let Some(mut line) = session_line(record) else { return };
        open.redactor.put_mac(&mut line, mac, record.key);
        let how = open.redactor.of_account(&record.user, record.key.mac);
        if let Some(user) = open.redactor.redact(how, &record.user) {
            line.insert("user".to_owned(), user.into());
        }
        let sent = open.lines.as_ref().map(|lines| lines.try_send(Value::Object(line).to_string()));
        if !matches!(sent, Some(Ok(()))) {
            open.shared.lose(1);
        }
    }

    /// What monitoring is told.
    pub(crate) fn to_json(&self) -> Value {
        match &self.0 {
            None => Value::Null,
            Some(open) => json!({
                "lines_lost": open.shared.lost.load(Ordering::Relaxed),
                "gaps": open.shared.gaps.load(Ordering::Relaxed),
            }),
        }
    }
}

impl Drop for Open {
    /// All that was said is written.
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        self.lines = None;
        for thread in self.threads.drain(..) {
            let _ = thread.join(); // a panic ends the process: panics abort
        }
    }
}

fn thread(name: &str, run: impl FnOnce() + Send + 'static) -> std::io::Result<JoinHandle<()>> {
    let span = Span::current();
    std::thread::Builder::new().name(name.into()).spawn(move || span.in_scope(run))
}

/// Writes until nobody is left who could say something.
fn keep(mut files: Files, lines: &Receiver<String>, shared: &Shared, clock: Clock) {
    let mut written = clock.now().unix;
    loop {
        match lines.recv_timeout(LOOK) {
            Ok(first) => {
                let more = std::iter::from_fn(|| lines.try_recv().ok()).take(AT_ONCE);
                let unwritten =
                    std::iter::once(first).chain(more).filter(|line| !files.append(clock.now(), line)).count();
                // How many of the last it was cannot be said.
                let unwritten = unwritten + usize::from(!files.flush(clock.now()));
                shared.lose(u32::try_from(unwritten).unwrap_or(u32::MAX));
            }
            Err(RecvTimeoutError::Timeout) => files.tidy(clock.now()),
            Err(RecvTimeoutError::Disconnected) => return,
        }
        let lost = shared.untold.swap(0, Ordering::Relaxed);
        if lost > 0 {
            let note = gap(clock, written, Duration::ZERO, &format!("{lost} lines or more could not be written"));
            if !(files.append(clock.now(), &note.to_string()) && files.flush(clock.now())) {
                shared.untold.fetch_add(lost, Ordering::Relaxed); // told when the disk takes lines again
                continue;
            }
            shared.gaps.fetch_add(1, Ordering::Relaxed);
        }
        written = clock.now().unix;
    }
}

/// A note that lines may be missing that are of a time since then, and until so long from now.
fn gap(clock: Clock, since: Duration, lasts: Duration, why: &str) -> Value {
    let now = clock.now().unix;
    let (at, until) = (millis(now), millis(now + lasts));
    json!({ "unix_ms": at, "what": "gap", "since_unix_ms": millis(since).min(at), "until_unix_ms": until, "why": why })
}

/// What is written of a session, but for what may be redacted.
fn session_line(record: &Record) -> Option<Map<String, Value>> {
    let mut line = json!({
        "unix_ms": millis(record.at.unix),
        "session": record.session_id,
        "ip": record.address,
    });
    match record.status {
        Status::Start => line["what"] = "session_began".into(),
        Status::Interim => return None,
        Status::Stop(cause) => {
            line["what"] = "session_ended".into();
            line["began_unix_ms"] = millis(record.at.unix.saturating_sub(record.duration)).into();
            line["cause"] = cause.label().into();
            line["octets_up"] = record.usage.octets_up.into();
            line["octets_down"] = record.usage.octets_down.into();
        }
    }
    if let Value::Object(line) = line { Some(line) } else { None }
}

/// What is left out of lines.
#[derive(Clone)]
struct Redactor {
    account: Redaction,
    mac: Redaction,
    destinations: Destinations,
    key: hmac::Key,
}

impl Redactor {
    fn redact(&self, how: Redaction, text: &str) -> Option<String> {
        match how {
            Redaction::Keep => Some(text.to_owned()),
            Redaction::Hash => {
                let tag = hmac::sign(&self.key, text.as_bytes());
                Some(tag.as_ref().iter().take(HASH_OCTETS).map(|octet| format!("{octet:02x}")).collect())
            }
            Redaction::Drop => None,
        }
    }

    /// Of an account's name. Who came by the terms alone, or by its MAC address, has that for a name: then what is said of
    /// MAC addresses holds too.
    fn of_account(&self, user: &str, mac: MacAddr) -> Redaction {
        let digits = |text: &str| -> String {
            text.chars().filter(char::is_ascii_hexdigit).map(|digit| digit.to_ascii_lowercase()).collect()
        };
        match (self.account, self.mac) {
            (account, _) if !digits(user).contains(&digits(&mac.to_string())) => account,
            (Redaction::Drop, _) | (_, Redaction::Drop) => Redaction::Drop,
            (Redaction::Hash, _) | (_, Redaction::Hash) => Redaction::Hash,
            (Redaction::Keep, Redaction::Keep) => Redaction::Keep,
        }
    }

    /// Which device it is, and in which VLAN.
    fn put_mac(&self, line: &mut Map<String, Value>, mac: MacAddr, key: GuestKey) {
        if let Some(mac) = self.redact(self.mac, &mac.to_string()) {
            line.insert("mac".to_owned(), mac.into());
        }
        if key.vlan != Vlan::NONE {
            line.insert("vlan".to_owned(), key.vlan.0.into());
        }
    }

    fn put_destination(&self, line: &mut Map<String, Value>, to: End) {
        let (address, port) = match self.destinations {
            Destinations::Drop => return,
            Destinations::Network => {
                let network = Ipv4Addr::from_bits(to.address.to_bits() & 0xffff_ff00);
                (format!("{network}/24"), None)
            }
            Destinations::Keep => (to.address.to_string(), to.port),
        };
        line.insert("to".to_owned(), address.into());
        line.extend(port.map(|port| ("to_port".to_owned(), port.into())));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn redactor(how: Redaction, destinations: Destinations) -> Redactor {
        Redactor { account: how, mac: how, destinations, key: hmac::Key::new(hmac::HMAC_SHA256, &[7; 32]) }
    }

    #[test]
    fn a_hash_is_the_same_for_one_account_and_tells_nothing_of_it() {
        let redactor = redactor(Redaction::Hash, Destinations::Drop);
        let hash = |text| redactor.redact(redactor.account, text).unwrap_or_default();
        assert_eq!((hash("ada"), hash("ada").len()), (hash("ada"), 2 * HASH_OCTETS));
        assert_ne!(hash("ada"), hash("eve"));
        assert!(!hash("ada").contains("ada"));
    }

    #[test]
    fn an_account_that_is_a_mac_address_is_told_no_more_than_mac_addresses_are() {
        let mac = MacAddr([2, 0, 0, 0, 0, 0xa1]);
        for (account, mac_is, expected) in [
            (Redaction::Keep, Redaction::Drop, Redaction::Drop),
            (Redaction::Keep, Redaction::Hash, Redaction::Hash),
            (Redaction::Drop, Redaction::Keep, Redaction::Drop),
            (Redaction::Keep, Redaction::Keep, Redaction::Keep),
        ] {
            let redactor = Redactor { account, mac: mac_is, ..redactor(Redaction::Keep, Destinations::Drop) };
            for name in ["terms:02-00-00-00-00-A1", "0200000000a1", "02:00:00:00:00:a1"] {
                assert_eq!(redactor.of_account(name, mac), expected, "{name}");
            }
            assert_eq!(redactor.of_account("ada", mac), account);
        }
    }

    #[test]
    fn where_connections_went_is_told_as_far_as_is_wanted() {
        let told = |destinations| {
            let mut line = Map::new();
            let to = End { address: Ipv4Addr::new(192, 0, 2, 80), port: Some(443) };
            redactor(Redaction::Keep, destinations).put_destination(&mut line, to);
            Value::Object(line).to_string()
        };
        assert_eq!(told(Destinations::Drop), "{}");
        assert_eq!(told(Destinations::Network), r#"{"to":"192.0.2.0/24"}"#);
        assert_eq!(told(Destinations::Keep), r#"{"to":"192.0.2.80","to_port":443}"#);
    }
}
