//! What has happened to guests lately, so that "why can I not get in?" has an answer: each guest's timeline, kept in memory
//! and bounded. Nothing of it outlives the process; what has to is in the log and in accounting.

use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::collections::{HashMap, VecDeque};
use std::fmt::Write;
use std::net::Ipv4Addr;
use std::rc::Rc;
use std::time::Duration;

use engine::session::{Name, Record, Source, Status};
use engine::watch::Rogue;
use serde_json::{Value, json};
use tokio::sync::watch;
use wire::routes::Routes;
use wire::{GuestKey, Now};

use crate::cli;
use crate::commands::octets;

/// Events that are kept of each [`Kept`], of 200 octets with names of the usual length, and otherwise up to two times
/// [`LONGEST_WORDS`] more: 900 kB at the worst in all, half a day of a café.
const MOST_EVENTS: usize = 1024;
/// Longest that one event quotes of a guest or a server.
const LONGEST_WORDS: usize = 160;
/// Events of one guest at once; then one in [`GUEST_PAUSE`]. A phone that joins, fails three times and gets in makes some
/// dozen: who makes more cannot push other guests' events out. Beginning and end of a session count a tenth, for others are
/// told of them.
const GUEST_BURST: u32 = 24;
const GUEST_PAUSE: Duration = Duration::from_secs(10);
const SESSION_PAUSE: Duration = Duration::from_secs(1);
/// Guests whose events are counted, and stations that are asking for a lease. Beyond that they share one budget.
const MOST_COUNTED: usize = 4096;
/// Who has asked for longer than this and has no lease gave up.
const ASKING: Duration = Duration::from_secs(60);

/// What has happened. Names are in place: as small pieces from among a login's other memory, of which all else goes at once,
/// they kept 7 MB of its pages.
#[derive(Debug)]
pub(crate) enum What {
    /// It has an address, so long after it first asked.
    Lease { name: Option<Name>, took: Option<Duration> },
    /// Its address is nobody's any more.
    Left,
    /// It was shown a page of ours, on its way to that host.
    Page { path: Name, from: Option<Name>, status: u16 },
    /// A login, so long after it was asked for.
    Login { user: Name, became: Became, took: Duration },
    /// Nobody knows the device by its MAC address.
    DeviceRefused { took: Duration },
    /// A session has begun.
    Began { session: Name, user: Name, source: Source },
    /// It is over.
    Ended { session: Name, user: Name, cause: &'static str, duration: Duration, up: u64, down: u64 },
    /// A station leads guests elsewhere.
    Rogue(Box<str>),
    /// An operator did something.
    Operator { name: Box<str>, did: Box<str> },
}

/// What became of a login.
#[derive(Debug)]
pub(crate) enum Became {
    Accepted,
    Refused { words: Option<Box<str>> },
    Unanswered,
    TooMany { wait: Duration },
}

/// Whom something happened to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Whom {
    pub(crate) key: GuestKey,
    pub(crate) address: Ipv4Addr,
}

struct Event {
    number: u64,
    unix: Duration,
    zone: Rc<str>,
    whom: Option<Whom>,
    what: What,
}

/// What all zones write into.
pub(crate) struct Pages {
    /// What anybody can make happen who comes along, with ever new stations; and the rest, which is so not pushed out by it.
    kept: RefCell<[Kept; 2]>,
    next: watch::Sender<u64>,
}

/// Events in their order.
#[derive(Default)]
struct Kept {
    events: VecDeque<Event>,
    /// The number of the last one that had to go.
    forgotten: u64,
}

/// Whether it takes nobody's word for it that a guest may come in, so that strangers can have as much of it as they want.
fn is_anybodys(label: &str) -> bool {
    !matches!(label, "login_accepted" | "session_began" | "session_ended" | "operator")
}

/// All with numbers from `from` on, in their order.
fn all_from(kept: &[Kept; 2], from: u64) -> Vec<&Event> {
    let each = |Kept { events, .. }: &'_ Kept| events.partition_point(|event| event.number < from);
    let mut all: Vec<_> = kept.iter().flat_map(|kept| kept.events.range(each(kept)..)).collect();
    all.sort_unstable_by_key(|event| event.number);
    all
}

