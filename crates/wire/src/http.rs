//! The head of an HTTP/1 request, as much of it as is needed to say where the request wanted to go. What has not come
//! whole is not there: a line counts when its end has come.

use crate::url::{after_scheme, split_authority};

/// Where a request wanted to go. All of it is a stranger's text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestHead<'a> {
    /// `GET`, `POST` and so on.
    pub method: &'a str,
    /// Host, with port if it is written.
    pub host: Option<&'a str>,
    /// Path and query, at least `/`.
    pub path: &'a str,
}

impl<'a> RequestHead<'a> {
    /// Reads the first octets of a connection; `None` if they are no request line. Never panics.
    #[must_use]
    pub fn parse(bytes: &'a [u8]) -> Option<Self> {
        // RFC 9112, 2.2: an empty line before the request line is passed over.
        let mut lines = Lines(bytes.trim_ascii_start());
        let request_line = std::str::from_utf8(lines.next()?).ok()?;
        let mut words = request_line.split(' ');
        let (method, target, version) = (words.next()?, words.next()?, words.next()?);
        if method.is_empty() || !version.starts_with("HTTP/1.") || words.next().is_some() {
            return None;
        }
        let target = target.split('#').next().unwrap_or_default();
        // RFC 9112, 3.2.2: an absolute request target outranks Host.
        if let Some((authority, path)) = after_scheme(target).map(split_authority) {
            return Some(Self { method, host: Some(authority), path: if path.is_empty() { "/" } else { path } });
        }
        let host = lines.take_while(|line| !line.is_empty()).find_map(host);
        Some(Self { method, host, path: if target.starts_with('/') { target } else { "/" } })
    }
}

fn host(line: &[u8]) -> Option<&str> {
    let (name, value) = line.split_at_checked(5)?;
    if !name.eq_ignore_ascii_case(b"host:") {
        return None;
    }
    std::str::from_utf8(value.trim_ascii()).ok()
}

/// Whole lines, without their ends.
struct Lines<'a>(&'a [u8]);

impl<'a> Iterator for Lines<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let end = self.0.iter().position(|&octet| octet == b'\n')?;
        let (line, rest) = (&self.0[..end], &self.0[end + 1..]);
        self.0 = rest;
        Some(line.strip_suffix(b"\r").unwrap_or(line))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(bytes: &str) -> Option<(Option<&str>, &str)> {
        RequestHead::parse(bytes.as_bytes()).map(|head| (head.host, head.path))
    }

    #[test]
    fn a_request_says_where_it_wants_to_go() {
        let head =
            RequestHead::parse(b"HEAD /a?b HTTP/1.1\r\nAccept: */*\r\nhOST: \texample.org:8080 \r\n\r\n").unwrap();
        assert_eq!((head.method, head.host, head.path), ("HEAD", Some("example.org:8080"), "/a?b"));
        for (request, host, path) in [
            ("GET / HTTP/1.0\n\n", None, "/"),
            ("\r\nGET /x#y HTTP/1.1\nHost:a\nHost:b\n\n", Some("a"), "/x"),
            ("GET http://a.test/x HTTP/1.1\r\nHost: b.test\r\n\r\n", Some("a.test"), "/x"),
            ("GET HTTPS://a.test HTTP/1.1\r\n", Some("a.test"), "/"),
            ("OPTIONS * HTTP/1.1\r\nHost:\r\n\r\n", Some(""), "/"),
            ("CONNECT a.test:443 HTTP/1.1\r\nHost: a.test:443\r\n\r\n", Some("a.test:443"), "/"),
            ("GET / HTTP/1.1\r\nX-Host: a\r\nHos: b\r\n\r\nHost: c\r\n", None, "/"),
        ] {
            assert_eq!(wanted(request), Some((host, path)), "{request:?}");
        }
    }

    #[test]
    fn what_is_cut_off_or_nonsense_is_not_there() {
        let whole = "GET /path HTTP/1.1\r\nHost: example.org\r\n\r\n";
        for cut in 0..whole.len() {
            let expected = match cut {
                0..20 => None,
                20..39 => Some((None, "/path")),
                _ => Some((Some("example.org"), "/path")),
            };
            assert_eq!(wanted(&whole[..cut]), expected, "{cut} octets");
        }
        for nonsense in ["\x16\x03\x01\n", "GET\r\n", "GET  / HTTP/1.1\r\n", "SSH-2.0-x y HTTP/2\r\n", " \n\n", "\n\n"]
        {
            assert_eq!(wanted(nonsense), None, "{nonsense:?}");
        }
        assert_eq!(RequestHead::parse(b"GET /\xff HTTP/1.1\r\n"), None);
        assert_eq!(RequestHead::parse(b"GET / HTTP/1.1\r\nHost: \xff\r\n\r\n").map(|head| head.host), Some(None));
    }
}
