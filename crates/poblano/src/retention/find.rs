//! `poblano retention find`: who had this address, and this port of it, at that time? It reads the files alone, twice: for
//! connections, and then for the sessions of those who had them.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use serde_json::{Value, json};

use super::files;
use crate::cli::{Find, Setup};
use crate::commands::{say, utc};
use crate::kept::millis;
use crate::settings;

/// Longest line of ours; what is longer is none.
const MAX_LINE: u64 = 4096;
/// Most that is told: whoever asks without a port may mean very many.
const MOST_FOUND: usize = 10_000;

/// Says who it was. The exit status is 1 if nobody is known.
pub(crate) fn find(find: &Find) -> anyhow::Result<ExitCode> {
    // It is the same whatever the interfaces are; the LAN need not be known here.
    let setup = Setup { config: find.file.config.clone(), lan: Some("lan".to_owned()), ..Setup::default() };
    let config = settings::of_zone(settings::load(&setup)?, find.file.zone.as_deref())?;
    let directory = &config.retention.directory;
    let files = files::all(directory);
    if files.is_empty() {
        bail!("there are no files in {} (retention.directory); retention.keep says what is kept", directory.display());
    }
    let found = search(&files, &Question::of(find))?;
    if find.json {
        say(&format!("{found:#}"));
    } else {
        say(text(&found).trim_end());
    }
    let is_known =
        ["mappings", "sessions"].iter().any(|kind| found[kind].as_array().is_some_and(|all| !all.is_empty()));
    Ok(if is_known { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

struct Question {
    address: Ipv4Addr,
    port: Option<u16>,
    protocol: Option<String>,
    to: Option<Ipv4Addr>,
    /// From when to when, in milliseconds since 1970: a second is as exact as who asks knows it.
    from: u64,
    until: u64,
}

impl Question {
    fn of(find: &Find) -> Self {
        let (at, within) = (millis(find.at), millis(find.within.unwrap_or_default()));
        Self {
            address: find.address,
            port: find.port,
            protocol: find.protocol.clone(),
            to: find.to,
            from: at.saturating_sub(within),
            until: at.saturating_add(within).saturating_add(999),
        }
    }

    fn is_about(&self, line: &Value) -> bool {
        let is = |name: &str, wanted: &Option<Value>| wanted.as_ref().is_none_or(|wanted| line[name] == *wanted);
        let network = |to: Ipv4Addr| format!("{}/24", Ipv4Addr::from_bits(to.to_bits() & 0xffff_ff00));
        line["public_ip"] == self.address.to_string()
            && is("public_port", &self.port.map(Value::from))
            && is("protocol", &self.protocol.clone().map(Value::from))
            // Where it went may not have been kept.
            && self.to.is_none_or(|to| line["to"].is_null() || line["to"] == to.to_string() || line["to"] == network(to))
    }

    fn is_then(&self, began: u64, ended: Option<u64>) -> bool {
        began <= self.until && ended.is_none_or(|ended| ended >= self.from)
    }
}

fn search(files: &[PathBuf], question: &Question) -> anyhow::Result<Value> {
    let (mappings, gaps) = mappings(files, question)?;
    let mut whose: Vec<Whose> = mappings.iter().filter_map(|mapping| Whose::of(mapping, question)).collect();
    whose.push(Whose { address: question.address.to_string(), from: question.from, until: question.until });
    let sessions = sessions(files, &whose)?;
    Ok(json!({ "mappings": mappings, "sessions": sessions, "gaps": gaps }))
}

/// An address in a time.
struct Whose {
    address: String,
    from: u64,
    until: u64,
}

impl Whose {
    /// Who had a connection at the time that is asked for.
    fn of(mapping: &Value, question: &Question) -> Option<Self> {
        let began = mapping["began_unix_ms"].as_u64()?;
        let from = question.from.max(began);
        let until = mapping["ended_unix_ms"].as_u64().unwrap_or(u64::MAX).min(question.until).max(from);
        Some(Self { address: mapping["ip"].as_str()?.to_owned(), from, until })
    }
}

/// The connections that are asked for, and notes that something may be missing.
fn mappings(files: &[PathBuf], question: &Question) -> anyhow::Result<(Vec<Value>, Vec<Value>)> {
    let (mut found, mut gaps) = (Vec::new(), Vec::new());
    // By all that makes it this one; with an end once it may be over without a line for it.
    let mut open: HashMap<String, (Value, Option<u64>)> = HashMap::new();
    each(files, |mut line| {
        let Some(at) = line["unix_ms"].as_u64() else { return };
        match line["what"].as_str() {
            Some("watch_began" | "watch_ended") => {
                open.values_mut().for_each(|(_, over)| *over = over.or(Some(at)));
            }
            Some("gap") => {
                let since = line["since_unix_ms"].as_u64().unwrap_or(at);
                let until = line["until_unix_ms"].as_u64().unwrap_or(at);
                if question.is_then(since, Some(until)) && gaps.len() < MOST_FOUND {
                    gaps.push(line);
                }
            }
            Some("mapping_began") if question.is_about(&line) => {
                if let Some((_, over)) = open.get_mut(&key(&line)) {
                    *over = None; // it was there all the time, while nobody looked
                } else if at <= question.until {
                    line["began_unix_ms"] = at.into();
                    open.insert(key(&line), (line, None));
                }
            }
            Some("mapping_ended") if question.is_about(&line) => {
                let former = open.remove(&key(&line));
                let began = former.as_ref().map(|(former, _)| former["began_unix_ms"].clone());
                let began = began.unwrap_or_else(|| line["began_unix_ms"].clone());
                if question.is_then(began.as_u64().unwrap_or(0), Some(at)) && found.len() < MOST_FOUND {
                    line["ended_unix_ms"] = at.into();
                    line["mac"] = former.map_or(Value::Null, |(former, _)| former["mac"].clone());
                    line["began_unix_ms"] = began;
                    found.push(line);
                }
            }
            _ => {}
        }
        if open.len() >= 2 * MOST_FOUND {
            open.retain(|_, (_, over)| over.is_none_or(|over| over >= question.from));
        }
    })?;
    for (mut line, over) in open.into_values() {
        if question.is_then(line["began_unix_ms"].as_u64().unwrap_or(0), over) && found.len() < MOST_FOUND {
            line["ended_unix_ms"] = over.into();
            found.push(line);
        }
    }
    found.sort_by_key(|line| line["began_unix_ms"].as_u64());
    for line in &mut found {
        if let Some(line) = line.as_object_mut() {
            line.retain(|name, _| !matches!(name.as_str(), "unix_ms" | "what" | "id"));
        }
    }
    Ok((found, gaps))
}

fn key(line: &Value) -> String {
    let parts = ["id", "protocol", "ip", "port", "public_ip", "public_port", "to", "to_port"];
    parts.map(|name| line[name].to_string()).join(" ")
}

/// The sessions of these.
fn sessions(files: &[PathBuf], whose: &[Whose]) -> anyhow::Result<Vec<Value>> {
    let mut found = Vec::new();
    let mut open: HashMap<String, Value> = HashMap::new();
    let is_asked = |line: &Value, began: u64, ended: Option<u64>| {
        whose.iter().any(|whose| {
            line["ip"] == whose.address && began <= whose.until && ended.is_none_or(|ended| ended >= whose.from)
        })
    };
    let tell = |mut line: Value, began: u64, ended: Option<u64>, found: &mut Vec<Value>| {
        if is_asked(&line, began, ended) && found.len() < MOST_FOUND {
            line["began_unix_ms"] = began.into();
            line["ended_unix_ms"] = ended.into();
            if let Some(line) = line.as_object_mut() {
                line.retain(|name, _| !matches!(name.as_str(), "unix_ms" | "what"));
            }
            found.push(line);
        }
    };
    each(files, |line| {
        let (Some(at), Some(address)) = (line["unix_ms"].as_u64(), line["ip"].as_str()) else { return };
        match line["what"].as_str() {
            Some("session_began") if whose.iter().any(|whose| whose.address == address) => {
                // An address has one session at a time: one without an end ended before.
                if let Some(former) = open.insert(address.to_owned(), line) {
                    tell(former.clone(), former["unix_ms"].as_u64().unwrap_or(0), Some(at), &mut found);
                }
            }
            Some("session_ended") if whose.iter().any(|whose| whose.address == address) => {
                let began = line["began_unix_ms"].as_u64().unwrap_or(0);
                open.remove(address);
                tell(line, began, Some(at), &mut found);
            }
            _ => {}
        }
    })?;
    for line in open.into_values() {
        let began = line["unix_ms"].as_u64().unwrap_or(0);
        tell(line, began, None, &mut found);
    }
    found.sort_by_key(|line| line["began_unix_ms"].as_u64());
    Ok(found)
}

/// Every line of ours, in order. A crash may have left half of one.
fn each(files: &[PathBuf], mut tell: impl FnMut(Value)) -> anyhow::Result<()> {
    for path in files {
        each_of(path, &mut tell).with_context(|| format!("cannot read {}", path.display()))?;
    }
    Ok(())
}

fn each_of(path: &Path, tell: &mut impl FnMut(Value)) -> std::io::Result<()> {
    let mut reader = BufReader::new(File::open(path)?);
    let mut line = Vec::new();
    loop {
        line.clear();
        if std::io::Read::take(&mut reader, MAX_LINE).read_until(b'\n', &mut line)? == 0 {
            return Ok(());
        }
        if let Ok(line) = serde_json::from_slice(&line) {
            tell(line);
        }
    }
}

/// As people read it.
fn text(found: &Value) -> String {
    let all = |kind: &str| found[kind].as_array().cloned().unwrap_or_default();
    let mut lines: Vec<String> =
        all("mappings").iter().map(mapping_text).chain(all("sessions").iter().map(session_text)).collect();
    if lines.is_empty() {
        lines.push("nobody is known".to_owned());
    }
    let gap = |gap: &Value| {
        format!(
            "lines may be missing from {} to {}: {}",
            when(&gap["since_unix_ms"]),
            when(&gap["until_unix_ms"]),
            word(&gap["why"])
        )
    };
    lines.extend(all("gaps").iter().map(gap));
    lines.join("\n")
}

fn mapping_text(line: &Value) -> String {
    let end = |ip: &str, port: &str| match &line[port] {
        Value::Null => word(&line[ip]),
        port => format!("{}:{port}", word(&line[ip])),
    };
    let to = if line["to"].is_null() { String::new() } else { format!(" to {}", end("to", "to_port")) };
    let (protocol, public, guest) = (word(&line["protocol"]), end("public_ip", "public_port"), end("ip", "port"));
    format!("{protocol} {public} was {guest} ({}){to}, {}", word(&line["mac"]), time(line))
}

fn session_text(line: &Value) -> String {
    let octets = match line["octets_up"].as_u64().zip(line["octets_down"].as_u64()) {
        Some((up, down)) => format!(", {up} octets up, {down} down"),
        None => String::new(),
    };
    let [session, ip, mac, user] = ["session", "ip", "mac", "user"].map(|name| word(&line[name]));
    format!("session {session}: {ip} was {mac} as {user}, {}{octets}", time(line))
}

fn time(line: &Value) -> String {
    let until = if line["ended_unix_ms"].is_null() {
        "an end that is not known".to_owned()
    } else {
        when(&line["ended_unix_ms"])
    };
    format!("from {} to {until}", when(&line["began_unix_ms"]))
}

fn when(unix_ms: &Value) -> String {
    let since = unix_ms.as_u64().unwrap_or(0);
    format!("{}.{:03}Z", utc(since / 1000), since % 1000)
}

fn word(value: &Value) -> String {
    match value {
        Value::Null => "not kept".to_owned(),
        Value::String(text) => text.escape_debug().to_string(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PUBLIC: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 2);

    fn answer(name: &str, lines: &[Value], at_secs: u64) -> Value {
        let path = std::env::temp_dir().join(format!("poblano-find-{name}-{}.jsonl", std::process::id()));
        let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
        std::fs::write(&path, text + "{\"unix_ms\":").expect("the temporary directory takes files");
        let (from, until) = (at_secs * 1000, at_secs * 1000 + 999);
        let question = Question { address: PUBLIC, port: Some(40001), protocol: None, to: None, from, until };
        let found = search(std::slice::from_ref(&path), &question).expect("the file can be read");
        let _ = std::fs::remove_file(&path);
        found
    }

    fn mapping(what: &str, at_secs: u64, ip: &str, more: Value) -> Value {
        let mut line = json!({
            "what": what, "unix_ms": at_secs * 1000, "protocol": "tcp", "ip": ip, "port": 5000,
            "public_ip": PUBLIC, "public_port": 40001, "id": 7,
        });
        if let (Value::Object(line), Value::Object(more)) = (&mut line, more) {
            line.extend(more);
        }
        line
    }

    fn session(what: &str, at_secs: u64, ip: &str, user: &str, began_secs: u64) -> Value {
        json!({ "what": what, "unix_ms": at_secs * 1000, "ip": ip, "user": user, "began_unix_ms": began_secs * 1000 })
    }

    fn of(found: &Value, kind: &str, name: &str) -> Vec<String> {
        found[kind].as_array().into_iter().flatten().map(|line| word(&line[name])).collect()
    }

    #[test]
    fn a_port_that_several_had_one_after_the_other_is_told_of_who_had_it_then() {
        let lines = [
            session("session_began", 10, "10.1.0.2", "ada", 10),
            mapping("mapping_began", 20, "10.1.0.2", json!({ "mac": "02:00:00:00:00:01" })),
            mapping("mapping_ended", 30, "10.1.0.2", json!({ "began_unix_ms": 20_000 })),
            session("session_ended", 40, "10.1.0.2", "ada", 10),
            session("session_began", 50, "10.1.0.2", "eve", 50),
            mapping("mapping_began", 60, "10.1.0.2", json!({})),
        ];
        let then = |at| {
            let found = answer("turns", &lines, at);
            (of(&found, "mappings", "mac"), of(&found, "sessions", "user"))
        };
        let (nobody, words) =
            (Vec::<String>::new(), |words: &[&str]| words.iter().map(|w| (*w).to_owned()).collect::<Vec<_>>());
        assert_eq!(then(15), (nobody.clone(), nobody.clone()));
        assert_eq!(then(25), (words(&["02:00:00:00:00:01"]), words(&["ada"])));
        assert_eq!(then(45), (nobody.clone(), nobody));
        assert_eq!(then(99), (words(&["not kept"]), words(&["eve"])), "its end is not known yet");
    }

    #[test]
    fn what_nobody_saw_end_is_over_when_nobody_looked_unless_it_is_there_afterwards() {
        let lives_on = mapping("mapping_began", 20, "10.1.0.2", json!({ "to": "192.0.2.1" }));
        let lines = [
            json!({ "what": "watch_began", "unix_ms": 1000 }),
            lives_on.clone(),
            mapping("mapping_began", 21, "10.1.0.3", json!({ "to": "192.0.2.2" })),
            json!({ "what": "watch_ended", "unix_ms": 30_000 }),
            json!({ "what": "watch_began", "unix_ms": 40_000 }),
            mapping("mapping_began", 40, "10.1.0.2", json!({ "to": "192.0.2.1" })),
        ];
        assert_eq!(of(&answer("outage", &lines, 25), "mappings", "ip"), ["10.1.0.2", "10.1.0.3"]);
        assert_eq!(of(&answer("outage", &lines, 35), "mappings", "ip"), ["10.1.0.2"]);
        assert_eq!(of(&answer("outage", &lines, 35), "mappings", "began_unix_ms"), ["20000"]);
    }

    #[test]
    fn a_gap_is_told_if_it_is_about_that_time() {
        let lines = [
            json!({ "what": "gap", "since_unix_ms": 10_000, "unix_ms": 14_000, "until_unix_ms": 20_000, "why": "the disk is full" }),
            json!({ "what": "gap", "since_unix_ms": 89_000, "unix_ms": 90_000, "until_unix_ms": 90_000, "why": "the kernel told more than could be read" }),
        ];
        assert_eq!(of(&answer("gap", &lines, 15), "gaps", "why"), ["the disk is full"]);
        assert!(of(&answer("gap", &lines, 95), "gaps", "why").is_empty());
        assert!(text(&answer("gap", &lines, 15)).starts_with("nobody is known\nlines may be missing from 1970-01-01T"));
    }
}
