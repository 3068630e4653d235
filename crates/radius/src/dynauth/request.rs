//! What a request says, attribute by attribute (RFC 5176, sections 3 and 3.6).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use wire::MacAddr;

use super::ErrorCause;
use crate::dictionary::attribute as attr;
use crate::limits::IDENTITIES;
use crate::packet::{Attribute, AttributeView, Code, View};
use crate::reply::Reply;

/// What is to be done with the sessions that are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// They end.
    Disconnect,
    /// They may something else from now on.
    Change,
}

/// One thing that a session must have to be meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Identity<'a> {
    /// Acct-Session-Id.
    SessionId(&'a [u8]),
    /// User-Name.
    User(&'a [u8]),
    /// Framed-IP-Address.
    Address(Ipv4Addr),
    /// Calling-Station-Id, in any usual form.
    Station(MacAddr),
    /// Called-Station-Id.
    Called(&'a [u8]),
    /// NAS-Port.
    Port(u32),
    /// NAS-Port-Id.
    PortId(&'a [u8]),
    /// Class.
    Class(&'a [u8]),
    /// Chargeable-User-Identity.
    ChargeableUser(&'a [u8]),
    /// Something that no session here has: an IPv6 address, Acct-Multi-Session-Id.
    Nothing,
}

/// A request that was proven and is well-formed.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    /// What is to be done.
    pub action: Action,
    /// Which sessions are meant: those that have all of it. At least one names a session.
    pub identities: Vec<Identity<'a>>,
    /// NAS-IP-Address and NAS-IPv6-Address: the gateway that is meant. Whether it is this one, `act` must know.
    pub nas_addresses: Vec<IpAddr>,
    /// What is to be changed, as an Accept would grant it; not empty for a change. All of it is to be understood, or the
    /// request refused.
    pub changes: Reply,
    /// Reply-Message: what the guest may read once it is done.
    pub message: Option<String>,
}

impl<'a> Request<'a> {
    pub(super) fn read(view: View<'a>, nas_identifier: &str) -> Result<Self, ErrorCause> {
        let action = if view.code() == Code::DisconnectRequest { Action::Disconnect } else { Action::Change };
        let all = Reply::new(view);
        if all.has_invalid_length() {
            return Err(INVALID);
        }
        let mut parts = Parts::default();
        for attribute in view.attributes() {
            parts.take(action, attribute, nas_identifier)?;
        }
        // In a CoA-Request a Class is what sessions are to have from now on (section 3.6, note 3), unless nothing else
        // says which sessions: then, and in a Disconnect-Request, it is what they have.
        if action == Action::Disconnect || !parts.name_sessions() {
            parts.identities.extend(parts.classes.drain(..).map(Identity::Class));
        }
        for class in parts.classes.drain(..) {
            parts.changes.push(Attribute::bytes(attr::CLASS, class).map_err(|_| INVALID)?);
        }
        if parts.identities.len() > IDENTITIES {
            return Err(ErrorCause::InvalidRequest);
        }
        if !parts.name_sessions() || action == Action::Change && parts.changes.is_empty() {
            return Err(ErrorCause::MissingAttribute);
        }
        Ok(Self {
            action,
            identities: parts.identities,
            nas_addresses: parts.nas_addresses,
            changes: Reply::of(view.code(), parts.changes),
            message: all.reply_message(),
        })
    }
}

/// A request's attributes, by what they are for.
#[derive(Default)]
struct Parts<'a> {
    identities: Vec<Identity<'a>>,
    classes: Vec<&'a [u8]>,
    nas_addresses: Vec<IpAddr>,
    changes: Vec<Attribute>,
}

impl<'a> Parts<'a> {
    /// False if only what all sessions of this gateway have is named.
    fn name_sessions(&self) -> bool {
        !self.identities.iter().all(|identity| matches!(identity, Identity::Called(_)))
    }

    fn take(&mut self, action: Action, attribute: AttributeView<'a>, nas_identifier: &str) -> Result<(), ErrorCause> {
        let value = attribute.value;
        let address = || integer(value).map(Ipv4Addr::from_bits).ok_or(INVALID);
        let who = &mut self.identities;
        match attribute.number {
            attr::MESSAGE_AUTHENTICATOR
            | attr::EVENT_TIMESTAMP
            | attr::PROXY_STATE
            | attr::STATE
            | attr::REPLY_MESSAGE => {}
            attr::NAS_IDENTIFIER if value == nas_identifier.as_bytes() => {}
            attr::NAS_IDENTIFIER => return Err(ErrorCause::NasIdentificationMismatch),
            attr::NAS_IP_ADDRESS => self.nas_addresses.push(address()?.into()),
            attr::NAS_IPV6_ADDRESS => {
                let octets: [u8; 16] = value.try_into().map_err(|_| INVALID)?;
                self.nas_addresses.push(Ipv6Addr::from(octets).into());
            }
            // Section 3.2. "Authorize Only" is no exception: what the server would say to an Access-Request it can say
            // here.
            attr::SERVICE_TYPE => return Err(ErrorCause::UnsupportedService),
            attr::ACCT_SESSION_ID => who.push(Identity::SessionId(value)),
            attr::USER_NAME => who.push(Identity::User(value)),
            attr::FRAMED_IP_ADDRESS => who.push(Identity::Address(address()?)),
            attr::CALLING_STATION_ID => {
                let text = std::str::from_utf8(value).map_err(|_| INVALID)?;
                who.push(Identity::Station(text.parse().map_err(|_| INVALID)?));
            }
            attr::CALLED_STATION_ID => who.push(Identity::Called(value)),
            attr::NAS_PORT => who.push(Identity::Port(integer(value).ok_or(INVALID)?)),
            attr::NAS_PORT_ID => who.push(Identity::PortId(value)),
            attr::CHARGEABLE_USER_IDENTITY => who.push(Identity::ChargeableUser(value)),
            attr::ACCT_MULTI_SESSION_ID
            | attr::FRAMED_INTERFACE_ID
            | attr::FRAMED_IPV6_PREFIX
            | attr::FRAMED_IPV6_ADDRESS => who.push(Identity::Nothing),
            attr::CLASS => self.classes.push(value),
            _ if action == Action::Disconnect => return Err(ErrorCause::UnsupportedAttribute),
            number => self.changes.push(Attribute::bytes(number, value).map_err(|_| INVALID)?),
        }
        Ok(())
    }
}

const INVALID: ErrorCause = ErrorCause::InvalidAttributeValue;

/// Four octets as an integer.
pub(super) fn integer(value: &[u8]) -> Option<u32> {
    value.try_into().ok().map(u32::from_be_bytes)
}
