//! Stands where `console.rs` does, in the program that has no console.

use std::convert::Infallible;
use std::rc::Rc;

use config::Config;

use crate::cli::Operator;
use crate::control::Zone;
use crate::diary::Pages;
use crate::parts;

/// There is none.
pub(crate) type Opened = Infallible;

/// Opens nothing: a configuration that asks for it was refused.
pub(crate) fn open(_: &Config) -> anyhow::Result<Option<Opened>> {
    Ok(None)
}

/// Serves nobody.
pub(crate) async fn serve(_: Option<Opened>, _: Rc<[Zone]>, _: Rc<Pages>) {
    std::future::pending().await
}

/// `poblano operator`.
pub(crate) fn operator(_: &Operator) -> anyhow::Result<()> {
    Err(parts::left_out("the console"))
}
