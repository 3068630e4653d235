//! The portal, names, the garden.

use super::Fate::{Changed, Key, NotNeeded};
use super::Kind::{Address, Flag, Host, Int, List, Secret, Text};
use super::{ChilliOption, Fate, closed, common, core, lacking, laxer, obsolete, rare};

const PROGRAMS: Fate = lacking(
    "no stranger's request starts a program: the pages are built in, or files that use the JSON API (portal.files), or \
     those of uam.server",
);
const INJECT: Fate = lacking("pages of others are left as they are");
const MODULES: Fate = lacking("there are no modules");

pub(super) const OPTIONS: &[ChilliOption] = &[
    core("uamserver", Text, Key("uam.server")),
    common("uamhomepage", Text, Key("uam.home_page")),
    core("uamsecret", Secret, Key("uam.secret")),
    core("uamlisten", Address, Key("lan.gateway")),
    rare("dhcplisten", Address, lacking("the guests' router is lan.gateway")),
    core("uamport", Int, Key("portal.port")),
    core("uamuiport", Int, Key("uam.ui_port")),
    core("uamallowed", List, Key("garden.allow")),
    core("uamdomain", List, Key("garden.domains")),
    common("uamdomainttl", Int, Key("garden.domain_ttl")),
    rare("uamregex", List, closed("no request is passed on by the gateway; open the hosts with garden.domains")),
    rare("nosystemdns", Flag, NotNeeded("/etc/resolv.conf is looked at only without dns.resolvers")),
    core("uamanydns", Flag, NotNeeded("whichever server a guest asks before login, the gateway answers")),
    common("uamanyip", Flag, Key("dhcp.any_address")),
    common("uamnatanyip", Flag, NotNeeded("with dhcp.any_address a foreign address is always translated")),
    common("wisprlogin", Text, Key("uam.wispr_login")),
    obsolete("nouamsuccess", Flag, "it had no effect"),
    common("nowispr1", Flag, Key("uam.wispr")),
    common("nowispr2", Flag, Key("uam.wispr")),
    core("uamlogoutip", Host, Key("uam.logout_address")),
    core("uamaliasip", Host, Key("uam.alias_address")),
    core("uamaliasname", Text, Key("uam.alias_name")),
    common("uamhostname", Text, Key("uam.host_name")),
    rare("authedallowed", List, lacking("limits and counts hold for everything that a guest who is online does")),
    rare("uamauthedallowed", Flag, Key("garden.count")),
    common("domaindnslocal", Flag, Key("dns.domain_is_local")),
    core("wwwdir", Text, Key("portal.files")),
    core("wwwbin", Text, PROGRAMS),
    rare("uamui", Text, PROGRAMS),
    common("ssid", Text, Key("uam.ssid")),
    common("vlan", Text, Key("uam.vlan")),
    common("postauthproxy", Host, Key("uplink.http_proxy")),
    common("postauthproxyport", Int, Key("uplink.http_proxy_port")),
    rare(
        "postauthproxyssl",
        Flag,
        laxer("https would leave without that proxy: a rule of your own diverts it (MIGRATION.md, A proxy for https)"),
    ),
    rare("chillixml", Flag, lacking("the JSON API says the same")),
    common(
        "dnsparanoia",
        Flag,
        NotNeeded("before login only A, AAAA, HTTPS, SVCB, PTR, CNAME, SOA and NS are answered, and 1 kB a second"),
    ),
    rare("wpadpacfile", Text, lacking("browsers are given no proxy")),
    rare("nochallenge", Flag, Key("uam.plain_passwords")),
    common("challengetimeout", Int, Key("uam.challenge_lifetime")),
    common(
        "challengetimeout2",
        Int,
        Changed("uam.challenge_lifetime", "a challenge is taken for twice challengetimeout"),
    ),
    common("redir", Flag, NotNeeded("redirects cost no process and no connection")),
    rare("inject", Text, INJECT),
    rare("injectext", Text, INJECT),
    rare("injectwispr", Flag, INJECT),
    rare("redirurl", Flag, Key("uam.redirect_url")),
    common("sslkeyfile", Text, Key("portal.tls.key_file")),
    rare(
        "sslkeypass",
        Secret,
        lacking("the key is read as it is: write it without a passphrase, with openssl pkey, and chmod 600 it"),
    ),
    common("sslcertfile", Text, Key("portal.tls.certificate_file")),
    common("sslcafile", Text, lacking("certificates between the portal's and an authority go behind it in its file")),
    rare("sslciphers", Text, NotNeeded("TLS 1.2 and 1.3, with what is good today")),
    core("unixipc", Text, NotNeeded("there is one process")),
    rare("uamallowpost", Flag, NotNeeded("forms are posted to the built-in pages")),
    common(
        "redirssl",
        Flag,
        Changed(
            "portal.tls.name",
            "the portal's pages are https at port 443; https to anybody else is refused, so that devices ask by http at \
             once, where browsers warned of a wrong certificate",
        ),
    ),
    common("uamuissl", Flag, Key("portal.tls.port")),
    rare("ipwhitelist", Text, closed("its addresses are not opened; write them into garden.allow")),
    common(
        "uamdomainfile",
        Text,
        Changed("garden.domains, garden.allow", "patterns that are a name or a domain; others open nothing"),
    ),
    rare("patricia", Flag, NotNeeded("the garden is searched by a hash of its own")),
    common("redirdnsreq", Flag, NotNeeded("names of the garden are opened by the guest's own question")),
    rare("moddir", Text, MODULES),
    rare("module", List, MODULES),
    rare("forcedns1", Address, laxer("after login guests ask whom they want: divert port 53 on the uplink's side")),
    rare("forcedns1port", Int, lacking("see forcedns1")),
    rare("forcedns2", Address, laxer("after login guests ask whom they want: divert port 53 on the uplink's side")),
    rare("forcedns2port", Int, lacking("see forcedns2")),
    common("captiveportalapi_uri", Text, Key("dhcp.captive_portal")),
    rare("captiveportalvenue_info_url", Text, Key("portal.venue_url")),
];
