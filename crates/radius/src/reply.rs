//! What a server answered, read with the units of each attribute.

use std::fmt;
use std::time::Duration;

use crate::attr::{self, Attr, AttributeList, chillispot, wispr};
use crate::items;
use crate::limits::{CLASSES, REPLY_MESSAGE_OCTETS};
use crate::packet::{self, Attribute, Code, View};
use crate::print;
use crate::value::Kind;

/// The attributes of an Access-Accept, -Reject or -Challenge that passed all checks.
///
/// An accessor gives `None` for what the server left out. Of an attribute that may come once, the first counts.
#[derive(Clone, PartialEq, Eq)]
pub struct Reply {
    code: Code,
    attributes: Vec<Attribute>,
}

impl Reply {
    /// The values of a checked answer. Who calls this must have verified it: the client does.
    #[must_use]
    pub fn new(answer: View<'_>) -> Self {
        let packet = answer.to_packet();
        Self { code: packet.code, attributes: packet.attributes }
    }

    /// A part of a checked packet, to be read in the same way.
    pub(crate) fn of(code: Code, attributes: Vec<Attribute>) -> Self {
        Self { code, attributes }
    }

    /// What kind of answer it was.
    #[must_use]
    pub fn code(&self) -> Code {
        self.code
    }

    /// All attributes, in order.
    #[must_use]
    pub fn attributes(&self) -> &[Attribute] {
        &self.attributes
    }

