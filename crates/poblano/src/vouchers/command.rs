//! `poblano voucher`.

use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, ensure};
use config::BitRate;
use serde_json::{Value, json};
use store::{Limits, TimeCounts};

use super::csv::Table;
use super::sheet::sheet;
use crate::cli::{Allowance, Control, Voucher};
use crate::commands::{ask, octets, say, seconds, table, text};

/// The columns of a table of vouchers; all but the first may be missing when one is read.
pub(super) const COLUMNS: [&str; 16] = [
    "code",
    "serial",
    "batch",
    "state",
    "seconds",
    "counts",
    "octets",
    "up",
    "down",
    "devices",
    "valid_unix",
    "price",
    "note",
    "first_used_unix",
    "seconds_used",
    "octets_used",
];

pub(crate) fn command(command: &Voucher) -> anyhow::Result<()> {
    match command {
        Voucher::Create { count, allowance, note, price, control } => {
            let mut request = json!({ "command": "voucher_create", "count": count, "note": note, "price": price });
            let limits = limits_of(allowance)?.unwrap_or_default();
            for name in Limits::FIELDS {
                request[name] = limits.field(name).into();
            }
            let reply = ask(control, request)?;
            show(control, &all(control, reply["batch"].as_u64())?);
        }
        Voucher::List { batch, control } => show(control, &all(control, batch.map(u64::from))?),
        Voucher::Batches { control } => show_batches(control)?,
        Voucher::Show { voucher, control } => {
            let reply = ask(control, json!({ "command": "voucher", "voucher": voucher }))?;
            if control.json {
                say(&format!("{reply:#}"));
            } else {
                show(control, &[reply]);
            }
        }
        Voucher::Revoke { voucher, batch, control } => {
            let reply = ask(control, json!({ "command": "voucher_revoke", "voucher": voucher, "batch": batch }))?;
            let (revoked, ended) = (&reply["revoked"], &reply["sessions_ended"]);
            let words = format!("{revoked} revoked, {ended} sessions ended");
            say(&if control.json { reply.to_string() } else { words });
        }
        Voucher::Extend { voucher, time, data, valid, control } => {
            let request = json!({
                "command": "voucher_extend",
                "voucher": voucher,
                "seconds_more": time.map(|time| time.as_secs()),
                "octets_more": data.map(|data| data.0),
                "valid_unix": valid.map(from_now).transpose()?,
            });
            let reply = ask(control, request)?;
            if control.json {
                say(&format!("{reply:#}"));
            } else {
                show(control, &[reply]);
            }
        }
        Voucher::Export { batch, control } => {
            let vouchers = all(control, batch.map(u64::from))?;
            let columns = COLUMNS.map(str::to_owned).to_vec();
            say(&Table { columns, rows: vouchers.iter().map(|voucher| row(voucher).to_vec()).collect() }.to_text());
        }
        Voucher::Import { file, control } => import(file, control)?,
        Voucher::Sheet { file, batch, title, control } => {
            let mut vouchers = all(control, batch.map(u64::from))?;
            vouchers.retain(|voucher| voucher["state"] == "new");
            // A sheet that was made before stays: it may be the only one with these codes.
            ensure!(!vouchers.is_empty(), "there is no voucher that is new{}", of_batch(*batch));
            store::replace_file(file, &sheet(title, &vouchers))
                .with_context(|| format!("cannot write {}", file.display()))?;
            say(&if control.json {
                json!({ "file": file, "vouchers": vouchers.len() }).to_string()
            } else {
                format!("{} vouchers that are new are in {}", vouchers.len(), file.display())
            });
        }
    }
    Ok(())
}

fn of_batch(batch: Option<u32>) -> String {
    batch.map_or_else(String::new, |batch| format!(" in batch {batch}"))
}

/// What an operator grants, from now on; none if nothing is limited.
pub(crate) fn limits_of(allowance: &Allowance) -> anyhow::Result<Option<Limits>> {
    let rate = |rate: Option<BitRate>| rate.map(|rate| rate.0).filter(|rate| *rate > 0);
    let limits = Limits {
        time: allowance.time,
        counts: if allowance.online { TimeCounts::Online } else { TimeCounts::Always },
        octets: allowance.data.map(|data| data.0).filter(|octets| *octets > 0),
        up: rate(allowance.rate_up),
        down: rate(allowance.rate_down),
        devices: allowance.devices,
        valid_unix: allowance.valid.map(from_now).transpose()?,
        since_unix: 0,
    };
    let is_limited = limits != Limits::default();
    // What text could not say, the command line cannot either.
    let limits = Limits::from_line(&limits.to_line()).map_err(anyhow::Error::msg)?;
    Ok(if is_limited { Some(Limits { since_unix: unix_now()?, ..limits }) } else { None })
}

