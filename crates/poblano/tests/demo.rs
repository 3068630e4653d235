//! `poblano demo` as anybody runs it.
//!
//! It takes the right to make network namespaces and /dev/net/tun. Where that is missing nothing is tested, which is
//! said aloud, and is a failure where `POBLANO_REQUIRE_ROOT` is set.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

use std::fs::{self, Permissions};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

const NOBODY: u32 = 65_534;
/// For what cannot be waited for; it is never the measure of anything.
const PATIENCE: Duration = Duration::from_secs(20);

/// What must be in a story that went well.
const STORY: [&str; 12] = [
    "a DHCP lease: 10.85.",
    "captive.apple.com is 198.51.100.17, a true answer",
    "iOS probes captive.apple.com: 302 to http://10.85.0.1:3990/",
    "https is refused at once",
    "\"That name and password do not match.\"",
    "the right login: 303",
    "its sign-in sheet closes",
    "bit/s down",
    "bit/s up",
    "1 guest, 1 online",
    "logout: 303, and the session has ended",
    "offline again",
];

/// A demonstration in a temporary directory of its own.
struct Demo {
    directory: PathBuf,
    command: Command,
}

impl Demo {
    fn new(test: &str) -> Self {
        let directory = std::env::temp_dir().join(format!("poblano-test-{test}-{}", std::process::id()));
        fs::create_dir(&directory).expect("the file system works");
        fs::set_permissions(&directory, Permissions::from_mode(0o777)).expect("the file system works");
        let mut command = Command::new(env!("CARGO_BIN_EXE_poblano"));
        command.arg("demo").env("TMPDIR", &directory).env("LC_ALL", "C");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Self { directory, command }
    }

    fn stay(test: &str) -> Self {
        let mut demo = Self::new(test);
        demo.command.arg("--stay");
        demo
    }

    /// The output, or `None` for who may not.
    fn run(&mut self) -> Option<Output> {
        let output = self.command.output().expect("the demo starts");
        let error = String::from_utf8_lossy(&output.stderr);
        (!forbidden(&error)).then_some(output)
    }

    /// Nothing is there any more: no file, no process.
    fn assert_gone(&self) {
        let files: Vec<_> = fs::read_dir(&self.directory)
            .expect("the file system works")
            .map(|entry| entry.expect("the file system works").path())
            .collect();
        assert_eq!(files, Vec::<PathBuf>::new(), "files are left behind");
        assert_eq!(self.gateways(), Vec::<String>::new(), "processes are left behind");
    }

    /// The gateway processes of this demonstration.
    fn gateways(&self) -> Vec<String> {
        let directory = self.directory.to_str().expect("the file system works");
        let processes = fs::read_dir("/proc")
            .expect("the file system works")
            .filter_map(|entry| fs::read(entry.ok()?.path().join("cmdline")).ok());
        let commands = processes.map(|words| String::from_utf8_lossy(&words).replace('\0', " "));
        commands.filter(|command| command.contains(directory)).collect()
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.directory);
    }
}

/// Whether the machine is to blame; then the advice must say what to do about it.
fn forbidden(error: &str) -> bool {
    let forbidden = error.contains("network namespaces") || error.contains("/dev/net/tun");
    if forbidden {
        assert!(error.contains("sudo"), "advice without a way out: {error}");
        assert!(std::env::var_os("POBLANO_REQUIRE_ROOT").is_none(), "{error}");
        eprintln!("SKIPPED, nothing was tested: {error}");
    }
    forbidden
}

fn assert_told(output: &Output) {
    let story = String::from_utf8_lossy(&output.stdout);
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{story}\n{error}");
    for words in STORY {
        assert!(story.contains(words), "{words:?} is missing in\n{story}");
    }
    assert!(story.is_ascii() && !story.contains('\x1b'), "a pipe in the C locale gets plain text:\n{story}");
}

#[test]
fn a_stranger_sees_the_whole_job_and_nothing_is_left_behind() {
    let mut demo = Demo::new("story");
    let Some(output) = demo.run() else { return };
    assert_told(&output);
    demo.assert_gone();
}

