//! What a RADIUS server says about the configuration, in the options of CoovaChilli.
//!
//! The policy: a server may open hosts before login, name devices, and set the limits of sessions. Each such option is in
//! [`TAKEN`], and no other is: none that runs a program, reads a file, opens the firewall or says whom to trust. What is
//! refused is told by its name, never by its value, and the rest holds without it; what cannot be read opens nothing.
//! All that was said before is replaced.

use std::time::Duration;

use wire::MacAddr;

use super::convert::guests::{DAY, MIN_RATE};
use super::convert::portal::garden_entry;
use super::options::{Kind, exactly};
use super::{lines, values};
use crate::{BitRate, Config, GardenDomain, GardenEntry, Network};

/// Entries of the garden and devices each, for which the gateway keeps room; an answer has 4096 octets at most.
pub const MAX_ENTRIES: usize = 512;

/// The options that a server may set.
pub const TAKEN: [&str; 9] = [
    "uamallowed",
    "uamdomain",
    "macallowed",
    "macallowlocal",
    "defsessiontimeout",
    "defidletimeout",
    "definteriminterval",
    "defbandwidthmaxup",
    "defbandwidthmaxdown",
];

/// What goes over the configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Remote {
    allow: Vec<GardenEntry>,
    domains: Vec<GardenDomain>,
    macs: Vec<MacAddr>,
    /// The devices are let in; otherwise the servers are asked about them.
    macs_are_local: bool,
    timeout: Option<Option<Duration>>,
    idle_timeout: Option<Option<Duration>>,
    interim: Option<Option<Duration>>,
    rate_up: Option<Option<BitRate>>,
    rate_down: Option<Option<BitRate>>,
    /// Options, or parts of them, without effect, and why.
    pub refused: Vec<String>,
}

impl Remote {
    /// Reads what a server said, an option in each; nothing can be opened in the guests' own network `lan`.
    #[must_use]
    pub fn read<'a>(said: impl IntoIterator<Item = &'a str>, lan: Network) -> Self {
        let mut remote = Self::default();
        for line in said {
            match option(line) {
                Ok(None) => {}
                Ok(Some((name, value))) => {
                    if let Err(why) = remote.take(name, value, lan) {
                        remote.refused.push(format!("{name}: {why}"));
                    }
                }
                Err(why) => remote.refused.push(why),
            }
        }
        remote
    }

    /// The configuration with this over it.
    #[must_use]
    pub fn apply(&self, config: &Config) -> Config {
        let mut config = config.clone();
        extend(&mut config.garden.allow, &self.allow);
        extend(&mut config.garden.domains, &self.domains);
        let macs = &mut config.mac_authentication;
        let all_are_asked_about = macs.radius && macs.radius_only.is_empty();
        if self.macs_are_local {
            extend(&mut macs.allow, &self.macs);
        } else if !self.macs.is_empty() && !all_are_asked_about {
            if !std::mem::replace(&mut macs.radius, true) {
                macs.radius_only.clear(); // nobody was asked about these
            }
            extend(&mut macs.radius_only, &self.macs);
        }
        let session = &mut config.session;
        over(&mut session.timeout, self.timeout);
        over(&mut session.idle_timeout, self.idle_timeout);
        over(&mut session.interim, self.interim);
        over(&mut session.rate_up, self.rate_up);
        over(&mut session.rate_down, self.rate_down);
        config
    }

    /// Takes one option.
    fn take(&mut self, name: &str, value: &str, lan: Network) -> Result<(), String> {
        match name {
            "uamallowed" if value == "reset" => {
                Err("reset is for one guest's garden; each answer replaces the one before".to_owned())
            }
            "uamallowed" => collect(&mut self.allow, value, |item| {
                let entry = garden_entry(item, lan)?.map(|entry| entry.parse::<GardenEntry>()).transpose()?;
                match entry.as_ref().and_then(|entry| entry.objection_to_servers(lan)) {
                    Some(objection) => Err(objection),
                    None => Ok(entry),
                }
            }),
            "uamdomain" => collect(&mut self.domains, value, |item| GardenDomain::parse(item).map(Some)),
            "macallowed" => collect(&mut self.macs, value, |item| {
                let wrong = || format!("{:?} is no Ethernet address", values::shortened(item));
                values::mac(item).map(Some).ok_or_else(wrong)
            }),
            "macallowlocal" => {
                self.macs_are_local = true;
                Ok(())
            }
            "defsessiontimeout" => seconds(&mut self.timeout, value, 365 * DAY),
            "defidletimeout" => seconds(&mut self.idle_timeout, value, 30 * DAY),
            "definteriminterval" => seconds(&mut self.interim, value, DAY),
            "defbandwidthmaxup" => rate(&mut self.rate_up, value),
            "defbandwidthmaxdown" => rate(&mut self.rate_down, value),
            _ => Err("is not taken from a server; write it into the gateway's own configuration".to_owned()),
        }
    }
}

