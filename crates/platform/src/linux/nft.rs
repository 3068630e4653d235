//! nf_tables messages: tables, chains and rules as the kernel takes them (`linux/netfilter/nf_tables.h`).
//! Spoken directly, so that no `nft` program is needed.

use std::net::{Ipv4Addr, SocketAddrV4};

use crate::mask;
use crate::netlink::{APPEND, CREATE, DUMP, Message, attrs};

/// The families that we use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    Inet = 1,
    Netdev = 5,
}

/// Where a base chain sits.
pub(super) struct Hook<'a> {
    pub(super) number: u32,
    pub(super) priority: i32,
    pub(super) kind: &'static str,
    pub(super) drop: bool,
    pub(super) device: Option<&'a str>,
}

/// One condition, or the verdict, of a rule.
pub(super) enum Term<'a> {
    In(&'a str),
    NotIn(&'a str),
    Out(&'a str),
    /// The same by number, which takes the kernel a fifth of the time.
    InNumber(u32),
    OutNumber(u32),
    /// The frame is to none of the groups that no bridge forwards (IEEE 802.1Q, table 8-1).
    NotToBridges,
    Source(Ipv4Addr, u8),
    Destination(Ipv4Addr),
    /// Of a packet that is not IPv4 this says anything: for where that makes no difference.
    NotDestination(Ipv4Addr),
    Tcp(u16),
    TcpFrom(u16),
    Udp(u16),
    EchoRequest,
    /// Answers of connections that were let through, and errors about them.
    Established,
    Masquerade,
    /// The packet begins a connection with this one in place of where it was to go.
    Divert(SocketAddrV4),
    /// Of a connection that was diverted.
    Diverted,
    /// The connection has this mark, as far as the bits of the mask go.
    ConnectionMark {
        mark: u32,
        mask: u32,
    },
    /// Gives the packet a mark, and leaves the bits beside the mask as they are.
    SetMark {
        mark: u32,
        mask: u32,
    },
    /// The same of its connection.
    SetConnectionMark {
        mark: u32,
        mask: u32,
    },
    /// A hash of the source address, of so many values, is below this one.
    SourceHashBelow {
        below: u32,
        values: u32,
    },
    /// It begins a TCP connection, or is the answer to that.
    TcpSyn,
    /// The packet is let alone by connection tracking.
    Untracked,
    /// The largest segment that the packet's sender takes is no larger than this. The kernel only ever makes it smaller.
    MaxSegment(u16),
    Accept,
    Drop,
}

const SUBSYSTEM: u16 = 10;
const NEWTABLE: u16 = 0;
const GETTABLE: u16 = 1;
const DELTABLE: u16 = 2;
const NEWCHAIN: u16 = 3;
const GETCHAIN: u16 = 4;
const NEWRULE: u16 = 6;
const GETRULE: u16 = 7;
const BATCH_BEGIN: u16 = 0x10;
const BATCH_END: u16 = 0x11;
/// NFTA_RULE_USERDATA, at most 256 octets: how `nft` keeps a rule's comment, as type, length, text and zero.
const USERDATA: u16 = 7;
const COMMENT: u8 = 0;
/// The longest comment, without its zero.
pub(super) const COMMENT_MAX: usize = 253;

const REGISTER: u32 = 1;
const REGISTER_VERDICT: u32 = 0;
const EQUAL: u32 = 0;
const NOT_EQUAL: u32 = 1;
const BELOW: u32 = 2;
const META_MARK: u32 = 3;
const META_IIF: u32 = 4;
const META_OIF: u32 = 5;
const META_IIFNAME: u32 = 6;
const META_OIFNAME: u32 = 7;
const META_NFPROTO: u32 = 15;
const META_L4PROTO: u32 = 16;
const NFPROTO_IPV4: u8 = 2;
const BASE_LINK: u32 = 0;
const BASE_NETWORK: u32 = 1;
const BASE_TRANSPORT: u32 = 2;
const CT_STATE: u32 = 0;
const CT_STATUS: u32 = 2;
const CT_MARK: u32 = 3;
/// IPS_DST_NAT
const CT_DIVERTED: u32 = 1 << 5;
/// NFT_NAT_DNAT
const DESTINATION_NAT: u32 = 1;
/// The bits of "established" and "related".
const CT_ESTABLISHED_RELATED: u32 = 2 | 4;
const IPV4_SOURCE_AT: u32 = 12;
const IPV4_DESTINATION_AT: u32 = 16;
const SOURCE_PORT_AT: u32 = 0;
const DESTINATION_PORT_AT: u32 = 2;
/// Data offset, flags and window.
const TCP_FLAGS_WORD_AT: u32 = 12;
const SYN: u8 = 2;
const RST: u8 = 4;
/// The option (RFC 9293, 3.2).
const TCP_MAX_SEGMENT: u8 = 2;
/// NFT_EXTHDR_OP_TCPOPT
const OF_TCP: u32 = 1;
/// Any number, always the same: whoever leaves by an uplink does so after a restart too.
const HASH_SEED: u32 = 0x706f_6221;
/// NFT_BYTEORDER_HTON
const TO_NETWORK_ORDER: u32 = 1;
const NF_DROP: u32 = 0;
const NF_ACCEPT: u32 = 1;

/// The types of messages that make chains, and that ask for the list of them.
pub(super) const CHAINS: (u16, u16) = (SUBSYSTEM << 8 | NEWCHAIN, SUBSYSTEM << 8 | GETCHAIN);
/// The same of rules.
pub(super) const RULES: (u16, u16) = (SUBSYSTEM << 8 | NEWRULE, SUBSYSTEM << 8 | GETRULE);

/// Asks for the list of what is in a table; in that of chains the kernel has those of other tables too.
pub(super) fn list_of_table(kind: u16, family: Family, table: &str) -> Message {
    Message::new(kind, DUMP, &[family as u8, 0, 0, 0]).text(1, table)
}

/// Message type and header that ask for the list of tables.
pub(super) fn list_tables(family: Family) -> (u16, [u8; 4]) {
    (SUBSYSTEM << 8 | GETTABLE, [family as u8, 0, 0, 0])
}

/// Wraps messages so that they come into force together or not at all. Only the last asks for an acknowledgement: the
/// kernel reports in order, so whatever it says first is about the whole.
pub(super) fn batch(mut messages: Vec<Message>) -> Vec<Message> {
    let frame = |kind| Message::new(kind, 0, &[0, 0, 0, SUBSYSTEM as u8]);
    let mut all = vec![frame(BATCH_BEGIN)];
    let last = messages.pop().map(Message::acknowledged);
    all.extend(messages);
    all.extend(last);
    all.push(frame(BATCH_END));
    all
}

/// True if this entry of a list is about `table`, or what is in it.
pub(super) fn is_table(table: &str, body: &[u8]) -> bool {
    attribute(body, 1).is_some_and(|name| name.strip_suffix(&[0]) == Some(table.as_bytes()))
}

/// The comment of the rule that this entry of a list is about, if that is one of `table`.
pub(super) fn parse_comment(table: &str, body: &[u8]) -> Option<String> {
    if !is_table(table, body) {
        return None;
    }
    let [COMMENT, _, text @ ..] = attribute(body, USERDATA)? else { return None };
    Some(std::str::from_utf8(text).ok()?.trim_end_matches('\0').to_owned())
}

fn attribute(body: &[u8], wanted: u16) -> Option<&[u8]> {
    attrs(body.get(4..)?).find(|(kind, _)| *kind == wanted).map(|(_, value)| value)
}

/// Makes the table, if it is not there.
pub(super) fn add_table(family: Family, table: &str) -> Message {
    message(NEWTABLE, CREATE, family).text(1, table)
}

/// Removes the table with all that is in it.
pub(super) fn delete_table(family: Family, table: &str) -> Message {
    message(DELTABLE, 0, family).text(1, table)
}

/// Makes a base chain.
pub(super) fn add_chain(family: Family, table: &str, chain: &str, hook: &Hook<'_>) -> Message {
    message(NEWCHAIN, CREATE, family)
        .text(1, table)
        .text(3, chain)
        .nest(4, |m| {
            let m = m.be32(1, hook.number).be32(2, hook.priority as u32);
            match hook.device {
                Some(device) => m.text(3, device),
                None => m,
            }
        })
        .be32(5, if hook.drop { NF_DROP } else { NF_ACCEPT })
        .text(7, hook.kind)
}

/// Appends a rule.
pub(super) fn add_rule(family: Family, table: &str, chain: &str, terms: &[Term<'_>]) -> Message {
    message(NEWRULE, CREATE | APPEND, family)
        .text(1, table)
        .text(2, chain)
        .nest(4, |m| terms.iter().fold(m, expressions))
}

/// Appends a rule with a comment. One that is too long is left out.
pub(super) fn add_rule_with_comment(
    family: Family,
    table: &str,
    chain: &str,
    terms: &[Term<'_>],
    comment: &str,
) -> Message {
    let m = add_rule(family, table, chain, terms);
    match u8::try_from(comment.len() + 1) {
        Ok(len) if comment.len() <= COMMENT_MAX => {
            let mut data = vec![COMMENT, len];
            data.extend_from_slice(comment.as_bytes());
            data.push(0);
            m.attr(USERDATA, &data)
        }
        _ => m,
    }
}

fn message(kind: u16, flags: u16, family: Family) -> Message {
    Message::new(SUBSYSTEM << 8 | kind, flags, &[family as u8, 0, 0, 0])
}

fn expressions(m: Message, term: &Term<'_>) -> Message {
    match term {
        Term::In(name) => compare(load_meta(m, META_IIFNAME), EQUAL, &padded(name)),
        Term::NotIn(name) => compare(load_meta(m, META_IIFNAME), NOT_EQUAL, &padded(name)),
        Term::Out(name) => compare(load_meta(m, META_OIFNAME), EQUAL, &padded(name)),
        Term::InNumber(index) => compare(load_meta(m, META_IIF), EQUAL, &index.to_ne_bytes()),
        Term::OutNumber(index) => compare(load_meta(m, META_OIF), EQUAL, &index.to_ne_bytes()),
        Term::NotToBridges => {
            let m = load_payload(m, BASE_LINK, 0, 6);
            compare(bits_of(m, [255, 255, 255, 255, 255, 0xf0], [0; 6]), NOT_EQUAL, &[0x01, 0x80, 0xc2, 0, 0, 0])
        }
        Term::Source(network, prefix) => {
            let bits = mask(*prefix);
            let m = load_payload(ipv4(m), BASE_NETWORK, IPV4_SOURCE_AT, 4);
            compare(bits_of(m, bits.to_be_bytes(), [0; 4]), EQUAL, &(u32::from(*network) & bits).to_be_bytes())
        }
        Term::Destination(address) => compare(destination(ipv4(m)), EQUAL, &address.octets()),
        Term::NotDestination(address) => compare(destination(m), NOT_EQUAL, &address.octets()),
        Term::Tcp(number) => port(m, libc::IPPROTO_TCP as u8, DESTINATION_PORT_AT, *number),
        Term::TcpFrom(number) => port(m, libc::IPPROTO_TCP as u8, SOURCE_PORT_AT, *number),
        Term::Udp(number) => port(m, libc::IPPROTO_UDP as u8, DESTINATION_PORT_AT, *number),
        Term::EchoRequest => {
            let m = compare(load_meta(m, META_L4PROTO), EQUAL, &[libc::IPPROTO_ICMP as u8]);
            compare(load_payload(m, BASE_TRANSPORT, 0, 1), EQUAL, &[8])
        }
        Term::Established => {
            let m = expression(m, "ct", |m| m.be32(1, REGISTER).be32(2, CT_STATE));
            compare(bits_of(m, CT_ESTABLISHED_RELATED.to_ne_bytes(), [0; 4]), NOT_EQUAL, &[0; 4])
        }
        Term::ConnectionMark { mark, mask } => {
            let m = expression(m, "ct", |m| m.be32(1, REGISTER).be32(2, CT_MARK));
            compare(bits_of(m, mask.to_ne_bytes(), [0; 4]), EQUAL, &mark.to_ne_bytes())
        }
        Term::SetMark { mark, mask } => {
            let m = bits_of(load_meta(m, META_MARK), (!mask).to_ne_bytes(), mark.to_ne_bytes());
            expression(m, "meta", |m| m.be32(2, META_MARK).be32(3, REGISTER))
        }
        Term::SetConnectionMark { mark, mask } => {
            let m = expression(m, "ct", |m| m.be32(1, REGISTER).be32(2, CT_MARK));
            let m = bits_of(m, (!mask).to_ne_bytes(), mark.to_ne_bytes());
            expression(m, "ct", |m| m.be32(2, CT_MARK).be32(4, REGISTER))
        }
        Term::SourceHashBelow { below, values } => {
            let m = load_payload(m, BASE_NETWORK, IPV4_SOURCE_AT, 4);
            let m = expression(m, "hash", |m| {
                m.be32(1, REGISTER).be32(2, REGISTER).be32(3, 4).be32(4, *values).be32(5, HASH_SEED)
            });
            // Octets are compared in order.
            let m = expression(m, "byteorder", |m| {
                m.be32(1, REGISTER).be32(2, REGISTER).be32(3, TO_NETWORK_ORDER).be32(4, 4).be32(5, 4)
            });
            compare(m, BELOW, &below.to_be_bytes())
        }
        Term::TcpSyn => {
            let m = compare(load_meta(m, META_L4PROTO), EQUAL, &[libc::IPPROTO_TCP as u8]);
            let m = load_payload(m, BASE_TRANSPORT, TCP_FLAGS_WORD_AT, 4);
            compare(bits_of(m, [0, SYN | RST, 0, 0], [0; 4]), EQUAL, &[0, SYN, 0, 0])
        }
        Term::MaxSegment(octets) => {
            let m = expression(m, "immediate", |m| m.be32(1, REGISTER).nest(2, |m| m.attr(1, &octets.to_be_bytes())));
            // Of this option, two octets from its third on, from the register.
            expression(m, "exthdr", |m| {
                m.attr(2, &[TCP_MAX_SEGMENT]).be32(3, 2).be32(4, 2).be32(6, OF_TCP).be32(7, REGISTER)
            })
        }
        Term::Divert(to) => {
            let load = |m, register, data: &[u8]| {
                expression(m, "immediate", |m: Message| m.be32(1, register).nest(2, |m| m.attr(1, data)))
            };
            let m = load(load(m, REGISTER, &to.ip().octets()), REGISTER + 1, &to.port().to_be_bytes());
            expression(m, "nat", |m| {
                m.be32(1, DESTINATION_NAT).be32(2, NFPROTO_IPV4.into()).be32(3, REGISTER).be32(5, REGISTER + 1)
            })
        }
        Term::Diverted => {
            let m = expression(m, "ct", |m| m.be32(1, REGISTER).be32(2, CT_STATUS));
            compare(bits_of(m, CT_DIVERTED.to_ne_bytes(), [0; 4]), NOT_EQUAL, &[0; 4])
        }
        Term::Masquerade => expression(m, "masq", |m| m),
        Term::Untracked => expression(m, "notrack", |m| m),
        Term::Accept => verdict(m, NF_ACCEPT),
        Term::Drop => verdict(m, NF_DROP),
    }
}

fn port(m: Message, protocol: u8, at: u32, number: u16) -> Message {
    let m = compare(load_meta(m, META_L4PROTO), EQUAL, &[protocol]);
    compare(load_payload(m, BASE_TRANSPORT, at, 2), EQUAL, &number.to_be_bytes())
}

fn ipv4(m: Message) -> Message {
    compare(load_meta(m, META_NFPROTO), EQUAL, &[NFPROTO_IPV4])
}

fn destination(m: Message) -> Message {
    load_payload(m, BASE_NETWORK, IPV4_DESTINATION_AT, 4)
}

fn load_meta(m: Message, key: u32) -> Message {
    expression(m, "meta", |m| m.be32(1, REGISTER).be32(2, key))
}

fn load_payload(m: Message, base: u32, offset: u32, len: u32) -> Message {
    expression(m, "payload", |m| m.be32(1, REGISTER).be32(2, base).be32(3, offset).be32(4, len))
}

/// These bits of the register, and then those turned round.
fn bits_of<const N: usize>(m: Message, bits: [u8; N], turned: [u8; N]) -> Message {
    expression(m, "bitwise", |m| {
        m.be32(1, REGISTER)
            .be32(2, REGISTER)
            .be32(3, N as u32)
            .nest(4, |m| m.attr(1, &bits))
            .nest(5, |m| m.attr(1, &turned))
    })
}

fn compare(m: Message, operator: u32, value: &[u8]) -> Message {
    expression(m, "cmp", |m| m.be32(1, REGISTER).be32(2, operator).nest(3, |m| m.attr(1, value)))
}

fn verdict(m: Message, code: u32) -> Message {
    expression(m, "immediate", |m| m.be32(1, REGISTER_VERDICT).nest(2, |m| m.nest(2, |m| m.be32(1, code))))
}

fn expression(m: Message, name: &str, data: impl FnOnce(Message) -> Message) -> Message {
    m.nest(1, |m| m.text(1, name).nest(2, data))
}

/// An interface name as the kernel compares it.
pub(super) fn padded(name: &str) -> [u8; libc::IFNAMSIZ] {
    let mut bytes = [0; libc::IFNAMSIZ];
    for (to, from) in bytes.iter_mut().zip(name.bytes()) {
        *to = from;
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::netlink::messages;

    #[test]
    #[cfg(target_endian = "little")]
    fn a_rule_is_laid_out_as_the_kernel_takes_it() {
        let bytes = add_rule(Family::Inet, "t", "c", &[Term::EchoRequest, Term::Drop]).finish(7);
        #[rustfmt::skip]
        let golden: &[&[u8]] = &[
            &[0x08, 0x01, 0, 0,  6, 10,  1, 12,  7, 0, 0, 0,  0, 0, 0, 0,  1, 0, 0, 0],
            &[6, 0, 1, 0], b"t\0\0\0", &[6, 0, 2, 0], b"c\0\0\0",
            &[0xe4, 0, 4, 0x80],
            // meta load l4proto => register 1
            &[0x24, 0, 1, 0x80, 9, 0, 1, 0], b"meta\0\0\0\0",
            &[0x14, 0, 2, 0x80, 8, 0, 1, 0, 0, 0, 0, 1, 8, 0, 2, 0, 0, 0, 0, 16],
            // cmp eq register 1 ICMP
            &[0x2c, 0, 1, 0x80, 8, 0, 1, 0], b"cmp\0",
            &[0x20, 0, 2, 0x80, 8, 0, 1, 0, 0, 0, 0, 1, 8, 0, 2, 0, 0, 0, 0, 0, 12, 0, 3, 0x80, 5, 0, 1, 0, 1, 0, 0, 0],
            // payload load one octet of the transport header => register 1
            &[0x34, 0, 1, 0x80, 12, 0, 1, 0], b"payload\0",
            &[0x24, 0, 2, 0x80, 8, 0, 1, 0, 0, 0, 0, 1, 8, 0, 2, 0, 0, 0, 0, 2],
            &[8, 0, 3, 0, 0, 0, 0, 0, 8, 0, 4, 0, 0, 0, 0, 1],
            // cmp eq register 1 echo-request
            &[0x2c, 0, 1, 0x80, 8, 0, 1, 0], b"cmp\0",
            &[0x20, 0, 2, 0x80, 8, 0, 1, 0, 0, 0, 0, 1, 8, 0, 2, 0, 0, 0, 0, 0, 12, 0, 3, 0x80, 5, 0, 1, 0, 8, 0, 0, 0],
            // immediate verdict drop
            &[0x30, 0, 1, 0x80, 14, 0, 1, 0], b"immediate\0\0\0",
            &[0x1c, 0, 2, 0x80, 8, 0, 1, 0, 0, 0, 0, 0, 16, 0, 2, 0x80, 12, 0, 2, 0x80, 8, 0, 1, 0, 0, 0, 0, 0],
        ];
        assert_eq!(bytes, golden.concat());
    }

    #[test]
    fn only_the_last_message_of_a_batch_is_acknowledged() {
        let all = batch(vec![add_table(Family::Inet, "t"), delete_table(Family::Inet, "t")]);
        let flags: Vec<_> = all
            .into_iter()
            .map(|message| message.finish(1))
            .map(|bytes| messages(&bytes).next().unwrap().flags & crate::netlink::ACK != 0)
            .collect();
        assert_eq!(flags, [false, false, true, false]);
    }

    #[test]
    fn a_comment_is_read_back_and_one_that_is_too_long_is_left_out() {
        let read = |comment: &str| {
            let bytes = add_rule_with_comment(Family::Netdev, "t", "c", &[Term::Drop], comment).finish(1);
            let body = messages(&bytes).next().unwrap().body.to_vec();
            for cut in 0..body.len() {
                let _ = parse_comment("t", &body[..cut]);
            }
            (parse_comment("t", &body), parse_comment("u", &body))
        };
        assert_eq!(read("former=1"), (Some("former=1".to_owned()), None));
        assert_eq!(read(&"x".repeat(253)).0.map(|c| c.len()), Some(253));
        assert_eq!(read(&"x".repeat(254)), (None, None));
        assert_eq!(read(&"x".repeat(300)), (None, None));
    }
}
