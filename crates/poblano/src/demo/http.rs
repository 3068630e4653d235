//! One HTTP request and its answer, as a phone's probe sends it.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::Context;

/// How long the other side may be silent.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);
const MAX_ANSWER: u64 = 256 * 1024;

/// What came back.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) location: Option<String>,
    pub(super) body: String,
}

pub(super) fn get(address: Ipv4Addr, host: &str, path: &str) -> anyhow::Result<Answer> {
    ask((address, 80).into(), &format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"))
}

/// Sends a form to the portal, as a browser on its page does.
pub(super) fn post(portal: SocketAddr, path: &str, form: &str) -> anyhow::Result<Answer> {
    let kind = "application/x-www-form-urlencoded";
    ask(
        portal,
        &format!(
            "POST {path} HTTP/1.1\r\nHost: {portal}\r\nOrigin: http://{portal}\r\nConnection: close\r\n\
             Content-Type: {kind}\r\nContent-Length: {}\r\n\r\n{form}",
            form.len()
        ),
    )
}

pub(super) fn connect(to: SocketAddr) -> std::io::Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&to, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    Ok(stream)
}

fn ask(to: SocketAddr, request: &str) -> anyhow::Result<Answer> {
    let mut stream = connect(to).with_context(|| format!("cannot connect to {to}"))?;
    stream.write_all(request.as_bytes()).with_context(|| format!("cannot send to {to}"))?;
    let mut octets = Vec::new();
    stream.take(MAX_ANSWER).read_to_end(&mut octets).with_context(|| format!("no whole answer from {to}"))?;
    parse(&String::from_utf8_lossy(&octets)).with_context(|| format!("what {to} answers is not HTTP"))
}

pub(super) fn parse(text: &str) -> Option<Answer> {
    let (head, body) = text.split_once("\r\n\r\n")?;
    let mut lines = head.split("\r\n");
    let status = lines.next()?.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()?;
    let mut fields = lines.filter_map(|line| line.split_once(": "));
    let location = fields.find(|(name, _)| name.eq_ignore_ascii_case("location")).map(|(_, value)| value.to_owned());
    Some(Answer { status, location, body: body.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redirect_is_read() {
        let answer = parse("HTTP/1.1 302 Found\r\nlocation: http://10.85.0.1:3990/\r\n\r\nhello").unwrap();
        assert_eq!(answer.status, 302);
        assert_eq!(answer.location.as_deref(), Some("http://10.85.0.1:3990/"));
        assert_eq!(answer.body, "hello");
    }

    #[test]
    fn what_is_not_http_is_no_answer() {
        for text in ["", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 2\r\n\r\n", "SSH-2.0\r\n\r\n"] {
            assert!(parse(text).is_none(), "{text:?}");
        }
    }
}
