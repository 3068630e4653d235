//! chilli_query's command line: `[-s SOCKET] [-json] COMMAND [MAC] [ARGUMENT VALUE]...`.

use std::path::PathBuf;

use wire::MacAddr;

use crate::cli::Guest;

pub(super) const HELP: &str = "\
Usage: poblano query [-s SOCKET] [-z ZONE] [-json] COMMAND [ARGUMENT VALUE]...

  list [ip ADDRESS | mac MAC | sessionid NAME]       guests, one a line
  dhcp-list [ip ADDRESS | mac MAC]                   leases
  dhcp-release MAC                                   take a lease back, and end its session
  drop MAC, block MAC                                nothing of the device passes until it is authorised or logged out
  authorize GUEST [username NAME] [LIMIT]...         log in without a password
  login GUEST username NAME password PASSWORD        log in as if at the portal
  update GUEST LIMIT...                              change what is named of a session, and nothing else
  logout GUEST, logoff GUEST                         end a session; unblock a device
  reload                                             read the configuration again
  procs, listippool                                  processes; addresses
  listgarden, addgarden data LIST, remgarden data LIST    the walled garden

GUEST is ip ADDRESS, mac MAC, sessionid NAME, or for logout a MAC address alone.
Without -s the gateway is asked at /var/run/poblano.sock, or else at the first /var/run/chilli*.sock that answers.
LIMIT is sessiontimeout, idletimeout, interiminterval (seconds), maxoctets, maxinputoctets, maxoutputoctets,
maxbwup, maxbwdown (bits per second), each with a number; 0 is no limit.
";

/// Numbers.
const LIMITS: [&str; 8] = [
    "sessiontimeout",
    "idletimeout",
    "interiminterval",
    "maxoctets",
    "maxinputoctets",
    "maxoutputoctets",
    "maxbwup",
    "maxbwdown",
];

const COMMANDS: [&str; 17] = [
    "list",
    "dhcp-list",
    "dhcp-release",
    "drop",
    "block",
    "authorize",
    "login",
    "update",
    "logout",
    "logoff",
    "reload",
    "procs",
    "listippool",
    "listgarden",
    "addgarden",
    "remgarden",
    "help",
];

/// Commands and arguments that mean nothing here, and what to do instead.
const ELSEWHERE: [(&str, &str); 17] = [
    ("listradqueue", "requests are not in one queue; `poblano sessions` shows servers and records that wait"),
    ("statusfile", "sessions are always written down; `poblano sessions --json` prints them"),
    ("show", "use `list`"),
    ("route", "guests leave by the uplink; use the system's policy routing (ip rule)"),
    ("routegw", "guests leave by the uplink; use the system's policy routing (ip rule)"),
    ("peers", "gateways know nothing of each other"),
    ("peerset", "gateways know nothing of each other"),
    ("inspect", "use `poblano sessions --counters`"),
    ("listloc", "a guest's location is not followed; its VLAN is in `list`"),
    ("listlocsum", "a guest's location is not followed; its VLAN is in `list`"),
    ("splash", "there is no splash state: who is to see a page again is logged out"),
    ("url", "there is no splash state: who is to see a page again is logged out"),
    ("inject", "pages of others are not changed"),
    ("routeidx", "guests leave by the uplink; use the system's policy routing (ip rule)"),
    ("location", "a guest's location is not followed"),
    ("noacct", "every session is accounted for"),
    ("-P", "there is no control port on TCP, where anybody could use it; -s names a socket"),
];

/// What is asked.
#[derive(Debug)]
pub(super) struct Question {
    /// None is the usual one.
    pub(super) socket: Option<PathBuf>,
    /// The zone that is meant, where there are several; chilli_query has a socket for each.
    pub(super) zone: Option<String>,
    pub(super) as_json: bool,
    pub(super) command: &'static str,
    pub(super) arguments: Arguments,
}

