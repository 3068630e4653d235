//! Vouchers as an operator handles them: what a running gateway does when it is asked, and the words of the command line.

mod command;
mod csv;
mod files;
mod sheet;

use std::rc::Rc;
use std::time::Duration;

use engine::session::Cause;
use portal::Declined;
use serde_json::{Value, json};
use store::{Code, Limits, MAX_NOTE_OCTETS, TimeCounts, Used, Voucher};

pub(crate) use self::command::{command, limits_of, unix_now};
pub(crate) use self::csv::Table;
pub(crate) use self::files::file;

use crate::allowances::{Batch, Fate, MOST_AT_ONCE, Told};
use crate::gateway::Gateway;

/// Vouchers told of in one answer, of some 400 octets each: more would keep guests waiting.
const MOST_TOLD: usize = 200;

/// Why something cannot be done.
pub(crate) struct Refused {
    words: String,
    /// Because there is no such voucher or batch.
    is_missing: bool,
}

impl Refused {
    fn missing(words: String) -> Self {
        Self { words, is_missing: true }
    }

    pub(crate) fn to_json(&self) -> Value {
        json!({ "error": self.words, "missing": self.is_missing.then_some(true) })
    }
}

impl From<String> for Refused {
    fn from(words: String) -> Self {
        Self { words, is_missing: false }
    }
}

/// Does what is asked on the control socket.
///
/// # Errors
/// Why it cannot be done.
pub(crate) fn perform(gateway: &Rc<Gateway>, request: &Value) -> Result<Value, Refused> {
    let reply = match request["command"].as_str().unwrap_or_default() {
        "vouchers" => return Ok(list(gateway, request)?),
        "voucher_batches" => return Ok(batches(gateway, request)?),
        "voucher" => return Ok(to_json(gateway, &meant(gateway, request)?)),
        "voucher_create" => create(gateway, request)?,
        "voucher_import" => import(gateway, &request["voucher"])?,
        "voucher_revoke" => revoke(gateway, request)?,
        "voucher_extend" => extend(gateway, request)?,
        other => return Err(format!("unknown command {other:?}").into()),
    };
    gateway.with(|_, _| ()); // what has changed is written down, and its sessions hear of it
    Ok(reply)
}

/// Why a voucher or an account lets nobody in, for an operator.
pub(crate) fn words(why: Declined) -> &'static str {
    match why {
        Declined::Mistyped => "the code is mistyped",
        Declined::UnknownCode => "there is no such voucher",
        Declined::Expired => "its time is over",
        Declined::UsedUp => "its time or data is used up",
        Declined::TooManyDevices => "as many devices as it has are online",
        Declined::ShareUsed(_) => "its share of time or data is used up",
        Declined::TooManyNewcomers(_) => "more new devices came than click_through.devices",
    }
}

fn list(gateway: &Rc<Gateway>, request: &Value) -> Result<Value, String> {
    let from = number(request, "from")?.unwrap_or(0);
    let told = gateway.allowances.list(from, MOST_TOLD, number(request, "batch")?);
    let next = told.last().filter(|_| told.len() == MOST_TOLD).map(|told| told.voucher.serial.saturating_add(1));
    Ok(json!({ "vouchers": told.iter().map(|told| to_json(gateway, told)).collect::<Vec<_>>(), "next": next }))
}

fn batches(gateway: &Rc<Gateway>, request: &Value) -> Result<Value, String> {
    let from = number(request, "from")?.unwrap_or(u32::MAX);
    let found = gateway.allowances.batches(from, MOST_TOLD, gateway.clock.now().unix.as_secs());
    let next = found.last().filter(|_| found.len() == MOST_TOLD).and_then(|batch| batch.number.checked_sub(1));
    let told = |Batch { number, tally, first }: &Batch| {
        let mut told = tally.to_json();
        told["batch"] = (*number).into();
        add_worth(&mut told, first);
        told
    };
    Ok(json!({ "batches": found.iter().map(told).collect::<Vec<_>>(), "next": next }))
}

