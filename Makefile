# `make run` trains, explains, documents and registers a model; `make test` runs the tests.
# Both create .venv with the pinned dependencies first. CONFIG=path chooses another run.

CONFIG ?= configs/default.yaml
PYTHON ?= python3
PY := .venv/bin/python
STAGES := ingest audit features train evaluate explain card register

.PHONY: run $(STAGES) test lint lock clean help
.DEFAULT_GOAL := help

help: ## show what there is
	@grep -hE '^[a-z %$$()A-Z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 12
	@echo "$(STAGES): one stage, and what it needs"

run: .venv/installed ## all stages of CONFIG, as far as they are stale
	@$(PY) -m pipeline run $(CONFIG)

$(STAGES): .venv/installed
	@$(PY) -m pipeline $@ $(CONFIG)

test: .venv/installed ## the test suite, on two processes
	@$(PY) -m pytest -n 2 --dist worksteal

lint: .venv/installed ## style, types and the direction of imports
	@$(PY) -m ruff check pipeline tests && $(PY) -m ruff format --check pipeline tests
	@$(PY) -m mypy
	@.venv/bin/lint-imports --no-cache

lock: .venv/installed ## rewrite requirements.lock from pyproject.toml
	@$(PY) -m uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	  --no-emit-index-url --no-annotate --no-header --extra dev pyproject.toml -o requirements.lock

clean: ## remove the environment and all runs
	@rm -rf .venv && find models -mindepth 1 ! -name README.md ! -name model_card.png -delete

# uv installs in seconds what takes pip minutes; where it is not to be had, pip does it.
.venv/installed: requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed; found: $$($(PYTHON) --version 2>&1)." \
	    "To mend: make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)"; exit 2; }
	@echo "Installing the pinned dependencies into .venv (once, about 830 MB) ..."
	@$(PYTHON) -m venv .venv
	@{ $(PY) -m pip install --quiet --disable-pip-version-check uv==0.13.9 && \
	   $(PY) -m uv pip install --quiet --compile-bytecode --require-hashes -r requirements.lock; } || \
	  $(PY) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@touch $@
