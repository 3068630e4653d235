//! An accounting record as it waits, whatever server it is for.
//!
//! A version, then fields: a tag, a length of two octets, a value in network order. A reader passes over tags that it does
//! not know, so a later version may add some.

use std::net::Ipv4Addr;

use wire::{GuestKey, MacAddr, Vlan};

use crate::lease::{key_bytes, key_from_bytes};
use crate::session::{Counts, Written};

/// The first octet; another meaning of a tag gets another one.
const VERSION: u8 = 1;

mod tag {
    pub(super) const EVENT: u8 = 1;
    pub(super) const AT: u8 = 2;
    pub(super) const ID: u8 = 3;
    pub(super) const USER: u8 = 4;
    pub(super) const KEY: u8 = 5;
    pub(super) const ADDRESS: u8 = 6;
    pub(super) const SLOT: u8 = 7;
    pub(super) const CLASS: u8 = 8;
    pub(super) const BY_RADIUS: u8 = 9;
    pub(super) const USED: u8 = 10;
    pub(super) const BASELINE: u8 = 11;
    pub(super) const DURATION: u8 = 12;
    pub(super) const CUI: u8 = 13;
}

/// What a record tells of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccountingEvent {
    /// A session began.
    Start,
    /// A session goes on.
    Interim,
    /// A session ended, with its Acct-Terminate-Cause (RFC 2866, 5.10).
    Stop(u32),
    /// The gateway starts.
    On,
    /// The gateway stops, with its Acct-Terminate-Cause.
    Off(u32),
}

/// An accounting record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountingRecord {
    /// What happened.
    pub event: AccountingEvent,
    /// When.
    pub at: Written,
    /// The session's name, or one for the gateway's own record.
    pub session_id: String,
    /// The session; none in the gateway's own records.
    pub session: Option<AccountedSession>,
}

/// The session that a record tells of. The user's name is what somebody typed: to be shown with care.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountedSession {
    /// Who pays.
    pub user: String,
    /// The guest's station; see [`Self::of_gateway`].
    pub key: GuestKey,
    /// The guest's address.
    pub address: Ipv4Addr,
    /// The guest's place in the packet path's table.
    pub slot: u32,
    /// What the accounting server wants back.
    pub class: Vec<Vec<u8>>,
    /// Who pays, in the words of the server.
    pub cui: Option<Vec<u8>>,
    /// A server let it in, and not this gateway.
    pub by_radius: bool,
    /// What it has used.
    pub used: Counts,
    /// What its slot had counted when it began.
    pub baseline: Counts,
    /// How long it has lasted.
    pub duration_millis: u64,
}

impl AccountedSession {
    /// The gateway's own session, which has no station and no place, and uses nothing.
    #[must_use]
    pub fn of_gateway(user: String, class: Vec<Vec<u8>>, cui: Option<Vec<u8>>, duration_millis: u64) -> Self {
        Self {
            user,
            key: GuestKey { lan: 0, vlan: Vlan::NONE, mac: MacAddr::ZERO },
            address: Ipv4Addr::UNSPECIFIED,
            slot: u32::MAX,
            class,
            cui,
            by_radius: true,
            used: Counts::default(),
            baseline: Counts::default(),
            duration_millis,
        }
    }

    /// True for the gateway's own: no guest's station has this address.
    #[must_use]
    pub fn is_gateways(&self) -> bool {
        self.key.mac == MacAddr::ZERO
    }
}

