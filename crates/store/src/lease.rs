//! A lease as it is kept.

use std::net::Ipv4Addr;

use wire::{GuestKey, MacAddr, Vlan};

/// The first octet of every value; another layout gets another one.
const VERSION: u8 = 1;
/// The layout of a lease whose guest uses another address: this one follows the expiry.
const VERSION_FOREIGN: u8 = 2;
const FIXED_OCTETS: usize = 13;

/// A lease. The hostname is what the guest says of itself: to be shown with care.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaseRecord {
    /// Whose it is.
    pub key: GuestKey,
    /// The address that is leased.
    pub address: Ipv4Addr,
    /// The one that its guest uses instead.
    pub foreign: Option<Ipv4Addr>,
    /// Option 12 of the guest, cut to 255 octets when kept.
    pub hostname: Option<String>,
    /// Seconds since 1970-01-01 UTC at which it ends.
    pub expires_unix_secs: u64,
}

/// The database's key: LAN, VLAN in network order, station.
pub(crate) fn key_bytes(key: GuestKey) -> [u8; 9] {
    let [high, low] = key.vlan.0.to_be_bytes();
    let [a, b, c, d, e, f] = key.mac.0;
    [key.lan, high, low, a, b, c, d, e, f]
}

pub(crate) fn key_from_bytes(bytes: &[u8]) -> Option<GuestKey> {
    let &[lan, high, low, a, b, c, d, e, f] = bytes else { return None };
    Some(GuestKey { lan, vlan: Vlan(u16::from_be_bytes([high, low])), mac: MacAddr([a, b, c, d, e, f]) })
}

impl LeaseRecord {
    /// Version, address, expiry, all in network order; the foreign address if there is one; then the hostname, which may be
    /// absent.
    pub(crate) fn value_bytes(&self) -> Vec<u8> {
        let hostname = self.hostname.as_deref().unwrap_or("");
        let hostname = &hostname[..hostname.floor_char_boundary(255)];
        let mut bytes = Vec::with_capacity(FIXED_OCTETS + hostname.len());
        bytes.push(if self.foreign.is_some() { VERSION_FOREIGN } else { VERSION });
        bytes.extend(self.address.octets());
        bytes.extend(self.expires_unix_secs.to_be_bytes());
        bytes.extend(self.foreign.into_iter().flat_map(|foreign| foreign.octets()));
        bytes.extend(hostname.as_bytes());
        bytes
    }

    /// `None` for what a later version wrote, or what is damaged.
    pub(crate) fn from_bytes(key: &[u8], value: &[u8]) -> Option<Self> {
        let (fixed, rest_of_value) = value.split_first_chunk::<FIXED_OCTETS>()?;
        let (&[version], rest) = fixed.split_first_chunk()?;
        let (address, expires) = rest.split_first_chunk::<4>()?;
        let (foreign, hostname) = match version {
            VERSION => (None, rest_of_value),
            VERSION_FOREIGN => {
                let (foreign, hostname) = rest_of_value.split_first_chunk::<4>()?;
                (Some(Ipv4Addr::from(*foreign)), hostname)
            }
            _ => return None,
        };
        Some(Self {
            key: key_from_bytes(key)?,
            address: (*address).into(),
            foreign,
            expires_unix_secs: u64::from_be_bytes(expires.try_into().ok()?),
            hostname: if hostname.is_empty() { None } else { Some(std::str::from_utf8(hostname).ok()?.to_owned()) },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(hostname: Option<&str>) -> LeaseRecord {
        LeaseRecord {
            key: GuestKey { lan: 1, vlan: Vlan(4094), mac: MacAddr([2, 0, 0x5e, 0x10, 0, 1]) },
            address: Ipv4Addr::new(10, 85, 0, 9),
            foreign: None,
            hostname: hostname.map(str::to_owned),
            expires_unix_secs: 1_800_000_000,
        }
    }

    #[test]
    fn a_lease_is_read_as_it_was_written() {
        for hostname in [None, Some("phone"), Some("Ünïcödé")] {
            let record = record(hostname);
            assert_eq!(LeaseRecord::from_bytes(&key_bytes(record.key), &record.value_bytes()), Some(record));
        }
        let foreign = LeaseRecord { foreign: Some(Ipv4Addr::new(192, 168, 7, 5)), ..record(Some("tv")) };
        let (key, value) = (key_bytes(foreign.key), foreign.value_bytes());
        assert_eq!(LeaseRecord::from_bytes(&key, &value), Some(foreign));
        assert_eq!(LeaseRecord::from_bytes(&key, &value[..FIXED_OCTETS + 3]), None, "cut short");
        let long = record(Some(&"ü".repeat(200)));
        let read = LeaseRecord::from_bytes(&key_bytes(long.key), &long.value_bytes()).expect("it is well formed");
        assert_eq!(read.hostname, Some("ü".repeat(127)), "cut between characters");
    }

    #[test]
    fn the_layout_on_disk_stays() {
        let record = record(Some("tv"));
        assert_eq!(key_bytes(record.key), [1, 0x0f, 0xfe, 2, 0, 0x5e, 0x10, 0, 1]);
        assert_eq!(record.value_bytes(), [1, 10, 85, 0, 9, 0, 0, 0, 0, 0x6b, 0x49, 0xd2, 0, b't', b'v']);
    }

    #[test]
    fn what_is_damaged_or_of_a_later_version_is_no_lease() {
        let record = record(Some("tv"));
        let (key, value) = (key_bytes(record.key), record.value_bytes());
        for end in 0..FIXED_OCTETS {
            assert_eq!(LeaseRecord::from_bytes(&key, &value[..end]), None);
        }
        assert_eq!(LeaseRecord::from_bytes(&key[..8], &value), None);
        assert_eq!(LeaseRecord::from_bytes(&key, &[&[3], &value[1..]].concat()), None);
        assert_eq!(LeaseRecord::from_bytes(&key, &[&value[..], &[0xff]].concat()), None);
    }
}
