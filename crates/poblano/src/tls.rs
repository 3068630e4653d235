//! Certificates and keys in files, for whatever speaks TLS.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, ensure};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// The arithmetic.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// The certificates in a file, of which there is one at least.
pub(crate) fn certificates(file: &Path) -> anyhow::Result<Vec<CertificateDer<'static>>> {
    let doing = || format!("cannot read certificates in PEM from {}", file.display());
    let all: Vec<_> =
        CertificateDer::pem_file_iter(file).and_then(Iterator::collect::<Result<_, _>>).with_context(doing)?;
    ensure!(!all.is_empty(), "{}: there is none", doing());
    Ok(all)
}

/// The private key in a file.
pub(crate) fn private_key(file: &Path) -> anyhow::Result<PrivateKeyDer<'static>> {
    PrivateKeyDer::from_pem_file(file).with_context(|| {
        format!(
            "{} holds no private key in PEM that is not encrypted (openssl pkey takes the password off)",
            file.display()
        )
    })
}

/// Until when a certificate is good, since 1970 (RFC 5280, 4.1.2.5); none if it does not say so in a way that we read.
pub(crate) fn good_until(certificate: &[u8]) -> Option<Duration> {
    let (_, certificate, _) = element(certificate)?;
    let (_, to_be_signed, _) = element(certificate)?;
    // Version, which may be left out, serial number, signature, issuer; then validity, from and until.
    let before_validity = if to_be_signed.first() == Some(&0xa0) { 4 } else { 3 };
    let rest = (0..before_validity).try_fold(to_be_signed, |rest, _| Some(element(rest)?.2))?;
    let (_, _, until) = element(element(rest)?.1)?;
    let (kind, text, _) = element(until)?;
    let text = std::str::from_utf8(text).ok()?;
    let number = |from: usize, to: usize| text.get(from..to)?.parse::<u64>().ok();
    let (year, at) = match kind {
        // UTCTime: two digits, until 2049.
        0x17 => (number(0, 2).map(|year| if year < 50 { 2000 + year } else { 1900 + year })?, 2),
        _ => (number(0, 4)?, 4),
    };
    let part = |index: usize| number(at + 2 * index, at + 2 * index + 2);
    let days = days_since_1970(year, part(0)?, part(1)?)?;
    Some(Duration::from_secs(((days * 24 + part(2)?) * 60 + part(3)?) * 60 + part(4)?))
}

/// Of the Gregorian calendar.
fn days_since_1970(year: u64, month: u64, day: u64) -> Option<u64> {
    if !(1970..=9999).contains(&year) || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    // Years begin in March here, so that the leap day is a year's last.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let leap_days = year / 4 - year / 100 + year / 400;
    (year * 365 + leap_days + (153 * month + 2) / 5 + day).checked_sub(719_469)
}

/// Kind and content of what a text in DER begins with, and what follows.
fn element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&[kind, len], rest) = der.split_first_chunk()?;
    let (len, rest) = match len {
        0..=0x7f => (usize::from(len), rest),
        0x81..=0x83 => {
            let (octets, rest) = rest.split_at_checked(usize::from(len & 0x7f))?;
            (octets.iter().fold(0, |len, octet| len << 8 | usize::from(*octet)), rest)
        }
        _ => return None,
    };
    let (content, rest) = rest.split_at_checked(len)?;
    Some((kind, content, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As much of a certificate as is looked at.
    fn certificate(version: &[u8], until: &[u8]) -> Vec<u8> {
        let wrapped = |content: Vec<u8>| [&[0x30, 0x81, content.len() as u8], &content[..]].concat();
        let validity = wrapped([b"\x17\x0d270101000000Z", until].concat());
        wrapped(wrapped([version, b"\x02\x01\x07", b"\x30\x00", b"\x30\x00", &validity].concat()))
    }

    #[test]
    fn the_end_of_a_certificate_is_read_in_both_forms() {
        let version = b"\xa0\x03\x02\x01\x02";
        let secs = |version: &[u8], until| good_until(&certificate(version, until)).map(|end| end.as_secs());
        assert_eq!(secs(version, b"\x17\x0d270203040506Z"), Some(1_801_627_506));
        assert_eq!(secs(b"", b"\x17\x0d270203040506Z"), Some(1_801_627_506), "version 1");
        assert_eq!(secs(version, b"\x18\x0f20500228235959Z"), Some(2_529_705_599));
        assert_eq!(secs(version, b"\x18\x0f20000229000000Z"), Some(951_782_400));
        assert_eq!(secs(version, b"\x17\x0d700101000000Z"), Some(0));
        assert_eq!(secs(version, b"\x17\x0d271303040506Z"), None, "a thirteenth month");
        assert_eq!(secs(version, b"\x17\x02\xff\xff"), None);
    }

    #[test]
    fn what_is_no_certificate_has_no_end() {
        let whole = certificate(b"\xa0\x03\x02\x01\x02", b"\x17\x0d270203040506Z");
        assert!((0..whole.len()).all(|len| good_until(&whole[..len]).is_none()));
        assert_eq!(good_until(&[0x30, 0x84, 0xff, 0xff, 0xff, 0xff]), None);
        assert_eq!(good_until(&[0x30, 0x80]), None);
    }
}
