//! The walled garden between configuration, operator, RADIUS servers and engine.

use std::collections::BTreeSet;
use std::time::Duration;

use config::{Config, GardenEntry, GardenHost};
use engine::dns::Pattern;
use engine::garden::{MAX_ADDED, MAX_OWN, Rule, Source};
use engine::gateway::OwnGarden;
use fastpath::garden::{Entry, Garden, Network, Who};
use radius::text::ConfigWord;
use serde_json::{Value, json};
use wire::dns::NameBuf;
use wire::url::{WebUrl, bare_host};

use crate::gateway::Gateway;

/// Addresses opened by DNS that are listed; with more, those that close first.
const MAX_LISTED: usize = 10_000;
const TCP: u8 = 6;

/// The table that packet threads read, with room for all there may be.
pub(crate) fn table(config: &Config, seed: u32) -> anyhow::Result<Garden> {
    let networks = rules(config)?.iter().filter(|rule| matches!(rule, Rule::Network(_))).count();
    let by_server = config.radius.administrative.as_ref().map_or(0, |_| config::chilli::remote::MAX_ENTRIES);
    let room = networks + by_server + MAX_ADDED + config.garden.addresses as usize;
    Ok(Garden::new(room, seed).counted(config.garden.count))
}

/// What the configuration opens.
pub(crate) fn rules(config: &Config) -> anyhow::Result<Vec<Rule>> {
    let domains = config.garden.domains.iter().flat_map(|domain| {
        let entry = |host| GardenEntry { protocol: None, host, port: None };
        let itself = (!domain.below_only).then(|| entry(GardenHost::Name(domain.name.clone())));
        itself.into_iter().chain([entry(GardenHost::Below(domain.name.clone()))])
    });
    let is_own =
        |url: &WebUrl<'_>| bare_host(url.authority()).parse().is_ok_and(|address| config.lan.network.contains(address));
    let portal = config.uam.web_addresses().filter_map(WebUrl::parse).filter(|url| !is_own(url));
    let portal = portal.flat_map(|url| web_entries(&url));
    config.garden.allow.iter().cloned().chain(domains).chain(portal).map(|entry| rule(&entry)).collect()
}

/// What a guest needs to see the page at this address.
fn web_entries(url: &WebUrl<'_>) -> Vec<GardenEntry> {
    let host = bare_host(url.authority());
    let written = url.authority().get(host.len() + 1..).and_then(|port| port.parse().ok());
    let host = match host.parse() {
        Ok(address) => GardenHost::Network(config::Network { address, prefix: 32 }),
        Err(_) => GardenHost::Name(host.to_ascii_lowercase()),
    };
    let ports: BTreeSet<u16> = [80, 443].into_iter().chain(written).collect();
    ports.into_iter().map(|port| GardenEntry { protocol: Some(TCP), host: host.clone(), port: Some(port) }).collect()
}

pub(crate) fn rule(entry: &GardenEntry) -> anyhow::Result<Rule> {
    let (protocol, port) = (entry.protocol, entry.port);
    let pattern = |name: &str, below| {
        let name: NameBuf = name.parse().map_err(|error| anyhow::anyhow!("garden name {name:?}: {error}"))?;
        Ok(Rule::Name(Pattern { name, below, protocol, port }))
    };
    match &entry.host {
        GardenHost::Network(hosts) => {
            Ok(Rule::Network(Entry { network: crate::settings::network(*hosts)?, protocol, port }))
        }
        GardenHost::Name(name) => pattern(name, false),
        GardenHost::Below(name) => pattern(name, true),
    }
}

/// What a server's ChilliSpot-Config attributes say about the garden of one guest.
///
/// # Errors
/// The value that cannot be obeyed.
pub(crate) fn own(words: &[String], lan: Network) -> Result<OwnGarden, String> {
    let mut own = OwnGarden::default();
    for word in words {
        match ConfigWord::parse(word) {
            ConfigWord::UamAllowedReset => own = OwnGarden { reset: true, add: Vec::new() },
            ConfigWord::UamAllowed(list) => {
                for text in list.split(',').map(str::trim).filter(|text| !text.is_empty()) {
                    let entry: GardenEntry = text.parse()?;
                    if let Some(objection) = entry.objection_to_servers(of_lan(lan)) {
                        return Err(objection);
                    }
                    own.add.push(rule(&entry).map_err(|error| error.to_string())?);
                }
            }
            _ => {}
        }
    }
    if own.add.len() > MAX_OWN {
        return Err(format!("{} entries for one guest, at most {MAX_OWN}", own.add.len()));
    }
    Ok(own)
}

