//! The story. Each step does something real, looks whether it went as it should, and says so in one line.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use serde_json::Value;

use super::gateway::{ACCOUNT, Gateway};
use super::guest::{self, Lease};
use super::http::{self, Answer};
use super::internet::{self, APPLE_SUCCESS, OTHER_ANSWER};
use super::network::{APPLE, GOOGLE, Network, OTHER_RESOLVER, PHONE_MAC, WEB};
use super::show::{self, Show};
use super::transfer::{self, Carried};
use crate::commands;

/// A refusal that takes longer than this is not one at once.
const AT_ONCE: Duration = Duration::from_secs(1);

/// Data one way: with which server, and who is told how it goes.
type Carry = fn(Ipv4Addr, &dyn Fn(f64, f64)) -> anyhow::Result<Carried>;

/// The story and how far it is.
pub(super) struct Story<'a> {
    show: &'a Show,
    network: &'a Network,
    gateway: &'a Gateway,
    began: Instant,
    steps: u32,
}

impl<'a> Story<'a> {
    pub(super) fn new(show: &'a Show, network: &'a Network, gateway: &'a Gateway) -> Self {
        Self { show, network, gateway, began: gateway.began, steps: 0 }
    }

    /// From the first lease to the last logout. Returns where the portal is.
    pub(super) fn tell(&mut self) -> anyhow::Result<SocketAddr> {
        let (show, network, gateway) = (self.show, self.network, self.gateway);
        show.title("Poblano demo: how a phone gets online");
        show.aside("In network namespaces of its own; this machine's network stays as it is.\n");
        show.picture();

        show.title("\nThe gateway starts");
        let ready = |_: &()| "`poblano run` is ready for guests".to_owned();
        self.step_since(gateway.began, "start", || gateway.wait_until_ready(), ready)?;
        self.step(
            "the Internet",
            || internet::start(network),
            |()| "an Internet, with two resolvers and three web servers".to_owned(),
        )?;

        show.chapter("A phone joins the Wi-Fi");
        let lease = self.step("DHCP", || guest::ask_for_lease(&network.guest), lease_words)?;
        guest::use_lease(&network.guest, &lease)?;
        let portal = self.before_login(&lease)?;

        show.chapter("Its owner logs in");
        self.sign_in(portal)?;
        self.online(&lease)?;

        show.chapter("The Internet, for two seconds in each direction");
        let down = self.transfer("down", transfer::download)?;
        let up = self.transfer("up", transfer::upload)?;

        show.chapter("What the operator sees");
        let counted =
            |reply: &Value| format!("counted with headers: {}", counted_words(&reply["guests"][0]["session"]));
        let reply = self.step("counters", || counters(gateway, &down, &up), counted)?;
        show.command("poblano sessions", &commands::sessions_text(&reply, false));

        show.chapter("The owner logs out");
        self.sign_out(portal, &lease)?;
        Ok(portal)
    }

    /// The gateway's orderly end, and the moral.
    pub(super) fn end(&mut self) -> anyhow::Result<()> {
        let (show, gateway) = (self.show, self.gateway);
        show.chapter("The gateway stops");
        self.step("stop", || gateway.stop(), |()| "it takes back all that it has changed".to_owned())?;
        show.title(&format!(
            "\nAll {} steps went as they should, in {:.1} s.",
            self.steps,
            self.began.elapsed().as_secs_f64()
        ));
        let program = super::program();
        show.line("  To click through the portal in your own browser:");
        show.line(&format!("    {program} demo --stay"));
        show.line("  For real, with guests on eth1 and the Internet on eth0:");
        show.line(&format!("    sudo {program} run --lan eth1 --uplink eth0"));
        Ok(())
    }

