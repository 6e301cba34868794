#!/bin/sh
# Make .venv-airflow and .venv-prefect what the constraint files and pyproject.toml say; does nothing where they already are.
# With --existing it fetches nothing: it links the source into the environments that exist, and says what make setup would do.
. "$(dirname "$0")/common.sh"
existing=
if [ "${1:-}" = --existing ]; then
    existing=yes
    [ -e .venv-airflow/installed ] || [ -e .venv-prefect/installed ] ||
        fail "There are no environments yet." "Make them first: make setup"
    has_uv || fail "uv $UV_VERSION is missing." "Fetch it first: make setup"
fi
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
for engine in airflow prefect; do
    env=.venv-$engine
    constraints=constraints-$engine.txt

    # The folder is part of the key because scripts in an environment hold its absolute path.
    installed_key=$({ echo "$PWD $interpreter"; cat "$constraints"; } | git hash-object --stdin)
    if [ "$existing" ] && [ ! -e "$env/installed" ]; then
        echo "fairlead: there is no $env, so nothing is checked with it; to make it: make setup"
        continue
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
    # The link tree of a strict editable install is made once: it must be made anew when a file comes or goes.
    linked_key=$({ cat "$env/installed" pyproject.toml setup.py
        find adapters operators flows -type f ! -name '*.pyc' | LC_ALL=C sort; } | git hash-object --stdin)
    # This stamp lies beside the link tree, so that removing the tree removes the stamp.
    if [ "$(cat "build/linked-$engine" 2>/dev/null)" != "$linked_key" ]; then
        rm -f "build/linked-$engine"
        "$uv" pip install -q --python "$env/bin/python" --offline --no-deps --no-build-isolation \
            --reinstall-package fairlead -e . || fail "Linking fairlead into $env failed, for the reason above."
        "$uv" pip check -q --python "$env/bin/python" || fail "$env is not consistent." \
            "If pyproject.toml asks for something new: make constraints"
        echo "$linked_key" >"build/linked-$engine"
    fi
done
