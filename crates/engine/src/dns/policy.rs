//! What is forwarded: a pure function of the query and whether the guest is online.

use wire::dns::{Class, Message, Rcode, Type};

use super::limits::MAX_NAME_BEFORE_LOGIN;

/// What a query deserves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Ask a resolver.
    Forward,
    /// Answered here: the name exists and is empty.
    NoData,
    /// Answered here: no.
    Fail(Rcode),
}

/// What a browser and an operating system ask for. AAAA is answered truly though IPv6 is refused before login: the
/// answer does no harm, and an empty one would be cached beyond the login. TXT, NULL, ANY, MX, SRV and the rest are what
/// tunnels are made of.
const BEFORE_LOGIN: [Type; 8] =
    [Type::A, Type::AAAA, Type::HTTPS, Type::SVCB, Type::PTR, Type::CNAME, Type::SOA, Type::NS];

/// Below these nothing exists that a resolver could know. RFC 6762, 22.1, item 4 (`local`); RFC 6761, 6.3 and 6.4
/// (`localhost`, `invalid`); RFC 7686, 2, item 4 (`onion`). We deviate for `localhost`: it does not exist instead of being
/// loopback; hosts know it themselves.
const NOT_FORWARDED: [&[u8]; 4] = [b"local", b"localhost", b"invalid", b"onion"];

pub(super) fn verdict(asked: &Message<'_>, authorised: bool) -> Verdict {
    let name = asked.qname();
    if !authorised {
        let served = asked.qclass() == Class::IN && BEFORE_LOGIN.contains(&asked.qtype());
        if !served || name.wire_len() > MAX_NAME_BEFORE_LOGIN {
            return Verdict::Fail(Rcode::REFUSED);
        }
    }
    let (mut last, mut before) = (None, None);
    for label in name.labels() {
        before = last;
        last = Some(label);
    }
    let is = |label: Option<&[u8]>, wanted: &[u8]| label.is_some_and(|label| label.eq_ignore_ascii_case(wanted));
    // RFC 9462, 6.1: a forwarder does not forward `resolver.arpa`. It would advertise the resolver's own encrypted
    // service, which a guest cannot reach before login and cannot verify through us.
    if is(last, b"arpa") && is(before, b"resolver") {
        return Verdict::NoData;
    }
    if NOT_FORWARDED.iter().any(|top| is(last, top)) {
        return Verdict::Fail(Rcode::NX_DOMAIN);
    }
    Verdict::Forward
}