    /// The attributes inside attributes: of vendors and extended spaces, long ones put together.
    pub fn items(&self) -> impl Iterator<Item = items::Item<'_>> {
        items::of(&self.attributes)
    }

    /// The value of an attribute, the first if it came several times; `None` if there is none, or none of its type.
    #[must_use]
    pub fn get<K: Kind>(&self, attr: Attr<K>) -> Option<K::Out> {
        self.attributes.get(attr)
    }

    /// All values of an attribute.
    #[must_use]
    pub fn all<K: Kind>(&self, attr: Attr<K>) -> Vec<K::Out> {
        self.attributes.all(attr)
    }

    /// True if the length or layout of some attribute contradicts the dictionary. Such an Accept must be treated as a
    /// Reject (RFC 2865, section 5): reading on could turn a broken limit into no limit.
    #[must_use]
    pub fn has_invalid_length(&self) -> bool {
        packet::has_invalid_length(items::of(&self.attributes))
    }

    /// Session-Timeout: the longest time online.
    #[must_use]
    pub fn session_timeout(&self) -> Option<Duration> {
        self.secs(attr::SESSION_TIMEOUT)
    }

    /// Idle-Timeout: the longest silence.
    #[must_use]
    pub fn idle_timeout(&self) -> Option<Duration> {
        self.secs(attr::IDLE_TIMEOUT)
    }

    /// Acct-Interim-Interval. RFC 2869, section 5.16 wants no less than 60 s; the caller decides.
    #[must_use]
    pub fn interim_interval(&self) -> Option<Duration> {
        self.secs(attr::ACCT_INTERIM_INTERVAL)
    }

    /// Class attributes, to be sent unmodified in accounting; those past the eighth are left out.
    #[must_use]
    pub fn classes(&self) -> Vec<Vec<u8>> {
        let mut classes = self.all(attr::CLASS);
        classes.truncate(CLASSES);
        classes
    }

    /// Reply-Message attributes, joined (RFC 2865, section 5.18: they belong together), invalid UTF-8 replaced, cut
    /// at 1024 octets. Not escaped: whoever puts it into a page must do that.
    #[must_use]
    pub fn reply_message(&self) -> Option<String> {
        let all = self.attributes.iter().filter(|attribute| attribute.number() == attr::REPLY_MESSAGE.number());
        let mut octets: Vec<u8> = all.flat_map(Attribute::value).copied().collect();
        octets.truncate(REPLY_MESSAGE_OCTETS);
        (!octets.is_empty()).then(|| String::from_utf8_lossy(&octets).into_owned())
    }

    /// Termination-Action: true if a session that ran out is to be asked about again (RFC 2865, section 5.29).
    #[must_use]
    pub fn asks_again_at_end(&self) -> bool {
        self.get(attr::TERMINATION_ACTION) == Some(attr::value::termination_action::RADIUS_REQUEST)
    }

    /// The rate from the guest in bit/s: ChilliSpot's where both are given, as CoovaChilli has it. Zero is no limit.
    #[must_use]
    pub fn max_up_bits_per_sec(&self) -> Option<u64> {
        self.rate(chillispot::BANDWIDTH_MAX_UP, wispr::BANDWIDTH_MAX_UP)
    }

    /// The rate to the guest in bit/s, by the same rule.
    #[must_use]
    pub fn max_down_bits_per_sec(&self) -> Option<u64> {
        self.rate(chillispot::BANDWIDTH_MAX_DOWN, wispr::BANDWIDTH_MAX_DOWN)
    }

    /// ChilliSpot-Max-Input-Octets with its gigawords: input as in Acct-Input-Octets, from the guest. (CoovaChilli turns
    /// both around unless it is told `swapoctets`.) Zero is no limit.
    #[must_use]
    pub fn max_input_octets(&self) -> Option<u64> {
        self.octets(chillispot::MAX_INPUT_OCTETS, chillispot::MAX_INPUT_GIGAWORDS)
    }

    /// ChilliSpot-Max-Output-Octets with its gigawords.
    #[must_use]
    pub fn max_output_octets(&self) -> Option<u64> {
        self.octets(chillispot::MAX_OUTPUT_OCTETS, chillispot::MAX_OUTPUT_GIGAWORDS)
    }

    /// ChilliSpot-Max-Total-Octets with its gigawords.
    #[must_use]
    pub fn max_total_octets(&self) -> Option<u64> {
        self.octets(chillispot::MAX_TOTAL_OCTETS, chillispot::MAX_TOTAL_GIGAWORDS)
    }

    /// An amount whose upper half is an attribute of its own; either may be left out.
    #[must_use]
    pub fn octets(&self, octets: Attr<u32>, gigawords: Attr<u32>) -> Option<u64> {
        let (low, high) = (self.get(octets), self.get(gigawords));
        (low.is_some() || high.is_some()).then(|| u64::from(high.unwrap_or(0)) << 32 | u64::from(low.unwrap_or(0)))
    }

    /// User-Name, if the server wants another one in accounting (RFC 2865, section 5.1).
    #[must_use]
    pub fn user_name(&self) -> Option<String> {
        self.get(attr::USER_NAME)
    }

    /// Chargeable-User-Identity (RFC 4372).
    #[must_use]
    pub fn chargeable_user_identity(&self) -> Option<&[u8]> {
        self.first(attr::CHARGEABLE_USER_IDENTITY.number())
    }

    /// State, to be returned with the answer to a challenge.
    #[must_use]
    pub fn state(&self) -> Option<&[u8]> {
        self.first(attr::STATE.number())
    }

    /// Filter-Id: the name of a policy.
    #[must_use]
    pub fn filter_id(&self) -> Option<String> {
        self.get(attr::FILTER_ID)
    }

    /// WISPr-Redirection-URL: where to send the guest's browser. Not checked: it is the server's text.
    #[must_use]
    pub fn redirection_url(&self) -> Option<String> {
        self.get(wispr::REDIRECTION_URL)
    }

    /// WISPr-Session-Terminate-Time, as the server wrote it.
    #[must_use]
    pub fn session_terminate_time(&self) -> Option<String> {
        self.get(wispr::SESSION_TERMINATE_TIME)
    }

    fn first(&self, number: u8) -> Option<&[u8]> {
        self.attributes.iter().find(|attribute| attribute.number() == number).map(Attribute::value)
    }

    fn secs(&self, attr: Attr<u32>) -> Option<Duration> {
        self.get(attr).map(|secs| Duration::from_secs(secs.into()))
    }

    fn rate(&self, kbits: Attr<u32>, bits: Attr<u32>) -> Option<u64> {
        self.get(kbits).map(|kbits| u64::from(kbits) * 1000).or(self.get(bits).map(u64::from))
    }
}

impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.code)?;
        print::items(f, items::of(&self.attributes))
    }
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
