//! How the attributes of an Access-Accept or a CoA-Request become a grant. Attributes go over the policies that Filter-Id
//! names, and these over `[session]`; of rates and octets ChilliSpot's go over WISPr's, and both over MikroTik's.

use std::cell::RefCell;
use std::collections::HashMap;
use std::time::Duration;

use config::{Config, Direction};
use engine::changes::Changes;
use engine::session::{Grant, Quota, Source};
use fastpath::police::Rate;
use platform::LocalTime;
use radius::attr::{Attr, chillispot, mikrotik, wispr};
use radius::dictionary::Place;
use radius::text::{ConfigWord, Date, RateLimit, TerminateTime};
use radius::value::Text;
use radius::{Reply, attr};
use tracing::debug;
use wire::Now;
use wire::url::WebUrl;

/// What the configuration allows who is granted nothing else.
fn defaults(config: &Config) -> Grant {
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

/// What the configuration makes of a server's words.
pub(super) struct Rules {
    /// What is allowed where nothing is said.
    defaults: RefCell<Grant>,
    policies: HashMap<String, Named>,
    refuse_unknown: bool,
    /// What the servers call input.
    direction: Direction,
}

/// What a server names.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub(super) struct Named {
    pub(super) changes: Changes,
    /// Where the guest's browser goes after login.
    pub(super) redirect: Option<String>,
}

/// What a server names that cannot be obeyed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Unusable {
    pub(super) attribute: &'static str,
    pub(super) value: String,
}

/// Why a guest is refused whom the server accepts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Declined {
    /// It says what cannot be obeyed.
    Unusable(Unusable),
    /// The end that it names is past.
    Over,
}

impl Unusable {
    /// For the operator.
    pub(super) fn what_to_do(&self) -> &'static str {
        if self.attribute == FILTER_ID {
            "no [[policy]] has this name: add one, or set radius.unknown_policy = \"ignore\""
        } else {
            "the server must send it in the form that its vendor defines"
        }
    }
}

impl Rules {
    pub(super) fn new(config: &Config) -> Self {
        let named = |policy: &config::Policy| (policy.name.clone(), of_policy(policy));
        Self {
            defaults: RefCell::new(defaults(config)),
            policies: config.policies.iter().map(named).collect(),
            refuse_unknown: config.radius.refuse_unknown_policy,
            direction: config.accounting.direction,
        }
    }

    /// What is allowed where nothing is said.
    pub(super) fn defaults(&self) -> Grant {
        self.defaults.borrow().clone()
    }

    /// From now on that is what the configuration says.
    pub(super) fn set_defaults(&self, config: &Config) {
        *self.defaults.borrow_mut() = defaults(config);
    }

    /// What an Accept allows, and where it leads the guest's browser.
    ///
    /// # Errors
    /// Why the guest is refused all the same.
    pub(super) fn grant(&self, reply: &Reply, now: Now) -> Result<(Grant, Option<String>), Declined> {
        self.grant_over(self.defaults(), reply, now)
    }

    /// The same over other defaults.
    ///
    /// # Errors
    /// As for [`Self::grant`].
    pub(super) fn grant_over(
        &self,
        defaults: Grant,
        reply: &Reply,
        now: Now,
    ) -> Result<(Grant, Option<String>), Declined> {
        let Named { changes, redirect } = self.named(reply).map_err(Declined::Unusable)?;
        let grant = changes.apply(Grant { source: Source::Radius, ..defaults });
        if grant.until.is_some_and(|until| until <= now.unix) {
            return Err(Declined::Over);
        }
        Ok((grant, redirect))
    }

    /// What a guest gets whom no server could be asked about: `time` at most.
    pub(super) fn unasked(&self, time: Duration) -> Grant {
        let defaults = self.defaults();
        let session_timeout = Some(defaults.session_timeout.map_or(time, |timeout| timeout.min(time)));
        Grant { session_timeout, source: Source::Nobody, ..defaults }
    }

