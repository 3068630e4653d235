//! How an Access-Accept becomes a grant.

use std::time::Duration;

use config::Config;
use engine::session::{Grant, Quota, Source};
use fastpath::police::Rate;
use radius::Reply;

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

/// What `reply` allows; what it leaves open is as in `defaults`.
pub(super) fn granted(reply: &Reply, defaults: &Grant) -> Grant {
    let rate = |bits: Option<u64>, default| bits.map_or(default, Rate::bits_per_second);
    // 0 is no limit, as it always was with these attributes; one that is absent leaves the configuration's.
    let quota = |octets: Option<u64>, default| octets.map_or(default, |octets| (octets > 0).then_some(octets));
    Grant {
        session_timeout: reply.session_timeout().or(defaults.session_timeout),
        idle_timeout: reply.idle_timeout().or(defaults.idle_timeout),
        // RFC 2869, 5.16: not less than a minute.
        interim: reply.interim_interval().map(|i| i.max(Duration::from_secs(60))).or(defaults.interim),
        rate_up: rate(reply.max_up_bits_per_sec(), defaults.rate_up),
        rate_down: rate(reply.max_down_bits_per_sec(), defaults.rate_down),
        quota: Quota {
            octets_up: quota(reply.max_input_octets(), defaults.quota.octets_up),
            octets_down: quota(reply.max_output_octets(), defaults.quota.octets_down),
            octets_total: quota(reply.max_total_octets(), defaults.quota.octets_total),
        },
        class: reply.classes(),
        user: reply.user_name(),
        source: Source::Radius,
    }
}

/// What a guest gets whom no server could be asked about: `time` at most.
pub(super) fn unasked(time: Duration, defaults: &Grant) -> Grant {
    let session_timeout = Some(defaults.session_timeout.map_or(time, |timeout| timeout.min(time)));
    Grant { session_timeout, source: Source::Nobody, ..defaults.clone() }
}
