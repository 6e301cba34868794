#!/bin/sh
# Install the services that tests start for themselves, from Debian's packages: a Slurm cluster, PostgreSQL and a browser.
# Does nothing where they are. Where they cannot be installed (not root, no apt), it says so, and tests that need them are
# skipped.
. "$(dirname "$0")/common.sh"

PACKAGES="munge slurm-wlm slurm-wlm-basic-plugins postgresql chromium"

installed() { dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null | grep -qx installed; }

missing=
for package in $PACKAGES; do installed "$package" || missing="$missing $package"; done
[ "$missing" ] || exit 0
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    echo "fairlead: not here, and only root can install them with apt-get:$missing; tests that need them will be skipped" >&2
    exit 0
fi

# Packages of daemons start them; this one answer keeps them from it, and is taken away again.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
    trap 'rm -f "$policy"' EXIT
fi
echo "fairlead: installing with apt-get:$missing"
export DEBIAN_FRONTEND=noninteractive
install() { apt-get install -y -qq --no-install-recommends $missing >/dev/null; }
install || { apt-get update -qq && install; } ||
    echo "fairlead: apt-get failed, for the reason that stands above; tests that need these will be skipped" >&2
