#!/bin/sh
# Type-checks the BSD back end for FreeBSD. Nothing is run: a Linux machine has no FreeBSD kernel.
#
# rustup carries no FreeBSD target on Linux hosts without a download, so this takes Debian's second compiler, whose
# package has the standard library's source. The packages are installed if they are missing and we are root.
set -eu

target=${1:-x86_64-unknown-freebsd}
root=$(cd "$(dirname "$0")/.." && pwd)
packages="rustc-web cargo-web rust-web-src"

# shellcheck disable=SC2086 # the list is meant to be split
if ! dpkg -s $packages >/dev/null 2>&1; then
    apt-get install -y $packages
fi

cd "$root"
export RUSTC_BOOTSTRAP=1 RUSTC=/usr/bin/rustc PATH="/usr/bin:$PATH"
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$root/target}/freebsd"
exec /usr/bin/cargo check --locked -Zbuild-std=std,panic_abort --target "$target" -p poblano-platform