impl AccountingRecord {
    /// Of a session's records a later one says all that this one says.
    pub(super) fn is_superseded_by_later(&self) -> bool {
        self.event == AccountingEvent::Interim
    }

    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let (event, cause) = match self.event {
            AccountingEvent::Start => (1, 0),
            AccountingEvent::Stop(cause) => (2, cause),
            AccountingEvent::Interim => (3, 0),
            AccountingEvent::On => (7, 0),
            AccountingEvent::Off(cause) => (8, cause),
        };
        let mut bytes = Vec::with_capacity(256);
        bytes.push(VERSION);
        put(&mut bytes, tag::EVENT, &[&[event][..], &cause.to_be_bytes()]);
        let Written { unix_millis, boot, boot_millis } = self.at;
        put(&mut bytes, tag::AT, &[&unix_millis.to_be_bytes(), &boot, &boot_millis.to_be_bytes()]);
        put(&mut bytes, tag::ID, &[self.session_id.as_bytes()]);
        if let Some(session) = &self.session {
            put(&mut bytes, tag::USER, &[session.user.as_bytes()]);
            put(&mut bytes, tag::KEY, &[&key_bytes(session.key)]);
            put(&mut bytes, tag::ADDRESS, &[&session.address.octets()]);
            put(&mut bytes, tag::SLOT, &[&session.slot.to_be_bytes()]);
            for class in &session.class {
                put(&mut bytes, tag::CLASS, &[class]);
            }
            if let Some(cui) = &session.cui {
                put(&mut bytes, tag::CUI, &[cui]);
            }
            put(&mut bytes, tag::BY_RADIUS, &[&[u8::from(session.by_radius)]]);
            for (tag, counts) in [(tag::USED, session.used), (tag::BASELINE, session.baseline)] {
                let Counts { octets_up, octets_down, packets_up, packets_down } = counts;
                let counts = [octets_up, octets_down, packets_up, packets_down].map(u64::to_be_bytes);
                put(&mut bytes, tag, &[counts.as_flattened()]);
            }
            put(&mut bytes, tag::DURATION, &[&session.duration_millis.to_be_bytes()]);
        }
        bytes
    }

    /// `None` for what a later version wrote, or what is damaged.
    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (&VERSION, mut rest) = bytes.split_first()? else { return None };
        let (mut event, mut at, mut id, mut user, mut key, mut slot) = (None, None, None, None, None, None);
        let mut address = None;
        let (mut class, mut cui, mut by_radius, mut duration_millis) = (Vec::new(), None, false, 0);
        let (mut used, mut baseline) = (Counts::default(), Counts::default());
        while !rest.is_empty() {
            let (&[tag, high, low], after) = rest.split_first_chunk()?;
            let (value, after) = after.split_at_checked(usize::from(u16::from_be_bytes([high, low])))?;
            rest = after;
            match tag {
                tag::EVENT => event = Some(read_event(value)?),
                tag::AT => at = Some(read_time(value)?),
                tag::ID => id = Some(text(value)?),
                tag::USER => user = Some(text(value)?),
                tag::KEY => key = Some(key_from_bytes(value)?),
                tag::ADDRESS => address = Some(Ipv4Addr::from(<[u8; 4]>::try_from(value).ok()?)),
                tag::SLOT => slot = Some(u32::from_be_bytes(value.try_into().ok()?)),
                tag::CLASS => class.push(value.to_vec()),
                tag::CUI => cui = Some(value.to_vec()),
                tag::BY_RADIUS => by_radius = value == [1],
                tag::USED => used = read_counts(value)?,
                tag::BASELINE => baseline = read_counts(value)?,
                tag::DURATION => duration_millis = number(value)?,
                _ => {}
            }
        }
        let session = match (user, key, address, slot) {
            (Some(user), Some(key), Some(address), Some(slot)) => Some(AccountedSession {
                user,
                key,
                address,
                slot,
                class,
                cui,
                by_radius,
                used,
                baseline,
                duration_millis,
            }),
            (None, None, None, None) => None,
            _ => return None,
        };
        let (event, at, session_id) = (event?, at?, id?);
        let of_the_gateway = matches!(event, AccountingEvent::On | AccountingEvent::Off(_));
        (of_the_gateway == session.is_none()).then_some(Self { event, at, session_id, session })
    }
}

/// A value longer than its length can say is cut: names and classes are short long before they come here.
fn put(bytes: &mut Vec<u8>, tag: u8, parts: &[&[u8]]) {
    let len = parts.iter().map(|part| part.len()).sum::<usize>().min(usize::from(u16::MAX));
    bytes.push(tag);
    bytes.extend_from_slice(&(len as u16).to_be_bytes());
    let end = bytes.len() + len;
    parts.iter().for_each(|part| bytes.extend_from_slice(part));
    bytes.truncate(end);
}

fn read_event(value: &[u8]) -> Option<AccountingEvent> {
    let (&event, cause) = value.split_first()?;
    let cause = u32::from_be_bytes(cause.try_into().ok()?);
    Some(match event {
        1 => AccountingEvent::Start,
        2 => AccountingEvent::Stop(cause),
        3 => AccountingEvent::Interim,
        7 => AccountingEvent::On,
        8 => AccountingEvent::Off(cause),
        _ => return None,
    })
}

