//! Exchanges under way: how they start, go on, are said again, and end.

use std::net::SocketAddrV4;
use std::time::Duration;

use platform::raw::Outbox;
use wire::MacAddr;
use wire::dhcp::Packet;

use super::dhcp::{self, Client, Lease};
use super::http::{Answer, Url};
use super::tcp::{Progress, Say, Segment, Tcp};
use super::visit::{Goal, Step, Visit};
use super::{AT_REST, Fleet, Job, PORTS, Portal, Router, mac_of, number_of};

/// Answers are waited for so long, then twice, then four times as long (RFC 6298, 2.1; RFC 2131, 4.1 begins with 4 s).
const PATIENCE: Duration = Duration::from_secs(1);
/// Sendings of one message before the exchange is given up: after seven seconds.
const TRIES: u32 = 3;
/// How long a server may think about a request that it has: a gateway tries its RADIUS servers in turn.
const THINKING: Duration = Duration::from_secs(15);
/// How long it may take to close once it has answered.
const CLOSING: Duration = Duration::from_secs(2);

/// An exchange of one guest, or a free place for one.
#[derive(Debug)]
pub(super) struct Exchange {
    guest: u32,
    /// Which of the phase's works it belongs to.
    task: usize,
    began: Duration,
    /// When something is to be done if nothing comes.
    due: Duration,
    /// Sendings of the last message.
    tries: u32,
    /// Something had to be said again.
    lost: bool,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    Free,
    Lease(Client),
    Visit(Visit, Tcp),
    /// All has been said and counted; the connection is being closed.
    Ending(Tcp),
}

impl Fleet {
    /// Starts as many exchanges as there may be.
    pub(super) fn start(&mut self, now: Duration, outbox: &mut Outbox) {
        for at in 0..self.tasks.len() {
            self.tasks[at].began.get_or_insert(now);
            while self.tasks[at].is_due(now) && self.start_one(at, now, outbox) {}
        }
    }

    /// Starts the next exchange of a work. False if all its guests are busy.
    fn start_one(&mut self, at: usize, now: Duration, outbox: &mut Outbox) -> bool {
        let task = &mut self.tasks[at];
        let (guests, job) = (&task.work.guests, task.work.job);
        let n = guests.start + (task.next % guests.len() as u64) as u32;
        let Some(guest) = self.guests.get(n as usize) else { return false };
        let is_busy = guest.exchange != AT_REST;
        if is_busy && task.work.per_second.is_none() {
            return false; // The last one of so few that they are all busy; its turn comes.
        }
        task.next += 1;
        task.tally.begun += 1;
        let address = guest.address;
        let stage = match job {
            _ if is_busy => Err("was still busy with the one before"),
            Job::Lease => Ok(Stage::Lease(Client::new(self.roll() as u32))),
            Job::Visit(_) if address.is_unspecified() => Err("has no lease"),
            Job::Visit(goal) => match self.first_address(goal) {
                Some(url) => {
                    let server = url.server;
                    let (visit, request) = Visit::begin(goal, url);
                    Ok(Stage::Visit(visit, self.connection(n, server, request)))
                }
                None => Err("does not know the portal"),
            },
        };
        let stage = match stage {
            Ok(stage) => stage,
            Err(why) => {
                self.tasks[at].tally.fail(why.to_owned());
                return true;
            }
        };
        self.tasks[at].under_way += 1;
        let exchange = Exchange { guest: n, task: at, began: now, due: now + PATIENCE, tries: 1, lost: false, stage };
        let place = match self.free.pop() {
            Some(place) => {
                self.exchanges[place as usize] = exchange;
                place
            }
            None => {
                self.exchanges.push(exchange);
                self.exchanges.len() as u32 - 1
            }
        };
        self.guests[n as usize].exchange = place;
        match job {
            Job::Lease => self.say_dhcp(place, outbox),
            Job::Visit(_) => self.say(place, Say::Syn, outbox),
        }
        true
    }

