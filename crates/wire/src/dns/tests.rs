use super::*;

/// A query for `www.Example.com`, type A, with EDNS (1232 octets, a cookie option).
const ASKED: &[u8] = b"\x12\x34\x01\x00\0\x01\0\0\0\0\0\x01\x03www\x07Example\x03com\0\0\x01\0\x01\
    \0\0\x29\x10\0\0\0\x80\0\0\x0c\0\x0a\0\x0812345678";

/// Its answer: a CNAME to `a.Example.com` and that name's two addresses, all compressed.
const ANSWERED: &[u8] = b"\x12\x34\x81\x80\0\x01\0\x03\0\0\0\0\x03www\x07Example\x03com\0\0\x01\0\x01\
    \xc0\x0c\0\x05\0\x01\0\0\x0e\x10\0\x04\x01a\xc0\x10\
    \xc0\x2d\0\x01\0\x01\0\0\0\x1e\0\x04\xc0\0\x02\x01\
    \xc0\x2d\0\x01\0\x01\0\0\0\x1e\0\x04\xc0\0\x02\x02";

fn name(text: &str) -> NameBuf {
    text.parse().unwrap()
}

/// Numbers that look random and are the same each time.
fn noise() -> impl FnMut() -> u64 {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    }
}

#[test]
fn a_query_is_read() {
    let message = Message::parse(ASKED).unwrap();
    assert_eq!(message.header().id, 0x1234);
    assert_eq!((message.qtype(), message.qclass()), (Type::A, Class::IN));
    assert_eq!(message.qname().to_string(), "www.Example.com.", "the case that was sent");
    assert!(message.qname() == name("WWW.eXAMPLE.com").as_name());
    let edns = message.edns().unwrap();
    assert_eq!((edns.udp_size, edns.version, edns.dnssec_ok), (4096, 0, true));
    assert_eq!(message.to_string(), "4660+ A? www.Example.com. OPT (56)");
}

#[test]
fn an_answer_is_read_through_its_compression() {
    let message = Message::parse(ANSWERED).unwrap();
    let records: Vec<_> = message.records().collect();
    assert_eq!(records.len(), 3);
    assert_eq!(records[0].cname().unwrap().to_string(), "a.Example.com.");
    assert!(records[1].owner == name("a.example.com").as_name());
    assert_eq!(records[2].address(), Some(Ipv4Addr::new(192, 0, 2, 2)));
    assert_eq!(records[2].end, ANSWERED.len());
    assert_eq!(line(ANSWERED), "DNS 4660 NoError 3/0/0 CNAME a.Example.com., A 192.0.2.1, A 192.0.2.2 (81)");
}

#[test]
fn a_domain_contains_its_subdomains_and_not_its_lookalikes() {
    let parent = name("example.com");
    assert!(name("Example.COM").as_name().is_within(&parent.as_name()));
    assert!(name("a.b.example.com").as_name().is_within(&parent.as_name()));
    assert!(!name("notexample.com").as_name().is_within(&parent.as_name()));
    assert!(!name("com").as_name().is_within(&parent.as_name()));
    assert!(!name("example.com.evil.org").as_name().is_within(&parent.as_name()));
}

#[test]
fn names_in_text_are_checked() {
    for text in ["", ".", "a..b", "b\u{fc}cher.de", "a b", &"x".repeat(64), &"abcdefg.".repeat(40)] {
        assert_eq!(text.parse::<NameBuf>(), Err(ParseNameError), "{text}");
    }
    assert_eq!(name("WiFi.Internal.").to_string(), "wifi.internal.");
}

