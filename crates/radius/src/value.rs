//! How values are written and read: one type for each kind of value that RADIUS has.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use crate::auth::Secret;
use crate::hide;

/// A kind of value. The types that implement it name it in [`Attr`](crate::attr::Attr).
pub trait Kind {
    /// What is written.
    type In<'a>;
    /// What is read.
    type Out;
    /// Whether longer values are spread over several attributes and joined again (RFC 3579, section 3.1).
    const JOINED: bool = false;

    /// Appends the octets of a value.
    ///
    /// # Errors
    /// [`DoesNotFit`] if no octets can say it.
    fn encode(value: Self::In<'_>, octets: &mut Vec<u8>) -> Result<(), DoesNotFit>;

    /// The value of these octets; `None` if they are not of this kind.
    fn decode(octets: &[u8]) -> Option<Self::Out>;
}

/// A value of so many octets that its kind cannot carry it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DoesNotFit {
    /// Its length.
    pub octets: usize,
}

/// Text: UTF-8; what is not is replaced when it is read, and text of no length is none (RFC 2865, section 5).
#[derive(Clone, Copy, Debug)]
pub enum Text {}

impl Kind for Text {
    type In<'a> = &'a str;
    type Out = String;

    fn encode(value: &str, octets: &mut Vec<u8>) -> Result<(), DoesNotFit> {
        octets.extend(value.as_bytes());
        Ok(())
    }

    fn decode(octets: &[u8]) -> Option<String> {
        (!octets.is_empty()).then(|| String::from_utf8_lossy(octets).into_owned())
    }
}

/// Octets as they are.
#[derive(Clone, Copy, Debug)]
pub enum Octets {}

impl Kind for Octets {
    type In<'a> = &'a [u8];
    type Out = Vec<u8>;

    fn encode(value: &[u8], octets: &mut Vec<u8>) -> Result<(), DoesNotFit> {
        octets.extend(value);
        Ok(())
    }

    fn decode(octets: &[u8]) -> Option<Vec<u8>> {
        Some(octets.to_vec())
    }
}

/// Octets that are spread over several attributes if they are long.
#[derive(Clone, Copy, Debug)]
pub enum Joined {}

impl Kind for Joined {
    type In<'a> = &'a [u8];
    type Out = Vec<u8>;
    const JOINED: bool = true;

    fn encode(value: &[u8], octets: &mut Vec<u8>) -> Result<(), DoesNotFit> {
        Octets::encode(value, octets)
    }

    fn decode(octets: &[u8]) -> Option<Vec<u8>> {
        Octets::decode(octets)
    }
}

macro_rules! fixed {
    ($($kind:ty: $octets:literal, $write:expr, $read:expr;)*) => { $(
        impl Kind for $kind {
            type In<'a> = Self;
            type Out = Self;

            fn encode(value: Self, octets: &mut Vec<u8>) -> Result<(), DoesNotFit> {
                octets.extend($write(value));
                Ok(())
            }

            fn decode(octets: &[u8]) -> Option<Self> {
                <[u8; $octets]>::try_from(octets).ok().map($read)
            }
        }
    )* };
}

fixed! {
    u8: 1, u8::to_be_bytes, u8::from_be_bytes;
    u16: 2, u16::to_be_bytes, u16::from_be_bytes;
    u32: 4, u32::to_be_bytes, u32::from_be_bytes;
    u64: 8, u64::to_be_bytes, u64::from_be_bytes;
    [u8; 8]: 8, |octets| octets, |octets| octets;
    Ipv4Addr: 4, |address: Self| address.octets(), Self::from;
    Ipv6Addr: 16, |address: Self| address.octets(), Self::from;
}

/// A moment: the time since 1970-01-01 UTC, in seconds. What is after 2106 is written as the last one that there is.
#[derive(Clone, Copy, Debug)]
pub enum Date {}

impl Kind for Date {
    type In<'a> = Duration;
    type Out = Duration;

