//! `poblano check`: would `run` work, and what would it do?

use std::collections::BTreeSet;
use std::fmt::Write;
use std::net::SocketAddr;

use config::{AuthMethod, Config, RadiusServer, RadiusTransport, UplinkShare};
use platform::Interface;
use serde_json::{Value, json};

use crate::cli::Setup;
use crate::{aaa, commands, https, run, scripts, settings};

pub(crate) fn check(setup: &Setup, as_json: bool) -> anyhow::Result<()> {
    let loaded = match settings::load(setup) {
        Ok(loaded) => loaded,
        Err(errors) if as_json => {
            let list: Vec<String> = errors.problems.iter().map(ToString::to_string).collect();
            commands::say(&json!({ "valid": false, "errors": list }).to_string());
            anyhow::bail!("the configuration cannot be used");
        }
        Err(errors) => return Err(errors.into()),
    };
    let warnings = loaded.warnings.iter().map(ToString::to_string);
    let warnings = warnings.chain(loaded.configs().filter_map(run::damaged_accounts));
    let warnings = warnings.chain(loaded.configs().flat_map(https::warnings));
    let warnings = warnings.chain(loaded.configs().filter_map(settings::wrong_logo));
    let warnings: Vec<String> = warnings.collect::<BTreeSet<_>>().into_iter().collect();
    let configs: Vec<Config> = [loaded.config].into_iter().chain(loaded.others).collect();
    let usable = run::of_each(&configs, |config| {
        aaa::check(config)
            .and_then(|()| scripts::check(config))
            .and_then(|()| https::check(config))
            .and_then(|()| settings::templates(config).map(drop))
    });
    if let Err(error) = usable {
        if as_json {
            commands::say(&json!({ "valid": false, "errors": [format!("{error:#}")] }).to_string());
        }
        return Err(error);
    }
    let host = run::machine(&configs);
    let gateways: Vec<_> = configs.iter().map(|config| (config, run::check_machine(&host, config))).collect();
    let machine = run::of_each(&configs, |config| run::check_machine(&host, config)).map(drop);
    let fits = machine.err().map(|error| format!("{error:#}"));
    if as_json {
        let mut told = json!({ "valid": true, "warnings": warnings });
        let mut zones: Vec<Value> = gateways.iter().map(|(config, machine)| facts(config, machine)).collect();
        match (&mut zones[..], told.as_object_mut()) {
            ([Value::Object(only)], Some(told)) if configs[0].zone.is_empty() => told.append(only),
            _ => told["zones"] = zones.into(),
        }
        commands::say(&told.to_string());
        return not_ready(fits);
    }
    let mut text = String::from("the configuration is valid; `poblano run` would\n");
    for (config, machine) in &gateways {
        if !config.zone.is_empty() {
            writeln!(text, " in zone {}", config.zone)?;
        }
        plan(&mut text, config, machine)?;
    }
    if let Some(listen) = configs[0].metrics.listen {
        if !configs[0].zone.is_empty() {
            writeln!(text, " for all zones")?;
        }
        writeln!(text, "  show metrics at http://{}/metrics", SocketAddr::new(listen, configs[0].metrics.port))?;
    }
    if let Some(url) = configs[0].console.url() {
        writeln!(text, "  show operators the console at {url}")?;
    }
    for webhook in &configs[0].webhooks {
        writeln!(text, "  tell {} of {}", webhook.url, webhook.events.join(", "))?;
    }
    commands::say(text.trim_end());
    for warning in warnings {
        commands::say(&format!("warning: {warning}"));
    }
    not_ready(fits)
}

type Machine = anyhow::Result<(Interface, Vec<Interface>)>;

fn facts(config: &Config, machine: &Machine) -> Value {
    json!({
        "zone": (!config.zone.is_empty()).then_some(&config.zone),
        "machine": machine.as_ref().err().map(|error| format!("{error:#}")),
        "lan": config.lan.interface,
        "uplink": machine.as_ref().ok().and_then(|(_, uplinks)| uplinks.first()).map(|uplink| &uplink.name),
        "uplinks": machine.as_ref().ok().map(|(_, uplinks)| names(uplinks)),
        "network": config.lan.network.to_string(),
        "gateway": config.lan.gateway,
        "portal": format!("{}/", settings::portal(config)),
        "resolvers": resolvers(config),
    })
}

