//! Vouchers as an operator handles them: what a running gateway does when it is asked, and the words of the command line.

mod command;
mod csv;
mod sheet;

use std::rc::Rc;
use std::time::Duration;

use engine::session::Cause;
use portal::Declined;
use serde_json::{Value, json};
use store::{Code, Limits, MAX_NOTE_OCTETS, Over, TimeCounts, Used, Voucher};

pub(crate) use self::command::{command, limits_of, unix_now};
pub(crate) use self::csv::Table;

use crate::allowances::{MOST_AT_ONCE, Told};
use crate::gateway::Gateway;

/// Vouchers told of in one answer, of some 400 octets each: more would keep guests waiting.
const MOST_TOLD: usize = 200;

/// Does what is asked on the control socket.
///
/// # Errors
/// Why it cannot be done, in words.
pub(crate) fn perform(gateway: &Rc<Gateway>, request: &Value) -> Result<Value, String> {
    let reply = match request["command"].as_str().unwrap_or_default() {
        "vouchers" => list(gateway, request)?,
        "voucher" => to_json(gateway, &meant(gateway, request)?),
        "voucher_create" => create(gateway, request)?,
        "voucher_import" => import(gateway, &request["voucher"])?,
        "voucher_revoke" => revoke(gateway, request)?,
        "voucher_extend" => extend(gateway, request)?,
        other => return Err(format!("unknown command {other:?}")),
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

fn create(gateway: &Rc<Gateway>, request: &Value) -> Result<Value, String> {
    let count = number(request, "count")?.unwrap_or(1);
    if !(1..=MOST_AT_ONCE).contains(&count) {
        return Err(format!("count is {count}; at most {MOST_AT_ONCE} vouchers are made at once"));
    }
    let now = gateway.clock.now();
    let mut limits = Limits::from_line(request["limits"].as_str().unwrap_or("since_unix=0"))?;
    limits.since_unix = now.unix.as_secs();
    let (note, price) = (short(request, "note")?, short(request, "price")?);
    let like = Voucher { serial: 0, code: Code::new([0; 16]), batch: 0, revoked: false, note, price, limits };
    let batch = gateway.allowances.next_batch();
    let (made, forgotten) = gateway.allowances.create(count, &like, now)?;
    forgotten.into_iter().for_each(|name| gateway.store.delete_allowance(name));
    made.iter().for_each(|name| gateway.allowances.unsettle(name));
    Ok(json!({ "batch": batch, "created": made.len() }))
}

fn import(gateway: &Rc<Gateway>, row: &Value) -> Result<Value, String> {
    let field = |name: &str| match &row[name] {
        Value::String(text) => text.trim().to_owned(),
        Value::Null => String::new(),
        other => other.to_string(),
    };
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

fn revoke(gateway: &Rc<Gateway>, request: &Value) -> Result<Value, String> {
    let mut revoked = match number(request, "batch")? {
        None => vec![meant(gateway, request)?],
        Some(batch) => gateway.allowances.list(0, usize::MAX, Some(batch)),
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

fn extend(gateway: &Rc<Gateway>, request: &Value) -> Result<Value, String> {
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
fn meant(gateway: &Rc<Gateway>, request: &Value) -> Result<Told, String> {
    let text = request["voucher"].as_str().unwrap_or_default();
    gateway.allowances.find(text).ok_or_else(|| match text.parse::<Code>().is_err() && text.parse::<u32>().is_err() {
        true => format!("{text:?} is mistyped: a voucher is named by its code or its number"),
        false => format!("there is no voucher {text}; `poblano voucher list` shows all"),
    })
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
    let state = match &left {
        _ if voucher.revoked => "revoked",
        Err(Over::Expired) => "expired",
        Err(Over::UsedUp) => "used up",
        Ok(_) if used.first_unix.is_none() => "new",
        Ok(_) => "in use",
    };
    let until_unix = left.ok().and_then(|left| left.until_unix).filter(|_| used.first_unix.is_some());
    json!({
        "serial": voucher.serial,
        "code": voucher.code.to_string(),
        "batch": voucher.batch,
        "state": state,
        "seconds": limits.time.map(|time| time.as_secs()),
        "counts": if limits.counts == TimeCounts::Online { "online" } else { "always" },
        "octets": limits.octets,
        "up": limits.up,
        "down": limits.down,
        "devices": limits.devices,
        "valid_unix": limits.valid_unix,
        "since_unix": limits.since_unix,
        "note": voucher.note,
        "price": voucher.price,
        "revoked": voucher.revoked,
        "first_used_unix": used.first_unix,
        "seconds_used": used.time.as_secs(),
        "octets_used": used.octets,
        "until_unix": until_unix,
        "seconds_left": left.ok().and_then(|left| left.time).map(|time| time.as_secs()),
        "octets_left": left.ok().and_then(|left| left.octets),
        "devices_online": told.online.len(),
        "login_url": format!("http://{}:{}/?voucher={}", gateway.plane.gateway, gateway.plane.portal_ports[0], voucher.code),
    })
}
