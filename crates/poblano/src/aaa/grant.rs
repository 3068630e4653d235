//! How the attributes of an Access-Accept or a CoA-Request become a grant.

use std::time::Duration;

use config::Config;
use engine::changes::Changes;
use engine::session::{Grant, Quota};
use fastpath::police::Rate;
use radius::dictionary::{attribute, chillispot, vendor, wispr};
use radius::{Attribute, Reply};

/// The vendor's number, in front of its attributes (RFC 2865, section 5.26).
const VENDOR_OCTETS: usize = 4;

/// What the configuration allows who is granted nothing else.
pub(super) fn defaults(config: &Config) -> Grant {
    let rate = |rate: Option<config::BitRate>| rate.map_or(Rate::UNLIMITED, |rate| Rate::bits_per_second(rate.0));
    Grant {
        session_timeout: config.session.timeout,
        idle_timeout: config.session.idle_timeout,
        interim: config.session.interim,
        rate_up: rate(config.session.rate_up),
        rate_down: rate(config.session.rate_down),
        quota: Quota {
            octets_up: config.session.quota_up.map(|quota| quota.0),
            octets_down: config.session.quota_down.map(|quota| quota.0),
            octets_total: config.session.quota_total.map(|quota| quota.0),
        },
        ..Grant::default()
    }
}

/// What `reply` names. Zero is no limit with rates and octets, as it always was with these attributes.
pub(super) fn named(reply: &Reply) -> Changes {
    let octets = |octets: Option<u64>| octets.map(|octets| (octets > 0).then_some(octets));
    let class = reply.classes();
    Changes {
        session_timeout: reply.session_timeout().map(Some),
        idle_timeout: reply.idle_timeout().map(Some),
        // RFC 2869, 5.16: not less than a minute.
        interim: reply.interim_interval().map(|interval| Some(interval.max(Duration::from_secs(60)))),
        rate_up: reply.max_up_bits_per_sec().map(Rate::bits_per_second),
        rate_down: reply.max_down_bits_per_sec().map(Rate::bits_per_second),
        octets_up: octets(reply.max_input_octets()),
        octets_down: octets(reply.max_output_octets()),
        octets_total: octets(reply.max_total_octets()),
        class: (!class.is_empty()).then_some(class),
        user: reply.user_name(),
    }
}