    /// Says again what has had no answer for too long, and gives up who has said it too often.
    pub(super) fn say_again(&mut self, now: Duration, outbox: &mut Outbox) {
        for place in 0..self.exchanges.len() as u32 {
            let exchange = &mut self.exchanges[place as usize];
            if exchange.due > now || matches!(exchange.stage, Stage::Free) {
                continue;
            }
            let again = match &exchange.stage {
                Stage::Free | Stage::Lease(_) => None,
                Stage::Visit(_, tcp) => tcp.say_again(),
                Stage::Ending(_) => {
                    // What the guest wanted is done; that the server does not close is its own affair.
                    self.release(place);
                    continue;
                }
            };
            let thinks = matches!(exchange.stage, Stage::Visit(..)) && again.is_none();
            if exchange.tries >= TRIES || thinks {
                exchange.lost = true;
                let what = match &exchange.stage {
                    Stage::Lease(client) if client.has_offer() => "no answer to a DHCP request",
                    Stage::Lease(_) => "no answer to a DHCP discover",
                    _ if thinks => "the server took the request and did not answer",
                    _ if again == Some(Say::Syn) => "no connection",
                    _ => "no answer to a request",
                };
                self.fail(place, what.to_owned());
                continue;
            }
            exchange.lost = true;
            exchange.due = now + PATIENCE * (1 << exchange.tries);
            exchange.tries += 1;
            match again {
                Some(say) => self.say(place, say, outbox),
                None => self.say_dhcp(place, outbox),
            }
        }
    }

    /// Everything that is under way has failed.
    pub(super) fn abandon(&mut self) {
        for place in 0..self.exchanges.len() as u32 {
            match &mut self.exchanges[place as usize] {
                Exchange { stage: Stage::Free, .. } => {}
                Exchange { stage: Stage::Ending(_), .. } => self.release(place),
                exchange => {
                    exchange.lost = true;
                    self.fail(place, "the phase ended before".to_owned());
                }
            }
        }
    }

    pub(super) fn handle_dhcp(&mut self, payload: &[u8], now: Duration, outbox: &mut Outbox) {
        let Ok(answer) = Packet::parse(payload) else { return };
        let Some(guest) = answer.mac().and_then(|mac| number_of(&mac.0)) else { return };
        let Some(place) = self.guests.get(guest as usize).map(|guest| guest.exchange) else { return };
        let Some(exchange) = self.exchanges.get_mut(place as usize) else { return };
        let Stage::Lease(client) = &mut exchange.stage else { return };
        match client.handle_answer(&answer) {
            dhcp::Progress::Nothing => {}
            dhcp::Progress::Offered => {
                exchange.due = now + PATIENCE;
                exchange.tries = 1;
                self.say_dhcp(place, outbox);
            }
            dhcp::Progress::Refused => self.fail(place, "the server says no (DHCPNAK)".to_owned()),
            dhcp::Progress::Leased(Lease { address, router }) => {
                self.move_in(guest, address);
                if let (None, Some(address)) = (&self.router, router) {
                    self.router = Some(Router::new(address));
                }
                self.count_done(place, now);
                self.release(place);
            }
        }
    }

    pub(super) fn handle_segment(
        &mut self,
        guest: u32,
        segment: &Segment<'_>,
        from: MacAddr,
        now: Duration,
        outbox: &mut Outbox,
    ) {
        let place = self.guests[guest as usize].exchange;
        let tcp = match self.exchanges.get_mut(place as usize).map(|exchange| &mut exchange.stage) {
            Some(Stage::Visit(_, tcp) | Stage::Ending(tcp)) if tcp.is(segment) => tcp,
            _ => {
                if let Some(reset) = segment.reset() {
                    outbox.push(|frame| reset.emit(frame, mac_of(guest), from));
                }
                return;
            }
        };
        let (progress, say) = tcp.handle_segment(segment);
        if let Some(say) = say {
            self.say(place, say, outbox);
        }
        let exchange = &mut self.exchanges[place as usize];
        if say == Some(Say::Request) {
            exchange.tries = 1;
            exchange.due = now + PATIENCE;
        }
        match (progress, &mut exchange.stage) {
            (Progress::Nothing, Stage::Visit(_, tcp)) if tcp.say_again().is_none() => exchange.due = now + THINKING,
            (Progress::More | Progress::Closed, Stage::Visit(_, tcp)) => {
                exchange.due = now + THINKING;
                let closed = progress == Progress::Closed;
                let answer = Answer::read(tcp.answer());
                let closes = answer.as_ref().is_some_and(|answer| answer.closes);
                if closed || answer.is_some_and(|answer| answer.complete) {
                    self.read(place, closed, closes, now, outbox);
                }
            }
            (Progress::Reset, Stage::Visit(..)) => self.fail(place, "the connection was reset".to_owned()),
            (Progress::Closed | Progress::Reset, Stage::Ending(_)) => self.release(place),
            _ => {}
        }
    }

