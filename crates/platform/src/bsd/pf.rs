//! pf, by pfctl(8): the lock, the rules of forwarding, their guard, and guests' states.
//!
//! Why not by ioctl: a rule's structure is no interface. OpenBSD changes it from release to release, FreeBSD 15 has taken
//! several such calls away, and each knows only its own pfctl; pf.conf(5) is documented and stays. It is started
//! without a shell and with an empty environment, and reads our rules from its standard input: the anchor is replaced in one
//! step, or not at all.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::net::Ipv4Addr;
use std::process::{Command, Stdio};

use super::pure::abi::{Abi, Os};
use super::pure::pf::{self, ANCHOR};
use crate::poll::poll;
use crate::{Error, Flows, ForwardSpec, Guard, MAX_WAIT, Mended, Result, Waker};

const PFCTL: &str = "/sbin/pfctl";
const PLACE: &str = "put into pf.conf, before any rule that is \"quick\" and any other anchor: anchor \"poblano\"";
const PLACE_OF_NAT: &str = "put into pf.conf, among its nat rules: nat-anchor \"poblano\"";

/// What one call printed.
struct Said {
    out: String,
    err: String,
}

fn pfctl(doing: &str, arguments: &[&str], input: &str) -> Result<Said> {
    let what = |e: io::Error| Error::kernel(doing, e);
    let mut child = Command::new(PFCTL)
        .args(arguments)
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(what)?;
    if let Some(mut stdin) = child.stdin.take() {
        // One that ends early says why.
        let _ = stdin.write_all(input.as_bytes());
    }
    let output = child.wait_with_output().map_err(what)?;
    let [out, err] = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    if output.status.success() {
        return Ok(Said { out, err });
    }
    let reason = err.lines().last().unwrap_or("pfctl ends without a word").to_owned();
    Err(Error::refused(doing, reason).hint("is pf there? see: kldstat -m pf, and: pfctl -s info"))
}

/// Makes sure that pf works and comes to our anchor, so that what is loaded there counts.
pub(super) fn check(doing: &str) -> Result<()> {
    if Abi::HOST.os == Os::Net {
        return Err(Error::refused(doing, "NetBSD's firewall is npf, which is not supported"));
    }
    if !pf::is_enabled(&pfctl(doing, &["-s", "info"], "")?.out) {
        return Err(Error::refused(doing, "pf is not enabled")
            .hint("FreeBSD: sysrc pf_enable=YES && service pf start; OpenBSD: rcctl enable pf && pfctl -e"));
    }
    comes_to_anchor(doing)
}

fn comes_to_anchor(doing: &str) -> Result<()> {
    let rules = pfctl(doing, &["-s", "rules"], "")?.out;
    pf::comes_to_anchor(&rules, "anchor").map_err(|reason| Error::refused(doing, format!("pf: {reason}")).hint(PLACE))
}

/// The same for NAT, which is a list of its own on FreeBSD.
fn check_nat(doing: &str) -> Result<()> {
    if Abi::HOST.os == Os::Open {
        return Ok(());
    }
    let rules = pfctl(doing, &["-s", "nat"], "")?.out;
    pf::comes_to_anchor(&rules, "nat-anchor")
        .map_err(|reason| Error::refused(doing, format!("pf's nat: {reason}")).hint(PLACE_OF_NAT))
}

/// Replaces what is in our anchor.
pub(super) fn load(doing: &str, lans: &[String], ways: &[ForwardSpec]) -> Result<()> {
    let names = lans.iter().chain(ways.iter().flat_map(|way| way.uplinks.iter().chain([&way.tun])));
    for name in names {
        if !pf::is_word(name) {
            return Err(Error::refused(doing, format!("pf cannot be told of an interface called {name:?}")));
        }
    }
    if ways.iter().any(|way| way.masquerade) {
        check_nat(doing)?;
    }
    pfctl(doing, &["-q", "-a", ANCHOR, "-f", "-"], &pf::rules(Abi::HOST.os, lans, ways)).map(drop)
}

/// What is in our anchor, as pf understood it.
fn loaded(doing: &str) -> Result<String> {
    let mut all = pfctl(doing, &["-a", ANCHOR, "-s", "rules"], "")?.out;
    if Abi::HOST.os != Os::Open {
        all += &pfctl(doing, &["-a", ANCHOR, "-s", "nat"], "")?.out;
    }
    Ok(all)
}

/// True if a former life has left its lock.
pub(super) fn is_locked(doing: &str) -> Result<bool> {
    loaded(doing).map(|rules| !rules.trim().is_empty())
}

/// Looks each second: pf tells nobody of changes.
pub(super) struct PfGuard {
    lans: Vec<String>,
    ways: Vec<ForwardSpec>,
    /// As pf shows them.
    wanted: String,
    waker: Waker,
}

const GUARDING: &str = "watch pf's rules";

impl PfGuard {
    pub(super) fn open(lans: &[String], ways: &[ForwardSpec], waker: &Waker) -> Result<Self> {
        Ok(Self { lans: lans.to_vec(), ways: ways.to_vec(), wanted: loaded(GUARDING)?, waker: waker.clone() })
    }
}

impl Guard for PfGuard {
    fn wait(&self) -> io::Result<()> {
        poll(self.waker.fd(), self.waker.fd(), MAX_WAIT).map(drop)
    }

    fn mend(&mut self, tell: &mut dyn FnMut(Mended)) -> Result<()> {
        let mut mended = false;
        if !pf::is_enabled(&pfctl(GUARDING, &["-s", "info"], "")?.out) {
            pfctl("enable pf again", &["-q", "-e"], "")?;
            mended = true;
        }
        if loaded(GUARDING)? != self.wanted {
            load("put pf's rules back", &self.lans, &self.ways)?;
            mended = true;
        }
        if mended {
            tell(Mended::Rules);
        }
        // That is the operator's, and cannot be mended.
        comes_to_anchor(GUARDING)
    }
}

/// Guests' states. Those that are ended were made on the TUN; from outside nothing goes in there without one.
pub(super) struct States;

const FORGETTING: &str = "end states of guests";

impl Flows for States {
    fn forget(&mut self, guests: &BTreeSet<Ipv4Addr>) -> Result<usize> {
        let mut forgotten = 0;
        for guest in guests {
            forgotten += pf::killed(&pfctl(FORGETTING, &["-k", &guest.to_string()], "")?.err);
        }
        Ok(forgotten)
    }

    fn forget_network(&mut self, network: (Ipv4Addr, u8), spared: &BTreeSet<Ipv4Addr>) -> Result<usize> {
        let states = pfctl(FORGETTING, &["-s", "states"], "")?.out;
        self.forget(&(&pf::addresses_in(&states, network) - spared))
    }
}
