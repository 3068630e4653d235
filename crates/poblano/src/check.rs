//! `poblano check`: would `run` work, and what would it do?

use std::fmt::Write;

use platform::Host;
use serde_json::json;

use crate::cli::Setup;
use crate::{aaa, commands, run, scripts, settings};

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
    if let Err(error) = aaa::check(&loaded.config).and_then(|()| scripts::check(&loaded.config)) {
        if as_json {
            commands::say(&json!({ "valid": false, "errors": [format!("{error:#}")] }).to_string());
        }
        return Err(error);
    }
    let machine = run::check_machine(&Host::new(), &loaded.config);
    let config = &loaded.config;
    let resolvers: Vec<String> = settings::resolvers(config).iter().map(ToString::to_string).collect();
    let warnings = loaded.warnings.iter().map(ToString::to_string);
    let warnings: Vec<String> = warnings.chain(run::damaged_accounts(config)).collect();
    let fits = match &machine {
        Ok(_) => None,
        Err(error) => Some(format!("{error:#}")),
    };
    if as_json {
        commands::say(
            &json!({
                "valid": true,
                "warnings": warnings,
                "machine": fits,
                "lan": config.lan.interface,
                "uplink": machine.as_ref().ok().map(|(_, uplink)| &uplink.name),
                "network": config.lan.network.to_string(),
                "gateway": config.lan.gateway,
                "portal": format!("http://{}:{}/", config.lan.gateway, config.portal.port),
                "resolvers": resolvers,
            })
            .to_string(),
        );
        return not_ready(fits);
    }
    let mut text = String::from("the configuration is valid; `poblano run` would\n");
    let uplink = machine.as_ref().map_or("the uplink", |(_, uplink)| uplink.name.as_str());
    let lan = &config.lan.interface;
    writeln!(text, "  shut the kernel out of {lan} and serve guests there")?;
    writeln!(
        text,
        "  lease {} to {}, but for the gateway's own, for {}",
        config.dhcp.first,
        config.dhcp.last,
        config::format_duration(config.dhcp.lease)
    )?;
    writeln!(text, "  make {} with {}/{}", config.tun.name, config.lan.gateway, config.lan.network.prefix)?;
    let nat = if config.uplink.masquerade { "with NAT" } else { "without NAT" };
    writeln!(text, "  forward guests that are logged in to {uplink}, {nat}")?;
    writeln!(text, "  show the portal at http://{}:{}/", config.lan.gateway, config.portal.port)?;
    match resolvers.as_slice() {
        [] => writeln!(text, "  answer DNS with SERVFAIL: there is no resolver (dns.resolvers, /etc/resolv.conf)")?,
        some => writeln!(text, "  answer DNS through {}", some.join(", "))?,
    }
    commands::say(text.trim_end());
    for warning in warnings {
        commands::say(&format!("warning: {warning}"));
    }
    not_ready(fits)
}

/// What is in the way is an error of the check, whoever reads its output.
fn not_ready(why: Option<String>) -> anyhow::Result<()> {
    match why {
        None => Ok(()),
        Some(error) => anyhow::bail!("this machine is not ready: {error}"),
    }
}
