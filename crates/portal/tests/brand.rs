//! Pages with the operator's colour, logo and words.

mod common;

use std::io::Write;

use common::*;
use portal::{Color, Logo, Look, Site};

const SVG: &[u8] =
    b"<?xml version=\"1.0\"?>\n<svg xmlns=\"http://www.w3.org/2000/svg\"><script>alert(1)</script></svg>\n";
const PNG: &[u8] = b"\x89PNG\r\n\x1a\nand what follows";

/// Reads it as a file of this name.
fn logo(name: &str, content: &[u8]) -> Result<Logo, String> {
    let path = std::env::temp_dir().join(format!("poblano-{}-{name}", std::process::id()));
    std::fs::File::create(&path).and_then(|mut file| file.write_all(content)).expect("a file");
    let logo = Logo::read(&path).map_err(|error| error.to_string());
    std::fs::remove_file(&path).expect("the file");
    logo
}

#[test]
fn what_the_operator_shows_is_there_from_the_next_page_on() {
    with_portal(wide(), None, async |portal| {
        let before = page(&portal, ANNE, "/").await.body;
        let style = page(&portal, ANNE, "/portal.css").await.body;
        let site = Site {
            title: "House <of> Peppers".into(),
            welcome: Some("Good\nmorning.\n\n<b>Eat</b>.".into()),
            terms: Some("Be kind.".into()),
            look: Look::new(Some(Color([0, 0x40, 0xcc])), logo("logo.svg", SVG).ok()),
            ..Site::clone(&portal.board.site())
        };
        portal.board.show(site);
        let after = page(&portal, ANNE, "/").await.body;
        for words in ["House &#60;of&#62; Peppers", "<p>Good\nmorning.</p>", "&#60;b&#62;Eat&#60;/b&#62;.", "Be kind."]
        {
            assert!(after.contains(words) && !before.contains(words), "{words}: {after}");
        }
        // Browsers keep style and logo under their addresses.
        let address = |page: &str| page.split("href=\"/portal.css?").nth(1).map(|rest| rest[..8].to_owned());
        assert!(address(&before).is_some() && address(&before) != address(&after));
        let branded = page(&portal, ANNE, "/portal.css").await.body;
        assert!(branded.starts_with(&style) && branded.contains("--brand:#0040cc"), "{branded}");
    });
}

#[test]
fn a_logo_is_a_picture_and_nothing_else() {
    for (name, content, kind) in [("logo.txt", SVG, "image/svg+xml"), ("logo.svg", PNG, "image/png")] {
        with_portal(wide(), None, async |portal| {
            let look = Look::new(None, Some(logo(name, content).expect("a logo")));
            portal.board.show(Site { look, ..Site::clone(&portal.board.site()) });
            let shown = page(&portal, ANNE, "/logo").await;
            assert_eq!((shown.status, shown.header("content-type")), (200, Some(kind)));
            assert_eq!(shown.header("x-content-type-options"), Some("nosniff"));
            let policy = shown.header("content-security-policy").expect("a policy");
            assert!(policy.contains("sandbox") && policy.contains("default-src 'none'"), "{policy}");
            assert!(!policy.contains("allow-scripts") && !policy.contains("script-src"), "{policy}");
        });
    }
}

#[test]
fn what_is_no_logo_is_refused_in_words() {
    for (content, words) in [
        (&b"<html><p>svg</p></html>"[..], "neither a PNG nor an SVG"),
        (b"<svg></svg>", "neither a PNG nor an SVG"),
        (b"", "neither a PNG nor an SVG"),
        (b"\xff\xd8\xff\xe0JFIF", "neither a PNG nor an SVG"),
        (&[PNG, &[0; 65_536]].concat(), "more than 64 kB"),
    ] {
        let error = logo("no.svg", content).expect_err("no logo");
        assert!(error.contains(words) && error.contains("no.svg"), "{error}");
    }
    assert!(
        Logo::read(std::path::Path::new("/nowhere/logo.png")).expect_err("no file").to_string().contains("/nowhere")
    );
}
