PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready

.PHONY: help setup demo test lint types imports unit bench docs lock clean

help:            ## this list
	@grep -hE '^[a-z]+: .*## |^[a-z]+:  +## ' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 12

setup: $(READY)  ## make .venv with the locked versions

$(READY): requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "adreel needs Python 3.11 or newer; try: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	$(BIN)/python -m compileall -q src
	@touch $(READY)

demo: setup      ## start the simulator, connect, run, prove and show a first dataset
	$(BIN)/adreel demo

test: setup lint types imports unit  ## every check that CI runs

lint: setup      ## style
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: setup     ## types, over code and tests
	$(BIN)/mypy

imports: setup   ## one-way imports
	$(BIN)/lint-imports

unit: setup      ## behaviour
	$(BIN)/pytest -n 2

bench: setup     ## adreel beside its peers; see docs/benchmarks.md
	$(BIN)/python -m bench

docs: setup      ## write the reference pages anew from the records
	$(BIN)/python -m adreel.cli.reference docs/reference

lock: setup      ## resolve the versions anew
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile pyproject.toml --extra dev --universal --python-version 3.11 \
	  --generate-hashes --no-emit-index-url --no-header --output-file requirements.lock --upgrade

clean:           ## remove what make made
	rm -rf .venv .demo .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
