//! What a gateway asks: Access-Requests (RFC 2865) and Accounting-Requests (RFC 2866), as facts that are turned into
//! attributes for each server and each transmission.

use std::fmt;
use std::net::Ipv4Addr;
use std::time::Duration;

use wire::{MacAddr, Now};

use crate::attr::value::{acct_status_type as status, nas_port_type, service_type};
use crate::attr::{self, Attr, AttributeList};
use crate::auth::{self, Secret};
use crate::credential::Credential;
use crate::dictionary;
use crate::packet::{Attribute, BuildError, Code, Packet};
use crate::value::Kind;

/// Message-Authenticator is the first attribute: its value starts behind header, type and length.
pub(crate) const FIRST_VALUE: usize = 22;

/// What the gateway says about itself in every request.
#[derive(Clone, Debug)]
pub struct NasFacts {
    /// NAS-Identifier; empty leaves it out.
    pub identifier: String,
    /// NAS-IP-Address. One of the two must be there (RFC 2865, section 4.1).
    pub ip: Option<Ipv4Addr>,
    /// NAS-Port-Type; default 19, Wireless-802.11.
    pub port_type: u32,
    /// Called-Station-Id: the LAN's MAC, by RFC 3580 with `:SSID` behind it. Empty leaves it out.
    pub called_station_id: String,
    /// Sent at the end of every request, such as WISPr-Location-ID.
    pub extra: Vec<Attribute>,
}

impl Default for NasFacts {
    fn default() -> Self {
        Self { identifier: String::new(), ip: None, port_type: 19, called_station_id: String::new(), extra: Vec::new() }
    }
}

impl NasFacts {
    /// The same where it speaks of itself, on no port of its own (RFC 2865, section 5.41).
    fn on_no_port(self) -> Self {
        Self { port_type: nas_port_type::VIRTUAL, ..self }
    }
}

/// What the gateway knows of a guest's device and place.
#[derive(Clone, Debug)]
pub struct GuestFacts {
    /// Calling-Station-Id, sent as `AA-BB-CC-DD-EE-FF` (RFC 3580, section 3.21). Zero leaves it out.
    pub mac: MacAddr,
    /// Framed-IP-Address: what we leased.
    pub framed_ip: Option<Ipv4Addr>,
    /// Acct-Session-Id: the same at login and in all accounting (RFC 2866, section 5.5).
    pub session_id: String,
    /// NAS-Port: a number for the session's place.
    pub port: Option<u32>,
    /// NAS-Port-Id: the same as text, such as the interface and VLAN. Empty leaves it out.
    pub port_id: String,
}

/// What a login is for (RFC 2865, section 5.6; RFC 5176, section 3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Service {
    /// A guest at the portal.
    Login = service_type::LOGIN,
    /// A device that joins by EAP (RFC 3580, section 3.2).
    Framed = service_type::FRAMED,
    /// The gateway itself.
    Administrative = service_type::ADMINISTRATIVE,
    /// A device that is known by its address.
    CallCheck = service_type::CALL_CHECK,
    /// A session that goes on: what may it do now?
    AuthorizeOnly = service_type::AUTHORIZE_ONLY,
}

/// A login to be decided.
#[derive(Clone, Debug)]
pub struct AccessRequest {
    /// Who they say they are, not empty.
    pub user: String,
    /// How they prove it.
    pub credential: Credential,
    /// What it is for.
    pub service: Service,
    /// The gateway.
    pub nas: NasFacts,
    /// The device; none asks for the gateway itself.
    pub guest: Option<GuestFacts>,
    /// State of the Access-Challenge that this answers (RFC 2865, section 5.24).
    pub state: Option<Vec<u8>>,
    /// More attributes, sent last.
    pub extra: Vec<Attribute>,
}

impl AccessRequest {
    /// A login without State or extras, for the service that such a credential is for.
    #[must_use]
    pub fn new(user: &str, credential: Credential, nas: NasFacts, guest: GuestFacts) -> Self {
        let service = credential.service();
        Self { user: user.to_owned(), credential, service, nas, guest: Some(guest), state: None, extra: Vec::new() }
    }

