//! From the checked configuration to what each part is told.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;

use anyhow::Context;
use config::{AuthMethod, Config, Direction, PortalTls};
use engine::dns;
use fastpath::garden::Network;
use tracing::{error, info, warn};
use wire::dns::NameBuf;
use wire::routes::{Route, Routes};
use wire::url::percent_encoded;
use wire::{MacAddr, Vlan};

use crate::parts;

const DNS_PORT: u16 = 53;
/// Where the file is looked for: as packages have it on Debian, on FreeBSD and on OpenWrt, there in OpenWrt's form.
const USUAL: [&str; 3] = ["/etc/poblano/poblano.toml", "/usr/local/etc/poblano/poblano.toml", "/etc/config/poblano"];

/// The file, if it was named or is where it is looked for, or CoovaChilli's; the command line over it.
pub(crate) fn load(setup: &crate::cli::Setup) -> Result<config::Loaded, config::Errors> {
    let overrides =
        config::Overrides { lan: setup.lan.clone(), uplink: setup.uplink.clone(), left_out: parts::NOT_CONFIGURED };
    if let Some(path) = &setup.chilli_conf {
        return config::chilli::load(path, &overrides, &crate::import::Machine);
    }
    let usual = || USUAL.iter().map(Path::new).find(|path| path.exists());
    match setup.config.as_deref().or_else(usual) {
        Some(path) => Config::load(path, &overrides),
        None => Config::without_file(&overrides),
    }
}

/// The configuration of the zone that is meant; where there are zones, it has to be said which.
pub(crate) fn of_zone(loaded: config::Loaded, zone: Option<&str>) -> anyhow::Result<Config> {
    let names: Vec<&str> = loaded.configs().map(|config| &*config.zone).filter(|name| !name.is_empty()).collect();
    let names = names.join(", ");
    let mut configs = [loaded.config].into_iter().chain(loaded.others);
    match zone {
        None if names.is_empty() => configs.next().context("there is always one"),
        None => anyhow::bail!("the configuration has zones; name one with --zone: {names}"),
        Some(zone) if names.is_empty() => anyhow::bail!("there are no zones, and so no zone {zone}"),
        Some(zone) => configs
            .find(|config| config.zone == zone)
            .with_context(|| format!("there is no zone {zone}; there are {names}")),
    }
}

pub(crate) fn network(network: config::Network) -> anyhow::Result<Network> {
    Network::new(network.address, network.prefix).context("a network prefix is longer than 32")
}

/// Networks behind routers on the guests' network.
pub(crate) fn routes(config: &Config) -> Routes {
    let route = |routed: &config::Routed| Route {
        network: routed.network.address,
        prefix: routed.network.prefix,
        via: routed.via,
        mac: routed.mac,
        vlan: Vlan(routed.vlan),
    };
    config.lan.routed.iter().map(route).collect()
}

/// All networks that guests are in, the LAN's first.
pub(crate) fn guests_networks(config: &Config) -> Vec<(Ipv4Addr, u8)> {
    let routed = config.lan.routed.iter().map(|routed| routed.network);
    [config.lan.network].into_iter().chain(routed).map(|network| (network.address, network.prefix)).collect()
}

pub(crate) fn engine(
    config: &Config,
    boot: u32,
    lan_mac: MacAddr,
    mtu: u32,
) -> anyhow::Result<engine::gateway::Config> {
    Ok(engine::gateway::Config {
        boot,
        longest_outage: config.session.outage.unwrap_or_default(),
        gateway: config.lan.gateway,
        gateway_mac: lan_mac,
        routes: routes(config),
        untagged: config.lan.untagged,
        dhcp: dhcp(config, lan_mac, mtu),
        dns: dns(config)?,
        garden: crate::garden::rules(config)?,
        garden_addresses: config.garden.addresses as usize,
        devices: devices(&config.mac_authentication),
        // It asks without a tag.
        rogue_probe: config.dhcp.rogue_probe.filter(|_| config.lan.untagged),
    })
}

pub(crate) fn devices(macs: &config::MacAuthentication) -> engine::devices::Config {
    engine::devices::Config {
        allow: macs.allow.iter().copied().collect(),
        only: macs.radius_only.iter().copied().collect(),
        per_sec: if macs.radius { macs.per_second } else { 0 },
        again: macs.again,
        before_lease: macs.before_lease,
        drop_refused: macs.radius && macs.refused == config::RefusedDevice::Drop,
    }
}

/// Where names of the portal that are nobody's in particular lead.
fn portal_address(config: &Config) -> Ipv4Addr {
    config.uam.alias_address.unwrap_or(config.lan.gateway)
}

/// The portal's names, which our DNS answers with the gateway's address.
pub(crate) fn names(config: &Config) -> Vec<&str> {
    let uam = &config.uam;
    let tls = config.portal.tls.as_ref();
    [Some(&config.dns.name), uam.alias_name.as_ref(), uam.host_name.as_ref(), tls.map(|tls| &tls.name)]
        .into_iter()
        .flatten()
        .map(|name| &**name)
        .collect()
}