impl Pages {
    pub(crate) fn new() -> Rc<Self> {
        Rc::new(Self { kept: RefCell::default(), next: watch::Sender::new(1) })
    }

    /// Says when there is more.
    pub(crate) fn news(&self) -> watch::Receiver<u64> {
        self.next.subscribe()
    }

    fn write(&self, zone: &Rc<str>, unix: Duration, whom: Option<Whom>, what: What) {
        let number = *self.next.borrow();
        let mut kept = self.kept.borrow_mut();
        let Kept { events, forgotten } = &mut kept[usize::from(is_anybodys(what.label()))];
        if events.len() >= MOST_EVENTS
            && let Some(gone) = events.pop_front()
        {
            *forgotten = gone.number;
        }
        events.push_back(Event { number, unix, zone: Rc::clone(zone), whom, what });
        drop(kept);
        self.next.send_replace(number + 1);
    }

    /// Whether what had one of these labels and a number from `from` on may be forgotten.
    pub(crate) fn has_forgotten(&self, from: u64, labels: &[String]) -> bool {
        let kept = self.kept.borrow();
        labels.iter().any(|label| kept[usize::from(is_anybodys(label))].forgotten >= from)
    }

    /// What an operator did, with the whole gateway or with what it names itself.
    pub(crate) fn operator(&self, now: Now, name: &str, did: &str) {
        let what = What::Operator { name: clipped(name), did: clipped(did) };
        self.write(&"".into(), now.unix, None, what);
    }

    /// Up to `most` events with numbers from `from` on, of that guest and in that zone alone if they are named; of more, the
    /// last. The next one that comes has the number `next`.
    pub(crate) fn to_json(&self, from: u64, zone: Option<&str>, guest: Option<cli::Guest>, most: usize) -> Value {
        // Numbers begin again when the gateway does.
        let from = if from > *self.next.borrow() { 0 } else { from };
        let is_meant = |event: &&Event| {
            zone.is_none_or(|zone| *event.zone == *zone)
                && match (guest, event.whom) {
                    (None, _) => true,
                    (Some(cli::Guest::Mac(mac)), Some(whom)) => whom.key.mac == mac,
                    (Some(cli::Guest::Address(address)), Some(whom)) => whom.address == address,
                    _ => false,
                }
        };
        let kept = self.kept.borrow();
        let mut told: Vec<_> =
            all_from(&kept, from).into_iter().rev().filter(is_meant).take(most).map(Event::to_json).collect();
        told.reverse();
        json!({ "events": told, "next": *self.next.borrow() })
    }
}

/// A gateway's own way into the diary.
pub(crate) struct Diary {
    zone: Rc<str>,
    pages: Rc<Pages>,
    routes: Routes,
    /// When those that have no lease yet first asked for one.
    asking: RefCell<HashMap<GuestKey, Duration>>,
    asking_sweep: Sweep,
    /// What guests may still write, of either kind that is kept.
    budgets: RefCell<[Budgets; 2]>,
}

impl Diary {
    pub(crate) fn new(zone: &str, pages: Rc<Pages>, routes: Routes) -> Self {
        Self {
            zone: zone.into(),
            pages,
            routes,
            asking: RefCell::default(),
            asking_sweep: Sweep::default(),
            budgets: RefCell::default(),
        }
    }

    /// What all zones write into.
    pub(crate) fn pages(&self) -> &Rc<Pages> {
        &self.pages
    }

    /// Up to `most` events of this gateway with numbers from `from` on and one of these labels, and the number to go on from.
    pub(crate) fn since(&self, from: u64, labels: &[String], most: usize) -> (Vec<Value>, u64) {
        let kept = self.pages.kept.borrow();
        let mut next = *self.pages.next.borrow();
        let mut told = Vec::new();
        for event in all_from(&kept, from).into_iter().filter(|event| event.zone == self.zone) {
            if !labels.iter().any(|label| label == event.what.label()) {
                continue;
            }
            if told.len() == most {
                next = event.number;
                break;
            }
            told.push(event.to_json());
        }
        (told, next)
    }

