//! The log: lines to standard error, without colour when it is no terminal.

use std::io::IsTerminal;

use config::{Config, LogLevel};
use tokio::task::JoinHandle;
use tracing::{Instrument, Level, Span, error_span};

/// From here on, what is logged is written.
pub(crate) fn start(level: LogLevel) {
    let level = match level {
        LogLevel::Error => Level::ERROR,
        LogLevel::Warn => Level::WARN,
        LogLevel::Info => Level::INFO,
        LogLevel::Debug => Level::DEBUG,
        LogLevel::Trace => Level::TRACE,
    };
    tracing_subscriber::fmt()
        .with_max_level(level)
        .with_target(false)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .init();
}

/// What lines of this gateway have before them: the name of its zone, if there are zones.
pub(crate) fn zone(config: &Config) -> Span {
    if config.zone.is_empty() { Span::none() } else { error_span!("zone", name = %config.zone) }
}

/// Starts a task on the control thread whose lines are those of the zone that starts it.
pub(crate) fn spawn<T: 'static>(task: impl Future<Output = T> + 'static) -> JoinHandle<T> {
    tokio::task::spawn_local(task.in_current_span())
}
