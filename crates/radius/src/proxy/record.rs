//! What an access point's accounting record tells.

use wire::MacAddr;

use crate::attr::{self, value::acct_status_type as status};
use crate::packet::View;
use crate::relay::station;

/// An accounting record of an access point.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Which of the access points, as they were given.
    pub access_point: usize,
    /// What has happened.
    pub what: What,
    /// Called-Station-Id: the radio, and the network's name.
    pub called: Option<String>,
    /// Acct-Session-Id: the association.
    pub session: Option<String>,
}

/// What has happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// A device has come, or is still there.
    Here(MacAddr),
    /// A device has left.
    Gone(MacAddr),
    /// The access point has started or stops: nobody is there any more.
    AllGone,
    /// Nothing that is known here.
    Other,
}

impl Report {
    pub(super) fn read(record: View<'_>, access_point: usize) -> Self {
        let about = || record.get(attr::CALLING_STATION_ID).and_then(|text| station(&text));
        let what = match (record.get(attr::ACCT_STATUS_TYPE), about()) {
            (Some(status::START | status::INTERIM_UPDATE), Some(mac)) => What::Here(mac),
            (Some(status::STOP), Some(mac)) => What::Gone(mac),
            (Some(status::ACCOUNTING_ON | status::ACCOUNTING_OFF), _) => What::AllGone,
            _ => What::Other,
        };
        let (called, session) = (record.get(attr::CALLED_STATION_ID), record.get(attr::ACCT_SESSION_ID));
        Self { access_point, what, called, session }
    }
}