    /// Something happened to a guest.
    pub(crate) fn note(&self, now: Now, whom: Whom, what: What) {
        let pause = match what {
            What::Began { .. } | What::Ended { .. } => SESSION_PAUSE,
            _ => GUEST_PAUSE,
        };
        let is_admitted = {
            let mut budgets = self.budgets.borrow_mut();
            budgets[usize::from(is_anybodys(what.label()))].admit(now.mono, whom.key, pause)
        };
        if is_admitted {
            // Whoever is behind a router has no station of its own.
            let key = GuestKey { mac: self.routes.station(whom.key), ..whom.key };
            self.pages.write(&self.zone, now.unix, Some(Whom { key, ..whom }), what);
        }
    }

    /// A station without a lease asks for one.
    pub(crate) fn asks(&self, now: Now, key: GuestKey) {
        let mut asking = self.asking.borrow_mut();
        if asking.len() >= MOST_COUNTED && !asking.contains_key(&key) {
            if self.asking_sweep.is_due(now.mono) {
                asking.retain(|_, since| now.mono.saturating_sub(*since) < ASKING);
            }
            if asking.len() >= MOST_COUNTED {
                return;
            }
        }
        let since = asking.entry(key).or_insert(now.mono);
        if now.mono.saturating_sub(*since) >= ASKING {
            *since = now.mono;
        }
    }

    /// A station has its first lease.
    pub(crate) fn came(&self, now: Now, whom: Whom, name: Option<&str>) {
        let asked = self.asking.borrow_mut().remove(&whom.key);
        let took = asked.map(|since| now.mono.saturating_sub(since));
        self.note(now, whom, What::Lease { name: name.map(name_of), took });
    }

    /// A guest was shown a page of ours.
    pub(crate) fn page(&self, now: Now, whom: Whom, path: &str, from: Option<&str>, status: u16) {
        self.note(now, whom, What::Page { path: name_of(path), from: from.map(name_of), status });
    }

    /// A login came to an end.
    pub(crate) fn login(&self, now: Now, whom: Whom, user: &str, became: Became, took: Duration) {
        self.note(now, whom, What::Login { user: name_of(user), became, took });
    }

    /// What accounting is told.
    pub(crate) fn session(&self, now: Now, record: &Record) {
        let what = match record.status {
            Status::Start => What::Began {
                session: record.session_id.as_str().into(),
                user: name_of(&record.user),
                source: record.source,
            },
            Status::Interim => return,
            Status::Stop(cause) => What::Ended {
                session: record.session_id.as_str().into(),
                user: name_of(&record.user),
                cause: cause.label(),
                duration: record.duration,
                up: record.usage.octets_up,
                down: record.usage.octets_down,
            },
        };
        self.note(now, Whom { key: record.key, address: record.address }, what);
    }

    /// A station leads guests elsewhere.
    pub(crate) fn rogue(&self, now: Now, rogue: &Rogue, words: &str) {
        self.note(now, Whom { key: rogue.key, address: Ipv4Addr::UNSPECIFIED }, What::Rogue(clipped(words)));
    }
}

/// A token bucket for each guest, kept as one point in time: when it may make a whole burst of events again.
#[derive(Default)]
struct Budgets {
    whole_at: HashMap<GuestKey, Duration>,
    /// Of all those that are not counted.
    shared_whole_at: Duration,
    sweep: Sweep,
}

/// Walks over a full table are a second apart, however many ask for a place in it.
#[derive(Default)]
struct Sweep(Cell<Duration>);

impl Sweep {
    fn is_due(&self, now: Duration) -> bool {
        let is_due = now >= self.0.get();
        if is_due {
            self.0.set(now + Duration::from_secs(1));
        }
        is_due
    }
}

impl Budgets {
    fn admit(&mut self, now: Duration, key: GuestKey, pause: Duration) -> bool {
        let is_full = |counted: &HashMap<_, _>| counted.len() >= MOST_COUNTED && !counted.contains_key(&key);
        if is_full(&self.whole_at) && self.sweep.is_due(now) {
            self.whole_at.retain(|_, at| *at > now);
        }
        let whole_at = match is_full(&self.whole_at) {
            true => &mut self.shared_whole_at,
            false => self.whole_at.entry(key).or_insert(now),
        };
        let after = (*whole_at).max(now) + pause;
        let fits = after <= now + GUEST_PAUSE * GUEST_BURST;
        if fits {
            *whole_at = after;
        }
        fits
    }
}

