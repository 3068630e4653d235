//! Any text as a configuration of CoovaChilli's, which may include itself.
#![no_main]

use std::net::Ipv4Addr;
use std::path::Path;

use config::chilli::{Import, Surroundings, import};
use config::{Config, GardenHost, Overrides};
use libfuzzer_sys::fuzz_target;

/// A machine on which every file is the text.
struct Machine<'a>(&'a str);

impl Surroundings for Machine<'_> {
    fn read(&self, _: &Path) -> std::io::Result<String> {
        Ok(self.0.to_owned())
    }

    fn resolve(&self, name: &str) -> Vec<Ipv4Addr> {
        if name.len() % 2 == 0 { vec![Ipv4Addr::new(198, 51, 100, 20)] } else { Vec::new() }
    }
}

fuzz_target!(|text: &str| {
    // Files of certificates would be looked for.
    let text = text.replace("ssl", "ss1");
    match import(Path::new("/etc/chilli.conf"), &Overrides::default(), &Machine(&text)) {
        Ok(Import { toml, report, loaded }) => {
            let again = Config::parse(&toml, "poblano.toml", &Overrides::default()).expect("what is made is valid");
            assert_eq!(again.config, loaded.config);
            report.findings.iter().for_each(|finding| assert!(!finding.text.contains('\n'), "one line: {finding:?}"));
            let config = loaded.config;
            assert_eq!(config.radius.admit_unreachable, None, "silence lets nobody in");
            assert!(config.radius.proxy.clients.iter().all(|client| client.address.prefix > 0), "not everybody");
            for entry in config.garden.allow {
                let GardenHost::Network(network) = entry.host else { continue };
                assert!(network.prefix > 0 && !network.overlaps(config.lan.network), "{network}");
            }
        }
        Err(errors) => {
            assert!(!errors.problems.is_empty());
            for problem in errors.problems {
                assert!(!problem.message.is_empty() && !problem.to_string().contains('\n'), "one line: {problem:?}");
            }
        }
    }
});
