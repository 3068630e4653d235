#!/bin/sh
# Builds the gateway for routers, static, with musl, and runs its short commands on their instruction sets under
# qemu. Without arguments for mipsel, the smallest router we mean to run on; or for the targets that are named:
#
#     tests/check-router.sh [mipsel armv7 aarch64]
#
# rustup has no standard library for mipsel, so std is built from source; Debian's rustc-web brings that source, and zig
# the C library. On Debian 12:
#
#     apt-get install rustc-web cargo-web rust-web-src qemu-user
#     pip install ziglang==0.15.2 cargo-zigbuild
set -eu

cd "$(dirname "$0")/.."
[ $# -gt 0 ] || set -- mipsel

missing() {
    echo "check-router: $1 is missing; the head of $0 says what to install" >&2
    exit 2
}
zigbuild=$(pyenv which cargo-zigbuild 2>/dev/null || command -v cargo-zigbuild) || missing cargo-zigbuild
CARGO_ZIGBUILD_ZIG_PATH=$(python3 -c 'import os, ziglang; print(os.path.dirname(ziglang.__file__) + "/zig")') ||
    missing ziglang
[ -x /usr/bin/rustc ] && [ -x /usr/bin/cargo ] || missing rustc-web
export CARGO_ZIGBUILD_ZIG_PATH RUSTC=/usr/bin/rustc CARGO=/usr/bin/cargo PATH="/usr/bin:$PATH"
# -Zbuild-std is not stable; the compiler is.
export RUSTC_BOOTSTRAP=1
# Not position independent: static-pie crashes on mipsel. Start files are zig's: rustc-web brings none.
export RUSTFLAGS="-C relocation-model=static -C link-self-contained=no -C target-feature=+crt-static"
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-target}/router"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

for cpu; do
    case $cpu in
        mipsel) triple=mipsel-unknown-linux-musl qemu=qemu-mipsel ;;
        armv7) triple=armv7-unknown-linux-musleabihf qemu=qemu-arm ;;
        aarch64) triple=aarch64-unknown-linux-musl qemu=qemu-aarch64 ;;
        *) echo "check-router: unknown target $cpu; there are mipsel, armv7 and aarch64" >&2; exit 2 ;;
    esac
    command -v "$qemu" >/dev/null || missing "$qemu"
    "$zigbuild" zigbuild --release --quiet -Zbuild-std=std,panic_abort --target "$triple" -p poblano
    binary=$CARGO_TARGET_DIR/$triple/release/poblano

    "$qemu" "$binary" --version
    "$qemu" "$binary" config >"$work/config"
    cmp "$work/config" conf/poblano.toml
    # An interface that no machine has: the configuration is read and found good, the machine is not ready.
    if "$qemu" "$binary" check --lan poblano-none0 >"$work/out" 2>&1; then
        echo "check-router: $cpu: check accepts an interface that does not exist" >&2
        exit 1
    fi
    grep -q 'poblano-none0' "$work/out" || { cat "$work/out" >&2; exit 1; }
    # Passwords are hashed, and what was written is read again.
    printf '[auth]\naccounts = "%s/accounts"\n' "$work" >"$work/poblano.toml"
    printf 'secret' | "$qemu" "$binary" user add anne --password-stdin --config "$work/poblano.toml"
    [ "$("$qemu" "$binary" user list --config "$work/poblano.toml")" = anne ]
    rm "$work/accounts"
    printf '%s: %s octets\n' "$cpu" "$(wc -c <"$binary")"
done
