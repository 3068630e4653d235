//! The cables and addresses of the scene. All public addresses are those of documentation (RFC 5737).

use std::net::Ipv4Addr;

use platform::Result;
use platform::netns::Netns;
use wire::MacAddr;

/// The gateway's interfaces.
pub(super) const LAN: &str = "lan0";
pub(super) const UPLINK: &str = "wan0";
/// The phone's interface.
pub(super) const PHONE: &str = "wlan0";
pub(super) const PHONE_MAC: MacAddr = MacAddr([0x02, 0, 0x5e, 0x10, 0, 0x17]);

/// The gateway's address on the uplink, and its router.
pub(super) const UPLINK_ADDRESS: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 2);
pub(super) const ROUTER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
/// The resolver of the gateway's provider.
pub(super) const RESOLVER: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 53);
/// A resolver that somebody has typed into the phone.
pub(super) const OTHER_RESOLVER: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 53);
/// Servers with a name.
pub(super) const APPLE: (&str, Ipv4Addr) = ("captive.apple.com", Ipv4Addr::new(198, 51, 100, 17));
pub(super) const GOOGLE: (&str, Ipv4Addr) = ("connectivitycheck.gstatic.com", Ipv4Addr::new(198, 51, 100, 34));
pub(super) const WEB: (&str, Ipv4Addr) = ("www.example.org", Ipv4Addr::new(203, 0, 113, 80));

/// The three namespaces. They vanish with the process.
pub(super) struct Network {
    pub(super) guest: Netns,
    pub(super) gateway: Netns,
    pub(super) internet: Netns,
}

impl Network {
    /// The phone has no address yet, and the gateway gives itself its own.
    pub(super) fn build() -> Result<Self> {
        let network = Self { guest: Netns::new()?, gateway: Netns::new()?, internet: Netns::new()? };
        network.gateway.cable(LAN, None, &network.guest, PHONE, Some(PHONE_MAC))?;
        network.gateway.cable(UPLINK, None, &network.internet, "eth0", None)?;
        network.internet.add_address("eth0", ROUTER, 24)?;
        for address in [RESOLVER, OTHER_RESOLVER, APPLE.1, GOOGLE.1, WEB.1] {
            network.internet.add_address("lo", address, 32)?;
        }
        Ok(network)
    }
}
