//! OpenWrt's `/etc/config/chilli`: `config chilli`, then `option NAME 'VALUE'` and `list NAME 'VALUE'`.

use super::lines::{Setting, Settings};
use super::options::{Kind, find};
use super::report::{Origin, Outcome, Weight};
use super::{Notes, values};
use crate::uci::words;

pub(super) fn read(text: &str, file: &str, settings: &mut Settings, notes: &mut Notes) {
    let mut sections = 0;
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if notes.is_full() {
            return;
        }
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let at = |name: &str| Origin { file: file.to_owned(), line: Some(index + 1), name: name.to_owned() };
        let words = match words(line) {
            Ok(words) => words,
            Err(why) => {
                notes.mistakes.push(at("line").problem(why));
                continue;
            }
        };
        match words.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
            ["config", "chilli", ..] => {
                sections += 1;
                if sections == 2 {
                    let message = "is a second gateway; put each into a file of its own, and run one for each";
                    notes.mistakes.push(at("config").problem(message));
                }
            }
            ["option" | "list", name, value] if sections == 1 => option(&at(name), name, value, settings, notes),
            _ if sections > 1 => {}
            _ => {
                notes.mistakes.push(at("line").problem("is none of config chilli, option NAME VALUE, list NAME VALUE"))
            }
        }
    }
}

fn option(origin: &Origin, name: &str, value: &str, settings: &mut Settings, notes: &mut Notes) {
    let is_off = matches!(value, "0" | "off" | "false" | "no" | "disabled");
    match name {
        "disabled" => notes.found(origin, Outcome::NotNeeded, Weight::Plain, "whether it starts, its service says"),
        "network" => {
            let message = "is a network of OpenWrt; write its device as option dhcpif, such as 'br-hotspot'";
            notes.mistakes.push(origin.problem(message));
        }
        _ => match find(name) {
            Ok(option) if option.kind == Kind::Flag && is_off => {}
            Ok(option) if option.kind == Kind::Flag => {
                let message = "is a flag; write '1' or '0'";
                if matches!(value, "1" | "on" | "true" | "yes" | "enabled") {
                    settings.add(Setting { origin: origin.clone(), option, value: String::new() }, notes);
                } else {
                    notes.mistakes.push(origin.problem(message));
                }
            }
            Ok(option) => {
                settings.add(Setting { origin: origin.clone(), option, value: value.to_owned() }, notes);
            }
            Err(why) => {
                let origin = Origin { name: values::shown_name(name), ..origin.clone() };
                notes.mistakes.push(origin.problem(why));
            }
        },
    }
}