/// The answer to `garden`.
pub(crate) fn list(gateway: &Gateway) -> Value {
    let by_server = gateway.administrative.as_ref().map(|own| own.garden()).unwrap_or_default();
    gateway.look(|engine, now| {
        let now_secs = now.mono.as_secs() as u32;
        let left = |until: u32| until.saturating_sub(now_secs);
        let mut entries: Vec<(String, Value)> = engine
            .garden_rules()
            .map(|(rule, source)| {
                let (from, ends) = match source {
                    Source::Configured if by_server.contains(rule) => ("radius", None),
                    Source::Configured => ("configuration", None),
                    Source::Added(until) => ("operator", until.map(left)),
                };
                let text = text(rule);
                (text.clone(), json!({ "entry": text, "from": from, "seconds_left": ends }))
            })
            .chain(engine.own_garden_rules().map(|(guest, rule)| {
                let text = text(rule);
                (text.clone(), json!({ "entry": text, "from": "radius", "guest": guest.to_string() }))
            }))
            .collect();
        entries.sort_by(|one, other| one.0.cmp(&other.0));
        let opened = engine.garden_opened(now).map(|opened| {
            json!({
                "entry": text(&Rule::Network(opened.entry)),
                "by": text(&Rule::Name((*opened.pattern).clone())),
                "guest": match opened.who {
                    Who::Everybody => None,
                    Who::Guest(slot) => gateway.plane.guest(slot).map(|guest| guest.address.to_string()),
                },
                "seconds_left": left(opened.until_secs),
            })
        });
        json!({
            "entries": entries.into_iter().map(|(_, entry)| entry).collect::<Vec<_>>(),
            "opened": opened.take(MAX_LISTED).collect::<Vec<_>>(),
            "opened_total": engine.garden_opened(now).count(),
            "refused": engine.garden_refused(),
        })
    })
}

/// Does what an operator asks for; the answer.
pub(crate) fn edit(gateway: &std::rc::Rc<Gateway>, request: &Value) -> Result<Value, String> {
    let text = request["entry"].as_str().unwrap_or_default();
    let entry: GardenEntry = text.parse()?;
    let meant = rule(&entry).map_err(|error| error.to_string())?;
    if request["command"] == "garden_remove" {
        return match gateway.with(|engine, _| engine.remove_from_garden(&meant)) {
            true => Ok(json!({ "removed": entry.to_string() })),
            false => Err(format!("{entry} is not in the garden; `poblano garden list` shows what is")),
        };
    }
    if let Some(objection) = entry.objection(of_lan(gateway.plane.network)) {
        return Err(objection);
    }
    let lasts = match &request["seconds"] {
        Value::Null => None,
        seconds => Some(seconds.as_u64().map(Duration::from_secs).ok_or_else(|| format!("seconds is {seconds}"))?),
    };
    let added = gateway.with(|engine, now| engine.add_to_garden(now, meant, lasts));
    added.map_err(|error| format!("{entry}: {error}"))?;
    Ok(json!({ "added": entry.to_string(), "seconds_left": lasts.map(|lasts| lasts.as_secs()) }))
}

/// As it is written in the configuration.
fn text(rule: &Rule) -> String {
    let (host, protocol, port) = match rule {
        Rule::Network(entry) => {
            let (address, prefix) = entry.network.parts();
            let network = config::Network { address, prefix: prefix as u8 };
            (GardenHost::Network(network), entry.protocol, entry.port)
        }
        Rule::Name(pattern) => {
            let name = pattern.name.to_string().trim_end_matches('.').to_owned();
            let host = if pattern.below { GardenHost::Below(name) } else { GardenHost::Name(name) };
            (host, pattern.protocol, pattern.port)
        }
    };
    GardenEntry { protocol, host, port }.to_string()
}

fn of_lan(network: Network) -> config::Network {
    let (address, prefix) = network.parts();
    config::Network { address, prefix: prefix as u8 }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn lan() -> Network {
        Network::new(Ipv4Addr::new(10, 85, 0, 0), 20).expect("a prefix")
    }

    fn words(words: &[&str]) -> Result<OwnGarden, String> {
        own(&words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>(), lan())
    }

    #[test]
    fn a_rule_is_shown_as_it_is_written() {
        for entry in ["203.0.113.0/24", "tcp:203.0.113.7:443", "99:example.org", "example.org:443", ".example.org"] {
            assert_eq!(text(&rule(&entry.parse().expect(entry)).expect(entry)), entry);
        }
    }

    #[test]
    fn a_servers_list_is_one_guests_garden() {
        let named =
            words(&["require-uam-auth", "uamallowed=pay.example:443, 203.0.113.0/24", "uamallowed=tcp:192.0.2.7"]);
        let named = named.expect("all can be read");
        let texts: Vec<_> = named.add.iter().map(text).collect();
        assert_eq!(
            (named.reset, texts),
            (false, ["pay.example:443", "203.0.113.0/24", "tcp:192.0.2.7"].map(String::from).into())
        );
        let reset =
            words(&["uamallowed=192.0.2.7", "uamallowed=reset", "uamallowed=192.0.2.8"]).expect("it can be read");
        assert_eq!((reset.reset, reset.add.len()), (true, 1));
        assert!(words(&["splash", "logout"]).expect("nothing is said").is_empty());
    }

    #[test]
    fn a_server_opens_neither_the_internet_nor_other_guests_nor_what_cannot_be_read() {
        let many = format!("uamallowed={}", (0..17).map(|n| format!("192.0.2.{n}")).collect::<Vec<_>>().join(","));
        for list in [
            "uamallowed=0.0.0.0/0",
            "uamallowed=128.0.0.0/1",
            "uamallowed=10.85.0.7",
            "uamallowed=192.0.2.1,http://x",
            &many,
        ] {
            assert!(words(&[list]).is_err(), "{list}");
        }
    }
}
