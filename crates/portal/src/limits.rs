//! Every bound of the portal, with its reason.

use std::time::Duration;

/// How much of us one guest, and all guests together, may hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Open connections. Worst-case memory: this many times [`header_octets`](Self::header_octets)
    /// and about 8 kB, so 12 MB; an open file each. For more, the guest with
    /// the most gives one up.
    pub connections: usize,
    /// Open connections of one guest. A browser opens six to one host.
    pub connections_per_guest: usize,
    /// A request's head. At least 8 kB, which is the least that hyper can do.
    pub header_octets: usize,
    /// A form's body: a name, a password, a web address.
    pub form_octets: usize,
    /// For a request's head to arrive; also how long a kept connection may idle.
    pub header_time: Duration,
    /// For a form's body to arrive.
    pub form_time: Duration,
    /// Open connections over https, besides. Worst-case memory of each, if its guest says half of everything: about 75 kB
    /// (a record of TLS and what is not sent yet, 16 kB each; a request's head; 16 kB between), so
    /// 19 MB; an idle one has a tenth of that.
    pub secure_connections: usize,
    /// For both ends to agree on keys.
    pub handshake_time: Duration,
    /// Handshakes of one guest at once, before [`handshakes_per_second`](Self::handshakes_per_second) counts. A browser
    /// opens six connections to one host.
    pub handshake_burst: u32,
    /// Handshakes of one guest per second, in the long run: each is a signature, some milliseconds of a router.
    pub handshakes_per_second: u32,
    /// Life of a connection. Long enough for RADIUS to try its servers one after another.
    pub connection_time: Duration,
    /// Requests of one guest at once, before [`requests_per_second`](Self::requests_per_second) counts. A page is
    /// three requests; a phone with many apps sends some dozen when it joins.
    pub request_burst: u32,
    /// Requests of one guest per second, in the long run. Some systems probe several times a second.
    pub requests_per_second: u32,
    /// Guests whose request rate is remembered, at 24 octets each. One is forgotten once its burst is whole again. If
    /// more than this many are active at once, the others are served uncounted: their connections are still counted.
    pub counted_guests: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 512,
            connections_per_guest: 12,
            header_octets: 16 * 1024,
            form_octets: 4 * 1024,
            header_time: Duration::from_secs(5),
            form_time: Duration::from_secs(10),
            secure_connections: 256,
            handshake_time: Duration::from_secs(10),
            handshake_burst: 24,
            handshakes_per_second: 2,
            connection_time: Duration::from_secs(60),
            request_burst: 40,
            requests_per_second: 10,
            counted_guests: 4096,
        }
    }
}

impl Limits {
    /// For what comes over https: handshakes are its questions.
    pub(crate) fn of_tls(&self) -> Self {
        Self {
            connections: self.secure_connections,
            request_burst: self.handshake_burst,
            requests_per_second: self.handshakes_per_second,
            ..self.clone()
        }
    }
}

/// What a guest may say before keys are agreed upon. The longest ClientHello, with keys against quantum computers, is 2 kB.
pub(crate) const HELLO_OCTETS: usize = 16 * 1024;
/// What waits to be sent to a guest over https, in records.
pub(crate) const UNSENT_OCTETS: usize = 16 * 1024;
/// What is on its way between a guest's TLS and what is inside, each way.
pub(crate) const RELAY_OCTETS: usize = 4 * 1024;
/// For a guest to take the rest of an answer over https, once all of it has been said.
pub(crate) const LINGER: Duration = Duration::from_secs(3);
/// Fields looked at in a form or query; ours have four.
pub(crate) const FORM_FIELDS: usize = 16;
/// Characters shown of a text that a server or guest made up.
pub(crate) const MESSAGE_CHARS: usize = 500;