    /// The gateway asks for itself, in a session of this Acct-Session-Id.
    ///
    /// # Errors
    /// If the id is too long for an attribute.
    pub fn administrative(
        user: &str,
        credential: Credential,
        nas: NasFacts,
        session_id: &str,
    ) -> Result<Self, BuildError> {
        Ok(Self {
            user: user.to_owned(),
            credential,
            service: Service::Administrative,
            nas: nas.on_no_port(),
            guest: None,
            state: None,
            extra: vec![attr::ACCT_SESSION_ID.of(session_id)?],
        })
    }

    /// The packet for one server. `authenticator` must be unpredictable (RFC 2865, section 3).
    pub(crate) fn emit(&self, id: u8, authenticator: [u8; 16], secret: &Secret) -> Result<Vec<u8>, BuildError> {
        if self.user.is_empty() {
            return Err(BuildError::NoUser);
        }
        // First, so that nothing an attacker chose comes before it
        // (draft-ietf-radext-deprecating-radius).
        let mut attributes = vec![attr::MESSAGE_AUTHENTICATOR.of(&[0; 16])?];
        attributes.add(attr::USER_NAME, &self.user)?;
        self.credential.add_to(&mut attributes, secret, &authenticator)?;
        attributes.add(attr::SERVICE_TYPE, self.service as u32)?;
        if let Some(guest) = &self.guest {
            add_guest(&mut attributes, guest)?;
        }
        add_nas(&mut attributes, &self.nas)?;
        add_some(&mut attributes, attr::STATE, self.state.as_deref())?;
        attributes.extend_from_slice(&self.extra);

        let mut bytes = Packet { code: Code::AccessRequest, id, authenticator, attributes }.emit()?;
        let value = auth::message_authenticator(&bytes, &authenticator, FIRST_VALUE, secret);
        bytes[FIRST_VALUE..FIRST_VALUE + 16].copy_from_slice(&value);
        Ok(bytes)
    }
}

/// Why a session ended (RFC 2866, section 5.10).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum TerminateCause {
    /// The guest logged out.
    UserRequest = 1,
    /// The device is gone: released, or its lease ran out.
    LostCarrier = 2,
    /// The service is no longer given.
    LostService = 3,
    /// Nothing was heard for the idle time.
    IdleTimeout = 4,
    /// The session's time, or quota, is used up.
    SessionTimeout = 5,
    /// An operator or a Disconnect-Request ended it.
    AdminReset = 6,
    /// An operator is taking the gateway down.
    AdminReboot = 7,
    /// The port failed.
    PortError = 8,
    /// The gateway failed.
    NasError = 9,
    /// The gateway ended it for a reason of its own.
    NasRequest = 10,
    /// The gateway went down unexpectedly.
    NasReboot = 11,
    /// The port is no longer needed.
    PortUnneeded = 12,
    /// The port was needed for another.
    PortPreempted = 13,
    /// The port was suspended.
    PortSuspended = 14,
    /// The service could not be given.
    ServiceUnavailable = 15,
    /// The session goes on as another one.
    Callback = 16,
    /// The guest's device failed.
    UserError = 17,
    /// The login host ended it.
    HostRequest = 18,
}

impl TerminateCause {
    const ALL: [Self; 18] = [
        Self::UserRequest,
        Self::LostCarrier,
        Self::LostService,
        Self::IdleTimeout,
        Self::SessionTimeout,
        Self::AdminReset,
        Self::AdminReboot,
        Self::PortError,
        Self::NasError,
        Self::NasRequest,
        Self::NasReboot,
        Self::PortUnneeded,
        Self::PortPreempted,
        Self::PortSuspended,
        Self::ServiceUnavailable,
        Self::Callback,
        Self::UserError,
        Self::HostRequest,
    ];

    /// The cause with this number.
    #[must_use]
    pub fn from_code(code: u32) -> Option<Self> {
        Self::ALL.into_iter().find(|cause| cause.code() == code)
    }

    /// The number on the wire.
    #[must_use]
    pub fn code(self) -> u32 {
        self as u32
    }

    /// The name in the RFC.
    #[must_use]
    pub fn name(self) -> &'static str {
        let entry = dictionary::lookup(attr::ACCT_TERMINATE_CAUSE.place());
        entry.and_then(|entry| entry.value_name(self.code())).unwrap_or_default()
    }
}

