//! The form on a page, filled in as a person does: name, password, and the box that accepts the terms.

use super::http::{self, Url};

/// Tags and attributes looked at on a page: more than any sign-in page has.
const MAX_TAGS: usize = 2000;
const MAX_ATTRIBUTES: usize = 32;

/// A form of a page.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Form {
    action: String,
    posts: bool,
    fields: Vec<Field>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Field {
    name: String,
    value: String,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Sent as the page has it.
    Given,
    /// To be filled in with the guest's name.
    Text,
    /// To be filled in with the password.
    Password,
}

impl Form {
    /// The forms of a page, in order.
    pub(crate) fn all(page: &str) -> Vec<Self> {
        let mut forms: Vec<Self> = Vec::new();
        let mut open = false;
        for (tag, attributes) in tags(page).take(MAX_TAGS) {
            let value =
                |name: &str| attributes.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| unescaped(v));
            match tag.to_ascii_lowercase().as_str() {
                "form" => {
                    open = true;
                    let posts = value("method").is_some_and(|method| method.eq_ignore_ascii_case("post"));
                    forms.push(Self { action: value("action").unwrap_or_default(), posts, fields: Vec::new() });
                }
                "/form" => open = false,
                "input" => {
                    let (Some(form), Some(name)) = (forms.last_mut().filter(|_| open), value("name")) else { continue };
                    let kind = match value("type").unwrap_or_default().to_ascii_lowercase().as_str() {
                        "password" => Kind::Password,
                        "" | "text" | "email" | "tel" => Kind::Text,
                        // What the page requires is accepted, as by everybody who wants to be online.
                        "checkbox" | "radio" if value("checked").is_none() && value("required").is_none() => continue,
                        "reset" | "button" | "file" | "image" => continue,
                        _ => Kind::Given,
                    };
                    form.fields.push(Field { name, value: value("value").unwrap_or_default(), kind });
                }
                _ => {}
            }
        }
        forms
    }

    /// True if it asks for a password: the one to log in with.
    pub(crate) fn has_password(&self) -> bool {
        self.fields.iter().any(|field| field.kind == Kind::Password)
    }

    /// Where it is sent, and the request that sends it.
    pub(crate) fn submit(&self, page: &Url, name: &str, password: &str) -> Result<(Url, Vec<u8>), &'static str> {
        let mut pairs = String::new();
        for field in &self.fields {
            let value = match field.kind {
                Kind::Given => field.value.as_str(),
                Kind::Text => name,
                Kind::Password => password,
            };
            if !pairs.is_empty() {
                pairs.push('&');
            }
            encode(&field.name, &mut pairs);
            pairs.push('=');
            encode(value, &mut pairs);
        }
        let mut url = page.join(&self.action)?;
        if self.posts {
            let request = http::post(&url, &pairs);
            return Ok((url, request));
        }
        url.path.truncate(url.path.find('?').unwrap_or(url.path.len()));
        url.path.push('?');
        url.path.push_str(&pairs);
        let request = http::get(&url);
        Ok((url, request))
    }
}

/// Percent-encodes as forms do.
fn encode(text: &str, to: &mut String) {
    for octet in text.bytes() {
        match octet {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'*' => to.push(char::from(octet)),
            b' ' => to.push('+'),
            _ => to.push_str(&format!("%{octet:02X}")),
        }
    }
}

/// Resolves the character references that attributes of forms have.
fn unescaped(text: &str) -> String {
    if !text.contains('&') {
        return text.to_owned();
    }
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('&') {
        out.push_str(before);
        let known = after.split_once(';').and_then(|(name, tail)| Some((reference(name)?, tail)));
        match known {
            Some((c, tail)) => {
                out.push(c);
                rest = tail;
            }
            None => {
                out.push('&');
                rest = after;
            }
        }
    }
    out + rest
}

fn reference(name: &str) -> Option<char> {
    match name {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        _ => {
            let number = name.strip_prefix('#')?;
            let code = match number.strip_prefix(['x', 'X']) {
                Some(hex) => u32::from_str_radix(hex, 16).ok()?,
                None => number.parse().ok()?,
            };
            char::from_u32(code)
        }
    }
}

type Tag<'a> = (&'a str, Vec<(&'a str, &'a str)>);