/// Called-Station-Id: how servers and portals know this place.
pub(crate) fn called_station_id(config: &Config, lan_mac: MacAddr) -> String {
    config.radius.called_station_id.clone().unwrap_or_else(|| lan_mac.to_station_id())
}

/// Where guests find the portal by http, without a slash at the end.
pub(crate) fn plain_portal(config: &Config) -> String {
    format!("http://{}:{}", config.lan.gateway, config.portal.port)
}

/// Where guests find its pages.
pub(crate) fn portal(config: &Config) -> String {
    config.portal.tls.as_ref().map_or_else(|| plain_portal(config), PortalTls::url)
}

/// Where the packet path leads guests. On their way to an external portal they have nothing to hide.
pub(crate) fn way_in(config: &Config) -> String {
    if config.uam.server.is_some() { plain_portal(config) } else { portal(config) }
}

/// What guests are shown, and external portals told.
pub(crate) fn site(config: &Config, lan_mac: MacAddr) -> portal::Site {
    let uam = &config.uam;
    let addresses = uam.alias_address.into_iter().chain([config.lan.gateway]).map(|address| address.to_string());
    let mut site = portal::Site {
        title: String::new(),
        welcome: None,
        look: portal::Look::default(),
        sign_in: portal::SignIn {
            password: config
                .auth
                .methods
                .iter()
                .any(|method| !matches!(method, AuthMethod::Vouchers | AuthMethod::ClickThrough)),
            voucher: config.auth.methods.contains(&AuthMethod::Vouchers),
            click_through: config.auth.methods.contains(&AuthMethod::ClickThrough),
        },
        templates: None,
        terms: None,
        base_url: portal(config),
        names: names(config).into_iter().map(str::to_owned).chain(addresses).collect(),
        venue_url: config.portal.venue_url.clone(),
        can_extend: config.portal.can_extend,
        files: files(config),
        routes: routes(config),
        uam: portal::Uam {
            portal: uam::Portal {
                server: uam.server.clone().unwrap_or_default(),
                secret: uam.secret.as_ref().map(|secret| secret.expose().to_vec()).unwrap_or_default(),
                wispr_1: uam.wispr_1,
                wispr_2: uam.wispr_2,
                wispr_login: uam.wispr_login.clone().unwrap_or_default(),
                redirect_url: uam.redirect_url,
                gateway: Some((config.lan.gateway, config.portal.port)),
                secure: config.portal.tls.as_ref().map(|tls| format!("{}/", tls.url())).unwrap_or_default(),
                called: called_station_id(config, lan_mac),
                nas_id: config.radius.nas_identifier.clone(),
                ssid: uam.ssid.clone(),
                vlan: uam.vlan.clone(),
                location_id: uam.location_id.clone(),
                location_name: uam.location_name.clone(),
                input_is_from_guest: config.accounting.direction == Direction::Rfc2866,
            },
            home_page: uam.home_page.clone(),
            challenge_lifetime: uam.challenge_lifetime,
            reuse_challenges: uam.reuse_challenges,
            plain_passwords: uam.plain_passwords,
            eap: config.auth.methods.contains(&AuthMethod::Radius),
            original_url: uam.original_url,
            origins: uam.origins.clone(),
        },
        limits: portal::Limits::default(),
    };
    dress(&mut site, config);
    site
}

/// The operator's words, colour, logo and templates. A logo that cannot be read leaves the one that there is, and so do templates.
pub(crate) fn dress(site: &mut portal::Site, config: &Config) {
    let said = |text: &String| Some(text.clone()).filter(|text| !text.trim().is_empty());
    let ours = &config.portal;
    (site.title, site.welcome, site.terms) = (ours.title.clone(), said(&ours.welcome), said(&ours.terms));
    let logo = logo(config).unwrap_or_else(|error| {
        warn!("{error}");
        Some(site.look.logo().clone())
    });
    site.look = portal::Look::new(ours.color.map(portal::Color), logo);
    match templates(config) {
        Ok(templates) => site.templates = templates,
        Err(errors) => error!("{errors}\nguests get the pages that they got before"),
    }
}

/// The operator's templates, or all that is wrong with them.
pub(crate) fn templates(config: &Config) -> anyhow::Result<Option<portal::Templates>> {
    let templates = config.portal.templates.as_deref().map(portal::Templates::read).transpose();
    templates.map_err(|errors| anyhow::anyhow!("portal.templates cannot be used:\n{errors}"))
}

/// What is wrong with the logo.
pub(crate) fn wrong_logo(config: &Config) -> Option<String> {
    logo(config).err()
}

fn logo(config: &Config) -> Result<Option<portal::Logo>, String> {
    let logo = config.portal.logo.as_deref().map(portal::Logo::read).transpose();
    logo.map_err(|error| format!("portal.logo cannot be shown: {error}"))
}

/// Without them guests miss some pages, not the portal.
fn files(config: &Config) -> portal::Files {
    let Some(folder) = &config.portal.files else { return portal::Files::default() };
    match portal::Files::read(folder) {
        Ok(files) => {
            info!(files = files.count(), folder = %folder.display(), "guests get these below /www/");
            files
        }
        Err(error) => {
            warn!(%error, folder = %folder.display(), "portal.files cannot be served");
            portal::Files::default()
        }
    }
}