/// Name and value of an option that a server may set; none if nothing is said.
fn option(line: &str) -> Result<Option<(&'static str, &str)>, String> {
    if line.chars().any(char::is_control) {
        return Err("line: has control characters".to_owned());
    }
    let parsed = lines::parse(line).map_err(|(name, why)| format!("{}: {why}", values::shown_name(name)))?;
    let Some((name, value)) = parsed else { return Ok(None) };
    // By its whole name only: a beginning may be that of another option tomorrow.
    let Some(option) = exactly(name) else {
        return Err(format!("{}: is no option of CoovaChilli's", values::shown_name(name)));
    };
    if TAKEN.contains(&option.name) {
        let what_is_wrong = match option.kind {
            Kind::List => values::check(Kind::Text, value),
            kind => values::check(kind, value),
        };
        what_is_wrong.map_err(|why| format!("{}: {why}", option.name))?;
    }
    Ok(Some((option.name, value)))
}

/// Adds the items of a list that can be had; why others cannot.
fn collect<T: PartialEq>(
    all: &mut Vec<T>,
    value: &str,
    read: impl Fn(&str) -> Result<Option<T>, String>,
) -> Result<(), String> {
    let mut wrong = Vec::new();
    for item in values::items(value).iter().flat_map(|item| item.split_whitespace()) {
        match read(item) {
            Ok(Some(_)) if all.len() >= MAX_ENTRIES => wrong.push(format!("there are {MAX_ENTRIES} already")),
            Ok(Some(entry)) if !all.contains(&entry) => all.push(entry),
            Ok(_) => {}
            Err(why) => wrong.push(why),
        }
    }
    wrong.dedup();
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("; ")) }
}

/// Seconds, from a minute to `max`; 0 is no limit.
fn seconds(limit: &mut Option<Option<Duration>>, value: &str, max: u64) -> Result<(), String> {
    let secs = values::integer(value).ok_or("is no number")?;
    *limit = Some((secs > 0).then(|| Duration::from_secs(secs.clamp(60, max))));
    Ok(())
}

/// Bits in a second; 0 is no limit.
fn rate(limit: &mut Option<Option<BitRate>>, value: &str) -> Result<(), String> {
    let bits = values::integer(value).ok_or("is no number")?;
    *limit = Some((bits > 0).then(|| BitRate(bits.max(MIN_RATE))));
    Ok(())
}

fn over<T>(value: &mut T, said: Option<T>) {
    if let Some(said) = said {
        *value = said;
    }
}

fn extend<T: Clone + PartialEq>(all: &mut Vec<T>, more: &[T]) {
    let new: Vec<T> = more.iter().filter(|entry| !all.contains(entry)).cloned().collect();
    all.extend(new);
}

#[cfg(test)]
mod tests {
    use super::super::options::options;
    use super::*;

    fn read(said: &[&str]) -> Remote {
        Remote::read(said.iter().copied(), Config::default().lan.network)
    }

