# shellcheck shell=bash
# Phases of tests/run and .ci/run, which read this file: headings, times, and a closing line, however it ends.
((EUID == 0)) || { echo "run me as root: the tests make network namespaces" >&2; exit 2; }
# sudo drops the path of a toolchain in the home directory.
command -v cargo >/dev/null || PATH="$(getent passwd "${SUDO_USER:-root}" | cut -d: -f6)/.cargo/bin:$PATH"
PHASES=() RUNNING='' PHASE_LOG=$(mktemp)
trap closing EXIT

phase() { # a function and its arguments
    local start=$SECONDS
    RUNNING=$1
    printf '\n=== %s  (%s)\n' "$*" "$(date -u +%T)"
    "$@" 2>&1 | tee -a "$PHASE_LOG"
    PHASES+=("$(printf '%5d s  %s' $((SECONDS - start)) "$1")")
    RUNNING=''
}

closing() {
    local status=$?
    printf '\n=== %s in %d s\n' "$( ((status)) && echo "failed: ${RUNNING:-setup}" || echo done)" "$SECONDS"
    ((${#PHASES[@]} == 0)) || printf '%s\n' "${PHASES[@]}"
    # Of cargo ("ok. 3 passed; 0 failed;") and of pytest ("1 failed, 3 passed in 2.5s").
    awk '/^test result|(passed|failed|error).* in [0-9.]+s/ {
            for (i = 2; i <= NF; i++) {
                if ($i ~ /^passed/) passed += $(i - 1)
                if ($i ~ /^(failed|error)/) failed += $(i - 1)
            }
        }
        END { printf "%d passed, %d failed\n", passed, failed }' "$PHASE_LOG"
    rm "$PHASE_LOG"
    exit "$status"
}

debian_packages() { # installs those that are missing
    local missing=() package policy=/usr/sbin/policy-rc.d
    for package; do
        dpkg-query -Wf '${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed || missing+=("$package")
    done
    ((${#missing[@]})) || return 0
    # Packages start their services on installation; this keeps them from it.
    if [[ ! -e $policy ]]; then
        printf '#!/bin/sh\nexit 101\n' >$policy
        chmod +x $policy
        trap 'rm -f /usr/sbin/policy-rc.d' EXIT
    fi
    apt-get -qq update
    DEBIAN_FRONTEND=noninteractive apt-get -qq install --no-install-recommends "${missing[@]}" >/dev/null
}
