# `make run` trains, explains, documents and registers a model; `make test` runs the tests.
# Both create .venv with the pinned dependencies first. CONFIG=path chooses another run.

CONFIG ?= configs/default.yaml
PYTHON ?= python3
PY := .venv/bin/python
STAGES := ingest audit features train evaluate transport learning explain register card

.PHONY: run serve $(STAGES) test benchmark lint lock clean help
.DEFAULT_GOAL := help

help: ## show what there is
	@grep -hE '^[a-z %$$()A-Z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 12
	@echo "$(STAGES): one stage, and what it needs"

run: .venv/installed ## all stages of CONFIG, as far as they are stale
	@$(PY) -m pipeline run $(CONFIG)

$(STAGES): .venv/installed
	@$(PY) -m pipeline $@ $(CONFIG)

serve: .venv/installed ## the registered champion over HTTP, with a page: http://127.0.0.1:8000/
	@$(PY) -m pipeline serve --config $(CONFIG)

test: .venv/tested-with ## the test suite, on two processes
	@$(PY) -m pytest -n 2 --dist worksteal

benchmark: .venv/compared-with ## the procedure against others (CONFIG=path: on that table)
	@$(PY) -m pipeline benchmark $(if $(filter command line,$(origin CONFIG)),--config $(CONFIG))

lint: .venv/tested-with ## style, types and the direction of imports
	@$(PY) -m ruff check pipeline tests && $(PY) -m ruff format --check pipeline tests
	@$(PY) -m mypy
	@.venv/bin/lint-imports --no-cache

LOCK := $(PY) -m uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
  --no-emit-index-url --no-annotate --no-header pyproject.toml

lock: .venv/installed ## rewrite the three lock files from pyproject.toml
	@$(LOCK) -o requirements.lock
	@$(LOCK) --extra dev -c requirements.lock -o requirements-dev.lock
	@$(LOCK) --extra benchmark -c requirements-dev.lock -o requirements-benchmark.lock

clean: ## remove the environment and all runs
	@rm -rf .venv && find models -mindepth 1 ! -name README.md ! -name model_card.png ! -name service_page.png -delete

# uv installs in seconds what takes pip minutes; where it is not to be had, pip does it.
INSTALL = { $(PY) -m pip install --quiet --disable-pip-version-check uv==0.13.9 && \
  $(PY) -m uv pip install --quiet --compile-bytecode --require-hashes -r $<; } || \
  $(PY) -m pip install --quiet --disable-pip-version-check --require-hashes -r $<

.venv/installed: requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed; found: $$($(PYTHON) --version 2>&1)." \
	    "To mend: make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)"; exit 2; }
	@echo "Installing the pinned dependencies into .venv (once, about 830 MB) ..."
	@$(PYTHON) -m venv .venv
	@$(INSTALL)
	@touch $@

.venv/tested-with: requirements-dev.lock | .venv/installed
	@echo "Installing what the tests need into .venv (once, about 900 MB more) ..."
	@$(INSTALL)
	@touch $@

.venv/compared-with: requirements-benchmark.lock | .venv/installed
	@echo "Installing the packages to compare with into .venv (once, about 1 GB more) ..."
	@$(INSTALL)
	@touch $@