    fn texts<T: ToString>(all: &[T]) -> Vec<String> {
        all.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn what_is_said_goes_over_the_file_and_lists_are_added_to() {
        let mut file = Config::default();
        file.garden.allow = vec!["192.0.2.1".parse().expect("an entry")];
        file.session.timeout = Some(Duration::from_secs(7200));
        let said = read(&[
            "uamallowed=192.0.2.1,tcp:pay.example:443",
            "uamdomain = \".example.org\"",
            "uamallowed 192.0.2.7",
            "macallowed=\"02-00-5E-10-00-01, 02:00:5e:10:00:02\"",
            "macallowlocal",
            "defsessiontimeout=600",
            "defidletimeout=0",
            "defbandwidthmaxdown=5000000",
        ]);
        assert_eq!(said.refused, [""; 0]);
        let now = said.apply(&file);
        assert_eq!(texts(&now.garden.allow), ["192.0.2.1", "tcp:pay.example:443", "192.0.2.7"]);
        assert_eq!(texts(&now.garden.domains), [".example.org"]);
        assert_eq!(texts(&now.mac_authentication.allow), ["02:00:5e:10:00:01", "02:00:5e:10:00:02"]);
        let session = (now.session.timeout, now.session.idle_timeout, now.session.rate_down);
        assert_eq!(session, (Some(Duration::from_secs(600)), None, Some(BitRate(5_000_000))));
        assert_eq!(now.session.rate_up, file.session.rate_up);
        assert_eq!(read(&[]).apply(&file), file, "nothing said is nothing changed");
    }

    #[test]
    fn the_servers_are_asked_about_devices_that_are_not_let_in_unasked_and_no_others_than_before_are_left_out() {
        let asked = |radius, only: &[&str]| {
            let mut file = Config::default();
            file.mac_authentication.radius = radius;
            file.mac_authentication.radius_only = only.iter().map(|mac| mac.parse().expect("a MAC")).collect();
            let now = read(&["macallowed=02:00:5e:10:00:01"]).apply(&file).mac_authentication;
            assert!(now.allow.is_empty());
            (now.radius, texts(&now.radius_only))
        };
        let (one, two) = ("02:00:5e:10:00:01".to_owned(), "02:00:5e:10:00:02".to_owned());
        assert_eq!(asked(false, &[&two]), (true, vec![one.clone()]));
        assert_eq!(asked(true, &[&two]), (true, vec![two.clone(), one]));
        assert_eq!(asked(true, &[]), (true, vec![]));
    }

    #[test]
    fn every_option_that_is_not_in_the_list_is_refused_by_name_and_without_its_value() {
        for option in options().filter(|option| !TAKEN.contains(&option.name)) {
            let line =
                if option.kind == Kind::Flag { option.name.to_owned() } else { format!("{}=hidden7", option.name) };
            let said = read(&[&line]);
            let told = format!("{}: is not taken from a server", option.name);
            assert!(said.refused.len() == 1 && said.refused[0].starts_with(&told), "{:?}", said.refused);
            assert!(!said.refused[0].contains("hidden7"));
            assert_eq!(Remote { refused: vec![], ..said }, Remote::default(), "{line}");
        }
    }

    #[test]
    fn what_cannot_be_read_or_would_open_too_much_is_refused_and_the_rest_holds() {
        let said = read(&[
            "uamallowed=0.0.0.0/0,192.0.2.7,http://x",
            "uamallowed=reset",
            "uamallowe=192.0.2.8",
            "uamdomain=a..b",
            "defsessiontimeout=long",
            "defidletimeout",
            "include /etc/passwd",
            "conup=/bin/sh\nuamallowed=192.0.2.9",
            "",
        ]);
        assert_eq!(texts(&said.allow), ["192.0.2.7"]);
        let names: Vec<_> = said.refused.iter().map(|why| why.split(':').next().unwrap_or_default()).collect();
        let expected = [
            "uamallowed",
            "uamallowed",
            "uamallowe",
            "uamdomain",
            "defsessiontimeout",
            "defidletimeout",
            "include",
            "line",
        ];
        assert_eq!(names, expected, "{:?}", said.refused);
        assert_eq!(Remote { allow: vec![], refused: vec![], ..said }, Remote::default());
    }

    #[test]
    fn the_lists_have_an_end() {
        let many: Vec<String> = (0..600).map(|n| format!("uamdomain=d{n}.example")).collect();
        let said = read(&many.iter().map(String::as_str).collect::<Vec<_>>());
        assert_eq!((said.domains.len(), said.refused.len()), (MAX_ENTRIES, 600 - MAX_ENTRIES));
    }
}
