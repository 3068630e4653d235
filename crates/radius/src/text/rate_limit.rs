//! Mikrotik-Rate-Limit: `rx[/tx] [burst rates [burst thresholds [burst times [priority [least rates]]]]]`.

/// The rates of a Mikrotik-Rate-Limit. Bursts, priority and least rates are not ours: the rate holds at all times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimit {
    /// From the guest, what the router receives (rx), in bit/s; 0 is no limit.
    pub up_bits_per_sec: u64,
    /// To the guest (tx), in bit/s; 0 is no limit.
    pub down_bits_per_sec: u64,
}

impl RateLimit {
    /// Reads what a server sent; `None` if the rates cannot be read. Where there is one, it holds each way.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let rates = text.split_whitespace().next()?;
        let (up, down) = rates.split_once('/').unwrap_or((rates, rates));
        Some(Self { up_bits_per_sec: bits(up)?, down_bits_per_sec: bits(down)? })
    }
}

/// `512k`, `10M`, `1G` or bits; the letters are powers of 1000.
fn bits(text: &str) -> Option<u64> {
    let factors = [(["k", "K"], 1_000), (["m", "M"], 1_000_000), (["g", "G"], 1_000_000_000)];
    let (digits, factor) = factors
        .iter()
        .find_map(|(letters, factor)| letters.iter().find_map(|l| text.strip_suffix(l)).map(|digits| (digits, *factor)))
        .unwrap_or((text, 1));
    if !digits.bytes().all(|octet| octet.is_ascii_digit()) {
        return None;
    }
    digits.parse::<u64>().ok()?.checked_mul(factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_rate_is_what_the_guest_sends() {
        let read = |text| RateLimit::parse(text).map(|limit| (limit.up_bits_per_sec, limit.down_bits_per_sec));
        for (text, up, down) in [
            ("512k/10M", 512_000, 10_000_000),
            ("2M", 2_000_000, 2_000_000),
            ("128000/256000", 128_000, 256_000),
            ("1g/0", 1_000_000_000, 0),
            ("1M/5M 2M/10M 512k/2M 40/40 5 128k/256k", 1_000_000, 5_000_000),
            (" 64K/1m ", 64_000, 1_000_000),
        ] {
            assert_eq!(read(text), Some((up, down)), "{text}");
        }
    }

    #[test]
    fn what_is_no_rate_is_none() {
        for text in ["", " ", "/", "1M/", "/1M", "k", "fast", "-1M", "+1M", "1.5M", "1M/2M/3M", "1MM", "99999999999G"] {
            assert_eq!(RateLimit::parse(text), None, "{text:?}");
        }
    }
}