impl Event {
    fn to_json(&self) -> Value {
        json!({
            "number": self.number,
            "unix_ms": self.unix.as_millis() as u64,
            "zone": (!self.zone.is_empty()).then_some(&*self.zone),
            "mac": self.whom.map(|whom| whom.key.mac.to_string()),
            "vlan": self.whom.map(|whom| whom.key.vlan.0).filter(|vlan| *vlan != 0),
            "ip": self.whom.map(|whom| whom.address).filter(|address| !address.is_unspecified()).map(|a| a.to_string()),
            "event": self.what.label(),
            "text": self.what.text(),
            "data": self.what.data(),
        })
    }
}

impl What {
    fn label(&self) -> &'static str {
        match self {
            Self::Lease { .. } => "lease",
            Self::Left => "left",
            Self::Page { .. } => "page",
            Self::Login { became: Became::Accepted, .. } => "login_accepted",
            Self::Login { became: Became::Refused { .. }, .. } => "login_refused",
            Self::Login { became: Became::Unanswered, .. } => "login_unanswered",
            Self::Login { became: Became::TooMany { .. }, .. } => "login_too_many",
            Self::DeviceRefused { .. } => "device_refused",
            Self::Began { .. } => "session_began",
            Self::Ended { .. } => "session_ended",
            Self::Rogue(_) => "rogue",
            Self::Operator { .. } => "operator",
        }
    }

    /// For programs: what is not said by others of its fields; the words of accounting and of `sessions`.
    fn data(&self) -> Value {
        match self {
            Self::Lease { name, took } => {
                json!({ "hostname": name.as_ref().map(Name::as_str), "milliseconds": took.map(|t| t.as_millis() as u64) })
            }
            Self::Left | Self::Rogue(_) => Value::Null,
            Self::Page { path, from, status } => {
                json!({ "path": path.as_str(), "towards": from.as_ref().map(Name::as_str), "status": status })
            }
            Self::Login { user, became, took } => {
                let words = match became {
                    Became::Refused { words } => words.as_deref(),
                    _ => None,
                };
                json!({ "user": user.as_str(), "message": words, "milliseconds": took.as_millis() as u64 })
            }
            Self::DeviceRefused { took } => json!({ "milliseconds": took.as_millis() as u64 }),
            Self::Began { session, user, .. } => json!({ "session": session.as_str(), "user": user.as_str() }),
            Self::Ended { session, user, cause, duration, up, down } => json!({
                "session": session.as_str(),
                "user": user.as_str(),
                "cause": cause,
                "seconds": duration.as_secs(),
                "input_octets": up,
                "output_octets": down,
            }),
            Self::Operator { name, did } => json!({ "operator": name, "did": did }),
        }
    }

    /// For people.
    fn text(&self) -> String {
        match self {
            Self::Lease { name, took } => {
                let name = name.as_ref().map_or(Cow::from(""), |name| format!(" to {name}").into());
                let took = took.map_or(Cow::from(""), |took| format!(", {} after it first asked", time(took)).into());
                format!("lease{name}{took}")
            }
            Self::Left => "the lease is over".to_owned(),
            Self::Page { path, from: None, status } => format!("saw {path} ({status})"),
            Self::Page { path, from: Some(from), status } => match portal::detector(from.as_str()) {
                Some(detector) => format!("saw {path} ({status}), led there by a probe of {detector} ({from})"),
                None => format!("saw {path} ({status}), on the way to {from}"),
            },
            Self::Login { user, became, took } => {
                let took = time(*took);
                match became {
                    Became::Accepted => format!("{user} was accepted, after {took}"),
                    Became::Refused { words: Some(words) } => format!("{user} was refused, after {took}: {words:?}"),
                    Became::Refused { words: None } => format!("{user} was refused, after {took}"),
                    Became::Unanswered => format!("nobody could say whether {user} may come in, for {took}"),
                    Became::TooMany { wait } => format!("too many tries as {user}; the next in {}", time(*wait)),
                }
            }
            Self::DeviceRefused { took } => format!("not known by its MAC address, after {}", time(*took)),
            Self::Began { user, source, .. } => {
                let by = match source {
                    Source::Local => "an account",
                    Source::Radius => "RADIUS",
                    Source::Allowance => "a voucher or an account with limits",
                    Source::Nobody => "nobody: no server answered",
                };
                format!("online as {user}, by {by}")
            }
            Self::Ended { user, cause, duration, up, down, .. } => {
                let mut text = format!("{user} is offline: {cause}, after ");
                let _ = write!(text, "{}, {} up, {} down", time(*duration), octets(*up), octets(*down)); // a String takes all
                text
            }
            Self::Rogue(words) => words.to_string(),
            Self::Operator { name, did } => format!("{name}: {did}"),
        }
    }
}