    fn encode(value: Duration, octets: &mut Vec<u8>) -> Result<(), DoesNotFit> {
        u32::encode(u32::try_from(value.as_secs()).unwrap_or(u32::MAX), octets)
    }

    fn decode(octets: &[u8]) -> Option<Duration> {
        u32::decode(octets).map(|secs| Duration::from_secs(secs.into()))
    }
}

/// An IPv6 prefix (RFC 3162, section 2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ipv6Prefix {
    address: Ipv6Addr,
    length: u8,
}

impl Ipv6Prefix {
    /// The first `length` bits of an address; `None` above 128.
    #[must_use]
    pub fn new(address: Ipv6Addr, length: u8) -> Option<Self> {
        let host = u128::MAX.checked_shr(length.into()).unwrap_or(0);
        (length <= 128).then(|| Self { address: Ipv6Addr::from_bits(address.to_bits() & !host), length })
    }

    /// Its address, with zeros behind the prefix.
    #[must_use]
    pub fn address(self) -> Ipv6Addr {
        self.address
    }

    /// Its length in bits.
    #[must_use]
    pub fn length(self) -> u8 {
        self.length
    }

    fn octets(length: u8) -> usize {
        usize::from(length).div_ceil(8)
    }
}

impl Kind for Ipv6Prefix {
    type In<'a> = Self;
    type Out = Self;

    fn encode(value: Self, octets: &mut Vec<u8>) -> Result<(), DoesNotFit> {
        octets.extend([0, value.length]);
        octets.extend(value.address.octets().iter().take(Self::octets(value.length)));
        Ok(())
    }

    fn decode(octets: &[u8]) -> Option<Self> {
        let [_, length, prefix @ ..] = octets else { return None };
        if prefix.len() > 16 || prefix.len() < Self::octets(*length) {
            return None;
        }
        let mut address = [0; 16];
        address.iter_mut().zip(prefix).for_each(|(to, from)| *to = *from);
        Self::new(address.into(), *length)
    }
}

/// Which tunnel an attribute is about, 1 to 31 (RFC 2868, section 3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tag(u8);

impl Tag {
    /// About no certain one.
    pub const NONE: Self = Self(0);

    /// `None` above 31.
    #[must_use]
    pub fn new(tag: u8) -> Option<Self> {
        (tag <= 0x1f).then_some(Self(tag))
    }

    /// Its number, 0 if it is about no certain one.
    #[must_use]
    pub fn number(self) -> u8 {
        self.0
    }
}

/// A value with a tag before it (RFC 2868).
#[derive(Clone, Copy, Debug)]
pub struct Tagged<K>(std::marker::PhantomData<fn() -> K>);

impl Kind for Tagged<Text> {
    type In<'a> = (Tag, &'a str);
    type Out = (Tag, String);

    fn encode((tag, text): (Tag, &str), octets: &mut Vec<u8>) -> Result<(), DoesNotFit> {
        octets.push(tag.0);
        Text::encode(text, octets)
    }

    fn decode(octets: &[u8]) -> Option<Self::Out> {
        // Above 0x1f it is the text's first octet (RFC 2868, section 3.3).
        match octets {
            [tag @ 0..=0x1f, text @ ..] => Some((Tag(*tag), Text::decode(text)?)),
            text => Some((Tag::NONE, Text::decode(text)?)),
        }
    }
}

impl Kind for Tagged<u32> {
    type In<'a> = (Tag, u32);
    type Out = (Tag, u32);

    fn encode((tag, value): Self::In<'_>, octets: &mut Vec<u8>) -> Result<(), DoesNotFit> {
        match value.to_be_bytes() {
            [0, value @ ..] => {
                octets.push(tag.0);
                octets.extend(value);
                Ok(())
            }
            _ => Err(DoesNotFit { octets: 5 }),
        }
    }