    /// What `reply` names: by its own attributes first, and by the policies of Filter-Id where these are silent.
    ///
    /// # Errors
    /// A limit that cannot be read, or a policy that there is not: without it a guest would have more than was meant.
    pub(super) fn named(&self, reply: &Reply) -> Result<Named, Unusable> {
        let mut named = named(reply, self.direction)?;
        if self.refuse_unknown && has_unreadable(reply, attr::FILTER_ID) {
            return Err(Unusable { attribute: FILTER_ID, value: String::new() });
        }
        for name in reply.all(attr::FILTER_ID) {
            match self.policies.get(&name) {
                Some(policy) => {
                    named.changes = named.changes.or(policy.changes.clone());
                    named.redirect = named.redirect.or_else(|| policy.redirect.clone());
                }
                None if self.refuse_unknown => return Err(Unusable { attribute: FILTER_ID, value: name }),
                None => debug!(policy = name, "Filter-Id names no policy"),
            }
        }
        Ok(named)
    }
}

/// What [`Rules::named`] reads that a session can be given at its start and later too.
pub(super) const CHANGEABLE: [Place; 23] = [
    attr::SESSION_TIMEOUT.place(),
    attr::IDLE_TIMEOUT.place(),
    attr::ACCT_INTERIM_INTERVAL.place(),
    attr::CLASS.place(),
    attr::FILTER_ID.place(),
    wispr::SESSION_TERMINATE_TIME.place(),
    wispr::BANDWIDTH_MAX_UP.place(),
    wispr::BANDWIDTH_MAX_DOWN.place(),
    chillispot::BANDWIDTH_MAX_UP.place(),
    chillispot::BANDWIDTH_MAX_DOWN.place(),
    chillispot::MAX_INPUT_OCTETS.place(),
    chillispot::MAX_OUTPUT_OCTETS.place(),
    chillispot::MAX_TOTAL_OCTETS.place(),
    chillispot::MAX_INPUT_GIGAWORDS.place(),
    chillispot::MAX_OUTPUT_GIGAWORDS.place(),
    chillispot::MAX_TOTAL_GIGAWORDS.place(),
    mikrotik::RATE_LIMIT.place(),
    mikrotik::RECV_LIMIT.place(),
    mikrotik::XMIT_LIMIT.place(),
    mikrotik::TOTAL_LIMIT.place(),
    mikrotik::RECV_LIMIT_GIGAWORDS.place(),
    mikrotik::XMIT_LIMIT_GIGAWORDS.place(),
    mikrotik::TOTAL_LIMIT_GIGAWORDS.place(),
];

/// True if all of it can be changed, or is about the guest's own garden: who changes a session with another attribute is
/// told so.
pub(super) fn can_change(request: &Reply) -> bool {
    let of_garden =
        |text: &String| matches!(ConfigWord::parse(text), ConfigWord::UamAllowed(_) | ConfigWord::UamAllowedReset);
    let garden = request.all(chillispot::CONFIG).iter().all(of_garden);
    let is_understood = |place| CHANGEABLE.contains(&place) || garden && place == chillispot::CONFIG.place();
    request.items().all(|item| item.whole && is_understood(item.place))
}

/// The attribute that an operator can do something about here.
const FILTER_ID: &str = "Filter-Id";

