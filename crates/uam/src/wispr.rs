//! WISPr 1.0 and 2.0: what programs that log in by themselves read, in a comment of the page. Everything that is not ours
//! is escaped, and so cannot end an element, nor the comment.

use std::fmt::Write;

use crate::eap::to_base64;
use crate::location::separator;
use crate::{Outcome, Portal, Reason, Reply, Version};

const HEAD: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n\
    <WISPAccessGatewayParam xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" \
    xsi:noNamespaceSchemaLocation=\"http://www.wballiance.net/wispr_2_0.xsd\">\r\n";

/// The page of a redirect: a word for people whose program does not follow, and a message for those that look for it.
#[must_use]
pub fn body(reply: &Reply<'_>) -> String {
    let mut page = String::from("<HTML><BODY><H2>Browser error!</H2>Browser does not support redirects!</BODY>\r\n");
    if let Some(message) = message(reply) {
        page.extend(["<!--\r\n", HEAD, &message, "</WISPAccessGatewayParam>\r\n-->\r\n"]);
    }
    page.push_str("</HTML>\r\n");
    page
}

fn message(reply: &Reply<'_>) -> Option<String> {
    let Portal { wispr_1, wispr_2, .. } = *reply.portal;
    let version = match reply.outcome {
        Outcome::NotYet if wispr_2 => Version::V2,
        Outcome::NotYet if wispr_1 => Version::V1,
        Outcome::NotYet => return None,
        _ => reply.version,
    };
    Some(match version {
        Version::V1 => version_1(reply),
        Version::V2 => version_2(reply),
    })
}

fn version_1(reply: &Reply<'_>) -> String {
    let poll = |code, text| Element::new("AuthenticationPollReply", 140, code).child("ReplyMessage", text);
    match reply.outcome {
        Outcome::NotYet => {
            let start = Element::new("Redirect", 100, 0).child("AccessProcedure", Some("1.0"));
            redirect(start, reply).end()
        }
        Outcome::Success => {
            let start = poll(50, reply.message);
            granted(start, reply).child("RedirectionURL", reply.session_url).time(reply).end()
        }
        Outcome::Failed(Reason::Reject) => poll(100, Some(reply.message.unwrap_or("Invalid Username/Password"))).end(),
        Outcome::Failed(Reason::Timeout) => poll(102, Some("Radius error")).end(),
        Outcome::Failed(Reason::Other) | Outcome::Challenge => {
            poll(102, Some(reply.message.unwrap_or("Unknown error"))).end()
        }
        Outcome::Already => poll(102, Some("Already logged on")).end(),
        Outcome::Status { online: true } => poll(50, Some("Already logged on")).end(),
        Outcome::Status { online: false } => poll(150, Some("Not logged on")).end(),
        Outcome::LoggedOff | Outcome::Aborted | Outcome::AbortRefused => ended(reply),
    }
}

fn version_2(reply: &Reply<'_>) -> String {
    let eap = reply.eap.filter(|message| !message.is_empty()).map(to_base64);
    let (name, kind) = if reply.eap.is_some() { ("EAPAuthenticationReply", 121) } else { ("AuthenticationReply", 120) };
    let answer = |code| Element::new(name, kind, code);
    let failed = |code, text| answer(code).child("ReplyMessage", Some(text)).child("EAPMsg", eap.as_deref()).end();
    match reply.outcome {
        Outcome::NotYet => {
            let mut start = Element::new("Redirect", 100, 0).child("VersionHigh", Some("2.0"));
            start = match reply.portal.wispr_1 {
                true => start.child("VersionLow", Some("1.0")).child("AccessProcedure", Some("1.0")),
                false => start.child("VersionLow", Some("2.0")),
            };
            redirect(start, reply).child("EAPMsg", eap.as_deref()).end()
        }
        Outcome::Success => {
            let start = answer(50).child("ReplyMessage", reply.message).child("EAPMsg", eap.as_deref());
            granted(start, reply).time(reply).child("RedirectionURL", reply.session_url).end()
        }
        Outcome::Failed(Reason::Reject) => failed(100, reply.message.unwrap_or("Invalid Password")),
        Outcome::Failed(Reason::Timeout) => failed(102, "Radius timeout"),
        Outcome::Failed(Reason::Other) => failed(255, reply.message.unwrap_or("Unknown error")),
        Outcome::Challenge => {
            let url = format!("{}&continue=1", login_url(reply));
            answer(10).child("EAPMsg", eap.as_deref()).child("LoginURL", Some(&url)).end()
        }
        Outcome::Already => {
            Element::new("AuthenticationReply", 140, 102).child("ReplyMessage", Some("Already logged on")).end()
        }
        Outcome::Status { online } => {
            Element::new("StatusReply", 160, 0).child("Status", Some(if online { "0" } else { "1" })).end()
        }
        Outcome::LoggedOff | Outcome::Aborted | Outcome::AbortRefused => ended(reply),
    }
}

