#!/bin/sh
# Builds the gateway for FreeBSD, as executables that are looked at and cannot be run here, and type-checks the back end for
# NetBSD and OpenBSD. Without arguments for all of them; or for the targets that are named:
#
#     tests/check-bsd.sh [freebsd-x86_64 freebsd-aarch64 netbsd openbsd]
#
# The compilers are those of tests/check-router.sh, whose head says what to install: std is built from source, because rustup
# has it for FreeBSD on x86-64 alone, and zig brings FreeBSD's headers and libc.
set -eu

cd "$(dirname "$0")/.."
[ $# -gt 0 ] || set -- freebsd-x86_64 freebsd-aarch64 netbsd openbsd

missing() {
    echo "check-bsd: $1 is missing; the head of tests/check-router.sh says what to install" >&2
    exit 2
}
zigbuild=$(pyenv which cargo-zigbuild 2>/dev/null || command -v cargo-zigbuild) || missing cargo-zigbuild
CARGO_ZIGBUILD_ZIG_PATH=$(python3 -c 'import os, ziglang; print(os.path.dirname(ziglang.__file__) + "/zig")') ||
    missing ziglang
[ -x /usr/bin/rustc ] && [ -x /usr/bin/cargo ] || missing rustc-web
export CARGO_ZIGBUILD_ZIG_PATH RUSTC=/usr/bin/rustc CARGO=/usr/bin/cargo PATH="/usr/bin:$PATH"
# -Zbuild-std is not stable; the compiler is.
export RUSTC_BOOTSTRAP=1
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-target}/bsd"

# One line of readelf that must be there.
expect() {
    echo "$1" | grep -q "$2" || { echo "$1" >&2; echo "check-bsd: $3: there is no $2" >&2; exit 1; }
}

# What links a program for this processor.
prepare() {
    triple=$1-unknown-freebsd
    # At a place of its own, or everything would be built again for another path.
    beside=$(realpath -m "$CARGO_TARGET_DIR")/$triple.beside
    mkdir -p "$beside"
    # The libc crate names FreeBSD's libraries for looking at the kernel, which zig does not bring. Nothing of them is used: if
    # something were, the linker would not find it in an empty library.
    for library in kvm memstat procstat devstat; do
        printf '!<arch>\n' >"$beside/lib$library.a"
    done
    # Whose program it is, and of which release: the linker drops the note of zig's own start files as unused.
    printf '.section .note.tag, "a", %%note\n.p2align 2\n.4byte 8, 4, 1\n.asciz "FreeBSD"\n.4byte 1400500\n' >"$beside/note.s"
    "$CARGO_ZIGBUILD_ZIG_PATH" cc -target "$1-freebsd" -c "$beside/note.s" -o "$beside/note.o"
    export "CARGO_TARGET_$(echo "$triple" | tr a-z- A-Z_)_RUSTFLAGS=-L native=$beside -C link-arg=$beside/note.o"
    triples="$triples --target $triple"
}

look_at() {
    binary=$CARGO_TARGET_DIR/$1-unknown-freebsd/release/poblano
    elf=$(readelf --wide --file-header --program-headers --dynamic --notes "$binary")
    expect "$elf" "FreeBSD .*NT_\(VERSION\|FREEBSD_ABI_TAG\)" "$1"
    expect "$elf" "Machine: .*$2" "$1"
    expect "$elf" "interpreter: /libexec/ld-elf.so.1" "$1"
    libraries=$(echo "$elf" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' | sort | tr '\n' ' ')
    for library in $libraries; do
        # Those of the base system, which a package need not depend on.
        case $library in
            libc.so.7 | libm.so.5 | libthr.so.3) ;;
            *) echo "check-bsd: $1: $library is not in FreeBSD's base system" >&2; exit 1 ;;
        esac
    done
    printf 'freebsd-%s: needs %s\n' "$1" "$libraries"
    printf 'freebsd-%s: %s octets\n' "$1" "$(wc -c <"$binary")"
}

triples='' others=''
for system; do
    case $system in
        freebsd-x86_64 | freebsd-aarch64) prepare "${system#freebsd-}" ;;
        netbsd | openbsd) others="$others --target x86_64-unknown-$system" ;;
        *) echo "check-bsd: there is no $system; there are freebsd-x86_64, freebsd-aarch64, netbsd and openbsd" >&2; exit 2 ;;
    esac
done
# All in one go: the last step of each is one processor's work.
# shellcheck disable=SC2086 # words
[ -z "$others" ] || "$CARGO" check --locked --quiet -Zbuild-std=std,panic_abort $others -p poblano-platform
# shellcheck disable=SC2086 # words
[ -z "$triples" ] || "$zigbuild" zigbuild --locked --release --quiet -Zbuild-std=std,panic_abort $triples -p poblano

for system; do
    case $system in
        freebsd-x86_64) look_at x86_64 X86-64 ;;
        freebsd-aarch64) look_at aarch64 AArch64 ;;
        netbsd | openbsd) printf '%s: type-checked\n' "$system" ;;
    esac
done