/// What the attributes of `reply` name; ChilliSpot's input and output are those that accounting counts, MikroTik's are always
/// the router's own. Zero is no limit, with times as with rates and octets.
fn named(reply: &Reply, direction: Direction) -> Result<Named, Unusable> {
    let (octets_up, octets_down) = match direction {
        Direction::Rfc2866 => (reply.max_input_octets(), reply.max_output_octets()),
        Direction::Chilli => (reply.max_output_octets(), reply.max_input_octets()),
    };
    let octets = |ours: Option<u64>, low, gigawords| {
        ours.or_else(|| reply.octets(low, gigawords)).map(|octets| (octets > 0).then_some(octets))
    };
    let time = |time: Option<Duration>| time.map(|time| (!time.is_zero()).then_some(time));
    let class = reply.classes();
    let rates = read("Mikrotik-Rate-Limit", reply, mikrotik::RATE_LIMIT, RateLimit::parse)?;
    let rate =
        |ours: Option<u64>, theirs: fn(RateLimit) -> u64| ours.or_else(|| rates.map(theirs)).map(Rate::bits_per_second);
    let changes = Changes {
        session_timeout: time(reply.session_timeout()),
        until: read("WISPr-Session-Terminate-Time", reply, wispr::SESSION_TERMINATE_TIME, terminate_time)?.map(Some),
        idle_timeout: time(reply.idle_timeout()),
        // RFC 2869, 5.16: not less than a minute. Zero names no interval.
        interim: reply
            .interim_interval()
            .filter(|interval| !interval.is_zero())
            .map(|interval| Some(interval.max(Duration::from_secs(60)))),
        rate_up: rate(reply.max_up_bits_per_sec(), |rates| rates.up_bits_per_sec),
        rate_down: rate(reply.max_down_bits_per_sec(), |rates| rates.down_bits_per_sec),
        octets_up: octets(octets_up, mikrotik::RECV_LIMIT, mikrotik::RECV_LIMIT_GIGAWORDS),
        octets_down: octets(octets_down, mikrotik::XMIT_LIMIT, mikrotik::XMIT_LIMIT_GIGAWORDS),
        octets_total: octets(reply.max_total_octets(), mikrotik::TOTAL_LIMIT, mikrotik::TOTAL_LIMIT_GIGAWORDS),
        class: (!class.is_empty()).then_some(class),
        cui: reply.get(attr::CHARGEABLE_USER_IDENTITY),
        user: reply.get(attr::USER_NAME),
    };
    Ok(Named { changes, redirect: redirect(reply) })
}

/// Where the server wants the guest's browser to go, accepted or refused.
pub(super) fn redirect(reply: &Reply) -> Option<String> {
    reply.get(wispr::REDIRECTION_URL).filter(|url| {
        let usable = WebUrl::parse(url).is_some();
        if !usable {
            debug!(url, "WISPr-Redirection-URL is no http or https address");
        }
        usable
    })
}

/// The value of an attribute that is text; what cannot be read is an error, and not the absence of a limit.
fn read<T>(
    attribute: &'static str,
    reply: &Reply,
    attr: Attr<Text>,
    parse: impl FnOnce(&str) -> Option<T>,
) -> Result<Option<T>, Unusable> {
    if has_unreadable(reply, attr) {
        return Err(Unusable { attribute, value: String::new() });
    }
    let Some(text) = reply.get(attr) else { return Ok(None) };
    match parse(&text) {
        Some(value) => Ok(Some(value)),
        None => Err(Unusable { attribute, value: text }),
    }
}

/// True if one of them is empty or no text.
fn has_unreadable(reply: &Reply, attr: Attr<Text>) -> bool {
    reply.items().filter(|item| item.place == attr.place()).count() > reply.all(attr).len()
}

/// A moment since 1970; without a zone it is told by the machine's.
fn terminate_time(text: &str) -> Option<Duration> {
    match TerminateTime::parse(text)? {
        TerminateTime::Utc(moment) => Some(moment),
        TerminateTime::Local(Date { year, month, day, hour, minute, second }) => {
            LocalTime { year, month, day, hour, minute, second }.since_1970()
        }
    }
}

