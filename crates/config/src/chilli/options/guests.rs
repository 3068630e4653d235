//! Sessions, their limits, devices that are known by their MAC.

use super::Fate::{Key, NotNeeded};
use super::Kind::{Flag, Int, List, Secret, Text};
use super::{ChilliOption, Fate, common, core, rare};

const SHAPED: Fate = NotNeeded("rates are shaped, not policed: what is above them waits, and there is no bucket");

pub(super) const OPTIONS: &[ChilliOption] = &[
    core("defsessiontimeout", Int, Key("session.timeout")),
    core("defidletimeout", Int, Key("session.idle_timeout")),
    core("defbandwidthmaxdown", Int, Key("session.rate_down")),
    core("defbandwidthmaxup", Int, Key("session.rate_up")),
    core("definteriminterval", Int, Key("session.interim")),
    rare("bwbucketupsize", Int, SHAPED),
    rare("bwbucketdnsize", Int, SHAPED),
    rare("bwbucketminsize", Int, SHAPED),
    rare("tcpwin", Int, SHAPED),
    rare("scalewin", Flag, SHAPED),
    common("tcpmss", Int, Key("tun.max_segment")),
    core("macauth", Flag, Key("mac_authentication.radius, mac_authentication.service_type")),
    common(
        "macreauth",
        Flag,
        NotNeeded("a device is asked about again with each renewed lease, once in mac_authentication.again"),
    ),
    common("macauthdeny", Flag, Key("mac_authentication.refused")),
    core("macallowed", List, Key("mac_authentication.allow, mac_authentication.radius_only")),
    common("macsuffix", Text, Key("mac_authentication.suffix")),
    core("macpasswd", Secret, Key("mac_authentication.password")),
    common("macallowlocal", Flag, Key("mac_authentication.allow")),
    rare("strictmacauth", Flag, Key("mac_authentication.before_lease")),
    rare(
        "strictdhcp",
        Flag,
        NotNeeded("an address of the pool is only to be had by DHCP, unless dhcp.any_address says otherwise"),
    ),
    common("maxclients", Int, Key("guests.max")),
    common("dhcphashsize", Int, NotNeeded("tables grow by themselves")),
    common("seskeepalive", Flag, Key("session.outage")),
    common("usestatusfile", Text, NotNeeded("sessions and leases are kept in state.directory")),
    rare("statusfilesave", Flag, NotNeeded("what changes is written within two seconds")),
    rare("dhcpnotidle", Flag, Key("dhcp.renewal_is_activity")),
    common("ethers", Text, Key("dhcp.host.mac, dhcp.host.address")),
];
