//! How an engine's record becomes accounting, and waits until a server has taken it.

use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

use engine::session::{Cause, Record, Source, Status};
use radius::request::{Authentic, Record as RadiusRecord, SessionFacts};
use radius::{AccountingRequest, GuestFacts, Outcome, TerminateCause, Usage};
use tracing::{info, warn};

use super::Aaa;
use super::client::RadiusClient;

/// Accounting records that wait in memory for a server to come back, 300 octets each.
const WAITING_RECORDS: usize = 10_000;
/// After a record that no server took.
const RECORD_RETRY: Duration = Duration::from_secs(10);

impl Aaa {
    /// Sends a record of a session to the accounting servers, if there are any.
    pub(crate) fn account(self: &Rc<Self>, record: &Record) {
        let request = AccountingRequest::new(self.radius_record(record), record.at, self.asks.nas.clone());
        self.queue(&record.session_id, request);
    }

    /// Tells the accounting servers that the gateway starts (and no session of before is open) or stops.
    pub(crate) fn account_gateway(self: &Rc<Self>, on: bool) {
        let now = self.clock.now();
        let session_id = format!("{:08x}{:08x}", now.unix.as_secs() as u32, 0);
        let record = if on {
            RadiusRecord::On { session_id: session_id.clone() }
        } else {
            RadiusRecord::Off { session_id: session_id.clone(), cause: TerminateCause::AdminReboot }
        };
        self.queue(&session_id, AccountingRequest::new(record, now, self.asks.nas.clone()));
    }

    /// Waits until every record has been taken, but no longer than `limit`; returns how many were not.
    pub(crate) async fn finish(&self, limit: Duration) -> usize {
        let end = tokio::time::Instant::now() + limit;
        while self.records_waiting.get() > 0 && tokio::time::Instant::now() < end {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        self.records_waiting.get()
    }

    fn radius_record(&self, record: &Record) -> RadiusRecord {
        let facts = SessionFacts {
            user: record.user.clone(),
            guest: GuestFacts {
                mac: record.key.mac,
                framed_ip: Some(record.address),
                session_id: record.session_id.clone(),
                port: Some(record.slot.0),
                port_id: self.asks.port_id(record.key.vlan),
            },
            classes: record.class.clone(),
            cui: record.cui.clone(),
            authentic: match record.source {
                Source::Radius => Authentic::Radius,
                Source::Local | Source::Nobody => Authentic::Local,
            },
        };
        let usage = Usage {
            input_octets: record.usage.octets_up,
            output_octets: record.usage.octets_down,
            input_packets: record.usage.packets_up,
            output_packets: record.usage.packets_down,
            session_time: record.duration,
        };
        match record.status {
            Status::Start => RadiusRecord::Start(facts),
            Status::Interim => RadiusRecord::Interim(facts, usage),
            Status::Stop(cause) => RadiusRecord::Stop(facts, usage, terminate_cause(cause)),
        }
    }

    fn queue(self: &Rc<Self>, session_id: &str, request: AccountingRequest) {
        let Some(radius) = &self.radius else { return };
        if self.records_waiting.get() >= WAITING_RECORDS {
            warn!(session = session_id, "the accounting queue is full: a record is lost");
            return;
        }
        self.records_waiting.set(self.records_waiting.get() + 1);
        let mut records = self.records.borrow_mut();
        match records.get_mut(session_id) {
            Some(waiting) => waiting.push_back(request),
            None => {
                records.insert(session_id.to_owned(), VecDeque::from([request]));
                tokio::task::spawn_local(Rc::clone(self).send_records(Rc::clone(radius), session_id.to_owned()));
            }
        }
    }

    /// Sends one session's records in order until there are none, each until a server has taken it.
    async fn send_records(self: Rc<Self>, radius: Rc<RadiusClient>, session_id: String) {
        loop {
            let first = self.records.borrow().get(&session_id).and_then(|waiting| waiting.front().cloned());
            let Some(request) = first else {
                self.records.borrow_mut().remove(&session_id);
                return;
            };
            match radius.account(request).await {
                Ok(Outcome::AccountingAck) => {
                    if self.servers_silent.replace(false) {
                        info!("an accounting server answers again");
                    }
                }
                Err(radius::SubmitError::Build(error)) => {
                    warn!(session = session_id, %error, "an accounting record does not fit into a packet");
                }
                _ => {
                    if !self.servers_silent.replace(true) {
                        warn!("no accounting server answers; records wait");
                    }
                    tokio::time::sleep(RECORD_RETRY).await;
                    continue;
                }
            }
            if let Some(waiting) = self.records.borrow_mut().get_mut(&session_id) {
                waiting.pop_front();
            }
            self.records_waiting.set(self.records_waiting.get() - 1);
        }
    }
}

fn terminate_cause(cause: Cause) -> TerminateCause {
    match cause {
        Cause::UserRequest => TerminateCause::UserRequest,
        Cause::LostCarrier => TerminateCause::LostCarrier,
        Cause::IdleTimeout => TerminateCause::IdleTimeout,
        // RFC 2866 knows no quota; this is what ChilliSpot's descendants say, and what servers look for.
        Cause::SessionTimeout | Cause::QuotaUsedUp => TerminateCause::SessionTimeout,
        Cause::AdminReset => TerminateCause::AdminReset,
        Cause::NasReboot => TerminateCause::NasReboot,
        Cause::AdminReboot => TerminateCause::AdminReboot,
    }
}