fn create(gateway: &Rc<Gateway>, request: &Value) -> Result<Value, String> {
    let count = number(request, "count")?.unwrap_or(1);
    if !(1..=MOST_AT_ONCE).contains(&count) {
        return Err(format!("count is {count}; at most {MOST_AT_ONCE} vouchers are made at once"));
    }
    let now = gateway.clock.now();
    let mut limits = Limits { since_unix: now.unix.as_secs(), ..Limits::default() };
    for name in Limits::FIELDS {
        limits.set(name, &field(request, name))?;
    }
    let (note, price) = (short(request, "note")?, short(request, "price")?);
    let like = Voucher { serial: 0, code: Code::new([0; 16]), batch: 0, revoked: false, note, price, limits };
    let batch = gateway.allowances.next_batch();
    let (made, forgotten) = gateway.allowances.create(count, &like, now)?;
    forgotten.into_iter().for_each(|name| gateway.store.delete_allowance(name));
    made.iter().for_each(|name| gateway.allowances.unsettle(name));
    Ok(json!({ "batch": batch, "created": made.len() }))
}

fn import(gateway: &Rc<Gateway>, row: &Value) -> Result<Value, String> {
    let field = |name: &str| field(row, name);
    let count = |name: &str| match field(name).as_str() {
        "" => Ok(0),
        text => text.parse::<u64>().map_err(|_| format!("{name} is {text:?}; expected a whole number, or nothing")),
    };
    let code: Code = field("code").parse().map_err(|mistyped| format!("{}: {mistyped}", field("code")))?;
    let mut limits = Limits::default();
    for name in Limits::FIELDS.into_iter().chain(["since_unix"]) {
        limits.set(name, &field(name))?;
    }
    let now = gateway.clock.now();
    if limits.since_unix == 0 {
        limits.since_unix = now.unix.as_secs();
    }
    let batch = u32::try_from(count("batch")?).map_err(|_| "batch is too large".to_owned())?;
    let voucher = Voucher {
        serial: 0,
        code,
        batch: if batch == 0 || batch > 1_000_000_000 { gateway.allowances.next_batch() } else { batch },
        revoked: matches!(field("revoked").as_str(), "true" | "yes" | "1"),
        note: short(row, "note")?,
        price: short(row, "price")?,
        limits,
    };
    let used = Used {
        first_unix: Some(count("first_used_unix")?).filter(|first| *first > 0),
        time: Duration::from_secs(count("seconds_used")?),
        octets: count("octets_used")?,
    };
    let (name, forgotten) = gateway.allowances.import(voucher, used, now)?;
    forgotten.into_iter().for_each(|name| gateway.store.delete_allowance(name));
    gateway.allowances.unsettle(&name);
    Ok(json!({ "imported": name }))
}

fn revoke(gateway: &Rc<Gateway>, request: &Value) -> Result<Value, Refused> {
    let mut revoked = match number(request, "batch")? {
        None => vec![meant(gateway, request)?],
        Some(batch) => of_batch(gateway, batch, 0, usize::MAX)?,
    };
    revoked.retain(|told| !told.voucher.revoked);
    let ended: usize = revoked
        .iter()
        .map(|told| {
            gateway.allowances.change(told.voucher.serial, |voucher| voucher.revoked = true);
            let name = told.voucher.name();
            gateway.with(|engine, now| {
                let live = gateway.live(engine, now, &name);
                live.iter().filter(|live| engine.end_session(now, live.slot, Cause::AdminReset)).count()
            })
        })
        .sum();
    Ok(json!({ "revoked": revoked.len(), "sessions_ended": ended }))
}

fn extend(gateway: &Rc<Gateway>, request: &Value) -> Result<Value, Refused> {
    let told = meant(gateway, request)?;
    let mut limits = told.voucher.limits;
    for (key, field) in [("seconds_more", "seconds"), ("octets_more", "octets")] {
        let Some(more) = request[key].as_u64() else { continue };
        let before = limits.field(field).parse::<u64>();
        let before = before.map_err(|_| format!("this voucher has no limit of {field} that could be extended"))?;
        limits.set(field, &before.saturating_add(more).to_string())?;
    }
    if let Some(valid) = request["valid_unix"].as_u64() {
        limits.set("valid_unix", &valid.to_string())?;
    }
    gateway.allowances.change(told.voucher.serial, |voucher| voucher.limits = limits);
    Ok(to_json(gateway, &meant(gateway, request)?))
}