fn of_policy(policy: &config::Policy) -> Named {
    let time = |time: Option<Duration>| time.map(|time| (!time.is_zero()).then_some(time));
    let octets = |octets: Option<config::Octets>| octets.map(|octets| (octets.0 > 0).then_some(octets.0));
    let rate = |rate: Option<config::BitRate>| rate.map(|rate| Rate::bits_per_second(rate.0));
    let changes = Changes {
        session_timeout: time(policy.timeout),
        idle_timeout: time(policy.idle_timeout),
        interim: time(policy.interim),
        rate_up: rate(policy.rate_up),
        rate_down: rate(policy.rate_down),
        octets_up: octets(policy.quota_up),
        octets_down: octets(policy.quota_down),
        octets_total: octets(policy.quota_total),
        ..Changes::default()
    };
    Named { changes, redirect: policy.redirect.clone() }
}

#[cfg(test)]
mod tests {
    use radius::value::Kind;
    use radius::{Attribute, Code, Packet, View};

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn reply(attributes: Vec<Attribute>) -> Reply {
        let packet = Packet { code: Code::AccessAccept, id: 0, authenticator: [0; 16], attributes };
        let bytes = packet.emit().expect("it is short");
        Reply::new(View::parse(&bytes).expect("it was just made"))
    }

    /// What the server names with these attributes.
    fn changes(attributes: Vec<Attribute>) -> Changes {
        named(&reply(attributes), Direction::Rfc2866).expect("all can be read").changes
    }

    fn of<K: Kind>(attr: Attr<K>, value: K::In<'_>) -> Attribute {
        attr.of(value).expect("it fits")
    }

    fn terminates(text: &str) -> Attribute {
        of(wispr::SESSION_TERMINATE_TIME, text)
    }

    fn rate_limit(text: &str) -> Attribute {
        of(mikrotik::RATE_LIMIT, text)
    }

    fn filter(name: &str) -> Attribute {
        of(attr::FILTER_ID, name)
    }

    fn rates(up: u64, down: u64) -> Changes {
        let rate = |bits| Some(Rate::bits_per_second(bits));
        Changes { rate_up: rate(up), rate_down: rate(down), ..Changes::default() }
    }

    /// The rules of a configuration with a policy, and what becomes of a Filter-Id that names none.
    fn rules(unknown_policy: &str) -> Rules {
        let text = format!(
            "[lan]\ninterface = \"eth1\"\n[radius]\nunknown_policy = {unknown_policy:?}\n[[policy]]\nname = \"gold\"\n\
             timeout = \"0\"\nrate_up = \"10M\"\nrate_down = \"50M\"\nquota_total = \"5GB\"\n\
             redirect = \"https://example.org/gold\"\n[[policy]]\nname = \"short\"\ntimeout = \"1h\"\n"
        );
        Rules::new(&Config::parse(&text, "test", &config::Overrides::default()).expect("it is valid").config)
    }

    #[test]
    fn a_server_that_names_nothing_changes_nothing() {
        assert_eq!(changes(Vec::new()), Changes::default());
        assert_eq!(changes(vec![of(attr::SERVICE_TYPE, 2)]), Changes::default());
    }

