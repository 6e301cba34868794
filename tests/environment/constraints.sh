#!/bin/sh
# Resolve the newest versions for both environments into constraints-airflow.txt and constraints-prefect.txt.
. "$(dirname "$0")/common.sh"
find_python
find_uv

compile() {
    "$uv" pip compile -q pyproject.toml --extra "all-$1" --group dev --python "$python" --universal --python-version 3.11 \
        --fork-strategy fewest --no-annotate --no-emit-index-url --custom-compile-command "make constraints" \
        -o "constraints-$1.txt" >/dev/null || explain_failure "Resolving constraints-$1.txt" uv_reaches_registry
}

rm -f constraints-airflow.txt
compile airflow
# uv keeps pins that it finds in the output file wherever they still fit: so both environments get the same version of what they share.
cp constraints-airflow.txt constraints-prefect.txt
compile prefect
