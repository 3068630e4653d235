//! `poblano query`, which also answers to the name chilli_query: the command line of CoovaChilli's tool, its formats, and
//! behind them the requests of the other commands.
//!
//! Of several zones `-z ZONE` names one, as each had its own socket. What is different: `update` changes what it names and nothing else, where chilli_query sets all that is left out back
//! to the defaults; sessionid finds its session; `drop` lasts over a restart, until `authorize`, `login` or `logout` of the
//! same MAC address. The socket is ours, and there is none on TCP. What means nothing here ends with status 2 and says
//! what to do instead.

mod garden;
mod show;
mod words;

use std::ffi::OsStr;
use std::io::ErrorKind;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use serde_json::{Value, json};

use self::words::{Arguments, Question, Refusal};
use crate::{commands, control};

/// As chilli_query; `$QUERY_TIMEOUT` has another.
const PATIENCE: Duration = Duration::from_secs(10);
/// Where sockets are, and which is asked first.
const RUN: &str = "/var/run";
const USUAL: &str = "poblano.sock";

/// True for the name of CoovaChilli's tool.
pub(crate) fn is_called(program: &OsStr) -> bool {
    Path::new(program).file_name() == Some(OsStr::new("chilli_query"))
}

/// Does what the words say.
pub(crate) fn query(words: &[String]) -> ExitCode {
    let question = match Question::parse(words) {
        Ok(question) => question,
        Err(Refusal::Help) => {
            commands::say(words::HELP.trim_end());
            return ExitCode::SUCCESS;
        }
        Err(Refusal::Because(why)) => {
            eprintln!("poblano query: {why}");
            return ExitCode::from(2);
        }
    };
    match answer(&question) {
        Ok(text) => {
            if !text.is_empty() {
                commands::say(&text);
            }
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("poblano query: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn answer(question: &Question) -> anyhow::Result<String> {
    let Question { socket, zone, as_json, command, arguments } = question;
    let socket = &socket.clone().unwrap_or_else(|| usual_socket(Path::new(RUN)));
    let patience = std::env::var("QUERY_TIMEOUT").ok().and_then(|text| text.parse().ok()).filter(|secs| *secs > 0);
    let patience = patience.map_or(PATIENCE, Duration::from_secs);
    let ask = |request: &Value| {
        let mut request = request.clone();
        if let Some(zone) = zone {
            request["zone"] = zone.as_str().into();
        }
        control::ask_within(patience, socket, &request)
    };
    let sessions = || ask(&json!({ "command": "sessions", "guest": arguments.guest }));
    match *command {
        "list" if *as_json => Ok(show::list_json(&sessions()?, arguments.guest.as_deref())),
        "list" => Ok(show::list(&sessions()?, arguments.guest.as_deref())),
        "dhcp-list" if *as_json => Ok(show::leases_json(&sessions()?, arguments.guest.as_deref())),
        "dhcp-list" => Ok(show::leases(&sessions()?, arguments.guest.as_deref())),
        "procs" => Ok(show::processes(&sessions()?)),
        "listippool" => Ok(show::pool(&sessions()?)),
        "reload" => ask(&json!({ "command": "reload" })).map(|_| String::new()),
        "dhcp-release" => ask(&json!({ "command": "release", "mac": mac(arguments)? })).map(|_| String::new()),
        "drop" | "block" => ask(&json!({ "command": "block", "mac": mac(arguments)? })).map(|_| String::new()),
        "logout" | "logoff" => {
            let was_blocked = unblock(&ask, arguments);
            match ask(&json!({ "command": "kick", "guest": guest(arguments)? })) {
                Err(_) if was_blocked => Ok(String::new()),
                answer => answer.map(|_| String::new()),
            }
        }
        "login" => {
            unblock(&ask, arguments);
            let (Some(user), Some(password)) = (&arguments.user, &arguments.password) else {
                bail!("login needs username and password; `authorize` does without")
            };
            let guest = guest(arguments)?;
            ask(&json!({ "command": "authenticate", "guest": guest, "user": user, "password": password }))
                .map(|_| String::new())
        }
        "listgarden" => Ok(garden::show(&ask(&json!({ "command": "garden" }))?)),
        "addgarden" | "remgarden" => {
            if arguments.guest.is_some() {
                bail!("what is open for one guest alone comes from RADIUS (ChilliSpot-Config = \"uamallowed=...\")");
            }
            let data =
                arguments.data.as_deref().context("name the entries: data \"tcp:192.0.2.80:443,www.example.org\"")?;
            garden::requests(command, data).iter().try_for_each(|request| ask(request).map(drop))?;
            Ok(String::new())
        }
        "update" => change(&ask, arguments, "limit").map(|_| String::new()),
        "authorize" => {
            unblock(&ask, arguments);
            let is_online = |reply: Value| !reply["guests"][0]["session"].is_null();
            let command = if sessions().is_ok_and(is_online) { "limit" } else { "login" };
            change(&ask, arguments, command).map(|_| String::new())
        }
        other => bail!("{other} is listed and not done"),
    }
}

/// Our own, or else the first that has a name of CoovaChilli's: where `cmdsocket` of an imported chilli.conf has it, and
/// scripts do not say so because chilli_query looked there. Our own, too, if nobody answers.
fn usual_socket(run: &Path) -> PathBuf {
    let usual = run.join(USUAL);
    let files = std::fs::read_dir(run).into_iter().flatten().filter_map(Result::ok).map(|entry| entry.path());
    let is_chilli = |path: &PathBuf| {
        let name = path.file_name().and_then(OsStr::to_str).unwrap_or_default();
        name.starts_with("chilli") && name.ends_with(".sock")
    };
    let mut others: Vec<PathBuf> = files.filter(is_chilli).collect();
    others.sort_unstable();
    // A crash leaves a file at which nobody answers; one that is not for us is still the one that is meant.
    let is_there = |path: &PathBuf| match UnixStream::connect(path) {
        Ok(_) => true,
        Err(error) => error.kind() == ErrorKind::PermissionDenied,
    };
    [usual.clone()].into_iter().chain(others).find(is_there).unwrap_or(usual)
}

/// Names what the arguments name, in our words: what is input for CoovaChilli depends on the gateway.
fn change(
    ask: &impl Fn(&Value) -> anyhow::Result<Value>,
    arguments: &Arguments,
    command: &str,
) -> anyhow::Result<Value> {
    let guest = guest(arguments)?;
    let facts = ask(&json!({ "command": "sessions", "guest": guest }))?;
    let mut request = json!({ "command": command, "guest": guest });
    if let (Some(user), "login") = (&arguments.user, command) {
        request["user"] = user.as_str().into();
    }
    let [input, output] = match facts["gateway"]["direction"].as_str() {
        Some("chilli") => ["output_octets_max", "input_octets_max"],
        _ => ["input_octets_max", "output_octets_max"],
    };
    for (word, number) in &arguments.limits {
        let key = match *word {
            "sessiontimeout" => "seconds_max",
            "idletimeout" => "idle_seconds_max",
            "interiminterval" => "interim_seconds",
            "maxoctets" => "total_octets_max",
            "maxinputoctets" => input,
            "maxoutputoctets" => output,
            "maxbwup" => "bits_per_second_up",
            "maxbwdown" => "bits_per_second_down",
            other => bail!("{other} is no limit"),
        };
        request[key] = (*number).into();
    }
    ask(&request)
}

/// True if the device was blocked.
fn unblock(ask: &impl Fn(&Value) -> anyhow::Result<Value>, arguments: &Arguments) -> bool {
    let Ok(mac) = mac(arguments) else { return false };
    ask(&json!({ "command": "unblock", "mac": mac })).is_ok()
}

fn guest(arguments: &Arguments) -> anyhow::Result<&str> {
    arguments.guest.as_deref().context("name the guest: ip ADDRESS, mac MAC or sessionid NAME")
}

fn mac(arguments: &Arguments) -> anyhow::Result<&str> {
    arguments.mac.as_deref().context("name the device by its MAC address")
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;

    #[test]
    fn without_a_socket_it_is_ours_or_the_first_of_coovachillis_names_that_answers() {
        let run = std::env::temp_dir().join(format!("poblano-query-{}", std::process::id()));
        std::fs::create_dir_all(&run).unwrap();
        let listen = |name: &str| UnixListener::bind(run.join(name)).unwrap();
        assert_eq!(usual_socket(&run), run.join("poblano.sock"), "nobody is there");
        drop(listen("chilli.a.sock")); // the file stays
        let others = [listen("chilli.c.sock"), listen("chilli.b.sock"), listen("other.sock")];
        assert_eq!(usual_socket(&run), run.join("chilli.b.sock"));
        let ours = listen("poblano.sock");
        assert_eq!(usual_socket(&run), run.join("poblano.sock"));
        drop((others, ours));
        std::fs::remove_dir_all(&run).unwrap();
    }
}
