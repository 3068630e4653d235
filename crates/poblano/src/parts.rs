//! What the program has only with the feature `full`. Without it, it is the one for routers, where flash is little.
//!
//! Nothing vanishes without a word: `poblano --version` names what is left out, a configuration that asks for it is
//! refused where it does, and so is the command.

/// What `--version` prints.
pub(crate) const VERSION: &str = if cfg!(feature = "full") {
    env!("CARGO_PKG_VERSION")
} else {
    concat!(
        env!("CARGO_PKG_VERSION"),
        "\nbuilt for routers, without: console (its pages and API, operator), templates, webhooks, retention, demo, completion, man"
    )
};

/// Keys and sections of the configuration that are left out.
pub(crate) const NOT_CONFIGURED: &[&str] =
    if cfg!(feature = "full") { &[] } else { &["console.listen", "portal.templates", "retention.keep", "webhook"] };

/// Why a command does nothing.
#[cfg(not(feature = "full"))]
pub(crate) fn left_out(command: &str) -> anyhow::Error {
    anyhow::anyhow!(
        "this program was built for routers, without {command}; the complete one has it (on OpenWrt the package poblano-full)"
    )
}
