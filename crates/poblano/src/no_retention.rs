//! Stands where `retention` does, in the program that keeps nothing of who had which address.

use std::sync::Arc;

use config::Config;
use engine::session::Record;
use fastpath::pipeline::Plane;
use platform::{Host, Translations, Waker};
use serde_json::Value;
use wire::MacAddr;

use crate::clock::Clock;

/// There is none.
pub(crate) struct Retention;

impl Retention {
    /// Starts nothing: a configuration that asks for it was refused.
    pub(crate) fn start(
        _: &Config,
        _: impl FnOnce() -> Result<[u8; 32], store::StoreError>,
        _: &Arc<Plane>,
        _: Option<Box<dyn Translations>>,
        _: Clock,
    ) -> anyhow::Result<Self> {
        Ok(Self)
    }

    /// Nobody writes it down.
    pub(crate) fn session(&self, _: &Record, _: MacAddr) {}

    /// What monitoring is told.
    pub(crate) fn to_json(&self) -> Value {
        Value::Null
    }
}

/// Nothing is asked of the machine.
pub(crate) fn check(_: &Host, _: &Config) -> anyhow::Result<()> {
    Ok(())
}

/// Nothing is watched.
pub(crate) fn watch(_: &mut Host, _: &Config, _: &Waker) -> anyhow::Result<Option<Box<dyn Translations>>> {
    Ok(None)
}