#[test]
fn pointers_that_lead_nowhere_are_refused() {
    let with_owner = |owner: &[u8]| {
        let mut bytes = b"\0\x01\x81\x80\0\x01\0\x01\0\0\0\0\x01a\0\0\x01\0\x01".to_vec();
        bytes.extend_from_slice(owner);
        bytes.extend_from_slice(b"\0\x01\0\x01\0\0\0\0\0\0");
        Message::parse(&bytes).map(|_| ())
    };
    assert_eq!(with_owner(b"\xc0\x0c"), Ok(()));
    assert_eq!(with_owner(b"\xc0\x13"), Err(Error::Pointer), "to itself");
    assert_eq!(with_owner(b"\x01b\xc0\x13"), Err(Error::Pointer), "to its own beginning");
    assert_eq!(with_owner(b"\xc0\x50"), Err(Error::Pointer), "forward");
    assert_eq!(with_owner(b"\xc0\x02"), Err(Error::Pointer), "into the header");
    assert_eq!(with_owner(b"\x40\0"), Err(Error::Name), "reserved label type");
}

#[test]
fn a_name_that_is_pointed_to_ends_before_the_one_that_points() {
    // The pointer leads to the last octet of the question, a 1, from where labels run on through the record itself. An
    // answer that was cut after this record was no message any more.
    let bytes = b"\x12\x34\x81\x84\0\x01\0\x02\0\0\0\0\x01x\x01a\0\0\x01\0\x01\
        \xc0\x14\0\x05\x01\0\x02\0\0\0\0\x01x\x01a\0\0\x01\0\x01\xc0\x01\0\0\0\x04\0\x04+\x002\x81\x80\0\x01\0\x02\0\0\0\0\x01";
    assert_eq!(Message::parse(bytes).map(|_| ()), Err(Error::Pointer));
}

#[test]
fn a_staircase_of_pointers_is_refused() {
    // Record after record whose owner is a pointer to the owner before it.
    let mut bytes = b"\0\x01\x81\x80\0\x01\0\x40\0\0\0\0\x01a\0\0\x01\0\x01".to_vec();
    let mut previous = 12u16;
    for _ in 0..64 {
        let here = bytes.len() as u16;
        bytes.extend_from_slice(&(0xc000 | previous).to_be_bytes());
        bytes.extend_from_slice(b"\0\x01\0\x01\0\0\0\0\0\0");
        previous = here;
    }
    assert_eq!(Message::parse(&bytes).map(|_| ()), Err(Error::Pointer));
}

#[test]
fn questions_are_counted_and_never_compressed() {
    let mut two = ASKED.to_vec();
    two[5] = 2;
    assert_eq!(Message::parse(&two).map(|_| ()), Err(Error::QuestionCount(2)));
    assert_eq!(line(&two), "DNS malformed: there are 2 questions, expected one (56)");
    let compressed = b"\0\x01\x01\0\0\x01\0\0\0\0\0\0\xc0\x00\0\x01\0\x01";
    assert_eq!(Message::parse(compressed).map(|_| ()), Err(Error::Pointer));
}

#[test]
fn two_opt_records_are_refused() {
    let mut bytes = ASKED.to_vec();
    bytes[11] = 2;
    bytes.extend_from_slice(&opt(512, Rcode::NO_ERROR));
    assert_eq!(Message::parse(&bytes).map(|_| ()), Err(Error::Opt));
}

#[test]
fn an_own_answer_repeats_the_question_as_it_was_sent() {
    let asked = Message::parse(ASKED).unwrap();
    let bytes = answer_a(&asked, Ipv4Addr::new(10, 1, 0, 1), 30);
    let answer = Message::parse(&bytes).unwrap();
    assert_eq!(answer.header().id, 0x1234);
    assert!(answer.header().is_response());
    assert_eq!(answer.question(), asked.question());
    let record = answer.records().next().unwrap();
    assert!(record.owner == asked.qname());
    assert_eq!((record.address(), record.ttl_secs), (Some(Ipv4Addr::new(10, 1, 0, 1)), 30));
    assert_eq!(answer.edns().map(|e| (e.udp_size, e.version)), Some((OUR_UDP_SIZE, 0)), "EDNS is answered by EDNS");
}

