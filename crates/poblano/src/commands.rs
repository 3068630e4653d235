//! What the short commands do: the operator's questions to a running gateway, and local accounts.

use std::io::{IsTerminal, Read};
use std::path::PathBuf;

use anyhow::{Context, bail};
use config::BitRate;
use serde_json::{Value, json};
use store::{Accounts, Limits, PasswordHash, edit_accounts, readable_password};

use wire::MacAddr;

use crate::cli::{ConfigFile, Control, Garden, Guest, Host, Rates, Setup, Switch, User};
use crate::vouchers::{Table, limits_of, unix_now};
use crate::{control, settings};

/// The table of guests: each name once, without a blank in it, for awk. Up is what the guest sent.
const COLUMNS: [&str; 12] =
    ["IP", "MAC", "STATE", "USER", "TIME", "TIME-LEFT", "UP", "DOWN", "DATA-LEFT", "RATE-UP", "RATE-DOWN", "NAME"];
/// Longest password that is taken from standard input.
const MAX_PASSWORD: u64 = 1024;

/// Asks the gateway, or the zone of it that is meant.
pub(crate) fn ask(control: &Control, mut request: Value) -> anyhow::Result<Value> {
    if let Some(zone) = &control.zone {
        request["zone"] = zone.as_str().into();
    }
    control::ask(&control.socket, &request)
}

/// Prints to standard output; a closed pipe is no error, it is a reader that has seen enough.
pub(crate) fn say(line: &str) {
    use std::io::Write;
    let _ = writeln!(std::io::stdout(), "{line}");
}

pub(crate) fn sessions(control: &Control, counters: bool) -> anyhow::Result<()> {
    let reply = ask(control, json!({ "command": "sessions" }))?;
    if control.json {
        say(&format!("{reply:#}"));
        return Ok(());
    }
    say(&sessions_text(&reply, counters));
    Ok(())
}

pub(crate) fn metrics(control: &Control) -> anyhow::Result<()> {
    let reply = ask(control, json!({ "command": "state" }))?;
    say(&if control.json { format!("{reply:#}") } else { crate::metrics::text(&reply).trim_end().to_owned() });
    Ok(())
}

/// Between two looks for more.
const LOOK_AGAIN: std::time::Duration = std::time::Duration::from_millis(500);

pub(crate) fn events(control: &Control, guest: Option<Guest>, follow: bool) -> anyhow::Result<()> {
    let mut from = 0;
    loop {
        let guest = guest.map(|guest| guest.to_string());
        let reply = ask(control, json!({ "command": "events", "guest": guest, "from": from }))?;
        let events = reply["events"].as_array().map_or(&[][..], Vec::as_slice);
        if events.is_empty() && !follow && !control.json {
            let whom = guest.map_or_else(String::new, |guest| format!(" to {guest}"));
            say(&format!("nothing has happened{whom} that is still remembered"));
        }
        for event in events {
            say(&if control.json { event.to_string() } else { event_text(event) });
        }
        if !follow {
            return Ok(());
        }
        from = reply["next"].as_u64().unwrap_or(from);
        std::thread::sleep(LOOK_AGAIN);
    }
}

/// A date and a time as RFC 3339 has them, without the zone, which is UTC.
pub(crate) fn utc(unix: u64) -> String {
    // Years of 365.2425 days that begin in March, so that the day that may be missing is the last one.
    let (days, second) = (unix / 86_400 + 719_468, unix % 86_400);
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (year, month) = (era * 400 + year + month / 10, (month + 2) % 12 + 1);
    format!("{year}-{month:02}-{day:02}T{:02}:{:02}:{:02}", second / 3600, second / 60 % 60, second % 60)
}

/// An event in a line.
fn event_text(event: &Value) -> String {
    let since = event["unix_ms"].as_u64().unwrap_or(0);
    let when = utc(since / 1000);
    let whom = [&event["zone"], &event["ip"], &event["mac"]];
    let whom: Vec<_> = whom.into_iter().filter(|word| !word.is_null()).map(text).collect();
    let whom = if whom.is_empty() { "operator".to_owned() } else { whom.join(" ") };
    format!("{when}.{:03}Z  {whom}  {}  {}", since % 1000, text(&event["event"]), text(&event["text"]))
}