/// What a voucher is worth, in words.
pub(super) fn worth(voucher: &Value) -> Vec<String> {
    let mut words = Vec::new();
    if !voucher["seconds"].is_null() {
        let online = if voucher["counts"] == "online" { " online" } else { "" };
        words.push(format!("{}{online}", seconds(&voucher["seconds"])));
    }
    words.extend(voucher["octets"].as_u64().map(octets));
    let rate = |way: &str| voucher[way].as_u64().map(|rate| format!("{} {way}", BitRate(rate)));
    words.extend(rate("up").into_iter().chain(rate("down")));
    words.extend(voucher["devices"].as_u64().map(|devices| match devices {
        1 => "1 device".to_owned(),
        several => format!("{several} devices"),
    }));
    words
}

fn import(file: &Path, control: &Control) -> anyhow::Result<()> {
    let table = Table::load(file)?;
    ensure!(
        table.has("code"),
        "{}: its first line names no column \"code\", but {}",
        file.display(),
        table.columns.join(", ")
    );
    for (at, row) in table.rows.iter().enumerate() {
        let mut voucher: serde_json::Map<String, Value> =
            COLUMNS.iter().map(|column| ((*column).to_owned(), table.field(row, column).into())).collect();
        voucher.insert("revoked".to_owned(), (table.field(row, "state") == "revoked").into());
        ask(control, json!({ "command": "voucher_import", "voucher": voucher }))
            .with_context(|| format!("row {} of {}; those before it are there now", at + 1, file.display()))?;
    }
    let imported = table.rows.len();
    say(&if control.json { json!({ "imported": imported }).to_string() } else { format!("{imported} imported") });
    Ok(())
}

/// All vouchers, or those of a batch.
fn all(control: &Control, batch: Option<u64>) -> anyhow::Result<Vec<Value>> {
    let (mut all, mut from) = (Vec::new(), json!(0));
    while !from.is_null() {
        let mut reply = ask(control, json!({ "command": "vouchers", "batch": batch, "from": from }))?;
        from = reply["next"].take();
        all.extend(reply["vouchers"].as_array_mut().map(std::mem::take).unwrap_or_default());
    }
    Ok(all)
}

fn show(control: &Control, vouchers: &[Value]) {
    if control.json {
        say(&format!("{:#}", json!({ "vouchers": vouchers })));
        return;
    }
    let now = unix_now().unwrap_or_default();
    let mut rows = vec![
        ["CODE", "NUMBER", "BATCH", "STATE", "WORTH", "TIME-LEFT", "DATA-LEFT", "ONLINE", "PRICE", "NOTE"]
            .map(str::to_owned),
    ];
    rows.extend(vouchers.iter().map(|voucher| {
        let until = voucher["until_unix"].as_u64().map(|until| until.saturating_sub(now));
        let left = voucher["seconds_left"].as_u64().into_iter().chain(until).min();
        let own = |key: &str| Some(text(&voucher[key])).filter(|text| !text.is_empty()).unwrap_or("-".to_owned());
        [
            text(&voucher["code"]),
            text(&voucher["serial"]),
            text(&voucher["batch"]),
            text(&voucher["state"]),
            if worth(voucher).is_empty() { "no limit".to_owned() } else { worth(voucher).join(" ") },
            seconds(&json!(left)),
            voucher["octets_left"].as_u64().map_or("-".to_owned(), octets),
            text(&voucher["devices_online"]),
            own("price"),
            own("note"),
        ]
    }));
    say(&table(&rows).join("\n"));
}

fn show_batches(control: &Control) -> anyhow::Result<()> {
    let (mut all, mut from) = (Vec::new(), Value::Null);
    loop {
        let mut reply = ask(control, json!({ "command": "voucher_batches", "from": from }))?;
        from = reply["next"].take();
        all.extend(reply["batches"].as_array_mut().map(std::mem::take).unwrap_or_default());
        if from.is_null() {
            break;
        }
    }
    if control.json {
        say(&format!("{:#}", json!({ "batches": all })));
        return Ok(());
    }
    let head = ["BATCH", "MADE", "SOLD", "NEW", "IN-USE", "USED-UP", "EXPIRED", "REVOKED", "WORTH", "PRICE", "NOTE"];
    let mut rows = vec![head.map(str::to_owned)];
    rows.extend(all.iter().map(|batch| {
        head.map(|column| match column {
            "WORTH" if worth(batch).is_empty() => "no limit".to_owned(),
            "WORTH" => worth(batch).join(" "),
            other => match text(&batch[other.to_lowercase().replace('-', "_")]) {
                empty if empty.is_empty() => "-".to_owned(),
                text => text,
            },
        })
    }));
    say(&table(&rows).join("\n"));
    Ok(())
}

/// A voucher as a line of a table.
pub(super) fn row(voucher: &Value) -> [String; COLUMNS.len()] {
    COLUMNS.map(|column| cell(&voucher[column]))
}

fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn from_now(time: Duration) -> anyhow::Result<u64> {
    Ok(unix_now()?.saturating_add(time.as_secs()))
}

/// Seconds since 1970.
pub(crate) fn unix_now() -> anyhow::Result<u64> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).context("the machine's date is not set")?;
    Ok(now.as_secs())
}