impl fmt::Display for TerminateCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Who authenticated the guest (RFC 2866, section 5.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Authentic {
    /// A RADIUS server.
    Radius = 1,
    /// The gateway itself.
    Local = 2,
}

/// What a session used. Input is what came **from** the guest, output what went to them (RFC 2866, sections 5.3, 5.4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Octets from the guest.
    pub input_octets: u64,
    /// Octets to the guest.
    pub output_octets: u64,
    /// Packets from the guest.
    pub input_packets: u64,
    /// Packets to the guest.
    pub output_packets: u64,
    /// Since the login.
    pub session_time: Duration,
}

/// The session that a record is about.
#[derive(Clone, Debug)]
pub struct SessionFacts {
    /// User-Name: that of the Accept if it had one (RFC 2865, section 5.1), else what the guest typed. Empty leaves it out.
    pub user: String,
    /// The device.
    pub guest: GuestFacts,
    /// Class attributes of the Accept, unmodified (RFC 2865, section 5.25).
    pub classes: Vec<Vec<u8>>,
    /// Chargeable-User-Identity of the Accept (RFC 4372, section 2.2).
    pub cui: Option<Vec<u8>>,
    /// Who let them in.
    pub authentic: Authentic,
}

/// What happened.
#[derive(Clone, Debug)]
pub enum Record {
    /// The gateway starts: sessions that the server believes open are not.
    On {
        /// An Acct-Session-Id for the record itself, which RFC 2866, section 5.13 demands of every request.
        session_id: String,
    },
    /// The gateway stops.
    Off {
        /// As for `On`.
        session_id: String,
        /// Why.
        cause: TerminateCause,
    },
    /// A guest came online.
    Start(SessionFacts),
    /// A guest is still online.
    Interim(SessionFacts, Usage),
    /// A guest went offline.
    Stop(SessionFacts, Usage, TerminateCause),
}

/// One accounting record on its way.
#[derive(Clone, Debug)]
pub struct AccountingRequest {
    /// What happened.
    pub record: Record,
    /// When it happened: Event-Timestamp, and the beginning of Acct-Delay-Time.
    pub at: Now,
    /// The gateway.
    pub nas: NasFacts,
    /// More attributes, sent last.
    pub extra: Vec<Attribute>,
}

impl AccountingRequest {
    /// A record of what happened at `at`.
    #[must_use]
    pub fn new(record: Record, at: Now, nas: NasFacts) -> Self {
        Self { record, at, nas, extra: Vec::new() }
    }

    /// The same of the gateway's own session.
    #[must_use]
    pub fn administrative(record: Record, at: Now, nas: NasFacts) -> Self {
        let service = attr::SERVICE_TYPE.of(Service::Administrative as u32);
        Self { extra: service.into_iter().collect(), ..Self::new(record, at, nas.on_no_port()) }
    }

    /// Acct-Delay-Time at `now`, in seconds. By the wall clock, because a record may outlive a restart.
    pub(crate) fn delay_secs(&self, now: Now) -> u32 {
        saturate(now.unix.saturating_sub(self.at.unix).as_secs())
    }

    /// The packet for one server at one moment.
    pub(crate) fn emit(&self, id: u8, delay_secs: u32, secret: &Secret) -> Result<Vec<u8>, BuildError> {
        let mut attributes = Vec::new();
        let (status, session_id, session, usage, cause) = match &self.record {
            Record::On { session_id } => (status::ACCOUNTING_ON, Some(session_id), None, None, None),
            Record::Off { session_id, cause } => (status::ACCOUNTING_OFF, Some(session_id), None, None, Some(cause)),
            Record::Start(session) => (status::START, None, Some(session), None, None),
            Record::Interim(session, usage) => (status::INTERIM_UPDATE, None, Some(session), Some(usage), None),
            Record::Stop(session, usage, cause) => (status::STOP, None, Some(session), Some(usage), Some(cause)),
        };
        attributes.add(attr::ACCT_STATUS_TYPE, status)?;
        add_some(&mut attributes, attr::ACCT_SESSION_ID, session_id.map(String::as_str))?;
        if let Some(session) = session {
            add_session(&mut attributes, session)?;
        }
        if let Some(usage) = usage {
            add_usage(&mut attributes, usage)?;
        }
        add_some(&mut attributes, attr::ACCT_TERMINATE_CAUSE, cause.map(|cause| cause.code()))?;
        add_nas(&mut attributes, &self.nas)?;
        attributes.add(attr::EVENT_TIMESTAMP, self.at.unix)?;
        attributes.add(attr::ACCT_DELAY_TIME, delay_secs)?;
        attributes.extend_from_slice(&self.extra);

        let mut bytes = Packet { code: Code::AccountingRequest, id, authenticator: [0; 16], attributes }.emit()?;
        let authenticator = auth::accounting_authenticator(&bytes, secret);
        bytes[4..20].copy_from_slice(&authenticator);
        Ok(bytes)
    }
}

