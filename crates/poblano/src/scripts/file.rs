//! Which files are run: those that nobody but root and the gateway's own user can change.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use anyhow::{Context, bail};
use config::Config;

const EXECUTABLE: u32 = 0o111;
const WRITABLE_FOR_OTHERS: u32 = 0o022;
/// In such a directory others cannot replace what is not theirs.
const STICKY: u32 = 0o1000;

/// What is wrong with the configured scripts, and what to do.
pub(crate) fn check(config: &Config) -> anyhow::Result<()> {
    let scripts = &config.scripts;
    let all = [
        ("session_up", &scripts.session_up),
        ("session_down", &scripts.session_down),
        ("guest_up", &scripts.guest_up),
        ("guest_down", &scripts.guest_down),
        ("uplink_up", &scripts.uplink_up),
        ("uplink_down", &scripts.uplink_down),
        ("up", &scripts.up),
        ("down", &scripts.down),
    ];
    for (key, path) in all {
        if let Some(path) = path {
            check_file(path).with_context(|| format!("scripts.{key}"))?;
        }
    }
    Ok(())
}

fn check_file(path: &Path) -> anyhow::Result<()> {
    // What a symbolic link points to is what counts, and the way there.
    let real = path.canonicalize().with_context(|| format!("cannot find {}", path.display()))?;
    let shown = real.display();
    let file = real.metadata().with_context(|| format!("cannot look at {shown}"))?;
    if !file.is_file() {
        bail!("{shown} is no file; name a program or a script that begins with #!");
    }
    if file.mode() & EXECUTABLE == 0 {
        bail!("{shown} is not executable: chmod 755 {shown}");
    }
    if file.mode() & WRITABLE_FOR_OTHERS != 0 {
        bail!("others than its owner may change {shown}, which is run with the gateway's rights: chmod go-w {shown}");
    }
    for place in real.ancestors() {
        let shown = place.display();
        let found = place.metadata().with_context(|| format!("cannot look at {shown}"))?;
        if found.uid() != 0 && found.uid() != platform::user_id() {
            bail!("{shown} belongs to another user, who could have the gateway run anything: chown root {shown}");
        }
        if found.is_dir() && found.mode() & WRITABLE_FOR_OTHERS != 0 && found.mode() & STICKY == 0 {
            bail!("others than its owner may change {shown}, and so what the gateway runs: chmod go-w {shown}");
        }
    }
    Ok(())
}
