# Headings and times of the phases of tests/run and .ci/run, which read this file.
((EUID == 0)) || { echo "run me as root: the tests make network namespaces" >&2; exit 2; }
# sudo drops the path of a toolchain in the home directory.
command -v cargo >/dev/null || PATH="$(getent passwd "${SUDO_USER:-root}" | cut -d: -f6)/.cargo/bin:$PATH"
PHASES=()

phase() { # a function and its arguments
    local start=$SECONDS
    printf '\n=== %s  (%s)\n' "$*" "$(date -u +%T)"
    "$@"
    PHASES+=("$(printf '%5d s  %s' $((SECONDS - start)) "$1")")
}

summary() {
    printf '\n=== done in %d s\n' "$SECONDS"
    printf '%s\n' "${PHASES[@]}"
}