    /// The answer is complete, or the server has `closed` and that is all there is.
    fn read(&mut self, place: u32, closed: bool, closes: bool, now: Duration, outbox: &mut Outbox) {
        let exchange = &mut self.exchanges[place as usize];
        let guest = exchange.guest;
        let Stage::Visit(visit, tcp) = &mut exchange.stage else { return };
        let step = match Answer::read(tcp.answer()) {
            Some(answer) => visit.handle_answer(&answer, &self.habits.account),
            None => Step::Failed("an answer that is not HTTP".to_owned()),
        };
        let (goal, at) = (visit.goal(), visit.at().clone());
        // Whoever is told that the server closes waits for it: that saves the server a TIME-WAIT, and us a segment.
        if !closed && !closes {
            let say = tcp.close();
            self.say(place, say, outbox);
        }
        match step {
            Step::Failed(why) => self.fail(place, why),
            Step::Done(location) => {
                match goal {
                    Goal::Probe => self.learn(&at, location.as_deref()),
                    Goal::Login => {
                        self.portal_root = Some(Url { server: at.server, path: "/".to_owned() });
                        self.guests[guest as usize].online = true;
                    }
                    Goal::Logout => self.guests[guest as usize].online = false,
                }
                self.count_done(place, now);
                if closed {
                    self.release(place);
                } else {
                    self.end(place, now);
                }
            }
            Step::Ask(url, request) => {
                // The old connection's last segments meet nobody and are reset.
                let tcp = self.connection(guest, url.server, request);
                let exchange = &mut self.exchanges[place as usize];
                let Stage::Visit(_, connection) = &mut exchange.stage else { return };
                *connection = tcp;
                exchange.tries = 1;
                exchange.due = now + PATIENCE;
                self.say(place, Say::Syn, outbox);
            }
        }
    }

    /// Where probes are led to is where guests log in, if it is the same for all.
    pub(super) fn learn(&mut self, probe: &Url, location: Option<&str>) {
        let Some(Ok(url)) = location.map(|location| probe.join(location)) else { return };
        self.portal_root = Some(Url { server: url.server, path: "/".to_owned() });
        match &self.portal {
            Portal::Unknown => self.portal = Portal::Common(url),
            Portal::Common(known) if *known != url => self.portal = Portal::Own,
            Portal::Common(_) | Portal::Own => {}
        }
    }

    fn first_address(&self, goal: Goal) -> Option<Url> {
        match (goal, &self.portal) {
            (Goal::Login, Portal::Common(url)) => Some(url.clone()),
            (Goal::Probe | Goal::Login, _) => Some(self.habits.probe.clone()),
            (Goal::Logout, _) => self.portal_root.clone(),
        }
    }

    /// A connection from the guest's next port.
    fn connection(&mut self, n: u32, server: SocketAddrV4, request: Vec<u8>) -> Tcp {
        let start = self.roll() as u32;
        let guest = &mut self.guests[n as usize];
        let local = SocketAddrV4::new(guest.address, guest.port);
        guest.port = if guest.port + 1 < PORTS.end { guest.port + 1 } else { PORTS.start };
        Tcp::new(local, server, start, request)
    }

    fn say(&self, place: u32, say: Say, outbox: &mut Outbox) {
        let exchange = &self.exchanges[place as usize];
        let (Stage::Visit(_, tcp) | Stage::Ending(tcp)) = &exchange.stage else { return };
        let Some(router) = self.router_mac() else { return };
        outbox.push(|frame| tcp.segment(say).emit(frame, mac_of(exchange.guest), router));
    }

    fn say_dhcp(&mut self, place: u32, outbox: &mut Outbox) {
        let exchange = &self.exchanges[place as usize];
        let Stage::Lease(client) = &exchange.stage else { return };
        let templates = &mut self.templates;
        outbox.push(|frame| client.emit(templates, mac_of(exchange.guest), frame));
    }

    fn count_done(&mut self, place: u32, now: Duration) {
        let exchange = &self.exchanges[place as usize];
        let tally = &mut self.tasks[exchange.task].tally;
        tally.done += 1;
        tally.lost += u64::from(exchange.lost);
        tally.latency.add(now.saturating_sub(exchange.began));
    }

    fn fail(&mut self, place: u32, reason: String) {
        let exchange = &self.exchanges[place as usize];
        let tally = &mut self.tasks[exchange.task].tally;
        tally.lost += u64::from(exchange.lost);
        tally.fail(reason);
        self.release(place);
    }

    fn end(&mut self, place: u32, now: Duration) {
        let exchange = &mut self.exchanges[place as usize];
        exchange.due = now + CLOSING;
        if let Stage::Visit(_, tcp) = std::mem::replace(&mut exchange.stage, Stage::Free) {
            exchange.stage = Stage::Ending(tcp);
        }
    }

    fn release(&mut self, place: u32) {
        let exchange = &mut self.exchanges[place as usize];
        exchange.stage = Stage::Free;
        self.tasks[exchange.task].under_way -= 1;
        self.guests[exchange.guest as usize].exchange = AT_REST;
        self.free.push(place);
    }
}