/// True for what [`named`] understands: who changes a session with an attribute that is not one of these is told so. All
/// that one vendor's attribute holds must be.
pub(super) fn can_change(attribute: &Attribute) -> bool {
    let ours = |vendor, number| match vendor {
        vendor::WISPR => matches!(number, wispr::BANDWIDTH_MAX_UP | wispr::BANDWIDTH_MAX_DOWN),
        vendor::CHILLISPOT => matches!(
            number,
            chillispot::BANDWIDTH_MAX_UP
                | chillispot::BANDWIDTH_MAX_DOWN
                | chillispot::MAX_INPUT_OCTETS
                | chillispot::MAX_OUTPUT_OCTETS
                | chillispot::MAX_TOTAL_OCTETS
                | chillispot::MAX_INPUT_GIGAWORDS
                | chillispot::MAX_OUTPUT_GIGAWORDS
                | chillispot::MAX_TOTAL_GIGAWORDS
        ),
        _ => false,
    };
    match attribute.number() {
        attribute::SESSION_TIMEOUT | attribute::IDLE_TIMEOUT | attribute::ACCT_INTERIM_INTERVAL | attribute::CLASS => {
            true
        }
        attribute::VENDOR_SPECIFIC => {
            let mut octets = VENDOR_OCTETS;
            let understood = attribute.vendor_attributes().all(|(vendor, number, value)| {
                octets += value.len() + 2;
                ours(vendor, number)
            });
            understood && octets > VENDOR_OCTETS && octets == attribute.value().len()
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use radius::{Code, Packet, View};

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// What the server names with these attributes.
    fn changes(attributes: Vec<Attribute>) -> Changes {
        let packet = Packet { code: Code::AccessAccept, id: 0, authenticator: [0; 16], attributes };
        let bytes = packet.emit().expect("it is short");
        named(&Reply::new(View::parse(&bytes).expect("it was just made")))
    }

    fn chilli(number: u8, value: u32) -> Attribute {
        Attribute::vendor(vendor::CHILLISPOT, number, &value.to_be_bytes()).expect("four octets fit")
    }

    #[test]
    fn a_server_that_names_nothing_changes_nothing() {
        assert_eq!(changes(Vec::new()), Changes::default());
        assert_eq!(changes(vec![Attribute::u32(attribute::SERVICE_TYPE, 2)]), Changes::default());
    }

    #[test]
    fn each_attribute_names_its_part_and_no_other() {
        let class = |value: &[u8]| Attribute::bytes(attribute::CLASS, value).expect("it fits");
        let secs = |number, value| Attribute::u32(number, value);
        let nothing = Changes::default;
        for (attributes, expected) in [
            (
                vec![secs(attribute::SESSION_TIMEOUT, 90)],
                Changes { session_timeout: Some(Some(SECOND * 90)), ..nothing() },
            ),
            (vec![secs(attribute::IDLE_TIMEOUT, 90)], Changes { idle_timeout: Some(Some(SECOND * 90)), ..nothing() }),
            (
                vec![secs(attribute::ACCT_INTERIM_INTERVAL, 9)],
                Changes { interim: Some(Some(SECOND * 60)), ..nothing() },
            ),
            (
                vec![chilli(chillispot::BANDWIDTH_MAX_UP, 64)],
                Changes { rate_up: Some(Rate::bits_per_second(64_000)), ..nothing() },
            ),
            (
                vec![chilli(chillispot::BANDWIDTH_MAX_DOWN, 0)],
                Changes { rate_down: Some(Rate::UNLIMITED), ..nothing() },
            ),
            (vec![chilli(chillispot::MAX_INPUT_OCTETS, 7)], Changes { octets_up: Some(Some(7)), ..nothing() }),
            (vec![chilli(chillispot::MAX_OUTPUT_OCTETS, 0)], Changes { octets_down: Some(None), ..nothing() }),
            (
                vec![chilli(chillispot::MAX_TOTAL_GIGAWORDS, 1)],
                Changes { octets_total: Some(Some(1 << 32)), ..nothing() },
            ),
            (
                vec![class(b"one"), class(b"two")],
                Changes { class: Some(vec![b"one".to_vec(), b"two".to_vec()]), ..nothing() },
            ),
            (
                vec![Attribute::text(attribute::USER_NAME, "ada").expect("it fits")],
                Changes { user: Some("ada".into()), ..nothing() },
            ),
        ] {
            assert!(attributes.iter().all(|a| a.number() == attribute::USER_NAME || can_change(a)), "{attributes:?}");
            assert_eq!(changes(attributes.clone()), expected, "{attributes:?}");
        }
    }

    #[test]
    fn what_would_change_nothing_is_no_change() {
        let bytes = |number, value: &[u8]| Attribute::bytes(number, value).expect("it fits");
        for attribute in [
            Attribute::u32(attribute::FRAMED_MTU, 1400),
            Attribute::u32(attribute::SERVICE_TYPE, 2),
            chilli(chillispot::LANG, 0),
            Attribute::vendor(vendor::WISPR, wispr::BANDWIDTH_MIN_UP, &[0; 4]).expect("it fits"),
            Attribute::vendor(vendor::MICROSOFT, 1, &[0; 4]).expect("it fits"),
            bytes(attribute::VENDOR_SPECIFIC, &vendor::WISPR.to_be_bytes()),
            // One that is understood, and behind it one that is not, or nothing that can be read.
            bytes(attribute::VENDOR_SPECIFIC, &[0, 0, 0x38, 0xdf, 4, 6, 0, 0, 0, 64, 7, 6, 0, 0, 0, 64]),
            bytes(attribute::VENDOR_SPECIFIC, &[0, 0, 0x38, 0xdf, 4, 6, 0, 0, 0, 64, 7]),
        ] {
            assert!(!can_change(&attribute), "{attribute:?}");
        }
    }
}