pub(crate) fn uplinks(control: &Control) -> anyhow::Result<()> {
    let reply = ask(control, json!({ "command": "state" }))?;
    let told = reply["zones"].get(0).map_or(&reply["uplinks"], |zone| &zone["uplinks"]);
    let Some(lines) = told.as_array() else { bail!("there is one uplink; [[uplink.line]] makes several") };
    if control.json {
        say(&format!("{told:#}"));
        return Ok(());
    }
    let mut rows = vec![
        ["UPLINK", "INTERFACE", "GATEWAY", "STATE", "GUESTS", "SINCE", "FAILURES", "LOST", "ROUND-TRIP"]
            .map(str::to_owned),
    ];
    for line in lines {
        let state = match (line["works"].as_bool(), line["used"].as_bool()) {
            (Some(true), _) => "works".to_owned(),
            (_, Some(true)) => format!("{}, none is left", text(&line["seen"])),
            _ => text(&line["seen"]),
        };
        rows.push([
            text(&line["name"]),
            text(&line["interface"]),
            text(&line["gateway"]),
            state,
            format!("{}%", text(&line["guests_percent"])),
            seconds(&line["seconds"]),
            text(&line["failures"]),
            format!("{}%", text(&line["lost_percent"])),
            line["round_trip_us"].as_u64().map_or("-".to_owned(), |us| format!("{}.{}ms", us / 1000, us / 100 % 10)),
        ]);
    }
    say(&table(&rows).join("\n"));
    Ok(())
}

/// A gateway's answer to `sessions` as people read it, without the last line feed.
pub(crate) fn sessions_text(reply: &Value, counters: bool) -> String {
    let empty = Vec::new();
    let guests = reply["guests"].as_array().unwrap_or(&empty);
    let has_zones = reply["zones"].is_array();
    let zone = |name: &dyn Fn() -> String| has_zones.then(name);
    let head = zone(&|| "ZONE".to_owned()).into_iter().chain(COLUMNS.map(str::to_owned));
    let mut rows: Vec<Vec<String>> = vec![head.collect()];
    for guest in guests {
        let session = &guest["session"];
        let mac = match guest["vlan"].as_u64() {
            Some(vlan) => format!("{}%{vlan}", text(&guest["mac"])),
            None => text(&guest["mac"]),
        };
        let address = match guest["foreign_ip"].as_str() {
            Some(foreign) => format!("{}({foreign})", text(&guest["ip"])),
            None => text(&guest["ip"]),
        };
        let columns = [
            address,
            mac,
            text(&guest["state"]),
            text(&session["user"]),
            seconds(&session["seconds"]),
            seconds(&session["seconds_left"]),
            amount(&session["input_octets"]),
            amount(&session["output_octets"]),
            amount(&session["octets_left"]),
            session["bits_per_second_up"].as_u64().map_or_else(|| "-".to_owned(), rate_text),
            session["bits_per_second_down"].as_u64().map_or_else(|| "-".to_owned(), rate_text),
            text(&guest["hostname"]),
        ];
        rows.push(zone(&|| text(&guest["zone"])).into_iter().chain(columns).collect());
    }
    let mut lines = table(&rows);
    let online = guests.iter().filter(|guest| !guest["session"].is_null()).count();
    let guests = if guests.len() == 1 { "1 guest".to_owned() } else { format!("{} guests", guests.len()) };
    lines.push(format!("{guests}, {online} online"));
    match reply["zones"].as_array() {
        None => lines.extend(beside_guests(reply, counters)),
        Some(zones) => lines.extend(zones.iter().flat_map(|told| {
            let name = text(&told["zone"]);
            beside_guests(told, counters).into_iter().map(move |line| format!("{name}: {line}"))
        })),
    }
    lines.join("\n")
}