fn add_nas(attributes: &mut Vec<Attribute>, nas: &NasFacts) -> Result<(), BuildError> {
    if nas.ip.is_none() && nas.identifier.is_empty() {
        return Err(BuildError::NoNas);
    }
    add_some(attributes, attr::NAS_IP_ADDRESS, nas.ip)?;
    add_some(attributes, attr::NAS_IDENTIFIER, text(&nas.identifier))?;
    attributes.add(attr::NAS_PORT_TYPE, nas.port_type)?;
    add_some(attributes, attr::CALLED_STATION_ID, text(&nas.called_station_id))?;
    attributes.extend_from_slice(&nas.extra);
    Ok(())
}

fn add_guest(attributes: &mut Vec<Attribute>, guest: &GuestFacts) -> Result<(), BuildError> {
    add_some(attributes, attr::FRAMED_IP_ADDRESS, guest.framed_ip)?;
    let station = Some(guest.mac).filter(|mac| *mac != MacAddr::ZERO).map(MacAddr::to_station_id);
    add_some(attributes, attr::CALLING_STATION_ID, station.as_deref())?;
    attributes.add(attr::ACCT_SESSION_ID, &guest.session_id)?;
    add_some(attributes, attr::NAS_PORT, guest.port)?;
    add_some(attributes, attr::NAS_PORT_ID, text(&guest.port_id))
}

fn add_session(attributes: &mut Vec<Attribute>, session: &SessionFacts) -> Result<(), BuildError> {
    add_some(attributes, attr::USER_NAME, text(&session.user))?;
    add_guest(attributes, &session.guest)?;
    for class in &session.classes {
        attributes.add(attr::CLASS, class)?;
    }
    add_some(attributes, attr::CHARGEABLE_USER_IDENTITY, session.cui.as_deref())?;
    attributes.add(attr::ACCT_AUTHENTIC, session.authentic as u32)
}

fn add_usage(attributes: &mut Vec<Attribute>, usage: &Usage) -> Result<(), BuildError> {
    // The low and high words of 64-bit counters (RFC 2866, section 5.3; RFC 2869, section 5.1).
    let low = |octets: u64| (octets & u64::from(u32::MAX)) as u32;
    let high = |octets: u64| (octets >> 32) as u32;
    for (attr, number) in [
        (attr::ACCT_INPUT_OCTETS, low(usage.input_octets)),
        (attr::ACCT_OUTPUT_OCTETS, low(usage.output_octets)),
        (attr::ACCT_INPUT_GIGAWORDS, high(usage.input_octets)),
        (attr::ACCT_OUTPUT_GIGAWORDS, high(usage.output_octets)),
        // Packets have no second word: past 2^32 they wrap, like the octets of a server that ignores gigawords.
        (attr::ACCT_INPUT_PACKETS, low(usage.input_packets)),
        (attr::ACCT_OUTPUT_PACKETS, low(usage.output_packets)),
        (attr::ACCT_SESSION_TIME, saturate(usage.session_time.as_secs())),
    ] {
        attributes.add(attr, number)?;
    }
    Ok(())
}

fn add_some<K: Kind>(
    attributes: &mut Vec<Attribute>,
    attr: Attr<K>,
    value: Option<K::In<'_>>,
) -> Result<(), BuildError> {
    value.map_or(Ok(()), |value| attributes.add(attr, value))
}

/// RFC 2865, section 5: text of no length is left out.
fn text(text: &str) -> Option<&str> {
    Some(text).filter(|text| !text.is_empty())
}

fn saturate(value: u64) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}
