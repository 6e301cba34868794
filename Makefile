# Every target is safe to repeat; the logic is in tests/environment/ and tests/run.py.
.DEFAULT_GOAL := help
.PHONY: help setup demo test check bench constraints clean

# Fast starts need the bytecode that an environment compiles.
unexport PYTHONDONTWRITEBYTECODE
export PYTHON

help: ## show this list
	@sed -n 's/^\([a-z]*\):.*## /  make \1\t/p' Makefile | expand -t 20

setup: ## make the environments .venv-* (PYTHON=... chooses the interpreter)
	@tests/environment/setup.sh

demo: ## run the wind study in a terminal, in Prefect and in Airflow
	@tests/environment/setup.sh airflow prefect
	@.venv-prefect/bin/python dags/demo.py

test: setup ## run everything: lint, types, core, Airflow, Prefect, contract and packaging tests
	@tests/environment/services.sh
	@.venv-prefect/bin/python tests/run.py

check: ## run lint, types and the quick core tests on the environments that exist; fetches nothing
	@tests/environment/setup.sh --existing
	@for engine in prefect airflow; do \
		[ ! -e .venv-$$engine/installed ] || exec .venv-$$engine/bin/python tests/run.py --quick lint types core; \
	done

bench: setup ## run the benchmarks
	@.venv-prefect/bin/pytest tests/benchmarks --benchmark-only

constraints: ## resolve the newest versions into the constraint files
	@tests/environment/constraints.sh

clean: ## remove the environments, builds and caches
	rm -rf .venv-airflow .venv-prefect .venv-peers .venv-peers-newest .venv-peers-outflow .venv-tools build dist *.egg-info .benchmarks .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -prune -exec rm -rf {} +