/// What there is to say of a gateway, or of a zone's.
fn beside_guests(told: &Value, counters: bool) -> Vec<String> {
    let mut lines = Vec::new();
    for server in told["radius"].as_array().into_iter().flatten() {
        let state = |up: &Value| if up.as_bool() == Some(true) { "up" } else { "silent" };
        lines.push(format!(
            "RADIUS {}: authentication {}, accounting {}",
            text(&server["server"]),
            state(&server["authentication"]),
            state(&server["accounting"])
        ));
    }
    if let Some(own) = told["administrative"].as_object() {
        lines.push(format!(
            "the gateway's own RADIUS session ({}): {}; options from the server: {}, refused: {}",
            text(&own["user"]),
            text(&own["answer"]),
            own["options"],
            own["refused"].as_array().map_or(0, Vec::len)
        ));
    }
    lines.extend(accounting(&told["accounting"]));
    lines.extend(crate::rogues::text(&told["rogues"]));
    lines.extend(crate::uplinks::text(&told["uplinks"]));
    if counters {
        lines.push(format!("offload: {}", text(&told["offload"])));
        for direction in ["from_guests", "to_guests"] {
            lines.push(format!("packets {}:", direction.replace('_', " ")));
            for (label, count) in told["counters"][direction].as_object().into_iter().flatten() {
                lines.push(format!("  {label:<28} {count}"));
            }
        }
    }
    lines
}

/// What an operator should know of accounting records; nothing when all is well.
fn accounting(told: &Value) -> Vec<String> {
    let mut lines = Vec::new();
    let waiting = told["records_waiting"].as_u64().unwrap_or(0);
    if waiting > 0 {
        let age = match told["oldest_seconds"].as_u64() {
            Some(0) => "0s".to_owned(),
            _ => seconds(&told["oldest_seconds"]),
        };
        let why = if told["server_answers"] == true { "" } else { ": no server answers" };
        lines.push(format!("accounting records that wait: {waiting}, the oldest for {age}{why}"));
    }
    if let Some(lost) = told["records_lost"].as_u64().filter(|lost| *lost > 0) {
        lines.push(format!("accounting records lost since the start: {lost}; the log says which"));
    }
    if let Some(why) = told["disk_error"].as_str() {
        lines.push(format!("accounting records are in memory only: {why}"));
    }
    lines
}

pub(crate) fn kick(control: &Control, guest: Guest) -> anyhow::Result<()> {
    let reply = ask(control, json!({ "command": "kick", "guest": guest.to_string() }))?;
    say(&if control.json { reply.to_string() } else { format!("{guest} is logged out") });
    Ok(())
}

pub(crate) fn limit(control: &Control, guest: Guest, rates: Rates) -> anyhow::Result<()> {
    let mut request = json!({ "command": "limit", "guest": guest.to_string() });
    let words: Vec<_> = [("up", rates.up), ("down", rates.down)]
        .into_iter()
        .filter_map(|(way, rate)| rate.map(|rate| (way, rate)))
        .map(|(way, rate)| {
            request[format!("bits_per_second_{way}")] = rate.0.into();
            format!("{} {way}", rate_text(rate.0))
        })
        .collect();
    let reply = ask(control, request)?;
    say(&if control.json { reply.to_string() } else { format!("{guest} has {} from now on", words.join(", ")) });
    Ok(())
}

pub(crate) fn login(control: &Control, guest: Guest, user: &str) -> anyhow::Result<()> {
    let request = json!({ "command": "login", "guest": guest.to_string(), "user": user });
    let reply = ask(control, request)?;
    say(&if control.json { reply.to_string() } else { format!("{guest} is online as {user}") });
    Ok(())
}

pub(crate) fn garden(command: &Garden) -> anyhow::Result<()> {
    let (control, request) = match command {
        Garden::List { control } => (control, json!({ "command": "garden" })),
        Garden::Add { entry, lasts, control } => {
            let seconds = lasts.map(|lasts| lasts.as_secs());
            (control, json!({ "command": "garden_add", "entry": entry.to_string(), "seconds": seconds }))
        }
        Garden::Remove { entry, control } => {
            (control, json!({ "command": "garden_remove", "entry": entry.to_string() }))
        }
    };
    let reply = ask(control, request)?;
    if control.json {
        say(&format!("{reply:#}"));
        return Ok(());
    }
    match command {
        Garden::List { .. } => say(&garden_text(&reply)),
        Garden::Add { entry, lasts: None, .. } => say(&format!("{entry} is open until the gateway ends")),
        Garden::Add { entry, .. } => say(&format!("{entry} is open for {}", seconds(&reply["seconds_left"]))),
        Garden::Remove { entry, .. } => say(&format!("{entry} is closed")),
    }
    Ok(())
}