    fn before_login(&mut self, lease: &Lease) -> anyhow::Result<SocketAddr> {
        let (dns, gateway) = (lease.resolver, lease.router);
        let true_answer = || right_answer(guest::resolve(dns, APPLE.0)?, APPLE.1);
        self.step("DNS", true_answer, |address| format!("DNS: {} is {address}, a true answer", APPLE.0))?;
        let led = |name: &'static str, path: &'static str| move || redirected(&probe(dns, name, path)?, gateway);
        let portal = self.step("Apple's probe", led(APPLE.0, "/hotspot-detect.html"), |portal| {
            format!("iOS probes {}: 302 to http://{portal}/", APPLE.0)
        })?;
        self.step("Android's probe", led(GOOGLE.0, "/generate_204"), |_| {
            format!("Android probes {}: the same redirect", GOOGLE.0)
        })?;
        self.step("https", || refused(WEB.1), |()| "https is refused at once, so that no app hangs".to_owned())?;
        let other = || right_answer(guest::resolve(OTHER_RESOLVER, WEB.0)?, WEB.1);
        self.step("another resolver", other, |_| {
            format!("DNS to {OTHER_RESOLVER}, typed in by hand: the gateway answers")
        })?;
        Ok(portal)
    }

    fn sign_in(&mut self, portal: SocketAddr) -> anyhow::Result<()> {
        let gateway = self.gateway;
        let login = |password: &str| http::post(portal, "/login", &format!("name={ACCOUNT}&password={password}"));
        let wrong = || polite_refusal(&login("letmein")?);
        self.step("wrong password", wrong, |words| format!("a wrong password: 403, \"{words}\""))?;
        let right = || {
            let answer = login(&gateway.password)?;
            ensure!(answer.status == 303, "the login is answered with {}", answer.status);
            Ok(answer.location.unwrap_or_default())
        };
        self.step("login", right, |to| format!("the right login: 303, on to {to}"))?;
        Ok(())
    }

    fn online(&mut self, lease: &Lease) -> anyhow::Result<()> {
        let dns = lease.resolver;
        let apple = || succeeded(&probe(dns, APPLE.0, "/hotspot-detect.html")?, 200, APPLE_SUCCESS);
        self.step("Apple's probe again", apple, |()| {
            "iOS probes again: Success, and its sign-in sheet closes".to_owned()
        })?;
        let google = || succeeded(&probe(dns, GOOGLE.0, "/generate_204")?, 204, "");
        self.step("Android's probe again", google, |()| {
            "Android probes again: 204, and its notification goes".to_owned()
        })?;
        let https = || Ok(http::connect((WEB.1, 443).into())?);
        self.step("https again", https, |_| "https connects".to_owned())?;
        let other = || right_answer(guest::resolve(OTHER_RESOLVER, WEB.0)?, OTHER_ANSWER);
        self.step("another resolver again", other, |_| format!("DNS to {OTHER_RESOLVER}: now it answers itself"))?;
        Ok(())
    }

    fn transfer(&mut self, way: &str, carry: Carry) -> anyhow::Result<Carried> {
        let show = self.show;
        let look = |part: f64, rate: f64| {
            show.progress(&format!("{}  {:>11} {way}", show.bar(part), show::rate(rate)));
        };
        let words = |carried: &Carried| {
            let rate = show::rate(carried.bits_per_second());
            format!("{}  {rate:>11} {way}, {}", show.bar(1.0), commands::octets(carried.octets))
        };
        self.step(way, || carry(WEB.1, &look), words)
    }

    fn sign_out(&mut self, portal: SocketAddr, lease: &Lease) -> anyhow::Result<()> {
        let gateway = self.gateway;
        let logout = || {
            let answer = http::post(portal, "/logout", "")?;
            ensure!(answer.status == 303, "the logout is answered with {}", answer.status);
            let reply = gateway.sessions()?;
            ensure!(reply["guests"][0]["session"].is_null(), "the session goes on: {reply}");
            Ok(())
        };
        self.step("logout", logout, |()| "logout: 303, and the session has ended".to_owned())?;
        let offline = || {
            refused(WEB.1)?;
            redirected(&probe(lease.resolver, APPLE.0, "/hotspot-detect.html")?, lease.router)
        };
        self.step("offline again", offline, |_| "offline again: https is refused, http meets the portal".to_owned())?;
        Ok(())
    }

