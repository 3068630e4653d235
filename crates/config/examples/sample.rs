//! Writes the sample configuration, or with `reference` the reference of all keys, to standard output:
//! `cargo run -p poblano-config --example sample > conf/poblano.toml`

use std::io::Write;

fn main() -> std::io::Result<()> {
    let text =
        if std::env::args().nth(1).as_deref() == Some("reference") { config::reference() } else { config::sample() };
    std::io::stdout().write_all(text.as_bytes())
}
