//! Control, accounting of the garden, and what fits nowhere else.

use super::Fate::{Changed, Key, NotNeeded};
use super::Kind::{Flag, Int, List, Text};
use super::{ChilliOption, core, lacking, obsolete, rare};

pub(super) const OPTIONS: &[ChilliOption] = &[
    core(
        "cmdsocket",
        Text,
        Changed(
            "control.socket",
            "give poblano's commands --socket with it, and use `poblano query` in chilli_query's place",
        ),
    ),
    rare("cmdsocketport", Int, NotNeeded("nobody controls the gateway over TCP")),
    obsolete("rtmonfile", Text, "CoovaChilli never looked at it"),
    rare("nousergardendata", Flag, Key("garden.count")),
    rare("uamgardendata", Flag, lacking("before login the garden is on nobody's account, after it on the guest's")),
    rare("uamotherdata", Flag, lacking("what is dropped is on nobody's account")),
    rare(
        "layer3",
        Flag,
        lacking(
            "name each network behind a router, and the router, in [[lan.routed]]; guests on the LAN itself are served beside them",
        ),
    ),
    rare("ipsrcallowed", List, lacking("it is network in [[lan.routed]]; see layer3")),
    rare("dhcpopt", List, Key("dhcp.options")),
];
