# Sourced by the scripts beside it: finds an interpreter, bootstraps a pinned uv into .venv-tools, explains failures.
# It installs nothing else.
set -eu
umask 022
cd "$(dirname "$0")/../.."

UV_VERSION=0.13.8
export UV_PYTHON_DOWNLOADS=never UV_HTTP_TIMEOUT="${UV_HTTP_TIMEOUT:-180}"
# uv trusts a list of its own otherwise, and networks that inspect TLS are known to the machine only.
export UV_SYSTEM_CERTS="${UV_SYSTEM_CERTS:-true}"
# pip reads its mirror from this variable and uv does not; one setting should be enough for both.
if [ -n "${PIP_INDEX_URL:-}" ]; then export UV_DEFAULT_INDEX="${UV_DEFAULT_INDEX:-$PIP_INDEX_URL}"; fi

fail() {
    printf '\nfairlead: %s\n' "$1" >&2
    shift
    for line in "$@"; do printf '    %s\n' "$line" >&2; done
    exit 1
}

# A name on PATH is not yet an interpreter (version managers leave shims that only print an error): it counts if it runs.
find_python() {
    for candidate in "${PYTHON:-}" python3 python3.14 python3.13 python3.12 python3.11; do
        [ -n "$candidate" ] || continue
        if "$candidate" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 15))' 2>/dev/null; then
            python=$(command -v "$candidate")
            return
        fi
        [ "$candidate" != "${PYTHON:-}" ] || fail "PYTHON=$PYTHON is not a Python 3.11, 3.12, 3.13 or 3.14 that runs." \
            "Give the path of one that is, or leave PYTHON out."
    done
    fail "Python 3.11, 3.12, 3.13 or 3.14 is missing (tried python3, python3.14, python3.13, python3.12, python3.11)." \
        "Debian 12 or newer, Ubuntu 24.04 or newer: apt-get install python3 python3-venv" \
        "One elsewhere: make PYTHON=/path/to/python3 ..."
}

# Called after something that needs disk or network has failed, and has said so in its own words.
explain_failure() {
    free=$(df -Pk . | awk 'NR == 2 { print int($4 / 1024) }')
    [ "$free" -ge 200 ] || fail "$1 failed: only $free MB are free on this disk, the environments need about 2400 MB." \
        "Make room, then run the same command again."
    if ! $2 >/dev/null 2>&1; then
        fail "$1 failed: the Python package registry cannot be reached." \
            "Check the network and, behind a proxy or a mirror, HTTPS_PROXY, PIP_INDEX_URL and SSL_CERT_FILE." \
            "Then run the same command again: it goes on where it stopped."
    fi
    fail "$1 failed, for the reason that stands above." "Once it is mended, run the same command again."
}

pip_reaches_registry() { .venv-tools/bin/python -m pip download -q --no-deps --no-cache-dir -d "$scratch" "uv==$UV_VERSION"; }
uv_reaches_registry() { echo packaging | .venv-tools/bin/uv pip compile -q --no-cache --python "$python" -; }

uv=.venv-tools/bin/uv
has_uv() { [ "$("$uv" --version 2>/dev/null | cut -d' ' -f2)" = "$UV_VERSION" ]; }

find_uv() {
    ! has_uv || return 0
    "$python" -c 'import ensurepip, venv' 2>/dev/null || fail "$python has no venv module." \
        "Debian or Ubuntu: apt-get install python3-venv    (or pythonX.Y-venv, for an interpreter of another version)"
    scratch=$(mktemp -d)
    trap 'rm -rf "$scratch"' EXIT
    echo "fairlead: fetching uv $UV_VERSION"
    { "$python" -m venv --clear .venv-tools &&
        .venv-tools/bin/python -m pip install -q --disable-pip-version-check "uv==$UV_VERSION"; } ||
        explain_failure "Fetching uv" pip_reaches_registry
}
