//! Web addresses, requests and answers: HTTP/1.1 as far as a probe and a sign-in page need it.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::str::FromStr;

/// An http address of a server that is named by its IPv4 address. Simulated guests ask no DNS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Url {
    pub(crate) server: SocketAddrV4,
    /// Path and query, beginning with a slash.
    pub(crate) path: String,
}

impl Url {
    /// The address that `reference` means on the page at this one (RFC 3986, 5.2). Fragments are left out.
    pub(crate) fn join(&self, reference: &str) -> Result<Self, &'static str> {
        let reference = reference.split('#').next().unwrap_or_default();
        let (page, _) = self.path.split_once('?').unwrap_or((&self.path, ""));
        let path = match reference.as_bytes() {
            [] => self.path.clone(),
            [b'/', b'/', ..] => return format!("http:{reference}").parse(),
            [b'/', ..] => reference.to_owned(),
            [b'?', ..] => format!("{page}{reference}"),
            _ if reference.contains("://") => return reference.parse(),
            _ => format!("{}/{reference}", page.rsplit_once('/').map_or("", |(folder, _)| folder)),
        };
        Ok(Self { server: self.server, path })
    }
}

impl FromStr for Url {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let rest = text.strip_prefix("http://").ok_or("is not http")?;
        let (host, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        let (address, port) = host.split_once(':').unwrap_or((host, "80"));
        let address: Ipv4Addr = address.parse().map_err(|_| "names its server, and guests here ask no DNS")?;
        let port = port.parse().map_err(|_| "has a wrong port")?;
        let slash = if path.starts_with('/') { "" } else { "/" };
        Ok(Self { server: SocketAddrV4::new(address, port), path: format!("{slash}{path}") })
    }
}

/// Host and port as in a Host field, the port only if it is not 80.
struct Host(SocketAddrV4);

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.port() {
            80 => write!(f, "{}", self.0.ip()),
            port => write!(f, "{}:{port}", self.0.ip()),
        }
    }
}

/// A request as it is sent.
pub(crate) fn get(url: &Url) -> Vec<u8> {
    let Url { server, path } = url;
    let host = Host(*server);
    format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nAccept: text/html\r\nConnection: close\r\n\r\n").into_bytes()
}

/// A form as it is sent, from a page of the same server.
pub(crate) fn post(url: &Url, form: &str) -> Vec<u8> {
    let Url { server, path } = url;
    let host = Host(*server);
    format!(
        "POST {path} HTTP/1.1\r\nHost: {host}\r\nOrigin: http://{host}\r\nConnection: close\r\n\
         Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{form}",
        form.len()
    )
    .into_bytes()
}

/// An answer whose head is complete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer<'a> {
    pub(crate) status: u16,
    pub(crate) location: Option<&'a str>,
    /// The server says that it will close the connection.
    pub(crate) closes: bool,
    /// The whole body is there, as far as its length is told.
    pub(crate) complete: bool,
    pub(crate) body: &'a str,
}

impl<'a> Answer<'a> {
    /// `None` as long as the head is not there, or if it is not HTTP.
    pub(crate) fn read(octets: &'a [u8]) -> Option<Self> {
        let end = octets.windows(4).position(|four| four == b"\r\n\r\n")?;
        let head = std::str::from_utf8(&octets[..end]).ok()?;
        let body = &octets[end + 4..];
        let mut lines = head.split("\r\n");
        let status = lines.next()?.strip_prefix("HTTP/1.")?.get(2..5)?.parse().ok()?;
        let (mut location, mut closes, mut length) = (None, false, None);
        for (name, value) in lines.filter_map(|line| line.split_once(':')) {
            let value = value.trim();
            if name.eq_ignore_ascii_case("location") {
                location = Some(value);
            } else if name.eq_ignore_ascii_case("connection") {
                closes |= value.eq_ignore_ascii_case("close");
            } else if name.eq_ignore_ascii_case("content-length") {
                length = value.parse::<usize>().ok();
            }
        }
        let complete = status == 204 || length.is_some_and(|length| body.len() >= length);
        // A page that is not UTF-8 has its forms in ASCII all the same; up to the first odd octet is enough to fail.
        let body = std::str::from_utf8(body)
            .unwrap_or_else(|e| std::str::from_utf8(&body[..e.valid_up_to()]).unwrap_or_default());
        Some(Self { status, location, closes, complete, body })
    }

    /// True for the statuses that send elsewhere.
    pub(crate) fn is_redirect(&self) -> bool {
        matches!(self.status, 301 | 302 | 303 | 307 | 308)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_and_joined_as_browsers_do() {
        let url: Url = "http://10.1.0.1:3990/prelogin?a=b".parse().unwrap();
        assert_eq!((url.server.port(), url.path.as_str()), (3990, "/prelogin?a=b"));
        let joined = |reference| url.join(reference).map(|url| (url.server.port(), url.path));
        assert_eq!(joined("/login"), Ok((3990, "/login".into())));
        assert_eq!(joined("logon?x#here"), Ok((3990, "/logon?x".into())));
        assert_eq!(joined("?y"), Ok((3990, "/prelogin?y".into())));
        assert_eq!(joined(""), Ok((3990, "/prelogin?a=b".into())));
        assert_eq!(joined("http://192.0.2.1?q"), Ok((80, "/?q".into())));
        assert_eq!(joined("//192.0.2.1:8080"), Ok((8080, "/".into())));
        assert!(joined("https://10.1.0.1/").is_err());
        assert!(joined("http://login.example/").is_err());
    }

    #[test]
    fn an_answer_is_complete_when_its_length_is_there() {
        let text =
            "HTTP/1.1 302 Found\r\nLocation: http://10.1.0.1/\r\nConnection: Close\r\ncontent-length: 2\r\n\r\nok";
        for len in 0..text.len() {
            assert!(!Answer::read(&text.as_bytes()[..len]).is_some_and(|answer| answer.complete), "{len} octets");
        }
        let answer = Answer::read(text.as_bytes()).unwrap();
        assert!(answer.complete && answer.closes && answer.is_redirect());
        assert_eq!((answer.location, answer.body), (Some("http://10.1.0.1/"), "ok"));
        assert_eq!(Answer::read(b"SSH-2.0\r\n\r\n"), None);
    }

    #[test]
    fn requests_name_their_server() {
        let url: Url = "http://10.1.0.1/".parse().unwrap();
        assert!(String::from_utf8(get(&url)).unwrap().contains("\r\nHost: 10.1.0.1\r\n"));
        let url: Url = "http://10.1.0.1:3990/login".parse().unwrap();
        let text = String::from_utf8(post(&url, "a=b")).unwrap();
        assert!(
            text.contains("\r\nOrigin: http://10.1.0.1:3990\r\n") && text.ends_with("Length: 3\r\n\r\na=b"),
            "{text}"
        );
    }
}