/// A short time in a unit that shows it.
fn time(time: Duration) -> String {
    match time.as_millis() {
        0 => "less than 1 ms".to_owned(),
        millis @ 1..10_000 => format!("{millis} ms"),
        _ => config::format_duration(Duration::from_secs(time.as_secs())),
    }
}

/// A name that somebody else chose.
fn name_of(words: &str) -> Name {
    Name::from(&*clipped(words))
}

/// What somebody else chose, no longer than is kept.
pub(crate) fn clipped(words: &str) -> Box<str> {
    let end = words.floor_char_boundary(LONGEST_WORDS);
    if end < words.len() { format!("{}…", &words[..end]).into() } else { words.into() }
}

#[cfg(test)]
mod tests {
    use wire::{MacAddr, Vlan};

    use super::*;

    fn whom(n: u16) -> Whom {
        let [a, b] = n.to_be_bytes();
        let key = GuestKey { lan: 0, vlan: Vlan::NONE, mac: MacAddr([2, 0, 0, 0, a, b]) };
        Whom { key, address: Ipv4Addr::new(10, 85, a, b) }
    }

    fn at(seconds: u64) -> Now {
        Now { mono: Duration::from_secs(seconds), unix: Duration::from_secs(1_700_000_000 + seconds) }
    }

    fn count(pages: &Pages, guest: Whom) -> usize {
        let told = pages.to_json(0, None, Some(cli::Guest::Mac(guest.key.mac)), usize::MAX);
        told["events"].as_array().map_or(0, Vec::len)
    }

    #[test]
    fn a_timeline_tells_one_guests_way_and_nobody_elses() {
        let pages = Pages::new();
        let diary = Diary::new("", Rc::clone(&pages), Routes::default());
        diary.asks(at(1), whom(2).key);
        diary.came(at(3), whom(2), Some("annes-phone"));
        diary.came(at(3), whom(3), None);
        diary.page(at(4), whom(2), "/", Some("captive.apple.com"), 200);
        let refused = Became::Refused { words: Some("no \"credit\"".into()) };
        diary.login(at(5), whom(2), "anne", refused, Duration::from_millis(21));
        let told = pages.to_json(0, None, Some(cli::Guest::Address(whom(2).address)), 10);
        let texts: Vec<_> = told["events"].as_array().expect("events").iter().map(|event| &event["text"]).collect();
        assert_eq!(
            texts,
            [
                "lease to annes-phone, 2000 ms after it first asked",
                "saw / (200), led there by a probe of Apple (captive.apple.com)",
                r#"anne was refused, after 21 ms: "no \"credit\"""#,
            ]
        );
        assert_eq!(told["next"], 5);
        assert_eq!(pages.to_json(5, None, None, 10)["events"], json!([]), "nothing is new");
        assert_eq!(pages.to_json(0, Some("staff"), None, 10)["events"], json!([]));
    }

    #[test]
    fn a_guest_that_makes_events_all_the_time_pushes_nobody_elses_out() {
        let pages = Pages::new();
        let diary = Diary::new("", Rc::clone(&pages), Routes::default());
        diary.came(at(0), whom(1), None);
        for n in 0..100_000 {
            diary.page(at(n / 1000), whom(2), "/", None, 200);
        }
        assert_eq!(count(&pages, whom(1)), 1);
        assert!((20..40).contains(&count(&pages, whom(2))), "{}", count(&pages, whom(2)));
    }