/// The voucher that is named by its code or its number.
fn meant(gateway: &Rc<Gateway>, request: &Value) -> Result<Told, Refused> {
    let text = request["voucher"].as_str().unwrap_or_default();
    gateway.allowances.find(text).ok_or_else(|| {
        Refused::missing(match text.parse::<Code>().is_err() && text.parse::<u32>().is_err() {
            true => format!("{text:?} is mistyped: a voucher is named by its code or its number"),
            false => format!("there is no voucher {text}; `poblano voucher list` shows all"),
        })
    })
}

/// Vouchers of a batch, which is there, from the one at `skip` on.
fn of_batch(gateway: &Rc<Gateway>, batch: u32, skip: usize, count: usize) -> Result<Vec<Told>, Refused> {
    let mut told = gateway.allowances.list(0, skip.saturating_add(count), Some(batch));
    match told.is_empty() {
        true => Err(Refused::missing(format!("there is no batch {batch}; `poblano voucher batches` shows all"))),
        false => Ok(told.split_off(skip.min(told.len()))),
    }
}

/// A field as text; empty if it is not there.
fn field(row: &Value, name: &str) -> String {
    match &row[name] {
        Value::String(text) => text.trim().to_owned(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

fn number(request: &Value, key: &str) -> Result<Option<u32>, String> {
    match &request[key] {
        Value::Null => Ok(None),
        value => match value.as_u64().and_then(|number| u32::try_from(number).ok()) {
            Some(number) => Ok(Some(number)),
            None => Err(format!("{key} is {value}; expected a whole number")),
        },
    }
}

fn short(request: &Value, key: &str) -> Result<String, String> {
    let text = request[key].as_str().unwrap_or_default().trim();
    match text.len() <= MAX_NOTE_OCTETS && !text.chars().any(char::is_control) {
        true => Ok(text.to_owned()),
        false => Err(format!("{key} has more than {MAX_NOTE_OCTETS} octets, or more than one line")),
    }
}

fn to_json(gateway: &Rc<Gateway>, told: &Told) -> Value {
    let (voucher, limits) = (&told.voucher, &told.voucher.limits);
    let (live, now) = gateway.look(|engine, now| (gateway.live(engine, now, &voucher.name()), now));
    let time = live.iter().fold(told.used.time, |time, live| time.saturating_add(live.duration));
    let octets = live.iter().fold(told.used.octets, |octets, live| octets.saturating_add(live.octets));
    let used = Used { time, octets, ..told.used };
    let left = limits.left(&used, now.unix.as_secs());
    let until_unix = left.ok().and_then(|left| left.until_unix).filter(|_| used.first_unix.is_some());
    let mut told = json!({
        "serial": voucher.serial,
        "code": voucher.code.to_string(),
        "batch": voucher.batch,
        "state": Fate::of(voucher, &used, now.unix.as_secs()).words(),
        "revoked": voucher.revoked,
        "first_used_unix": used.first_unix,
        "seconds_used": used.time.as_secs(),
        "octets_used": used.octets,
        "until_unix": until_unix,
        "seconds_left": left.ok().and_then(|left| left.time).map(|time| time.as_secs()),
        "octets_left": left.ok().and_then(|left| left.octets),
        "devices_online": told.online.len(),
        "login_url": format!("http://{}:{}/?voucher={}", gateway.plane.gateway, gateway.plane.portal_ports[0], voucher.code),
    });
    add_worth(&mut told, voucher);
    told
}

/// What a voucher is good for, and what its operator says of it.
fn add_worth(told: &mut Value, Voucher { limits, note, price, .. }: &Voucher) {
    let worth = json!({
        "seconds": limits.time.map(|time| time.as_secs()),
        "counts": if limits.counts == TimeCounts::Online { "online" } else { "always" },
        "octets": limits.octets,
        "up": limits.up,
        "down": limits.down,
        "devices": limits.devices,
        "valid_unix": limits.valid_unix,
        "since_unix": limits.since_unix,
        "note": note,
        "price": price,
    });
    if let (Value::Object(told), Value::Object(mut worth)) = (told, worth) {
        told.append(&mut worth);
    }
}