/// A gateway's answer to `garden` as people read it, without the last line feed.
fn garden_text(reply: &Value) -> String {
    let empty = Vec::new();
    let rows = |key: &str, head: [&str; 4], by: &str| {
        let mut rows = vec![head.map(str::to_owned)];
        rows.extend(reply[key].as_array().unwrap_or(&empty).iter().map(|entry| {
            [text(&entry["entry"]), text(&entry[by]), text(&entry["guest"]), seconds(&entry["seconds_left"])]
        }));
        table(&rows)
    };
    let mut lines = rows("entries", ["ENTRY", "FROM", "GUEST", "TIME-LEFT"], "from");
    let (opened, total) = (reply["opened"].as_array().unwrap_or(&empty).len(), text(&reply["opened_total"]));
    if opened > 0 {
        lines.push(String::new());
        lines.extend(rows("opened", ["OPENED", "BY", "GUEST", "TIME-LEFT"], "by"));
    }
    let entries = reply["entries"].as_array().unwrap_or(&empty).len();
    lines.push(format!("{entries} entries, {total} addresses opened by DNS"));
    if let Some(refused) = reply["refused"].as_u64().filter(|refused| *refused > 0) {
        lines.push(format!("not opened for want of room: {refused}; garden.addresses is too small"));
    }
    lines.join("\n")
}

/// `block`, `unblock` and `release`, which mean a device whether it is a guest or not.
pub(crate) fn device(control: &Control, command: &str, mac: MacAddr, done: &str) -> anyhow::Result<()> {
    let reply = ask(control, json!({ "command": command, "mac": mac.to_string() }))?;
    say(&if control.json { reply.to_string() } else { format!("{mac} {done}") });
    Ok(())
}

pub(crate) fn host(command: &Host) -> anyhow::Result<()> {
    let (control, request) = match command {
        Host::List { control } => (control, json!({ "command": "hosts" })),
        Host::Add { mac, address, control } => {
            (control, json!({ "command": "host_add", "mac": mac.to_string(), "ip": address.to_string() }))
        }
        Host::Remove { mac, control } => (control, json!({ "command": "host_remove", "mac": mac.to_string() })),
    };
    let reply = ask(control, request)?;
    if control.json {
        say(&format!("{reply:#}"));
        return Ok(());
    }
    match command {
        Host::List { .. } => {
            let hosts = reply["hosts"].as_array().map_or(&[][..], |hosts| hosts);
            let row = |host: &Value| [text(&host["mac"]), text(&host["ip"]), text(&host["from"])];
            let head = ["MAC", "IP", "FROM"].map(str::to_owned);
            let rows: Vec<_> = std::iter::once(head).chain(hosts.iter().map(row)).collect();
            say(&table(&rows).join("\n"));
        }
        Host::Add { mac, address, .. } => say(&format!("{address} is kept for {mac}")),
        Host::Remove { mac, .. } => say(&format!("{mac} has no address of its own any more")),
    }
    Ok(())
}

pub(crate) fn offload(control: &Control, switch: Option<Switch>) -> anyhow::Result<()> {
    let on = switch.map(|switch| switch == Switch::On);
    let reply = ask(control, json!({ "command": "offload", "on": on }))?;
    say(&if control.json { reply.to_string() } else { text(&reply["offload"]) });
    Ok(())
}

pub(crate) fn user(command: &User) -> anyhow::Result<()> {
    match command {
        User::Add { name, ask_password, allowance, file, json } => {
            let accounts = accounts_file(file)?;
            let (password, made_up) =
                if *ask_password { (new_password(name)?, false) } else { (make_password(), true) };
            let changed = set_password(&accounts, name, &password)?;
            if let Some(limits) = limits_of(allowance)? {
                edit_accounts(&accounts, |accounts| accounts.set_limits(name, Some(limits)))?;
            }
            let verb = if changed { "changed" } else { "added" };
            if *json {
                let shown = made_up.then_some(&password);
                say(&json!({ "user": name, "result": verb, "password": shown }).to_string());
            } else if made_up {
                say(&format!("{verb} {name}, password {password} (it is not shown again)"));
            } else {
                say(&format!("{verb} {name}"));
            }
        }
        User::Limit { name, allowance, file, json } => {
            let limits = limits_of(allowance)?;
            let words = limits.as_ref().map_or_else(|| "without limits".to_owned(), Limits::to_line);
            edit_accounts(&accounts_file(file)?, |accounts| accounts.set_limits(name, limits))?;
            say(&if *json {
                json!({ "user": name, "limits": words }).to_string()
            } else {
                format!("{name} is {words} from the next login on")
            });
        }
        User::Export { file } => say(&accounts_table(&Accounts::load(&accounts_file(file)?)?).to_text()),
        User::Import { csv, file, json } => {
            let imported = import_accounts(&accounts_file(file)?, &Table::load(csv)?)?;
            say(&if *json { json!({ "imported": imported }).to_string() } else { format!("{imported} imported") });
        }
        User::Remove { name, file, json } => {
            edit_accounts(&accounts_file(file)?, |accounts| accounts.remove(name))?;
            say(&if *json {
                json!({ "user": name, "result": "removed" }).to_string()
            } else {
                format!("removed {name}")
            });
        }
        User::List { file, json } => {
            let accounts = Accounts::load(&accounts_file(file)?)?;
            if *json {
                say(&json!({ "users": accounts.names().collect::<Vec<_>>() }).to_string());
            } else {
                accounts.names().for_each(say);
            }
        }
    }
    Ok(())
}

