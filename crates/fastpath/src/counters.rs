//! What became of packets, counted once each, where the verdict is applied.

use portable_atomic::{AtomicU64, Ordering};

use crate::verdict::{Service, Verdict};

macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident = $label:literal,)*) => {
        /// Why a packet did not go on. The label is the metric's and the CLI's.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub enum Reason { $($(#[$doc])* $name,)* }

        impl Reason {
            /// Every reason, in the order of the counters.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The word for it.
            #[must_use]
            pub fn label(self) -> &'static str {
                match self { $(Self::$name => $label,)* }
            }
        }
    };
}

reasons! {
    /// The frame's source is a group or zero.
    BadSource = "bad_source",
    /// The frame has no VLAN tag, and only those with one are served.
    Untagged = "untagged",
    /// The frame is addressed to another station.
    NotForUs = "not_for_us",
    /// Headers that contradict themselves.
    Malformed = "malformed",
    /// Neither IPv4, IPv6 nor ARP.
    OtherProtocol = "other_protocol",
    /// No lease belongs to the station (up) or the address (down).
    UnknownGuest = "unknown_guest",
    /// The packet's source is not the address leased to the station.
    SourceSpoofed = "source_spoofed",
    /// Only logged-in guests may.
    NotLoggedIn = "not_logged_in",
    /// Of a device that a server has refused nothing passes.
    DeviceRefused = "device_refused",
    /// Guests' IPv6 is not served.
    Ipv6 = "ipv6",
    /// To or from another guest.
    Isolated = "isolated",
    /// The gateway offers nothing there.
    ClosedPort = "closed_port",
    /// TCP to the port by which the kernel knows http for a proxy, or in fragments, which could be to any.
    ReservedPort = "reserved_port",
    /// A fragment where ports are needed.
    Fragment = "fragment",
    /// Group traffic has no place behind the gateway.
    Multicast = "multicast",
    /// An address that is never routed.
    Unroutable = "unroutable",
    /// Above the guest's rate.
    RateExceeded = "rate_exceeded",
    /// More than the guest's octets allow.
    QuotaExceeded = "quota_exceeded",
    /// The queue to our own servers was full, or the station had its share of it.
    QueueFull = "queue_full",
}

/// In the order of the enum.
const SERVICES: [Service; 6] =
    [Service::Dhcp, Service::Arp, Service::Dns, Service::Watch, Service::Newcomer, Service::Gateway];

const FORWARD: usize = 0;
const GARDEN: usize = 1;
const REDIRECT: usize = 2;
const SERVE: usize = 3;
const REJECT: usize = SERVE + SERVICES.len();
const DROP: usize = REJECT + Reason::ALL.len();
const NOT_SENT: usize = DROP + Reason::ALL.len();
const LEN: usize = NOT_SENT + 1;

/// The counters of one direction. One thread counts, so that it takes no atomic addition; others look.
pub struct Counters {
    cells: [AtomicU64; LEN],
}

impl Default for Counters {
    fn default() -> Self {
        Self { cells: [const { AtomicU64::new(0) }; LEN] }
    }
}

impl Counters {
    pub(crate) fn count(&self, verdict: Verdict) {
        self.add(cell(verdict), 1);
    }

    /// Notes that a device did not take so many packets that verdicts wanted sent: beside the verdicts' own count.
    pub(crate) fn count_not_sent(&self, packets: usize) {
        if packets > 0 {
            self.add(NOT_SENT, packets as u64);
        }
    }

    fn add(&self, cell: usize, packets: u64) {
        let cell = &self.cells[cell];
        cell.store(cell.load(Ordering::Relaxed) + packets, Ordering::Relaxed);
    }

    /// How many packets (super-packets as one) their device did not take.
    #[must_use]
    pub fn not_sent(&self) -> u64 {
        self.cells[NOT_SENT].load(Ordering::Relaxed)
    }

    /// How many packets got `verdict`.
    #[must_use]
    pub fn get(&self, verdict: Verdict) -> u64 {
        self.cells[cell(verdict)].load(Ordering::Relaxed)
    }

    /// Every count that is not zero, with its label, `forward`, `drop_not_logged_in` and so on.
    #[must_use]
    pub fn list(&self) -> Vec<(String, u64)> {
        let fixed = [Verdict::Forward, Verdict::Garden, Verdict::Redirect].into_iter();
        fixed
            .chain(SERVICES.into_iter().map(Verdict::Serve))
            .chain(Reason::ALL.iter().map(|&reason| Verdict::Reject(reason)))
            .chain(Reason::ALL.iter().map(|&reason| Verdict::Drop(reason)))
            .map(|verdict| (label(verdict), self.get(verdict)))
            .chain(std::iter::once(("not_sent".to_owned(), self.not_sent())))
            .filter(|(_, count)| *count != 0)
            .collect()
    }
}

fn cell(verdict: Verdict) -> usize {
    match verdict {
        Verdict::Forward => FORWARD,
        Verdict::Garden => GARDEN,
        Verdict::Redirect => REDIRECT,
        Verdict::Serve(service) => SERVE + service as usize,
        Verdict::Reject(reason) => REJECT + reason as usize,
        Verdict::Drop(reason) => DROP + reason as usize,
    }
}

fn label(verdict: Verdict) -> String {
    match verdict {
        Verdict::Forward => "forward".into(),
        Verdict::Garden => "garden".into(),
        Verdict::Redirect => "redirect".into(),
        Verdict::Serve(service) => format!("serve_{service:?}").to_lowercase(),
        Verdict::Reject(reason) => format!("reject_{}", reason.label()),
        Verdict::Drop(reason) => format!("drop_{}", reason.label()),
    }
}
