//! RADIUS: servers, their requests, access points.

use super::Fate::{Changed, Key, NotNeeded};
use super::Kind::{Address, Flag, Host, Int, List, Network, Secret, Text};
use super::{ChilliOption, closed, common, core, lacking, obsolete, rare};

pub(super) const OPTIONS: &[ChilliOption] = &[
    common(
        "radiuslisten",
        Host,
        Changed(
            "radius.nas_ip",
            "servers are asked from the address of the route to them; it is told to them as NAS-IP-Address",
        ),
    ),
    core(
        "radiusserver1",
        Host,
        Changed("radius.server.address", "answers must have a Message-Authenticator (CVE-2024-3596)"),
    ),
    core("radiusserver2", Host, Changed("radius.server.address", "likewise")),
    core("radiusauthport", Int, Key("radius.server.auth_port")),
    core("radiusacctport", Int, Key("radius.server.acct_port")),
    core("radiussecret", Secret, Key("radius.server.secret")),
    common(
        "radiustimeout",
        Int,
        Changed("radius.timeout", "the time before a request is sent again doubles each time"),
    ),
    common("radiusretry", Int, Changed("radius.tries", "tries are for each server")),
    common("radiusretrysec", Int, Changed("radius.tries", "tries are for each server")),
    core("radiusnasid", Text, Key("radius.nas_identifier")),
    core("radiuslocationid", Text, Key("uam.location_id")),
    core("radiuslocationname", Text, Key("uam.location_name")),
    common("locationname", Text, Key("uam.location_name")),
    common("radiusnasporttype", Int, Key("radius.nas_port_type")),
    core(
        "coaport",
        Int,
        Changed(
            "radius.dynamic_authorization.port",
            "requests must have a Message-Authenticator and an Event-Timestamp; one that names several sessions is for all of them",
        ),
    ),
    common(
        "coanoipcheck",
        Flag,
        closed(
            "requests are taken from the RADIUS servers only; name others as [[radius.dynamic_authorization.client]]",
        ),
    ),
    rare(
        "noradallow",
        Flag,
        closed("nobody is let in because servers are silent; radius.unreachable = \"admit 30m\" does that, for a time"),
    ),
    common("proxylisten", Host, Key("radius.proxy.listen")),
    common(
        "proxyport",
        Int,
        Changed("radius.proxy.port", "accounting has a port of its own, the next one: tell the access points"),
    ),
    common("proxyclient", Network, Key("radius.proxy.client.address")),
    common("proxysecret", Secret, Key("radius.proxy.client.secret")),
    rare("proxymacaccept", Flag, closed("nobody is let in without the server's word")),
    rare(
        "proxyonacct",
        Flag,
        lacking("records of access points are acknowledged and go no further: octets are counted here"),
    ),
    rare("proxylocattr", List, lacking("locations are not followed")),
    common(
        "radsec",
        Flag,
        Changed(
            "radius.server.transport",
            "the server's certificate is checked against sslcafile, and ours is sslcertfile",
        ),
    ),
    common(
        "uamaaaurl",
        Text,
        Changed(
            "radius.server.url",
            "the certificate of https is checked; addresses are signed with uamsecret as before",
        ),
    ),
    rare("adminuser", Text, Key("radius.administrative.user")),
    rare("adminpasswd", Secret, Key("radius.administrative.secret")),
    rare(
        "adminupdatefile",
        Text,
        NotNeeded("what a server says goes over the configuration, and outlasts a restart in state.directory"),
    ),
    common("nasmac", Text, Key("radius.called_station_id")),
    common("nasip", Address, Key("radius.nas_ip")),
    common("radiusoriginalurl", Flag, Key("uam.original_url")),
    core("swapoctets", Flag, Key("accounting.direction")),
    common("localusers", Text, Key("auth.local_users, auth.method")),
    rare("wpaguests", Flag, lacking("who has joined by WPA-Enterprise is online")),
    obsolete("openidauth", Flag, "nothing answered to it any more"),
    obsolete("papalwaysok", Flag, "it had no effect"),
    common("mschapv2", Flag, Key("radius.method")),
    common("acctupdate", Flag, Key("accounting.answers_change")),
    rare(
        "framedservice",
        Flag,
        lacking("Service-Type is Login for people; for devices see mac_authentication.service_type"),
    ),
    rare("radiusqsize", Int, NotNeeded("there are as many sockets as requests need")),
    rare("extadmvsa", List, lacking("no attribute of a server's runs a program")),
];