    #[test]
    fn a_crowd_of_invented_stations_takes_bounded_memory() {
        let pages = Pages::new();
        let diary = Diary::new("", Rc::clone(&pages), Routes::default());
        for n in 0..20_000 {
            diary.asks(at(1), whom(n).key);
            diary.page(at(1), whom(n), &"/é".repeat(4000), None, 404);
        }
        let kept = pages.kept.borrow();
        assert_eq!(kept.each_ref().map(|kept| kept.events.len()), [0, MOST_EVENTS]);
        let counted = diary.budgets.borrow().each_ref().map(|budgets| budgets.whole_at.len());
        assert_eq!((diary.asking.borrow().len(), counted), (MOST_COUNTED, [0, MOST_COUNTED]));
        let longest = kept.iter().flat_map(|kept| &kept.events).map(|event| event.what.text().len()).max();
        assert!(longest.is_some_and(|octets| octets < LONGEST_WORDS + 20), "{longest:?}");
    }

    #[test]
    fn a_crowd_of_invented_stations_does_not_push_out_who_was_let_in_and_what_operators_did() {
        let pages = Pages::new();
        let diary = Diary::new("", Rc::clone(&pages), Routes::default());
        diary.login(at(1), whom(1), "anne", Became::Accepted, Duration::ZERO);
        pages.operator(at(1), "root", "kick 10.85.0.1");
        let wanted = ["login_accepted".to_owned(), "operator".to_owned()];
        for n in 0..20_000 {
            let refused = Became::Refused { words: None };
            diary.login(at(2), whom(n), "anne", refused, Duration::ZERO);
            diary.page(at(2), whom(n), "/", None, 200);
            diary.note(at(2), whom(n), What::Left);
        }
        (60_000..60_100).for_each(|n| diary.login(at(2), whom(n), "ben", Became::Accepted, Duration::ZERO));
        let (told, _) = diary.since(0, &wanted, 1000);
        assert_eq!(told.len(), 102, "and those who come meanwhile are told of, each");
        assert!(!pages.has_forgotten(1, &wanted), "so no webhook that wants these is told that it is late");
        assert!(pages.has_forgotten(3, &["page".to_owned()]));
    }

    #[test]
    fn who_is_behind_a_router_is_told_of_by_its_router_and_its_address() {
        let network = Ipv4Addr::new(10, 9, 0, 0);
        let (mac, vlan) = (MacAddr([2, 0, 0, 0, 0, 0x99]), Vlan::NONE);
        let route = wire::routes::Route { network, prefix: 16, via: Ipv4Addr::new(10, 85, 0, 2), mac, vlan };
        let pages = Pages::new();
        let diary = Diary::new("", Rc::clone(&pages), [route].into_iter().collect());
        for n in 1..=2 {
            let address = Ipv4Addr::new(10, 9, 0, n);
            diary.came(at(1), Whom { key: GuestKey::behind_router(0, vlan, address), address }, None);
        }
        let of = |guest| pages.to_json(0, None, Some(guest), 10)["events"].clone();
        let one = of(cli::Guest::Address(Ipv4Addr::new(10, 9, 0, 2)));
        assert_eq!((one.as_array().map(Vec::len), one[0]["mac"].as_str()), (Some(1), Some("02:00:00:00:00:99")));
        assert_eq!(of(cli::Guest::Mac(mac)).as_array().map(Vec::len), Some(2));
    }

    #[test]
    fn of_more_events_than_are_wanted_the_last_are_told_in_their_order() {
        let pages = Pages::new();
        let diary = Diary::new("", Rc::clone(&pages), Routes::default());
        (1..=9).for_each(|n| diary.came(at(1), whom(n), None));
        let told = pages.to_json(0, None, None, 3);
        let numbers: Vec<_> = told["events"].as_array().expect("events").iter().map(|event| &event["number"]).collect();
        assert_eq!(numbers, [7, 8, 9]);
    }
}