fn names(uplinks: &[Interface]) -> Vec<&str> {
    uplinks.iter().map(|uplink| &*uplink.name).collect()
}

fn resolvers(config: &Config) -> Vec<String> {
    settings::resolvers(config).iter().map(ToString::to_string).collect()
}

/// What would be done, as people read it.
fn plan(text: &mut String, config: &Config, machine: &Machine) -> std::fmt::Result {
    let uplink = machine.as_ref().map_or_else(
        |_| "the uplink".to_owned(),
        |(_, uplinks)| {
            let how = if config.uplink.share == UplinkShare::First { ", then " } else { " and " };
            names(uplinks).join(how)
        },
    );
    let lan = &config.lan.interface;
    if !config.lan.ports.is_empty() {
        writeln!(
            text,
            "  make the bridge {lan} of {}, and let nothing pass between them",
            config.lan.ports.join(" and ")
        )?;
    }
    writeln!(text, "  shut the kernel out of {lan} and serve guests there")?;
    writeln!(
        text,
        "  lease {} to {}, but for the gateway's own, for {}",
        config.dhcp.first,
        config.dhcp.last,
        config::format_duration(config.dhcp.lease)
    )?;
    for pool in &config.dhcp.pools {
        writeln!(text, "  keep {} to {} for whom RADIUS says {:?}", pool.first, pool.last, pool.name)?;
    }
    for routed in &config.lan.routed {
        writeln!(text, "  serve guests of {} behind the router {} ({})", routed.network, routed.via, routed.mac)?;
    }
    if config.dhcp.any_address {
        writeln!(text, "  serve static addresses of other networks too")?;
    }
    writeln!(text, "  make {} with {}/{}", config.tun.name, config.lan.gateway, config.lan.network.prefix)?;
    let nat = if config.uplink.masquerade { "with NAT" } else { "without NAT" };
    writeln!(text, "  forward guests that are logged in to {uplink}, {nat}")?;
    writeln!(text, "  show the portal at {}/", settings::portal(config))?;
    if config.portal.tls.is_some() {
        writeln!(
            text,
            "  answer by http at {}/ too, and lead to the portal from there",
            settings::plain_portal(config)
        )?;
    }
    writeln!(
        text,
        "  ask {} who may log in",
        config.auth.methods.iter().map(|m| asked(*m, config)).collect::<Vec<_>>().join(", then ")
    )?;
    let kept = [("sessions", config.retention.sessions), ("mappings", config.retention.mappings)];
    let kept: Vec<_> = kept.into_iter().filter(|(_, kept)| *kept).map(|(what, _)| what).collect();
    if !kept.is_empty() {
        let (age, directory) = (config::format_duration(config.retention.age), config.retention.directory.display());
        writeln!(text, "  keep {} in {directory} for {age}", kept.join(" and "))?;
    }
    if let Some(own) = &config.radius.administrative {
        let interval = config::format_duration(own.interval);
        writeln!(text, "  log in for itself as {} every {interval}, for what the server configures", own.user)?;
    }
    match resolvers(config).as_slice() {
        [] => writeln!(text, "  answer DNS with SERVFAIL: there is no resolver (dns.resolvers, /etc/resolv.conf)"),
        some => writeln!(text, "  answer DNS through {}", some.join(", ")),
    }
}

fn asked(method: AuthMethod, config: &Config) -> String {
    let name = |server: &RadiusServer| match &server.transport {
        RadiusTransport::Http(page) => page.url.split('?').next().unwrap_or_default().to_owned(),
        RadiusTransport::Udp | RadiusTransport::Tls(_) => server.address.to_string(),
    };
    match method {
        AuthMethod::Local => config.auth.accounts.display().to_string(),
        AuthMethod::LocalUsers => {
            config.auth.local_users.as_ref().map_or_else(String::new, |f| f.display().to_string())
        }
        AuthMethod::Vouchers => "vouchers".to_owned(),
        AuthMethod::ClickThrough => "the guest, who accepts the terms".to_owned(),
        AuthMethod::Radius => config.radius.servers.iter().map(name).collect::<Vec<_>>().join(" and "),
    }
}

/// What is in the way is an error of the check, whoever reads its output.
fn not_ready(why: Option<String>) -> anyhow::Result<()> {
    match why {
        None => Ok(()),
        Some(error) => anyhow::bail!("this machine is not ready: {error}"),
    }
}
