#!/bin/sh
# Resolve the newest versions for every environment into its constraint file.
. "$(dirname "$0")/common.sh"
find_python
find_uv

compile() {
    name=$1
    shift
    "$uv" pip compile -q "$@" --python "$python" --universal --python-version 3.11 \
        --fork-strategy fewest --no-annotate --no-emit-index-url --custom-compile-command "make constraints" \
        -o "constraints-$name.txt" >/dev/null || explain_failure "Resolving constraints-$name.txt" uv_reaches_registry
}

rm -f constraints-airflow.txt
compile airflow pyproject.toml --extra all-airflow --group dev
# uv keeps pins that it finds in the output file wherever they still fit: so all environments get the same version of what they share.
for name in prefect peers peers-newest peers-outflow; do cp constraints-airflow.txt "constraints-$name.txt"; done
compile prefect pyproject.toml --extra all-prefect --group dev
compile peers tests/environment/peers.in
compile peers-newest tests/environment/peers-newest.in
compile peers-outflow tests/environment/peers-outflow.in