#[test]
fn who_is_not_root_sees_the_same_or_is_told_what_to_do() {
    if fs::metadata("/proc/self").expect("the file system works").uid() != 0 {
        return; // then the other test has shown it
    }
    let mut demo = Demo::new("nobody");
    demo.command.uid(NOBODY).gid(NOBODY);
    let output = match demo.command.output() {
        Ok(output) => output,
        Err(error) => {
            eprintln!("SKIPPED, nothing was tested: nobody may not run {}: {error}", env!("CARGO_BIN_EXE_poblano"));
            return;
        }
    };
    if output.status.success() {
        assert_told(&output);
    } else {
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(error.contains("sudo") && error.contains("demo"), "advice without a way out: {error}");
    }
    demo.assert_gone();
}

#[test]
fn the_machines_own_browser_logs_in_and_ctrl_c_ends_it_all() {
    let mut demo = Demo::stay("stay");
    let Some((mut child, mut lines)) = start_and_wait(&mut demo) else { return };
    let door = until(&mut lines, "  Open      http://").trim_end_matches('/').to_owned();
    let password = until(&mut lines, "  Password  ");

    assert!(ask(&door, "GET / HTTP/1.1", "").contains("<form method=\"post\" action=\"/login\">"));
    let answer = ask(&door, "POST /login HTTP/1.1", &format!("name=anne&password={password}"));
    assert!(answer.starts_with("HTTP/1.1 303 "), "{answer}");
    assert!(ask(&door, "GET /status HTTP/1.1", "").contains("Signed in as anne"));
    until(&mut lines, "  online as anne");

    let interrupted =
        Command::new("kill").args(["-INT", &child.0.id().to_string()]).status().expect("the file system works");
    assert!(interrupted.success());
    assert!(child.0.wait().expect("the file system works").success(), "Ctrl-C is how it is meant to end");
    demo.assert_gone();
}

#[test]
fn the_gateway_dies_with_a_demo_that_is_killed() {
    let mut demo = Demo::stay("killed");
    let Some((mut child, mut lines)) = start_and_wait(&mut demo) else { return };
    until(&mut lines, "  Password  ");
    assert_eq!(demo.gateways().len(), 1, "{:?}", demo.gateways());
    let folder = fs::read_dir(&demo.directory)
        .expect("the file system works")
        .next()
        .expect("the file system works")
        .expect("the file system works")
        .path();

    child.0.kill().expect("the file system works");
    child.0.wait().expect("the file system works");
    let killed = Instant::now();
    while UnixStream::connect(folder.join("control")).is_ok() || !demo.gateways().is_empty() {
        assert!(killed.elapsed() < PATIENCE, "it lives on: {:?}", demo.gateways());
        thread::yield_now();
    }
}

/// A demonstration that goes on; it is killed with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

type Lines = std::io::Lines<BufReader<ChildStdout>>;

/// Starts it and waits for the first line, or returns `None` for who may not.
fn start_and_wait(demo: &mut Demo) -> Option<(Running, Lines)> {
    let mut child = demo.command.spawn().expect("the file system works");
    let mut lines = BufReader::new(child.stdout.take().expect("the file system works")).lines();
    if lines.next().is_none() {
        let mut error = String::new();
        child.stderr.take().expect("the file system works").read_to_string(&mut error).expect("the file system works");
        child.wait().expect("the file system works");
        assert!(forbidden(&error), "{error}");
        return None;
    }
    Some((Running(child), lines))
}

/// What follows `start` in the first line that begins with it.
fn until(lines: &mut Lines, start: &str) -> String {
    let mut seen = Vec::new();
    for line in lines {
        let line = line.expect("the file system works");
        if let Some(rest) = line.strip_prefix(start) {
            return rest.to_owned();
        }
        seen.push(line);
    }
    panic!("{start:?} is missing in\n{}", seen.join("\n"));
}

/// One request of a browser to `host`.
fn ask(host: &str, line: &str, form: &str) -> String {
    let mut stream = TcpStream::connect(host).expect("the file system works");
    stream.set_read_timeout(Some(PATIENCE)).expect("the file system works");
    let kind = "Content-Type: application/x-www-form-urlencoded";
    let fields = format!("Host: {host}\r\nOrigin: http://{host}\r\n{kind}\r\nContent-Length: {}", form.len());
    write!(stream, "{line}\r\n{fields}\r\nConnection: close\r\n\r\n{form}").expect("the file system works");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("the file system works");
    answer
}
