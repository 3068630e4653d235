//! The one answer that the redirector gives: 302 to the portal, never stored, the last of its connection.
//!
//! Every answer has the same length. A client may be answered twice, to a request that it sent twice with more of it
//! the second time; whichever answer comes first or last, the stream ends at the same place.

use std::net::Ipv4Addr;

use wire::http::RequestHead;
use wire::url::{WebUrl, percent_encoded};

use crate::answer::{Answer, MAX_PAYLOAD};

/// Octets of each answer.
pub(crate) const PAGE_OCTETS: usize = MAX_PAYLOAD;
const BEFORE_URL: &[u8] = b"?url=";
/// The portal's page where a guest logs out.
const LOGOUT: &[u8] = b"logout";
const END: &[u8] = b"\r\n\r\n";
const SPACES: [u8; PAGE_OCTETS] = [b' '; PAGE_OCTETS];

/// The answer's fixed parts, made once.
pub(crate) struct Page {
    /// Status line and `Location`, as far as the portal's own address.
    head: Box<[u8]>,
    /// The rest of the fields. Spaces after the last one's value are none of it (RFC 9112, 5.1).
    fields: Box<[u8]>,
    /// For people whose program does not follow.
    body: Box<[u8]>,
    /// The portal's own names and addresses.
    own: Vec<Box<str>>,
}

/// Where a request is led.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// To the portal.
    In,
    /// To its page that logs out.
    Out,
}

impl Page {
    pub(crate) fn new(portal: &str, gateway: Ipv4Addr, names: &[&str]) -> Self {
        let body = format!("Please go to {portal}/\n");
        let fields = format!(
            "\r\nContent-Type: text/plain\r\nContent-Length: {}\r\nConnection: close\r\nCache-Control: no-store",
            body.len()
        );
        Self {
            head: format!("HTTP/1.1 302 Found\r\nLocation: {portal}/").into_bytes().into(),
            fields: fields.into_bytes().into(),
            body: body.into_bytes().into(),
            own: names.iter().map(|name| Box::from(*name)).chain([gateway.to_string().into()]).collect(),
        }
    }

    /// The portal has another address.
    pub(crate) fn is_at(&mut self, address: Ipv4Addr) {
        self.own.push(address.to_string().into());
    }

    /// Puts the answer to a request that begins with `request`. An address that is too long to carry along is cut to
    /// its host; one that has not come whole or is nonsense is left out. What was asked for at one of the portal's own
    /// names is that page of the portal.
    pub(crate) fn push(&self, answer: &mut Answer, request: &[u8], way: Way) {
        let request = RequestHead::parse(request);
        let body: &[u8] = if request.is_some_and(|request| request.method == "HEAD") { &[] } else { &self.body };
        let fixed = self.head.len() + self.fields.len() + END.len() + body.len();
        let mut room = PAGE_OCTETS.saturating_sub(fixed);
        answer.push(&self.head);
        let mut memory = [0; PAGE_OCTETS];
        let page = match way {
            Way::In => request.and_then(|request| self.wanted(&request, &mut memory[..room])).unwrap_or_default(),
            Way::Out => LOGOUT,
        };
        answer.push(page);
        room -= page.len();
        answer.push(&self.fields);
        answer.push(&SPACES[..room]);
        answer.push(END);
        answer.push(body);
    }

    /// The page that was asked for, or else its address as it is carried along, if it fits into `memory`.
    fn wanted<'a>(&self, request: &RequestHead<'_>, memory: &'a mut [u8]) -> Option<&'a [u8]> {
        let host = request.host?;
        let mut text = [0; PAGE_OCTETS];
        let len = [request.path, "/"].iter().find_map(|path| {
            let url = join(&mut text, ["http://", host, path]).and_then(WebUrl::parse)?;
            match self.own.iter().any(|own| url.is_at(&[own])) {
                true => copy(url.path().trim_start_matches('/').as_bytes(), memory),
                false => carry(&url, memory),
            }
        })?;
        memory.get(..len)
    }
}

/// Writes the address as it is carried along, if it fits; its length then.
fn carry(url: &WebUrl<'_>, memory: &mut [u8]) -> Option<usize> {
    std::iter::once(BEFORE_URL).chain(percent_encoded(url.as_str())).try_fold(0, |len, piece| {
        memory.get_mut(len..len + piece.len())?.copy_from_slice(piece);
        Some(len + piece.len())
    })
}

/// Copies the octets, if they fit; their number then.
fn copy(octets: &[u8], memory: &mut [u8]) -> Option<usize> {
    memory.get_mut(..octets.len())?.copy_from_slice(octets);
    Some(octets.len())
}

/// The parts one after another, if they fit.
fn join<'a>(memory: &'a mut [u8], parts: [&str; 3]) -> Option<&'a str> {
    let mut len = 0;
    for part in parts {
        memory.get_mut(len..len + part.len())?.copy_from_slice(part.as_bytes());
        len += part.len();
    }
    std::str::from_utf8(memory.get(..len)?).ok()
}