#[test]
fn failures_say_why_with_and_without_edns() {
    let asked = Message::parse(ASKED).unwrap();
    for rcode in [Rcode::REFUSED, Rcode::SERV_FAIL, Rcode::NX_DOMAIN, Rcode::NOT_IMP] {
        let bytes = failure(&asked, rcode);
        assert_eq!(Message::parse(&bytes).unwrap().header().rcode(), rcode);
    }
    let bytes = failure(&asked, Rcode::BAD_VERS);
    assert_eq!(bytes[bytes.len() - 6], 1, "the upper bits are in the OPT record");
    let plain = query(7, &Message::parse(ANSWERED).unwrap());
    let bytes = no_data(&Message::parse(&plain).unwrap());
    let answer = Message::parse(&bytes).unwrap();
    assert_eq!((answer.header().ancount, answer.edns()), (0, None));
    let bare = bare_failure(&asked.header(), Rcode::FORM_ERR);
    assert_eq!(bare, b"\x12\x34\x81\x81\0\0\0\0\0\0\0\0");
}

#[test]
fn a_forwarded_query_carries_nothing_but_the_question() {
    let asked = Message::parse(ASKED).unwrap();
    let bytes = query(0xbeef, &asked);
    let message = Message::parse(&bytes).unwrap();
    assert_eq!(message.header().id, 0xbeef);
    assert!(message.same_question(&asked));
    assert_eq!(bytes.len(), HEADER_LEN + asked.question().len() + OPT_LEN, "no cookie");
    assert!(!message.edns().unwrap().dnssec_ok);
}

#[test]
fn a_relayed_answer_is_cut_between_records() {
    let (asked, answer) = (Message::parse(ASKED).unwrap(), Message::parse(ANSWERED).unwrap());
    let whole = relay(&answer, &asked, 512);
    assert_eq!(Message::parse(&whole).unwrap().records().count(), 4, "three and OPT");
    let bytes = relay(&answer, &asked, 80);
    let cut = Message::parse(&bytes).unwrap();
    assert!(bytes.len() <= 80);
    assert_eq!(cut.header().ancount, 2);
    assert_ne!(cut.header().flags & Header::TC, 0);
    assert_eq!(cut.records().nth(1).unwrap().address(), Some(Ipv4Addr::new(192, 0, 2, 1)));
}

#[test]
fn an_empty_answer_is_relayed_with_its_soa() {
    let asked = Message::parse(ASKED).unwrap();
    let mut bytes = failure(&asked, Rcode::NX_DOMAIN);
    bytes.truncate(bytes.len() - OPT_LEN);
    bytes[9] = 1;
    bytes[11] = 0;
    bytes.extend_from_slice(
        b"\xc0\x10\0\x06\0\x01\0\0\0\x1e\0\x16\0\0\0\0\0\x01\0\0\0\x01\0\0\0\x01\0\0\0\x01\0\0\0\x01",
    );
    let relayed = relay(&Message::parse(&bytes).unwrap(), &asked, 512);
    let relayed = Message::parse(&relayed).unwrap();
    assert_eq!(relayed.header().rcode(), Rcode::NX_DOMAIN);
    assert_eq!(relayed.records().next().map(|r| r.rtype), Some(Type::SOA));
}

#[test]
fn no_bytes_make_the_parser_panic() {
    let mut next = noise();
    for round in 0..200_000 {
        let mut bytes = if round % 4 == 0 { Vec::new() } else { [ASKED, ANSWERED][round % 2].to_vec() };
        if bytes.is_empty() {
            bytes = (0..next() % 96).map(|_| next() as u8).collect();
        } else {
            for _ in 0..=next() % 4 {
                let at = next() as usize % bytes.len();
                bytes[at] = next() as u8;
            }
            bytes.truncate(next() as usize % (bytes.len() + 1));
        }
        assert!(!line(&bytes).is_empty());
        if let Ok(message) = Message::parse(&bytes) {
            let whole = message.records().count();
            let Header { ancount, nscount, arcount, .. } = message.header();
            assert_eq!(whole, usize::from(ancount) + usize::from(nscount) + usize::from(arcount));
            for limit in [12, 60, 512] {
                let bytes = relay(&message, &message, limit);
                assert!(Message::parse(&bytes).is_ok(), "what we send can be read");
            }
        }
    }
}
