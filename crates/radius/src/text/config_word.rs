//! ChilliSpot-Config (CoovaChilli-Config), attribute 14559/6: one instruction in each.

/// An instruction for a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConfigWord<'a> {
    /// `require-uam-auth`: a device that was let in by its MAC or by EAP still has to log in at the portal.
    RequireUamAuth,
    /// `splash`: it still has to see the portal.
    Splash,
    /// `uamallowed=...`: these hosts are in the session's own walled garden.
    UamAllowed(&'a str),
    /// `uamallowed=reset`: the session's own walled garden is empty.
    UamAllowedReset,
    /// `logout`: the session is over, as if its guest had logged out.
    Logout,
    /// `admin-reset`: the session is over, by the operator.
    AdminReset,
    /// Anything else.
    Unknown(&'a str),
}

impl<'a> ConfigWord<'a> {
    /// Reads one attribute.
    #[must_use]
    pub fn parse(text: &'a str) -> Self {
        let text = text.trim();
        match text {
            "require-uam-auth" => Self::RequireUamAuth,
            "splash" => Self::Splash,
            "uamallowed=reset" => Self::UamAllowedReset,
            "logout" => Self::Logout,
            "admin-reset" => Self::AdminReset,
            _ => match text.strip_prefix("uamallowed=") {
                Some(hosts) if !hosts.is_empty() => Self::UamAllowed(hosts),
                _ => Self::Unknown(text),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_instruction_is_read_and_none_is_lost() {
        for (text, word) in [
            ("require-uam-auth", ConfigWord::RequireUamAuth),
            ("splash", ConfigWord::Splash),
            ("uamallowed=example.org,192.0.2.0/24", ConfigWord::UamAllowed("example.org,192.0.2.0/24")),
            ("uamallowed=reset", ConfigWord::UamAllowedReset),
            (" logout ", ConfigWord::Logout),
            ("admin-reset", ConfigWord::AdminReset),
            ("uamallowed=", ConfigWord::Unknown("uamallowed=")),
            ("interval=60", ConfigWord::Unknown("interval=60")),
            ("", ConfigWord::Unknown("")),
        ] {
            assert_eq!(ConfigWord::parse(text), word, "{text}");
        }
    }
}
