//! Puts the table of CoovaChilli's options into MIGRATION.md: `cargo run -p poblano-config --example chilli_options`

fn main() -> std::io::Result<()> {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../MIGRATION.md");
    let text = std::fs::read_to_string(&path)?;
    std::fs::write(&path, config::chilli::with_table(&text).unwrap_or(text))
}
