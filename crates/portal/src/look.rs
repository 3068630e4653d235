//! How the pages look: with the operator's colour and logo, or with ours.
//!
//! The colour is as the operator has it where something is written on it, in black or white, whichever reads better. Where it is
//! itself what is read, it is darkened on a light page and lightened on a dark one until it can be (WCAG 2.2, 1.4.3).

use std::fs::File;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, Read};
use std::path::Path;

use hyper::body::Bytes;

const STYLE: &str = include_str!("../../../portal-ui/portal.css");
const LOGO: &[u8] = include_bytes!("../../../portal-ui/logo.svg");

/// Of a logo: each guest waits for it, before its line has the rate of those who are online.
const LOGO_OCTETS: u64 = 64 * 1024;
/// What a browser wants to find in an SVG that is a picture of its own.
const SVG: &str = "http://www.w3.org/2000/svg";
/// What every PNG begins with (PNG 3rd edition, 5.2).
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n";

/// The least contrast of text (WCAG 2.2, 1.4.3, level AA).
const LEAST_CONTRAST: f64 = 4.5;
/// `--tile` of portal.css on a light page and on a dark one: of all that links stand on, what is nearest to them.
const TILES: [Color; 2] = [Color([0xf3, 0xf7, 0xf4]), Color([0x23, 0x2c, 0x27])];
const BLACK: Color = Color([0; 3]);
const WHITE: Color = Color([255; 3]);

/// Red, green and blue (sRGB).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Color(pub [u8; 3]);

/// A picture that stands beside the title.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Logo {
    pub(crate) kind: &'static str,
    pub(crate) content: Bytes,
}

/// Style and picture of the pages.
#[derive(Clone, Debug)]
pub struct Look {
    pub(crate) style: Bytes,
    pub(crate) logo: Logo,
    /// Another one for another look: it is in the addresses of both, which browsers keep.
    pub(crate) version: String,
}

impl Default for Look {
    fn default() -> Self {
        Self::new(None, None)
    }
}

impl Look {
    /// With the operator's colour and logo, if there are any.
    #[must_use]
    pub fn new(color: Option<Color>, logo: Option<Logo>) -> Self {
        let style: Bytes = color.map_or_else(|| STYLE.into(), |color| format!("{STYLE}{}", style_of(color)).into());
        let logo = logo.unwrap_or(Logo { kind: "image/svg+xml", content: Bytes::from_static(LOGO) });
        let mut hasher = DefaultHasher::new();
        (&style, &logo.content).hash(&mut hasher);
        Self { style, logo, version: format!("{:x}", hasher.finish()) }
    }

    /// Its logo.
    #[must_use]
    pub fn logo(&self) -> &Logo {
        &self.logo
    }
}

impl Logo {
    /// Reads a PNG or an SVG.
    ///
    /// # Errors
    /// It cannot be read, is too large, or is neither.
    pub fn read(path: &Path) -> io::Result<Self> {
        let refuse = |why: &str| io::Error::other(format!("{}: {why}", path.display()));
        let mut content = Vec::new();
        let file = File::open(path).map_err(|error| refuse(&error.to_string()))?;
        file.take(LOGO_OCTETS + 1).read_to_end(&mut content).map_err(|error| refuse(&error.to_string()))?;
        if content.len() as u64 > LOGO_OCTETS {
            return Err(refuse("has more than 64 kB; make it smaller"));
        }
        let kind = if content.starts_with(PNG) {
            "image/png"
        } else if str::from_utf8(&content).is_ok_and(|text| text.contains("<svg") && text.contains(SVG)) {
            "image/svg+xml"
        } else {
            return Err(refuse("is neither a PNG nor an SVG"));
        };
        content.shrink_to_fit();
        Ok(Self { kind, content: content.into() })
    }
}

impl Color {
    /// Relative luminance (WCAG 2.2, definitions).
    fn luminance(self) -> f64 {
        let [red, green, blue] = self.0.map(|part| {
            let part = f64::from(part) / 255.0;
            if part <= 0.04045 { part / 12.92 } else { ((part + 0.055) / 1.055).powf(2.4) }
        });
        0.2126 * red + 0.7152 * green + 0.0722 * blue
    }