    #[test]
    fn each_attribute_names_its_part_and_no_other() {
        let nothing = Changes::default;
        for (attributes, expected) in [
            (vec![of(attr::SESSION_TIMEOUT, 90)], Changes { session_timeout: Some(Some(SECOND * 90)), ..nothing() }),
            (vec![of(attr::IDLE_TIMEOUT, 90)], Changes { idle_timeout: Some(Some(SECOND * 90)), ..nothing() }),
            // No limit, over what the configuration says.
            (vec![of(attr::SESSION_TIMEOUT, 0)], Changes { session_timeout: Some(None), ..nothing() }),
            (vec![of(attr::IDLE_TIMEOUT, 0)], Changes { idle_timeout: Some(None), ..nothing() }),
            (vec![of(attr::ACCT_INTERIM_INTERVAL, 0)], nothing()),
            (vec![of(attr::ACCT_INTERIM_INTERVAL, 9)], Changes { interim: Some(Some(SECOND * 60)), ..nothing() }),
            (
                vec![of(chillispot::BANDWIDTH_MAX_UP, 64)],
                Changes { rate_up: Some(Rate::bits_per_second(64_000)), ..nothing() },
            ),
            (vec![of(chillispot::BANDWIDTH_MAX_DOWN, 0)], Changes { rate_down: Some(Rate::UNLIMITED), ..nothing() }),
            (vec![of(chillispot::MAX_INPUT_OCTETS, 7)], Changes { octets_up: Some(Some(7)), ..nothing() }),
            (vec![of(chillispot::MAX_OUTPUT_OCTETS, 0)], Changes { octets_down: Some(None), ..nothing() }),
            (vec![of(chillispot::MAX_TOTAL_GIGAWORDS, 1)], Changes { octets_total: Some(Some(1 << 32)), ..nothing() }),
            (vec![of(mikrotik::RECV_LIMIT, 7)], Changes { octets_up: Some(Some(7)), ..nothing() }),
            (vec![of(mikrotik::XMIT_LIMIT_GIGAWORDS, 2)], Changes { octets_down: Some(Some(2 << 32)), ..nothing() }),
            (vec![of(mikrotik::TOTAL_LIMIT, 0)], Changes { octets_total: Some(None), ..nothing() }),
            (
                vec![of(attr::CLASS, b"one"), of(attr::CLASS, b"two")],
                Changes { class: Some(vec![b"one".to_vec(), b"two".to_vec()]), ..nothing() },
            ),
            (vec![of(attr::CHARGEABLE_USER_IDENTITY, b"cui")], Changes { cui: Some(b"cui".to_vec()), ..nothing() }),
            (
                vec![terminates("2027-01-15T08:00:00+02:00")],
                Changes { until: Some(Some(SECOND * 1_799_992_800)), ..nothing() },
            ),
            (vec![rate_limit("64k/0")], rates(64_000, 0)),
            (vec![of(attr::USER_NAME, "ada")], Changes { user: Some("ada".into()), ..nothing() }),
        ] {
            assert_eq!(changes(attributes.clone()), expected, "{attributes:?}");
            // Who the session is cannot be changed.
            let names_somebody = expected.user.is_some() || expected.cui.is_some();
            assert_eq!(can_change(&reply(attributes.clone())), !names_somebody, "{attributes:?}");
        }
    }

    #[test]
    fn what_would_change_nothing_is_no_change() {
        let vendors = |octets: &[u8]| Attribute::bytes(26, octets).expect("it fits");
        for attribute in [
            of(attr::FRAMED_MTU, 1400),
            of(attr::SERVICE_TYPE, 2),
            of(chillispot::LANG, "en"),
            of(wispr::BANDWIDTH_MIN_UP, 0),
            of(wispr::REDIRECTION_URL, "http://example.org/"),
            vendors(&[0, 0, 0x01, 0x37, 1, 6, 0, 0, 0, 0]),
            vendors(&[0, 0, 0x37, 0x2a]),
            // One that is understood, and behind it one that is not, or nothing that can be read.
            vendors(&[0, 0, 0x38, 0xdf, 4, 6, 0, 0, 0, 64, 7, 6, 0, 0, 0, 64]),
            vendors(&[0, 0, 0x38, 0xdf, 4, 6, 0, 0, 0, 64, 7]),
        ] {
            assert!(!can_change(&reply(vec![attribute.clone()])), "{attribute:?}");
        }
    }

    #[test]
    fn of_several_rates_chillispots_comes_first_then_wisprs_then_mikrotiks() {
        let wispr_up = of(wispr::BANDWIDTH_MAX_UP, 2_000_000);
        let all = vec![rate_limit("1M/3M"), wispr_up, of(chillispot::BANDWIDTH_MAX_UP, 500)];
        assert_eq!(changes(all.clone()), rates(500_000, 3_000_000));
        assert_eq!(changes(all[..2].to_vec()), rates(2_000_000, 3_000_000));
        assert_eq!(changes(all[..1].to_vec()), rates(1_000_000, 3_000_000));
    }