/// Tags with their attributes; comments are passed over.
fn tags(page: &str) -> impl Iterator<Item = Tag<'_>> {
    let mut rest = page;
    std::iter::from_fn(move || {
        loop {
            let (_, after) = rest.split_once('<')?;
            if let Some(comment) = after.strip_prefix("!--") {
                rest = comment.split_once("-->")?.1;
                continue;
            }
            let end = after.find(|c: char| c.is_ascii_whitespace() || c == '>').unwrap_or(after.len());
            let (tag, mut tail) = after.split_at(end);
            let mut found = Vec::new();
            while let Some((attribute, next)) = attribute(tail) {
                if found.len() < MAX_ATTRIBUTES {
                    found.push(attribute);
                }
                tail = next;
            }
            rest = tail;
            return Some((tag, found));
        }
    })
}

/// The next attribute before the end of the tag, and what follows it.
fn attribute(text: &str) -> Option<((&str, &str), &str)> {
    let text = text.trim_start_matches(|c: char| c.is_ascii_whitespace() || c == '/');
    let end = text.find(|c: char| c.is_ascii_whitespace() || matches!(c, '=' | '>')).filter(|&end| end > 0)?;
    let (name, rest) = text.split_at(end);
    let Some(value) = rest.trim_start().strip_prefix('=') else { return Some(((name, ""), rest)) };
    let value = value.trim_start();
    for quote in ['"', '\''] {
        if let Some(quoted) = value.strip_prefix(quote) {
            let (value, rest) = quoted.split_once(quote)?;
            return Some(((name, value), rest));
        }
    }
    let end = value.find(|c: char| c.is_ascii_whitespace() || c == '>').unwrap_or(value.len());
    let (value, rest) = value.split_at(end);
    Some(((name, value), rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = r#"<!doctype html><!-- <form action="/no"> --><input name="outside">
        <form method="POST" action="/login?a=1&amp;b">
        <input id="name" name="name" type="text" value="" required>
        <input name='password' type=password>
        <input name="terms" type="checkbox" value="on" required>
        <input name="news" type="checkbox" value="on">
        <input name="url" type="hidden" value="http&#x3a;//x/?q=&quot;ü&quot;"/>
        <button type="submit">Sign in</button></form><form action="?find"><input name="q"></form>"#;

    fn page() -> Url {
        "http://10.1.0.1:3990/start".parse().unwrap()
    }

    #[test]
    fn a_login_form_is_filled_in_and_sent_as_it_asks_for() {
        let forms = Form::all(PAGE);
        assert_eq!(forms.iter().map(Form::has_password).collect::<Vec<_>>(), [true, false]);
        let (url, request) = forms[0].submit(&page(), "anne & co", "50%").unwrap();
        assert_eq!(url.path, "/login?a=1&b");
        let text = String::from_utf8(request).unwrap();
        let body = text.split_once("\r\n\r\n").unwrap().1;
        assert_eq!(body, "name=anne+%26+co&password=50%25&terms=on&url=http%3A%2F%2Fx%2F%3Fq%3D%22%C3%BC%22");
        assert!(text.starts_with("POST /login?a=1&b HTTP/1.1\r\n"));
    }

    #[test]
    fn a_form_without_a_method_is_a_question() {
        let (url, request) = Form::all(PAGE)[1].submit(&page(), "anne", "").unwrap();
        assert_eq!(url.path, "/start?q=anne");
        assert!(request.starts_with(b"GET /start?q=anne HTTP/1.1\r\n"));
    }

    #[test]
    fn pages_that_break_off_have_no_more_forms_and_harm_nobody() {
        for len in (0..PAGE.len()).filter(|&len| PAGE.is_char_boundary(len)) {
            assert!(Form::all(&PAGE[..len]).len() <= 2);
        }
        assert_eq!(Form::all("<form <form = =\"x <input"), Form::all("<form <form = =\"x <input"));
    }

    #[test]
    fn the_portals_own_page_can_be_filled_in() {
        let page = include_str!("../../../../portal-ui/login.html");
        let form = Form::all(page).into_iter().find(Form::has_password).unwrap();
        assert_eq!(form.action, "/login");
        assert!(form.posts && form.fields.iter().any(|field| field.kind == Kind::Text && field.name == "name"));
    }
}