    fn decode(octets: &[u8]) -> Option<Self::Out> {
        let [tag, high, middle, low] = *octets else { return None };
        Some((Tag::new(tag).unwrap_or_default(), u32::from_be_bytes([0, high, middle, low])))
    }
}

impl Kind for Tagged<Salted> {
    type In<'a> = (Tag, Clear<'a>, [u8; 2]);
    type Out = (Tag, SaltedValue);

    fn encode((tag, clear, salt): Self::In<'_>, octets: &mut Vec<u8>) -> Result<(), DoesNotFit> {
        octets.push(tag.0);
        Salted::encode((clear, salt), octets)
    }

    fn decode(octets: &[u8]) -> Option<Self::Out> {
        let (tag, rest) = octets.split_first()?;
        Some((Tag::new(*tag).unwrap_or_default(), Salted::decode(rest)?))
    }
}

/// What is to be hidden, and what it is hidden with.
#[derive(Clone, Copy, Debug)]
pub struct Clear<'a> {
    /// The octets.
    pub octets: &'a [u8],
    /// The secret shared with who will read it.
    pub secret: &'a Secret,
    /// The authenticator of the request that carries it, or that is answered.
    pub request_authenticator: &'a [u8; 16],
}

/// Hidden as User-Password is (RFC 2865, section 5.2): at most 128 octets.
#[derive(Clone, Copy, Debug)]
pub enum Hidden {}

/// Octets that [`Hidden`] hid.
#[derive(Clone, PartialEq, Eq)]
pub struct HiddenValue(Vec<u8>);

impl fmt::Debug for HiddenValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<hidden>")
    }
}

impl HiddenValue {
    /// What was hidden, with the zeros that fill its last block.
    #[must_use]
    pub fn reveal(&self, secret: &Secret, request_authenticator: &[u8; 16]) -> Vec<u8> {
        hide::reveal(&self.0, secret, request_authenticator)
    }
}

impl Kind for Hidden {
    type In<'a> = Clear<'a>;
    type Out = HiddenValue;

    fn encode(clear: Clear<'_>, octets: &mut Vec<u8>) -> Result<(), DoesNotFit> {
        octets.extend(hide::hide(clear.octets, clear.secret, clear.request_authenticator)?);
        Ok(())
    }

    fn decode(octets: &[u8]) -> Option<HiddenValue> {
        (!octets.is_empty() && octets.len().is_multiple_of(16)).then(|| HiddenValue(octets.to_vec()))
    }
}

/// Hidden with salt, as Tunnel-Password (RFC 2868, section 3.5) and the MPPE keys (RFC 2548, section 2.4.2): at most
/// 239 octets. Each salt must be used once in a packet.
#[derive(Clone, Copy, Debug)]
pub enum Salted {}

/// Octets that [`Salted`] hid.
#[derive(Clone, PartialEq, Eq)]
pub struct SaltedValue(Vec<u8>);

impl fmt::Debug for SaltedValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<hidden>")
    }
}

impl SaltedValue {
    /// What was hidden; `None` if the length inside is impossible, by which a wrong secret mostly shows.
    #[must_use]
    pub fn reveal(&self, secret: &Secret, request_authenticator: &[u8; 16]) -> Option<Vec<u8>> {
        hide::reveal_salted(&self.0, secret, request_authenticator)
    }
}

impl Kind for Salted {
    type In<'a> = (Clear<'a>, [u8; 2]);
    type Out = SaltedValue;

    fn encode((clear, salt): Self::In<'_>, octets: &mut Vec<u8>) -> Result<(), DoesNotFit> {
        octets.extend(hide::hide_salted(clear.octets, clear.secret, clear.request_authenticator, salt)?);
        Ok(())
    }

    fn decode(octets: &[u8]) -> Option<SaltedValue> {
        (octets.len() > 2 && (octets.len() - 2).is_multiple_of(16)).then(|| SaltedValue(octets.to_vec()))
    }
}