fn accounts_table(accounts: &Accounts) -> Table {
    let columns = ["name", "hash"].into_iter().chain(Limits::FIELDS).map(str::to_owned).collect();
    let row = |name: &str| {
        let hash = accounts.hash(name).map_or("", PasswordHash::as_str).to_owned();
        let limits = accounts.limits(name).cloned().unwrap_or_default();
        [name.to_owned(), hash].into_iter().chain(Limits::FIELDS.map(|field| limits.field(field))).collect()
    };
    Table { columns, rows: accounts.names().map(row).collect() }
}

/// All of a table's accounts, or none if one of them is wrong.
fn import_accounts(file: &std::path::Path, table: &Table) -> anyhow::Result<usize> {
    let since_unix = unix_now()?;
    let mut accounts = Vec::new();
    for (at, row) in table.rows.iter().enumerate() {
        let wrong = |why: String| anyhow::anyhow!("row {}: {why}; nothing was imported", at + 1);
        let (name, password, hash) = (table.field(row, "name"), table.field(row, "password"), table.field(row, "hash"));
        let hash = match (password, hash) {
            ("", "") => None,
            ("", hash) => Some(hash.parse::<PasswordHash>().map_err(|why| wrong(format!("the hash {why}")))?),
            (password, _) => Some(new_hash(password)),
        };
        let mut limits = Limits { since_unix, ..Limits::default() };
        for field in Limits::FIELDS {
            limits.set(field, table.field(row, field)).map_err(wrong)?;
        }
        let is_limited = limits != Limits { since_unix, ..Limits::default() };
        accounts.push((name.to_owned(), hash, is_limited.then_some(limits)));
    }
    let imported = accounts.len();
    edit_accounts(file, |edited| {
        for (name, hash, limits) in accounts {
            match (hash, edited.contains(&name)) {
                (Some(hash), true) => edited.set_password(&name, hash)?,
                (Some(hash), false) => edited.add(&name, hash)?,
                (None, _) => {} // who is not there yet is unknown below
            }
            edited.set_limits(&name, limits)?;
        }
        Ok(())
    })?;
    Ok(imported)
}

fn new_hash(password: &str) -> PasswordHash {
    let mut salt = [0; 16];
    crate::dice(&mut salt);
    PasswordHash::new(password.as_bytes(), salt)
}

/// Adds the account or gives it a new password; true if it was there.
pub(crate) fn set_password(file: &std::path::Path, name: &str, password: &str) -> anyhow::Result<bool> {
    let hash = new_hash(password);
    let changed = edit_accounts(file, |accounts| {
        let known = accounts.contains(name);
        if known {
            accounts.set_password(name, hash)?
        } else {
            accounts.add(name, hash)?
        }
        Ok(known)
    })?;
    Ok(changed)
}

/// A password that a person can read out.
pub(crate) fn make_password() -> String {
    let mut random = [0; 16];
    crate::dice(&mut random);
    readable_password(random)
}

fn accounts_file(file: &ConfigFile) -> anyhow::Result<PathBuf> {
    // The accounts are the same whatever the interfaces are; the LAN need not be known here.
    let setup = Setup { config: file.config.clone(), lan: Some("lan".to_owned()), ..Setup::default() };
    let loaded = settings::load(&setup)?;
    let accounts = &loaded.config.auth.accounts;
    if file.zone.is_none() && loaded.others.iter().all(|other| other.auth.accounts == *accounts) {
        return Ok(accounts.clone());
    }
    Ok(settings::of_zone(loaded, file.zone.as_deref())?.auth.accounts)
}