    #[test]
    fn of_several_octets_chillispots_come_first_and_mikrotiks_are_never_turned_round() {
        let both = reply(vec![
            of(mikrotik::RECV_LIMIT, 1),
            of(mikrotik::RECV_LIMIT_GIGAWORDS, 1),
            of(mikrotik::XMIT_LIMIT, 2),
            of(chillispot::MAX_INPUT_OCTETS, 3),
        ]);
        let octets = |direction| {
            let changes = named(&both, direction).expect("all can be read").changes;
            (changes.octets_up, changes.octets_down)
        };
        assert_eq!(octets(Direction::Rfc2866), (Some(Some(3)), Some(Some(2))));
        assert_eq!(octets(Direction::Chilli), (Some(Some((1 << 32) + 1)), Some(Some(3))));
    }

    #[test]
    fn a_policy_stands_behind_the_attributes_and_before_the_configuration() {
        let named = rules("refuse").named(&reply(vec![filter("gold"), of(chillispot::BANDWIDTH_MAX_UP, 500)]));
        let Named { changes, redirect } = named.expect("there is such a policy");
        let expected = Changes {
            session_timeout: Some(None),
            octets_total: Some(Some(5_000_000_000)),
            ..rates(500_000, 50_000_000)
        };
        assert_eq!((changes, redirect.as_deref()), (expected, Some("https://example.org/gold")));
        // Of two policies the first goes over the second, and the server's own address over both.
        let url = of(wispr::REDIRECTION_URL, "http://example.org/mine");
        let named = rules("refuse").named(&reply(vec![filter("short"), filter("gold"), url])).expect("there are both");
        assert_eq!(named.changes.session_timeout, Some(Some(SECOND * 3600)));
        assert_eq!(named.redirect.as_deref(), Some("http://example.org/mine"));
    }

    #[test]
    fn a_policy_that_there_is_not_lets_nobody_in_unless_the_operator_says_so() {
        let asks = reply(vec![filter("platinum"), filter("short")]);
        let unusable = Unusable { attribute: FILTER_ID, value: "platinum".into() };
        assert_eq!(rules("refuse").named(&asks), Err(unusable));
        let named = rules("ignore").named(&asks).expect("it is ignored");
        assert_eq!(named.changes.session_timeout, Some(Some(SECOND * 3600)), "but the other one counts");
    }

    #[test]
    fn a_limit_that_cannot_be_read_is_not_no_limit() {
        let vendors = |octets: &[u8]| Attribute::bytes(26, octets).expect("it fits");
        let empty_rate = vendors(&[0, 0, 0x3a, 0x8c, 8, 2]);
        let empty_time = vendors(&[0, 0, 0x37, 0x2a, 9, 2]);
        for attribute in [terminates("tomorrow"), rate_limit("fast"), empty_rate, empty_time] {
            let also = reply(vec![attribute.clone(), rate_limit("1M/1M"), terminates("2027-01-15T08:00:00Z")]);
            assert!(rules("ignore").named(&reply(vec![attribute.clone()])).is_err(), "{attribute:?}");
            assert!(rules("ignore").named(&also).is_err(), "{attribute:?}");
        }
        for octets in [&b""[..], b"\xff\xfe"] {
            let filter = Attribute::bytes(attr::FILTER_ID.number(), octets).expect("it fits");
            assert!(rules("refuse").named(&reply(vec![filter.clone()])).is_err());
            assert_eq!(rules("ignore").named(&reply(vec![filter])), Ok(Named::default()));
        }
    }

    #[test]
    fn a_browser_is_sent_to_web_addresses_only() {
        for address in ["javascript:alert(1)", "ftp://example.org/", "//example.org", "http://a b/", "http://u@h/"] {
            let url = of(wispr::REDIRECTION_URL, address);
            assert_eq!(named(&reply(vec![url]), Direction::Rfc2866), Ok(Named::default()), "{address}");
        }
    }
}
