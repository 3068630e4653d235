//! Every bound of this crate, and why it is what it is.

use std::time::Duration;

/// Longest packet, in octets (RFC 2865, section 3).
pub const PACKET_OCTETS: usize = 4096;

/// Longest value of one attribute, in octets: the length octet counts itself and the type (RFC 2865, section 5).
pub const VALUE_OCTETS: usize = 253;

/// Longest value inside a Vendor-Specific attribute, in octets: vendor (4), type and length (RFC 2865, section 5.26).
pub const VENDOR_VALUE_OCTETS: usize = VALUE_OCTETS - 6;

/// Longest value of an extended attribute, in octets: its number in the extended space (RFC 6929, section 2.1).
pub const EXTENDED_OCTETS: usize = VALUE_OCTETS - 1;

/// Longest fragment of a long extended attribute, in octets: its number and flags (RFC 6929, section 2.2).
pub const FRAGMENT_OCTETS: usize = VALUE_OCTETS - 2;

/// Longest value that can be hidden with salt, in octets: 15 blocks, less the length inside (RFC 2868, section 3.5).
pub const SALTED_OCTETS: usize = 15 * 16 - 1;

/// Longest password that User-Password can hide, in octets (RFC 2865, section 5.2).
pub const PASSWORD_OCTETS: usize = 128;

/// Reply-Message shown to a guest is cut here, in octets: a page has room for a few sentences, not for 4 kB.
pub const REPLY_MESSAGE_OCTETS: usize = 1024;

/// Class attributes kept of an Accept: they are stored with the session and sent in each accounting record, which
/// must keep room for the rest. 8 of 253 octets fill half a packet.
pub const CLASSES: usize = 8;

/// Most servers of a client: more would not be reached before a guest gives up.
pub const SERVERS: usize = 16;

/// Requests of each kind in flight, default. 5,000 of them take about 5 MB and twenty source ports.
pub const OUTSTANDING: usize = 5_000;

/// Source ports for each server and kind, default: 20 × 256 identifiers are more than [`OUTSTANDING`].
pub const SOCKETS: u8 = 20;

/// Identifiers of one source port (RFC 2865, section 3: one octet).
pub const IDS_PER_SOCKET: u16 = 256;

/// A dynamic authorization request has so much time, on average: 1,000 a second. Each costs two digests of at most
/// [`PACKET_OCTETS`], a sixth of a slow router's time, and whoever forges a client's address can ask for them.
pub const REQUEST_TIME: Duration = Duration::from_millis(1);

/// Dynamic authorization requests at once: an operator who changes everybody's rate sends them in one go.
pub const REQUESTS_AT_ONCE: u32 = 1_000;

/// Dynamic authorization requests that are remembered so that a copy is not obeyed: each guest's, on a large gateway,
/// within ten minutes. 100 octets each; beyond them requests are refused.
pub const REQUESTS_REMEMBERED: usize = 65_536;

/// Identification attributes of a request: each is compared with each session. A dozen kinds exist.
pub const IDENTITIES: usize = 16;
/// Requests of servers' own, down connections, that wait for whoever answers them: 64 of 4 kB at most. A server repeats
/// what is not answered.
pub const INCOMING: usize = 64;

/// Access-Challenges whose servers are remembered, so that what answers them goes there: of some thousand devices that
/// join at once. Mostly 100 octets each, 500 at most; the oldest goes.
pub const CONVERSATIONS: usize = 4_096;

/// How long: a device that is asked for a password by its user takes as long as that. Servers wait no longer.
pub const CONVERSATION: Duration = Duration::from_secs(60);

/// A request of an access point has so much time, on average: 1,000 a second, some 100 devices that join. See
/// [`REQUEST_TIME`].
pub const RELAY_TIME: Duration = Duration::from_millis(1);

/// Requests of access points at once: after a power cut all devices of a building join.
pub const RELAYS_AT_ONCE: u32 = 1_000;

/// Exchanges with access points that are remembered so that a copy is answered as the first was: two seconds at the most
/// that there can be. An answer has 1 kB at most times, 4 kB at most.
pub const EXCHANGES: usize = 2_048;

/// How long an exchange is remembered after it was answered: an access point has given up before that.
pub const EXCHANGE: Duration = Duration::from_secs(30);