/// A password for this account: a person types it twice, for it is not seen.
pub(crate) fn new_password(name: &str) -> anyhow::Result<String> {
    let password = read_password(&format!("New password of {name}: "))?;
    if std::io::stdin().is_terminal() && read_password("The same again: ")? != password {
        bail!("these were two different passwords; nothing was changed");
    }
    Ok(password)
}

/// The password that is piped in or, at a terminal, typed where nobody sees it.
pub(crate) fn read_password(prompt: &str) -> anyhow::Result<String> {
    let input = std::io::stdin();
    let mut text = String::new();
    if input.is_terminal() {
        text = platform::ask_unseen(prompt, MAX_PASSWORD as usize).context("no password was typed")?;
    } else {
        input.take(MAX_PASSWORD).read_to_string(&mut text).context("cannot read the password from standard input")?;
    }
    let password = text.trim_end_matches(['\r', '\n']);
    if password.is_empty() {
        bail!("the password on standard input is empty");
    }
    Ok(password.to_owned())
}

pub(crate) fn text(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => printable(text),
        other => other.to_string(),
    }
}

/// Guests and servers choose names: what would steer the operator's terminal, or add a line, is shown instead.
fn printable(text: &str) -> String {
    let shown = |c: char| match c {
        '"' | '\'' => c.to_string(),
        other => other.escape_debug().to_string(),
    };
    text.chars().map(shown).collect()
}

pub(crate) fn seconds(value: &Value) -> String {
    value.as_u64().map_or_else(|| "-".to_owned(), |s| config::format_duration(std::time::Duration::from_secs(s)))
}

fn amount(value: &Value) -> String {
    value.as_u64().map_or_else(|| "-".to_owned(), octets)
}

/// A rate as the configuration has it.
fn rate_text(bits_per_second: u64) -> String {
    if bits_per_second == 0 { "no limit".to_owned() } else { BitRate(bits_per_second).to_string() }
}

/// An amount of data in few digits.
pub(crate) fn octets(octets: u64) -> String {
    match octets {
        0..10_000 => format!("{octets} B"),
        10_000..10_000_000 => format!("{} kB", octets / 1000),
        10_000_000..1_000_000_000 => format!("{} MB", octets / 1_000_000),
        _ => format!("{}.{} GB", octets / 1_000_000_000, octets / 100_000_000 % 10),
    }
}

/// Rows of equal length, with their columns below each other.
pub(crate) fn table<R: AsRef<[String]>>(rows: &[R]) -> Vec<String> {
    let mut widths = Vec::new();
    for row in rows {
        widths.resize(row.as_ref().len(), 0);
        for (width, cell) in widths.iter_mut().zip(row.as_ref()) {
            *width = cell.chars().count().max(*width);
        }
    }
    let line = |row: &R| {
        let cells: Vec<String> =
            row.as_ref().iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        cells.join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_that_has_just_come_is_told_with_its_unit() {
        let told = json!({ "records_waiting": 1, "oldest_seconds": 0, "server_answers": true });
        assert_eq!(accounting(&told), ["accounting records that wait: 1, the oldest for 0s"]);
    }

    #[test]
    fn a_moment_is_told_as_a_date_in_any_century() {
        for (unix, said) in [
            (0, "1970-01-01T00:00:00"),
            (951_782_400, "2000-02-29T00:00:00"),
            (1_735_689_599, "2024-12-31T23:59:59"),
            (4_107_542_400, "2100-03-01T00:00:00"),
        ] {
            assert_eq!(utc(unix), said);
        }
    }

    #[test]
    fn a_name_that_would_steer_the_terminal_is_shown_in_its_line() {
        let session = json!({ "user": "O'Brien \u{1b}[2J\r\nroot é" });
        let shown = sessions_text(&json!({ "guests": [{ "ip": "10.85.0.17", "session": session }] }), false);
        assert!(shown.contains(r"O'Brien \u{1b}[2J\r\nroot é"), "{shown}");
        assert_eq!(shown.lines().count(), 3, "{shown}");
    }
}
