//! How a login becomes a question to a RADIUS server.

use config::{Config, MacAuthentication, MacServiceType, PasswordMethod};
use engine::gateway::Attempt;
use portal::{Credential as Shown, Login};
use radius::attr::{self, chillispot, microsoft, wispr};
use radius::{AccessRequest, Attribute, Credential, GuestFacts, MacFormat, NasFacts, Reply, Service};
use wire::routes::Routes;
use wire::{GuestKey, MacAddr, Vlan};

use super::conversations::Conversation;
use super::{dhcp, method};
use crate::settings;

/// A question, and what the answer is to prove.
pub(super) struct Ask {
    pub(super) request: AccessRequest,
    /// The password, if we know it: then the server is to prove that it does, too.
    password: Option<String>,
}

impl Ask {
    /// True if the method is EAP and this Accept does not end it.
    pub(super) fn is_unfinished_by(&self, accept: &Reply) -> bool {
        matches!(self.request.credential, Credential::Eap { .. }) && accept.get(attr::EAP_MESSAGE).is_none()
    }

    /// True unless the method has the server prove that it knows the password, and this Accept does not.
    pub(super) fn is_proven_by(&self, accept: &Reply) -> bool {
        let Credential::MsChapV2(response) = &self.request.credential else { return true };
        let Some(password) = &self.password else { return true };
        let success = accept.get(microsoft::MS_CHAP2_SUCCESS);
        success.is_some_and(|success| response.is_proven_by(&success, &self.request.user, password))
    }
}

/// What the gateway says of itself, and how it says what a guest says.
pub(super) struct Asks {
    pub(super) nas: NasFacts,
    lan: String,
    routes: Routes,
    password_method: PasswordMethod,
    pub(super) devices: MacAuthentication,
    device_names: MacFormat,
}

impl Asks {
    pub(super) fn new(config: &Config, lan_mac: Option<MacAddr>) -> Self {
        Self {
            nas: NasFacts {
                identifier: config.radius.nas_identifier.clone(),
                ip: config.radius.nas_ip,
                port_type: config.radius.nas_port_type,
                called_station_id: lan_mac.map(|mac| settings::called_station_id(config, mac)).unwrap_or_default(),
                extra: place(config),
            },
            lan: config.lan.interface.clone(),
            routes: settings::routes(config),
            password_method: config.radius.method,
            device_names: MacFormat::new(&config.mac_authentication.format, &config.mac_authentication.suffix)
                .expect("the schema's choices are patterns"),
            devices: config.mac_authentication.clone(),
        }
    }

    /// A person at the portal, or a program for it; by EAP it may go on with what was said `before`.
    pub(super) fn person(&self, attempt: &Attempt, login: &Login<'_>, before: Option<&Conversation>) -> Ask {
        let credential = method::credential(self.password_method, login);
        let told = [
            (chillispot::LANG, login.lang),
            (chillispot::ORIGINALURL, login.original_url),
            (wispr::LOGOFF_URL, login.logoff_url),
        ];
        let told = told.into_iter().filter(|(_, value)| !value.is_empty());
        let request = AccessRequest {
            // One that is too long for an attribute is left out: nobody stays offline for it.
            extra: told.filter_map(|(attribute, value)| attribute.of(value).ok()).collect(),
            state: before.map(|before| before.state.clone()),
            // EAP too: it is not the link that a device is to be given.
            service: Service::Login,
            ..AccessRequest::new(login.name, credential, self.nas.clone(), self.guest(attempt))
        };
        let password = match login.credential {
            Shown::Password(password) => Some(String::from_utf8_lossy(password).into_owned()),
            _ => None,
        };
        Ask { request, password }
    }

    /// The gateway itself; none if its name or password fits no attribute.
    pub(super) fn gateway(&self, who: &config::RadiusAdministrative, session_id: &str) -> Option<Ask> {
        let credential = method::of_password(self.password_method, &who.user, who.secret.expose());
        let request = AccessRequest::administrative(&who.user, credential, self.nas.clone(), session_id).ok()?;
        Some(Ask { request, password: Some(String::from_utf8_lossy(who.secret.expose()).into_owned()) })
    }

    /// A device, to which its MAC address is name and password; the server is told what it asks by DHCP in `frame`.
    pub(super) fn device(&self, attempt: &Attempt, frame: Option<&[u8]>) -> Ask {
        let name = self.device_name(attempt.key);
        let password = self.devices.password.as_ref().map_or(name.as_bytes(), |password| password.expose());
        let credential = Credential::Mac { password: password.to_vec() };
        let service = match self.devices.service_type {
            MacServiceType::CallCheck => Service::CallCheck,
            MacServiceType::Framed => Service::Framed,
            MacServiceType::Login => Service::Login,
        };
        let request = AccessRequest::new(&name, credential, self.nas.clone(), self.guest(attempt));
        let extra = frame.map(dhcp::told).unwrap_or_default();
        Ask { request: AccessRequest { service, extra, ..request }, password: None } // no answer is to prove it
    }

    /// The name of a device's account.
    pub(super) fn device_name(&self, key: GuestKey) -> String {
        self.device_names.name(key.mac)
    }

    pub(super) fn guest(&self, attempt: &Attempt) -> GuestFacts {
        GuestFacts {
            mac: self.routes.station(attempt.key),
            framed_ip: (!attempt.address.is_unspecified()).then_some(attempt.address),
            session_id: attempt.session_id.clone(),
            port: Some(attempt.slot.0),
            port_id: self.port_id(attempt.key.vlan),
        }
    }

    pub(super) fn port_id(&self, vlan: Vlan) -> String {
        port_id(&self.lan, vlan)
    }
}

/// Where the gateway stands, for servers that know many.
fn place(config: &Config) -> Vec<Attribute> {
    let told = [(wispr::LOCATION_ID, &config.uam.location_id), (wispr::LOCATION_NAME, &config.uam.location_name)];
    let told = told.into_iter().filter(|(_, text)| !text.is_empty());
    told.filter_map(|(attribute, text)| attribute.of(text.as_str()).ok()).collect()
}

/// NAS-Port-Id: the interface and VLAN that a guest is on.
pub(super) fn port_id(lan: &str, vlan: Vlan) -> String {
    match vlan {
        Vlan::NONE => lan.to_owned(),
        Vlan(id) => format!("{lan}.{id}"),
    }
}