fn redirect(start: Element, reply: &Reply<'_>) -> Element {
    let some = |text: &'_ str| Some(text.to_owned()).filter(|text| !text.is_empty());
    start
        .child("AccessLocation", some(&reply.portal.location_id).as_deref())
        .child("LocationName", some(&reply.portal.location_name).as_deref())
        .child("LoginURL", Some(&login_url(reply)))
        .child("AbortLoginURL", Some(&reply.portal.page("abort")))
}

fn granted(start: Element, reply: &Reply<'_>) -> Element {
    start.child("LogoffURL", Some(&reply.portal.page("logoff"))).child("StatusURL", Some(&reply.portal.page("status")))
}

fn ended(reply: &Reply<'_>) -> String {
    match reply.outcome {
        Outcome::Aborted => Element::new("AbortLoginReply", 150, 151).end(),
        Outcome::AbortRefused => {
            Element::new("AbortLoginReply", 150, 50).child("LogoffURL", Some(&reply.portal.page("logoff"))).end()
        }
        _ => Element::new("LogoffReply", 130, 150).end(),
    }
}

/// Where a program sends name and password: to the portal, with what a portal needs for its answer.
fn login_url(reply: &Reply<'_>) -> String {
    let Portal { server, wispr_login, gateway, .. } = reply.portal;
    let base = if wispr_login.is_empty() { server } else { wispr_login };
    let mut url = format!("{base}{}res=wispr", separator(base));
    if let Some((address, port)) = gateway {
        let _ = write!(url, "&uamip={address}&uamport={port}"); // writing to a String does not fail
    }
    if let Some(challenge) = reply.challenge {
        let _ = write!(url, "&challenge={challenge}");
    }
    url
}

/// A message, as it grows.
struct Element {
    name: &'static str,
    text: String,
}

impl Element {
    fn new(name: &'static str, message_type: u32, response_code: u32) -> Self {
        let text = format!(
            "<{name}>\r\n<MessageType>{message_type}</MessageType>\r\n<ResponseCode>{response_code}</ResponseCode>\r\n"
        );
        Self { name, text }
    }

    fn child(mut self, name: &str, value: Option<&str>) -> Self {
        if let Some(value) = value {
            let _ = write!(self.text, "<{name}>{}</{name}>\r\n", escaped(value)); // writing to a String does not fail
        }
        self
    }

    fn time(self, reply: &Reply<'_>) -> Self {
        let limit = reply.session.map(|session| session.limit_secs).filter(|limit| *limit > 0);
        self.child("MaxSessionTime", limit.map(|limit| limit.to_string()).as_deref())
    }

    fn end(self) -> String {
        format!("{}</{}>\r\n", self.text, self.name)
    }
}

/// Text within an element (XML 1.0, 2.4). What XML cannot have at all (2.2) is a blank.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\u{fffe}' | '\u{ffff}' => out.push(' '),
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_ours_ends_neither_an_element_nor_the_comment() {
        assert_eq!(escaped("--><b a=\"x'\">&\0\r\n\u{ffff}"), "--&gt;&lt;b a=&quot;x&#39;&quot;&gt;&amp;    ");
    }
}
