//! SIGHUP: the configuration is read again, and what can change without a restart does.

use std::future::{Future, poll_fn};
use std::rc::Rc;
use std::task::Poll;

use config::Config;
use tokio::signal::unix::Signal;
use tracing::{error, info, warn};

use crate::cli::Setup;
use crate::gateway::Gateway;
use crate::https::Https;
use crate::{garden, log, settings};

/// What it needs.
pub(super) struct Reload {
    pub(super) setup: Setup,
    /// What runs: one for each zone.
    pub(super) running: Vec<Running>,
}

/// A gateway that runs, and what it runs by.
pub(super) struct Running {
    /// What the file says.
    pub(super) config: Config,
    /// The same with what a RADIUS server says over it.
    pub(super) in_force: Config,
    pub(super) lan_mac: wire::MacAddr,
    pub(super) mtu: u32,
    pub(super) gateway: Rc<Gateway>,
    pub(super) https: Option<Rc<Https>>,
    /// What guests are shown.
    pub(super) board: Rc<portal::Board>,
}

impl Reload {
    /// Reads it again with each signal, and with each word of the operator's to the first gateway.
    pub(super) async fn on_signal(mut self, mut hangup: Signal) {
        let Some(first) = self.running.first().map(|running| Rc::clone(&running.gateway)) else { return };
        loop {
            tokio::select! {
                told = hangup.recv() => if told.is_none() { return },
                () = first.reload.notified() => {}
                () = said_otherwise(&self.running) => {
                    for running in &mut self.running {
                        log::zone(&running.config).in_scope(|| running.put_in_force());
                    }
                    continue;
                }
            }
            match settings::load(&self.setup) {
                Ok(loaded) => self.apply(&loaded),
                Err(errors) => error!("the configuration stays as it is:\n{errors}"),
            }
        }
    }

    fn apply(&mut self, loaded: &config::Loaded) {
        for warning in &loaded.warnings {
            warn!("{warning}");
        }
        if !loaded.configs().map(|config| &config.zone).eq(self.running.iter().map(|running| &running.config.zone)) {
            warn!("zones come and go with a restart only");
        }
        for running in &mut self.running {
            if let Some(https) = &running.https {
                https.look.notify_one();
            }
            if let Some(config) = loaded.configs().find(|config| config.zone == running.config.zone) {
                log::zone(config).in_scope(|| running.apply(config));
            }
        }
    }
}

/// Waits until a RADIUS server says something else about the configuration of one of them.
async fn said_otherwise(running: &[Running]) {
    let own = running.iter().filter_map(|running| running.gateway.administrative.as_ref());
    let mut words: Vec<_> = own.map(|own| Box::pin(own.changed.notified())).collect();
    poll_fn(|context| {
        let ready = words.iter_mut().any(|word| word.as_mut().poll(context).is_ready());
        if ready { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

impl Running {
    fn apply(&mut self, loaded: &Config) {
        // All else is built into devices, tables and rules at start.
        let config::Garden { addresses, count, .. } = self.config.garden;
        let garden = config::Garden { addresses, count, ..loaded.garden.clone() };
        let config::Portal { port, files, venue_url, can_extend, tls, .. } = self.config.portal.clone();
        let portal = config::Portal { port, files, venue_url, can_extend, tls, ..loaded.portal.clone() };
        let mut site = portal::Site::clone(&self.board.site());
        settings::dress(&mut site, loaded);
        self.board.show(site);
        self.config.portal = portal;
        let now_running = Config { dhcp: loaded.dhcp.clone(), garden, ..self.config.clone() };
        if now_running != *loaded {
            warn!("only [dhcp], [garden] and the pages change without a restart; what else has changed waits for one");
        }
        if now_running.lan != loaded.lan || now_running.guests != loaded.guests {
            warn!("[dhcp] and [garden] wait too: they depend on [lan] and [guests], which have changed");
            return;
        }
        let dhcp = settings::dhcp(&now_running, self.lan_mac, self.mtu);
        self.gateway.with(|engine, now| engine.reconfigure_dhcp(now, dhcp));
        self.config = now_running;
        self.put_in_force();
        info!("[dhcp] and [garden] are as the configuration has them now");
    }

    /// The file, and what a RADIUS server says over it.
    fn put_in_force(&mut self) {
        let own = self.gateway.administrative.as_ref();
        let config = own.map_or_else(|| self.config.clone(), |own| own.apply(&self.config));
        let before = std::mem::replace(&mut self.in_force, config.clone());
        if config.garden != before.garden {
            self.apply_garden(&config);
        }
        if config.mac_authentication != before.mac_authentication {
            let devices = settings::devices(&config.mac_authentication);
            self.gateway.with(|engine, _| engine.reconfigure_devices(devices));
        }
        self.gateway.aaa.reconfigure(&config);
    }

    fn apply_garden(&self, config: &Config) {
        match garden::rules(config) {
            Ok(rules) => {
                let refused = self.gateway.with(|engine, _| engine.reconfigure_garden(rules, config.garden.domain_ttl));
                if refused > 0 {
                    warn!("[garden]: {refused} new networks found no room; a restart makes it");
                }
            }
            Err(error) => error!("[garden] stays as it is: {error:#}"),
        }
    }
}