/// Resolvers of the configuration, or else of the machine.
pub(crate) fn resolvers(config: &Config) -> Vec<SocketAddr> {
    if !config.dns.resolvers.is_empty() {
        return config.dns.resolvers.iter().map(|&ip| (ip, DNS_PORT).into()).collect();
    }
    let text = std::fs::read_to_string("/etc/resolv.conf").unwrap_or_default();
    let addresses = text.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        (words.next() == Some("nameserver")).then(|| words.next()?.parse().ok()).flatten()
    });
    addresses.take(3).map(|ip: std::net::IpAddr| (ip, DNS_PORT).into()).collect()
}

pub(crate) fn dhcp(config: &Config, lan_mac: MacAddr, mtu: u32) -> engine::dhcp::Config {
    let options = |options: &[config::DhcpOption]| -> BTreeMap<u8, Vec<u8>> {
        options.iter().map(|option| (option.code, option.data.clone())).collect()
    };
    let host = |host: &config::HostLease| {
        let settings = engine::dhcp::Host {
            address: host.address,
            hostname: host.hostname.clone(),
            filename: host.filename.clone(),
            next_server: host.next_server,
            root_path: host.root_path.clone(),
            options: options(&host.options),
        };
        (host.mac, settings)
    };
    engine::dhcp::Config {
        ranges: vec![config.dhcp.first..=config.dhcp.last],
        pools: config.dhcp.pools.iter().map(|pool| (pool.name.clone(), pool.first..=pool.last)).collect(),
        statics: config.dhcp.static_addresses.map(|network| network.address..=network.last()),
        lease: config.dhcp.lease,
        lease_before_login: Some(config.dhcp.offline_lease),
        domain: config.dhcp.domain.clone(),
        dns: config.dhcp.dns.clone(),
        ntp: config.dhcp.ntp.clone(),
        mtu: (mtu != 1500).then(|| u16::try_from(mtu).unwrap_or(u16::MAX)),
        options: options(&config.dhcp.options),
        hosts: config.dhcp.hosts.iter().map(host).collect(),
        host_routes: config.dhcp.host_routes,
        any_address: config.dhcp.any_address,
        renewal_is_activity: config.dhcp.renewal_is_activity,
        conflict_probe: config.dhcp.conflict_probe,
        captive_portal: captive_portal(config),
        max_leases: config.guests.max as usize,
        ..engine::dhcp::Config::new(config.lan.gateway, config.lan.network.prefix, lan_mac)
    }
}

/// The API that guests are told of: the operator's, or ours, if they can ask it.
fn captive_portal(config: &Config) -> Option<String> {
    match (&config.dhcp.captive_portal, &config.portal.tls) {
        (Some(uri), _) => {
            let nas_id: String =
                percent_encoded(&config.radius.nas_identifier).flatten().copied().map(char::from).collect();
            Some(uri.replace("%{n}", &nas_id))
        }
        (None, tls) => tls.as_ref().map(|tls| format!("{}/captive-portal/api", tls.url())),
    }
}

fn dns(config: &Config) -> anyhow::Result<dns::Config> {
    let name = |text: &str| text.parse::<NameBuf>().map_err(|error| anyhow::anyhow!("dns.name {text:?}: {error}"));
    let domain = &config.dhcp.domain;
    let logout = config.uam.logout_address.into_iter().flat_map(|address| {
        // Typed as it is, or completed by the guest with the domain that it was given.
        let full = domain.as_ref().map(|domain| format!("logout.{domain}"));
        ["logout".to_owned()].into_iter().chain(full).map(move |name| (name, address))
    });
    let portal = names(config).into_iter().map(|name| (name.to_owned(), config.lan.gateway));
    let own_names = portal.chain(logout).map(|(text, address)| Ok((name(&text)?, address)));
    let local = domain.as_ref().filter(|_| config.dns.domain_is_local);
    let own_domain = local.map(|domain| Ok::<_, anyhow::Error>((name(domain)?, portal_address(config)))).transpose()?;
    let defaults = dns::Config::default();
    let per_sec = config.dns.queries_per_second;
    let queries = dns::Rate { per_sec, burst: defaults.before_login.queries.burst.max(per_sec.saturating_mul(4)) };
    Ok(dns::Config {
        resolvers: resolvers(config),
        own_names: own_names.collect::<anyhow::Result<_>>()?,
        own_domain,
        garden_cap: config.garden.domain_ttl,
        before_login: dns::Limits { queries, ..defaults.before_login },
        ..defaults
    })
}

/// A network of guests and an address of the uplink, if they overlap.
pub(crate) fn overlap(config: &Config, uplink: &platform::Interface) -> Option<(config::Network, (Ipv4Addr, u8))> {
    guests_networks(config).into_iter().find_map(|(address, prefix)| {
        let guests = config::Network { address, prefix };
        let meets = |&(address, prefix): &(Ipv4Addr, u8)| {
            prefix < 32 && guests.overlaps(config::Network::containing(address, prefix))
        };
        Some((guests, uplink.v4.iter().copied().find(meets)?))
    })
}
