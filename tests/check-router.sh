#!/bin/sh
# Builds the program for routers, static, with musl:
#
#     tests/check-router.sh build mipsel aarch64       as it is installed (profile router, without the feature full), 5 MB at most
#     tests/check-router.sh test mipsel aarch64        the tests of all that asks nothing of the kernel, logins among them
#
# and runs what it built under qemu, of the program its short commands. There are mipsel, mips, armv7 and aarch64.
#
# rustup has no standard library for mips, so std is built from source; Debian's rustc-web brings that source, and zig
# the C library. On Debian 12:
#
#     apt-get install rustc-web cargo-web rust-web-src qemu-user llvm-14
#     pip install ziglang==0.15.2 cargo-zigbuild
set -eu

cd "$(dirname "$0")/.."
# OpenWrt's usual flash has room for that beside a system.
most_octets=5000000
[ $# -gt 1 ] || { sed -n '/^#     tests/p' "$0" >&2 && exit 2; }
mode=$1 && shift

missing() {
    echo "check-router: $1 is missing; the head of $0 says what to install" >&2
    exit 2
}
zigbuild=$(pyenv which cargo-zigbuild 2>/dev/null || command -v cargo-zigbuild) || missing cargo-zigbuild
CARGO_ZIGBUILD_ZIG_PATH=$(python3 -c 'import os, ziglang; print(os.path.dirname(ziglang.__file__) + "/zig")') ||
    missing ziglang
objcopy=$(command -v llvm-objcopy-14) || missing llvm-14
[ -x /usr/bin/rustc ] && [ -x /usr/bin/cargo ] || missing rustc-web
export CARGO_ZIGBUILD_ZIG_PATH RUSTC=/usr/bin/rustc CARGO=/usr/bin/cargo PATH="/usr/bin:$PATH"
# -Zbuild-std is not stable; the compiler is.
export RUSTC_BOOTSTRAP=1
# Not position independent: static-pie crashes on mipsel. Start files are zig's: rustc-web brings none.
export RUSTFLAGS="-C relocation-model=static -C link-self-contained=no -C target-feature=+crt-static"
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-target}/router"

triple() {
    case $1 in
        mipsel | mips | aarch64) echo "$1-unknown-linux-musl" ;;
        armv7) echo armv7-unknown-linux-musleabihf ;;
        *) echo "check-router: unknown processor $1; there are mipsel, mips, armv7 and aarch64" >&2; exit 2 ;;
    esac
}

emulator() {
    case $1 in
        armv7) command -v qemu-arm || missing qemu-arm ;;
        *) command -v "qemu-$1" || missing "qemu-$1" ;;
    esac
}

short_commands() { # of a processor's program; none of them asks anything of the kernel that qemu has not
    qemu=$(emulator "$1") binary=$2
    $qemu "$binary" --version
    $qemu "$binary" config >"$work/config"
    cmp "$work/config" conf/poblano.toml
    # An interface that no machine has: the configuration is read and found good, the machine is not ready.
    if $qemu "$binary" check --lan poblano-none0 >"$work/out" 2>&1; then
        echo "check-router: $1: check accepts an interface that does not exist" >&2
        exit 1
    fi
    grep -q 'poblano-none0' "$work/out" || { cat "$work/out" >&2; exit 1; }
    # What is left out is refused where the configuration has it.
    printf '[lan]\ninterface = "eth1"\n[console]\nlisten = "127.0.0.1"\n' >"$work/poblano.toml"
    $qemu "$binary" check --config "$work/poblano.toml" >"$work/out" 2>&1 || true
    grep -q '/poblano.toml:4:10: \[console\].listen: .*poblano-full' "$work/out" || { cat "$work/out" >&2; exit 1; }
    # Passwords are hashed, and what was written is read again.
    printf '[auth]\naccounts = "%s/accounts"\n' "$work" >"$work/poblano.toml"
    printf 'secret' | $qemu "$binary" user add anne --password-stdin --config "$work/poblano.toml"
    [ "$($qemu "$binary" user list --config "$work/poblano.toml")" = anne ]
    rm "$work/accounts"
}

targets=''
for cpu; do
    targets="$targets --target $(triple "$cpu")"
done

case $mode in
    # A panic ends the program, so nothing unwinds.
    build) RUSTFLAGS="$RUSTFLAGS -C force-unwind-tables=no" ;;
    test)
        # Nobody debugs them, and they link in half the time.
        RUSTFLAGS="$RUSTFLAGS -C debuginfo=0"
        for cpu; do
            name=$(triple "$cpu" | tr a-z- A-Z_) qemu=$(emulator "$cpu")
            export "CARGO_TARGET_${name}_RUNNER=$qemu"
        done
        # shellcheck disable=SC2086  # several words
        set -- "$zigbuild" test --locked --quiet -Zbuild-std=std,panic_unwind,test --no-fail-fast $targets
        "$@" --lib --tests -p poblano-wire -p poblano-radius -p poblano-uam -p poblano-fastpath -p poblano-engine
        # Guests from the lease to the end of their sessions. Rates and crowds want a processor that is not imitated.
        "$@" -p poblano-testkit --test before_login --test leases --test sessions --test redirect
        exit
        ;;
    *) echo "check-router: no such thing to do: $mode" >&2 && exit 2 ;;
esac
# shellcheck disable=SC2086  # several words
"$zigbuild" zigbuild --profile router --locked --quiet -Zbuild-std=std,panic_abort \
    -Zbuild-std-features=optimize_for_size $targets -p poblano --no-default-features
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for cpu; do
    binary=$CARGO_TARGET_DIR/$(triple "$cpu")/router/poblano
    # As OpenWrt's sstrip does: the loader does not read it.
    "$objcopy" --remove-section=.pdr --remove-section=.comment "$binary"
    short_commands "$cpu" "$binary"
    octets=$(wc -c <"$binary")
    printf '%s: %s octets\n' "$cpu" "$octets"
    if [ "$octets" -gt "$most_octets" ]; then
        echo "check-router: $cpu: more than $most_octets octets" >&2
        exit 1
    fi
done
