//! A device is let in by its MAC address: by the configuration's list, or by a RADIUS server to which it is User-Name and
//! password.

use config::MacServiceType;
use engine::gateway::Attempt;
use radius::text::ConfigWord;
use radius::{ServiceType, attr};

use super::{Aaa, Answer};

impl Aaa {
    /// Whether a device may come in without the portal, and the name to account under.
    pub(crate) async fn authenticate_device(&self, attempt: &Attempt) -> (String, Answer) {
        let devices = &self.devices;
        let name = devices.format.write(attempt.key.mac) + &devices.suffix;
        if devices.allow.contains(&attempt.key.mac) {
            return (name, self.granted_by_default());
        }
        let service_type = match devices.service_type {
            MacServiceType::CallCheck => ServiceType::CallCheck,
            MacServiceType::Framed => ServiceType::Framed,
            MacServiceType::Login => ServiceType::Login,
        };
        // A secret of a file, as one of the configuration, is text.
        let password = devices.password.as_ref().map(|secret| String::from_utf8_lossy(secret.expose()));
        let password = password.as_deref().unwrap_or(&name);
        let answer = match self.ask_radius(attempt, &name, password, service_type).await {
            // The server knows the device, but wants a person to log in, or to see the portal, all the same.
            Ok(reply) if reply.all(attr::chillispot::CONFIG).iter().any(|text| wants_the_portal(text)) => {
                Answer::Refused { message: None }
            }
            Ok(reply) => self.granted(&reply),
            Err(answer) => answer,
        };
        (name, answer)
    }
}

fn wants_the_portal(text: &str) -> bool {
    matches!(ConfigWord::parse(text), ConfigWord::RequireUamAuth | ConfigWord::Splash)
}
