//! What a server answered, read with the units of each attribute.

use std::fmt;
use std::time::Duration;

use crate::dictionary::{attribute, chillispot, vendor, wispr};
use crate::limits::{CLASSES, REPLY_MESSAGE_OCTETS};
use crate::packet::{Attribute, Code, View};

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

    /// True if the length of some attribute contradicts the dictionary. Such an Accept must be treated as a Reject
    /// (RFC 2865, section 5): reading on could turn a broken limit into no limit.
    #[must_use]
    pub fn has_invalid_length(&self) -> bool {
        self.attributes.iter().any(Attribute::has_invalid_length)
    }

    /// Session-Timeout: the longest time online.
    #[must_use]
    pub fn session_timeout(&self) -> Option<Duration> {
        self.secs(attribute::SESSION_TIMEOUT)
    }

    /// Idle-Timeout: the longest silence.
    #[must_use]
    pub fn idle_timeout(&self) -> Option<Duration> {
        self.secs(attribute::IDLE_TIMEOUT)
    }

    /// Acct-Interim-Interval. RFC 2869, section 5.16 wants no less than 60 s; the caller decides.
    #[must_use]
    pub fn interim_interval(&self) -> Option<Duration> {
        self.secs(attribute::ACCT_INTERIM_INTERVAL)
    }

    /// Class attributes, to be sent unmodified in accounting; those past the eighth are left out.
    #[must_use]
    pub fn classes(&self) -> Vec<Vec<u8>> {
        self.all(attribute::CLASS).take(CLASSES).map(<[u8]>::to_vec).collect()
    }

    /// Reply-Message attributes, joined (RFC 2865, section 5.18: they belong together), invalid UTF-8 replaced, cut
    /// at 1024 octets. Not escaped: whoever puts it into a page must do that.
    #[must_use]
    pub fn reply_message(&self) -> Option<String> {
        let mut octets: Vec<u8> = self.all(attribute::REPLY_MESSAGE).flatten().copied().collect();
        octets.truncate(REPLY_MESSAGE_OCTETS);
        (!octets.is_empty()).then(|| String::from_utf8_lossy(&octets).into_owned())
    }

    /// User-Name, if the server wants another one in accounting (RFC 2865, section 5.1).
    #[must_use]
    pub fn user_name(&self) -> Option<String> {
        self.text(self.all(attribute::USER_NAME).next())
    }

    /// Chargeable-User-Identity (RFC 4372).
    #[must_use]
    pub fn chargeable_user_identity(&self) -> Option<&[u8]> {
        self.all(attribute::CHARGEABLE_USER_IDENTITY).next()
    }

    /// State, to be returned with the answer to a challenge.
    #[must_use]
    pub fn state(&self) -> Option<&[u8]> {
        self.all(attribute::STATE).next()
    }

    /// Filter-Id: the name of a policy.
    #[must_use]
    pub fn filter_id(&self) -> Option<String> {
        self.text(self.all(attribute::FILTER_ID).next())
    }

    /// Termination-Action: true if a session that ran out is to be asked about again (RFC 2865, section 5.29).
    #[must_use]
    pub fn asks_again_at_end(&self) -> bool {
        self.all(attribute::TERMINATION_ACTION).next().and_then(crate::packet::integer) == Some(1)
    }

    /// WISPr-Bandwidth-Max-Up, from the guest, in bit/s.
    #[must_use]
    pub fn wispr_max_up_bits_per_sec(&self) -> Option<u32> {
        self.vendor_u32(vendor::WISPR, wispr::BANDWIDTH_MAX_UP)
    }

    /// WISPr-Bandwidth-Max-Down, to the guest, in bit/s.
    #[must_use]
    pub fn wispr_max_down_bits_per_sec(&self) -> Option<u32> {
        self.vendor_u32(vendor::WISPR, wispr::BANDWIDTH_MAX_DOWN)
    }

    /// ChilliSpot-Bandwidth-Max-Up, from the guest, in kbit/s.
    #[must_use]
    pub fn chillispot_max_up_kbits_per_sec(&self) -> Option<u32> {
        self.vendor_u32(vendor::CHILLISPOT, chillispot::BANDWIDTH_MAX_UP)
    }

    /// ChilliSpot-Bandwidth-Max-Down, to the guest, in kbit/s.
    #[must_use]
    pub fn chillispot_max_down_kbits_per_sec(&self) -> Option<u32> {
        self.vendor_u32(vendor::CHILLISPOT, chillispot::BANDWIDTH_MAX_DOWN)
    }

    /// The rate from the guest in bit/s: ChilliSpot's where both are given, as CoovaChilli has it. Zero is no limit.
    #[must_use]
    pub fn max_up_bits_per_sec(&self) -> Option<u64> {
        rate(self.chillispot_max_up_kbits_per_sec(), self.wispr_max_up_bits_per_sec())
    }

    /// The rate to the guest in bit/s, by the same rule.
    #[must_use]
    pub fn max_down_bits_per_sec(&self) -> Option<u64> {
        rate(self.chillispot_max_down_kbits_per_sec(), self.wispr_max_down_bits_per_sec())
    }

    /// ChilliSpot-Max-Input-Octets with its gigawords: input as in Acct-Input-Octets, from the guest. (CoovaChilli turns
    /// both around unless it is told `swapoctets`.) Zero is no limit.
    #[must_use]
    pub fn max_input_octets(&self) -> Option<u64> {
        self.quota(chillispot::MAX_INPUT_OCTETS, chillispot::MAX_INPUT_GIGAWORDS)
    }

    /// ChilliSpot-Max-Output-Octets with its gigawords.
    #[must_use]
    pub fn max_output_octets(&self) -> Option<u64> {
        self.quota(chillispot::MAX_OUTPUT_OCTETS, chillispot::MAX_OUTPUT_GIGAWORDS)
    }

    /// ChilliSpot-Max-Total-Octets with its gigawords.
    #[must_use]
    pub fn max_total_octets(&self) -> Option<u64> {
        self.quota(chillispot::MAX_TOTAL_OCTETS, chillispot::MAX_TOTAL_GIGAWORDS)
    }

    /// WISPr-Redirection-URL: where to send the guest's browser. Not checked: it is the server's text.
    #[must_use]
    pub fn redirection_url(&self) -> Option<String> {
        self.text(self.vendor(vendor::WISPR, wispr::REDIRECTION_URL))
    }

    /// WISPr-Session-Terminate-Time, as the server wrote it.
    #[must_use]
    pub fn session_terminate_time(&self) -> Option<String> {
        self.text(self.vendor(vendor::WISPR, wispr::SESSION_TERMINATE_TIME))
    }

    fn all(&self, number: u8) -> impl Iterator<Item = &[u8]> {
        self.attributes.iter().filter(move |a| a.number() == number).map(Attribute::value)
    }

    fn secs(&self, number: u8) -> Option<Duration> {
        self.all(number).find_map(crate::packet::integer).map(|secs| Duration::from_secs(secs.into()))
    }

    fn vendor(&self, vendor: u32, number: u8) -> Option<&[u8]> {
        self.attributes
            .iter()
            .flat_map(Attribute::vendor_attributes)
            .find(|(v, n, _)| (*v, *n) == (vendor, number))
            .map(|(_, _, value)| value)
    }

    fn vendor_u32(&self, vendor: u32, number: u8) -> Option<u32> {
        self.vendor(vendor, number).and_then(crate::packet::integer)
    }

    fn quota(&self, octets: u8, gigawords: u8) -> Option<u64> {
        let low = self.vendor_u32(vendor::CHILLISPOT, octets);
        let high = self.vendor_u32(vendor::CHILLISPOT, gigawords);
        (low.is_some() || high.is_some()).then(|| u64::from(high.unwrap_or(0)) << 32 | u64::from(low.unwrap_or(0)))
    }

    fn text(&self, value: Option<&[u8]>) -> Option<String> {
        value.filter(|v| !v.is_empty()).map(|v| String::from_utf8_lossy(v).into_owned())
    }
}

impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.code)?;
        self.attributes.iter().try_for_each(|attribute| write!(f, " {attribute}"))
    }
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

fn rate(kbits: Option<u32>, bits: Option<u32>) -> Option<u64> {
    kbits.map(|kbits| u64::from(kbits) * 1000).or(bits.map(u64::from))
}
