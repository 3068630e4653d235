//! What a server names, apart from what it leaves open: an Access-Accept over what the configuration allows, a
//! CoA-Request over what a running session has.

use std::time::Duration;

use fastpath::police::Rate;

use crate::session::{Grant, Personal, Quota};

/// A grant of which each part may be left open: none is "as it was", and inside it the grant's own none is "no limit".
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Changes {
    /// See [`Grant::session_timeout`].
    pub session_timeout: Option<Option<Duration>>,
    /// See [`Grant::until`].
    pub until: Option<Option<Duration>>,
    /// See [`Grant::idle_timeout`].
    pub idle_timeout: Option<Option<Duration>>,
    /// See [`Grant::interim`].
    pub interim: Option<Option<Duration>>,
    /// See [`Grant::rate_up`].
    pub rate_up: Option<Rate>,
    /// See [`Grant::rate_down`].
    pub rate_down: Option<Rate>,
    /// See [`Quota::octets_up`].
    pub octets_up: Option<Option<u64>>,
    /// See [`Quota::octets_down`].
    pub octets_down: Option<Option<u64>>,
    /// See [`Quota::octets_total`].
    pub octets_total: Option<Option<u64>>,
    /// See [`Personal::class`]; all of them at once.
    pub class: Option<Vec<Vec<u8>>>,
    /// See [`Personal::cui`].
    pub cui: Option<Vec<u8>>,
    /// See [`Personal::user`].
    pub user: Option<String>,
}

impl Changes {
    /// `before` with what is named, and with nothing else changed (RFC 5176, section 3: what a request omits remains,
    /// what it includes replaces all values of that attribute).
    #[must_use]
    pub fn apply(self, before: Grant) -> Grant {
        let personal = before.personal.map_or_else(Personal::default, |personal| *personal);
        Grant {
            session_timeout: self.session_timeout.unwrap_or(before.session_timeout),
            until: self.until.unwrap_or(before.until),
            idle_timeout: self.idle_timeout.unwrap_or(before.idle_timeout),
            interim: self.interim.unwrap_or(before.interim),
            rate_up: self.rate_up.unwrap_or(before.rate_up),
            rate_down: self.rate_down.unwrap_or(before.rate_down),
            quota: Quota {
                octets_up: self.octets_up.unwrap_or(before.quota.octets_up),
                octets_down: self.octets_down.unwrap_or(before.quota.octets_down),
                octets_total: self.octets_total.unwrap_or(before.quota.octets_total),
            },
            source: before.source,
            personal: Personal {
                class: self.class.unwrap_or(personal.class),
                cui: self.cui.or(personal.cui),
                user: self.user.or(personal.user),
            }
            .boxed(),
        }
    }

    /// What is named here or, where nothing is, in `others`.
    #[must_use]
    pub fn or(self, others: Self) -> Self {
        Self {
            session_timeout: self.session_timeout.or(others.session_timeout),
            until: self.until.or(others.until),
            idle_timeout: self.idle_timeout.or(others.idle_timeout),
            interim: self.interim.or(others.interim),
            rate_up: self.rate_up.or(others.rate_up),
            rate_down: self.rate_down.or(others.rate_down),
            octets_up: self.octets_up.or(others.octets_up),
            octets_down: self.octets_down.or(others.octets_down),
            octets_total: self.octets_total.or(others.octets_total),
            class: self.class.or(others.class),
            cui: self.cui.or(others.cui),
            user: self.user.or(others.user),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::Source;

    fn grant() -> Grant {
        Grant {
            session_timeout: Some(Duration::from_secs(3600)),
            until: Some(Duration::from_secs(2_000_000_000)),
            idle_timeout: Some(Duration::from_secs(300)),
            interim: Some(Duration::from_secs(60)),
            rate_up: Rate::bits_per_second(1_000_000),
            rate_down: Rate::bits_per_second(2_000_000),
            quota: Quota { octets_up: Some(1), octets_down: Some(2), octets_total: Some(3) },
            source: Source::Radius,
            personal: Personal { class: vec![b"gold".to_vec()], cui: Some(b"cui".to_vec()), user: Some("ada".into()) }
                .boxed(),
        }
    }

    #[test]
    fn what_is_not_named_stays() {
        assert_eq!(Changes::default().apply(grant()), grant());
        let changes = Changes {
            rate_down: Some(Rate::UNLIMITED),
            octets_total: Some(None),
            class: Some(vec![b"silver".to_vec()]),
            ..Changes::default()
        };
        let expected = Grant {
            rate_down: Rate::UNLIMITED,
            quota: Quota { octets_total: None, ..grant().quota },
            personal: Personal {
                class: vec![b"silver".to_vec()],
                cui: Some(b"cui".to_vec()),
                user: Some("ada".into()),
            }
            .boxed(),
            ..grant()
        };
        assert_eq!(changes.apply(grant()), expected);
    }

    #[test]
    fn all_that_is_named_replaces() {
        let other = Grant {
            session_timeout: None,
            until: None,
            idle_timeout: None,
            interim: None,
            rate_up: Rate::bits_per_second(64_000),
            rate_down: Rate::UNLIMITED,
            quota: Quota { octets_up: None, octets_down: Some(7), octets_total: None },
            source: Source::Radius,
            personal: Personal { class: Vec::new(), cui: Some(b"other".to_vec()), user: Some("grace".into()) }.boxed(),
        };
        let changes = Changes {
            session_timeout: Some(other.session_timeout),
            until: Some(other.until),
            idle_timeout: Some(other.idle_timeout),
            interim: Some(other.interim),
            rate_up: Some(other.rate_up),
            rate_down: Some(other.rate_down),
            octets_up: Some(other.quota.octets_up),
            octets_down: Some(other.quota.octets_down),
            octets_total: Some(other.quota.octets_total),
            class: Some(Vec::new()),
            cui: Some(b"other".to_vec()),
            user: Some("grace".into()),
        };
        assert_eq!(changes.apply(grant()), other);
    }

    #[test]
    fn of_two_that_name_the_same_the_first_goes_over_the_second() {
        let first = Changes { session_timeout: Some(None), rate_up: Some(Rate::UNLIMITED), ..Changes::default() };
        let second =
            Changes { session_timeout: Some(Some(Duration::ZERO)), octets_up: Some(Some(1)), ..Changes::default() };
        let both = Changes { octets_up: Some(Some(1)), ..first.clone() };
        assert_eq!(first.clone().or(second), both);
        assert_eq!(
            (first.clone().or(Changes::default()), Changes::default().or(first.clone())),
            (first.clone(), first)
        );
    }
}