fn read_time(value: &[u8]) -> Option<Written> {
    let (unix_millis, rest) = value.split_first_chunk::<8>()?;
    let (boot, boot_millis) = rest.split_first_chunk()?;
    Some(Written { unix_millis: u64::from_be_bytes(*unix_millis), boot: *boot, boot_millis: number(boot_millis)? })
}

fn read_counts(value: &[u8]) -> Option<Counts> {
    let (numbers, []) = value.as_chunks::<8>() else { return None };
    let &[octets_up, octets_down, packets_up, packets_down] = numbers else { return None };
    let [octets_up, octets_down, packets_up, packets_down] =
        [octets_up, octets_down, packets_up, packets_down].map(u64::from_be_bytes);
    Some(Counts { octets_up, octets_down, packets_up, packets_down })
}

fn number(value: &[u8]) -> Option<u64> {
    Some(u64::from_be_bytes(value.try_into().ok()?))
}

fn text(value: &[u8]) -> Option<String> {
    Some(std::str::from_utf8(value).ok()?.to_owned())
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A record of the session called `id`.
    pub(crate) fn record(event: AccountingEvent, id: &str) -> AccountingRecord {
        AccountingRecord {
            event,
            at: Written { unix_millis: 1_800_000_000_123, boot: [9; 16], boot_millis: 77 },
            session_id: id.to_owned(),
            session: Some(AccountedSession {
                user: "Ünïcödé".into(),
                key: GuestKey { lan: 0, vlan: Vlan(7), mac: MacAddr([2, 0, 0x5e, 0x10, 0, 1]) },
                address: Ipv4Addr::new(10, 85, 0, 9),
                slot: 0x0102_0304,
                class: vec![b"class".to_vec(), vec![0; 253]],
                cui: Some(b"cui".to_vec()),
                by_radius: true,
                used: Counts { octets_up: u64::MAX, octets_down: 6, packets_up: 7, packets_down: 8 },
                baseline: Counts { octets_up: 1, octets_down: 2, packets_up: 3, packets_down: 4 },
                duration_millis: 61_000,
            }),
        }
    }

    #[test]
    fn a_record_is_read_as_it_was_written() {
        for event in [AccountingEvent::Start, AccountingEvent::Interim, AccountingEvent::Stop(11)] {
            let record = record(event, "00000100000001aa55aa55");
            assert_eq!(AccountingRecord::from_bytes(&record.to_bytes()), Some(record));
        }
        let session = AccountedSession::of_gateway("gateway-7".into(), vec![b"class".to_vec()], None, 61_000);
        let own = AccountingRecord { session: Some(session), ..record(AccountingEvent::Interim, "1") };
        let read = AccountingRecord::from_bytes(&own.to_bytes()).expect("it was just written");
        assert!(read.session.as_ref().is_some_and(AccountedSession::is_gateways));
        assert_eq!(read, own);
        for event in [AccountingEvent::On, AccountingEvent::Off(8)] {
            let record = AccountingRecord { session: None, ..record(event, "1") };
            assert_eq!(AccountingRecord::from_bytes(&record.to_bytes()), Some(record));
        }
    }

    #[test]
    fn the_layout_on_disk_stays_and_may_grow() {
        let record = record(AccountingEvent::Stop(11), "id");
        let mut bytes = record.to_bytes();
        assert_eq!(bytes[..9], [1, 1, 0, 5, 2, 0, 0, 0, 11]);
        assert_eq!(bytes[9..12], [2, 0, 32]);
        assert_eq!(bytes[12..20], 1_800_000_000_123u64.to_be_bytes());
        assert_eq!(bytes[20..36], [9; 16]);
        assert_eq!(bytes[44..49], [3, 0, 2, b'i', b'd']);
        bytes.extend([200, 0, 3, 1, 2, 3]);
        assert_eq!(AccountingRecord::from_bytes(&bytes), Some(record));
    }

    #[test]
    fn what_is_damaged_or_of_another_version_is_no_record() {
        let bytes = record(AccountingEvent::Start, "id").to_bytes();
        let until_slot = bytes.windows(3).position(|w| w == [7, 0, 4]).expect("the slot's tag");
        for end in 0..until_slot {
            assert_eq!(AccountingRecord::from_bytes(&bytes[..end]), None, "{end}");
        }
        assert_eq!(AccountingRecord::from_bytes(&[&[2], &bytes[1..]].concat()), None);
        assert_eq!(AccountingRecord::from_bytes(&[&bytes[..], &[9]].concat()), None);
    }
}