/// To whom, and how much.
#[derive(Debug, Default)]
pub(super) struct Arguments {
    /// A MAC address, an IP address or a session's name, as `poblano kick` takes it.
    pub(super) guest: Option<String>,
    /// The same, if it is a MAC address.
    pub(super) mac: Option<String>,
    pub(super) user: Option<String>,
    pub(super) password: Option<String>,
    pub(super) data: Option<String>,
    pub(super) limits: Vec<(&'static str, u64)>,
}

/// Why nothing is asked.
#[derive(Debug)]
pub(super) enum Refusal {
    Help,
    Because(String),
}

fn because(why: impl Into<String>) -> Refusal {
    Refusal::Because(why.into())
}

impl Question {
    pub(super) fn parse(words: &[String]) -> Result<Self, Refusal> {
        let mut words = words.iter().map(String::as_str).peekable();
        let (mut socket, mut zone, mut as_json) = (None, None, false);
        // CoovaChilli has taken a socket's path as the first word.
        if let Some(path) = words.next_if(|word| word.starts_with('/')) {
            socket = Some(path);
        }
        let command = loop {
            match words.next() {
                None => return Err(Refusal::Help),
                Some("-json" | "--json") => as_json = true,
                Some("-s") => {
                    socket = Some(words.next().ok_or_else(|| because("-s needs the path of a socket"))?);
                }
                Some("-z") => zone = Some(words.next().ok_or_else(|| because("-z needs the name of a zone"))?),
                Some("help" | "-h" | "--help") => return Err(Refusal::Help),
                Some(word) => break known(word)?,
            }
        };
        let mut arguments = Arguments::default();
        if matches!(command, "dhcp-release" | "drop" | "block" | "logout" | "logoff")
            && let Some(mac) = words.next_if(|word| word.parse::<MacAddr>().is_ok())
        {
            arguments.name("mac", mac)?;
        }
        while let Some(word) = words.next() {
            if matches!(word, "-json" | "--json") {
                as_json = true;
                continue;
            }
            if let Some((_, instead)) = ELSEWHERE.iter().find(|(name, _)| *name == word) {
                return Err(because(format!("{word} has no meaning here: {instead}")));
            }
            let value = words.next().ok_or_else(|| because(format!("{word} needs a value")))?;
            arguments.name(word, value)?;
        }
        let (socket, zone) = (socket.map(PathBuf::from), zone.map(str::to_owned));
        Ok(Self { socket, zone, as_json, command, arguments })
    }
}

fn known(word: &str) -> Result<&'static str, Refusal> {
    if let Some(command) = COMMANDS.iter().find(|command| **command == word) {
        return Ok(command);
    }
    Err(because(match ELSEWHERE.iter().find(|(name, _)| *name == word) {
        Some((_, instead)) => format!("{word} has no meaning here: {instead}"),
        None => format!("there is no command {word}; `poblano query help` lists them"),
    }))
}

impl Arguments {
    fn name(&mut self, word: &str, value: &str) -> Result<(), Refusal> {
        match word {
            "ip" | "mac" | "sessionid" => {
                let fits = match value.parse() {
                    Ok(Guest::Address(_)) => word == "ip",
                    Ok(Guest::Mac(_)) => word == "mac",
                    Ok(Guest::Session(_)) => word == "sessionid",
                    Err(_) => false,
                };
                if !fits {
                    return Err(because(format!("{value:?} is no {word}")));
                }
                if word == "mac" {
                    self.mac = Some(value.to_owned());
                }
                self.guest = Some(value.to_owned());
            }
            "username" => self.user = Some(value.to_owned()),
            "data" => self.data = Some(value.to_owned()),
            "password" => self.password = Some(value.to_owned()),
            _ => {
                let limit = LIMITS.iter().find(|limit| **limit == word);
                let limit = limit.ok_or_else(|| because(format!("there is no argument {word}")))?;
                let number =
                    value.parse().map_err(|_| because(format!("{word} is {value:?}; write a whole number")))?;
                self.limits.push((limit, number));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn parse(line: &str) -> Result<Question, Refusal> {
        Question::parse(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    fn refused(line: &str) -> String {
        match parse(line) {
            Err(Refusal::Because(why)) => why,
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn command_lines_as_they_stand_in_scripts_are_understood() {
        let question = parse("-s /run/other.sock -json list mac 02-00-5E-10-00-01").unwrap();
        assert_eq!(
            (question.socket.as_deref().and_then(Path::to_str), question.as_json, question.command),
            (Some("/run/other.sock"), true, "list")
        );
        assert_eq!(question.arguments.mac.as_deref(), Some("02-00-5E-10-00-01"));
        let question = parse("/run/other.sock logout 02:00:5e:10:00:01").unwrap();
        assert_eq!(question.socket.as_deref(), Some(Path::new("/run/other.sock")));
        assert_eq!((question.command, question.arguments.guest), ("logout", question.arguments.mac));
        let question = parse("update sessionid 000001000000019cd2c0f1 maxbwup 512000 maxoctets 0").unwrap();
        assert_eq!(question.arguments.limits, [("maxbwup", 512_000), ("maxoctets", 0)]);
        assert_eq!(question.arguments.guest.as_deref(), Some("000001000000019cd2c0f1"));
    }

    #[test]
    fn what_cannot_be_done_says_what_can() {
        for (word, instead) in ELSEWHERE {
            assert!(refused(word).ends_with(instead), "{word}");
        }
        assert!(refused("-P 42424 list").contains("TCP"));
        assert!(refused("update ip 10.85.0.9 noacct").contains("accounted"));
        assert_eq!(refused("lost"), "there is no command lost; `poblano query help` lists them");
        assert_eq!(refused("list ip"), "ip needs a value");
        assert_eq!(refused("list ip 02:00:5e:10:00:01"), "\"02:00:5e:10:00:01\" is no ip");
        assert_eq!(refused("update maxbwup fast"), "maxbwup is \"fast\"; write a whole number");
        assert!(matches!(parse(""), Err(Refusal::Help)));
    }
}