    /// Contrast ratio (WCAG 2.2, definitions), from 1 to 21.
    fn contrast(self, other: Self) -> f64 {
        let (ours, theirs) = (self.luminance(), other.luminance());
        (ours.max(theirs) + 0.05) / (ours.min(theirs) + 0.05)
    }

    /// So many twentieths of the way to another colour.
    fn towards(self, other: Self, twentieths: u16) -> Self {
        let part = |ours: u8, theirs: u8| {
            let mixed = (u16::from(ours) * (20 - twentieths) + u16::from(theirs) * twentieths) / 20;
            u8::try_from(mixed).unwrap_or(u8::MAX)
        };
        let ([red, green, blue], [to_red, to_green, to_blue]) = (self.0, other.0);
        Self([part(red, to_red), part(green, to_green), part(blue, to_blue)])
    }

    fn css(self) -> String {
        let [red, green, blue] = self.0;
        format!("#{red:02x}{green:02x}{blue:02x}")
    }
}

/// What goes over our own colours.
fn style_of(brand: Color) -> String {
    let [light, dark] = [(BLACK, TILES[0]), (WHITE, TILES[1])].map(|(end, tile)| {
        let mut shades = (0..=20).map(|twentieths| brand.towards(end, twentieths));
        shades.find(|shade| shade.contrast(tile) >= LEAST_CONTRAST).unwrap_or(end).css()
    });
    // One of them always has 4.58 and more.
    let on_brand = if brand.contrast(WHITE) >= brand.contrast(BLACK) { WHITE } else { BLACK };
    // Under the pointer: further away from what is written on it.
    let strong = brand.towards(if on_brand == WHITE { BLACK } else { WHITE }, 4);
    let (brand, strong, on_brand) = (brand.css(), strong.css(), on_brand.css());
    format!(
        ":root{{--accent:{light};--brand:{brand};--brand-strong:{strong};--on-brand:{on_brand}}}\n\
         @media(prefers-color-scheme:dark){{:root{{--accent:{dark}}}}}\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_the_colour_is_what_is_written_in_it_and_on_it_can_be_read() {
        let steps = [0u8, 51, 102, 119, 153, 204, 255];
        for color in steps.iter().flat_map(|r| steps.iter().flat_map(move |g| steps.map(move |b| Color([*r, *g, b])))) {
            let style = style_of(color);
            let values = |name: &str| -> Vec<Color> {
                let name = format!("--{name}:#");
                let found = style.match_indices(name.as_str()).map(|(at, name)| &style[at + name.len()..][..6]);
                let part = |text: &str, i: usize| u8::from_str_radix(&text[2 * i..2 * i + 2], 16).expect("a colour");
                found.map(|text| Color([part(text, 0), part(text, 1), part(text, 2)])).collect()
            };
            let (accents, on_brand) = (values("accent"), values("on-brand"));
            assert_eq!(values("brand"), [color], "{style}");
            for (text, ground) in [
                (on_brand[0], color),
                (on_brand[0], values("brand-strong")[0]),
                (accents[0], WHITE),
                (accents[0], TILES[0]),
                (accents[1], Color([0x1a, 0x21, 0x1d])),
                (accents[1], TILES[1]),
            ] {
                assert!(text.contrast(ground) >= LEAST_CONTRAST, "{text:?} on {ground:?}: {style}");
            }
        }
    }

    #[test]
    fn contrast_is_measured_as_the_guidelines_say() {
        assert!((BLACK.contrast(WHITE) - 21.0).abs() < 1e-9);
        assert!((Color([0x77; 3]).contrast(WHITE) - 4.48).abs() < 0.01);
    }

    #[test]
    fn the_tiles_are_those_of_the_style() {
        for tile in TILES {
            assert!(STYLE.contains(&format!("--tile: {};", tile.css())), "{tile:?}");
        }
    }

    #[test]
    fn another_look_has_other_addresses() {
        let (ours, blue) = (Look::default(), Look::new(Some(Color([0, 0, 200])), None));
        assert_ne!(ours.version, blue.version);
        assert_eq!(ours.version, Look::new(None, None).version);
    }
}