    fn step<T>(
        &mut self,
        name: &str,
        work: impl FnOnce() -> anyhow::Result<T>,
        words: impl FnOnce(&T) -> String,
    ) -> anyhow::Result<T> {
        self.step_since(Instant::now(), name, work, words)
    }

    fn step_since<T>(
        &mut self,
        start: Instant,
        name: &str,
        work: impl FnOnce() -> anyhow::Result<T>,
        words: impl FnOnce(&T) -> String,
    ) -> anyhow::Result<T> {
        let result = work();
        let took = start.elapsed();
        match result {
            Ok(value) => {
                self.steps += 1;
                self.show.done(took, &words(&value));
                Ok(value)
            }
            Err(error) => {
                self.show.failed(took, name);
                Err(error.context(format!("the demo's step {name:?} did not go as it should")))
            }
        }
    }
}

fn lease_words(lease: &Lease) -> String {
    let Lease { address, prefix, time, .. } = lease;
    format!("a DHCP lease: {address}/{prefix} for {}", config::format_duration(*time))
}

fn counted_words(session: &Value) -> String {
    let octets = |key: &str| commands::octets(session[key].as_u64().unwrap_or_default());
    format!("{} from the phone, {} to it", octets("input_octets"), octets("output_octets"))
}

/// What a phone does to find out whether it is online: a name, and http.
fn probe(resolver: Ipv4Addr, name: &str, path: &str) -> anyhow::Result<Answer> {
    http::get(guest::resolve(resolver, name)?, name, path)
}

fn right_answer(address: Ipv4Addr, expected: Ipv4Addr) -> anyhow::Result<Ipv4Addr> {
    ensure!(address == expected, "DNS says {address} where {expected} is right");
    Ok(address)
}

/// The portal that the answer leads to, which must be the gateway's.
fn redirected(answer: &Answer, gateway: Ipv4Addr) -> anyhow::Result<SocketAddr> {
    let Answer { status, location, .. } = answer;
    ensure!(*status == 302, "the probe is answered with {status} where 302 was expected");
    let portal = location.as_deref().and_then(|url| url.strip_prefix("http://")?.split('/').next()?.parse().ok());
    let portal: SocketAddr = portal.with_context(|| format!("the probe is led to {location:?}"))?;
    ensure!(portal.ip() == gateway, "the probe is led to {portal}, which is not the gateway");
    Ok(portal)
}

fn succeeded(answer: &Answer, status: u16, body: &str) -> anyhow::Result<()> {
    ensure!(answer.status == status && answer.body == body, "the probe is answered with {}", answer.status);
    Ok(())
}

fn refused(server: Ipv4Addr) -> anyhow::Result<()> {
    let start = Instant::now();
    match http::connect((server, 443).into()) {
        Ok(_) => bail!("a guest without a session reaches {server}"),
        Err(error) => ensure!(error.kind() == ErrorKind::ConnectionRefused, "https: {error}, not a refusal"),
    }
    ensure!(start.elapsed() < AT_ONCE, "the refusal of https took {:?}", start.elapsed());
    Ok(())
}

/// The sentence on the login page.
fn polite_refusal(answer: &Answer) -> anyhow::Result<String> {
    ensure!(answer.status == 403, "a wrong password is answered with {}", answer.status);
    let words = answer.body.split_once("role=\"alert\">").and_then(|(_, rest)| rest.split_once('<'));
    Ok(words.context("the login page does not say what is wrong")?.0.to_owned())
}

/// The operator's view, in which what was carried must appear.
fn counters(gateway: &Gateway, down: &Carried, up: &Carried) -> anyhow::Result<Value> {
    let reply = gateway.sessions()?;
    let guest = &reply["guests"][0];
    ensure!(guest["mac"] == PHONE_MAC.to_string(), "the operator does not see the phone: {reply}");
    for (key, carried) in [("output_octets", down), ("input_octets", up)] {
        let counted = guest["session"][key].as_u64().unwrap_or_default();
        ensure!(counted >= carried.octets, "{key} is {counted}, but {} were carried", carried.octets);
    }
    Ok(reply)
}
