# Every command a person, pre-commit or CI runs on this repository is defined here, once.
#
#   VENV        where the tools are installed         make test VENV=/somewhere/else
#   PYTHON      creates the virtual environment       make try PYTHON=python3.12
#   FIMLS_HOME  where models are kept (environment)   default: the user's data directory
#   PINS        the versions that are installed       make test VENV=.venv-mine PINS=FILE; none: the newest allowed
#   TRY_AT      FILE:LINE:COL that `make try` completes
#   EDITORS     where real editors are installed      default: ~/.cache/fimls-editors
#   ARGS        further arguments for pytest          make test-quick ARGS="-k healing -x"

VENV ?= .venv
PYTHON ?= python3
PINS ?= constraints/pinned.txt
TRY_AT ?= examples/shapes.py:23:15
ARGS ?=
EDITORS ?= $(HOME)/.cache/fimls-editors

BIN := $(VENV)/bin
# pip at -qq: errors only. Its progress would drown in the notes of several hundred files.
PIP := $(BIN)/python -m pip install -qq --disable-pip-version-check
INSTALL := $(PIP) $(if $(PINS),-c $(PINS),--upgrade --upgrade-strategy eager)
PYTEST := $(BIN)/python -m pytest
# Test files run side by side, one file in one process: they share what a file loads.
PARALLEL := -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder
# A dependency's deprecation is news to whoever moves a version, and none to whoever tests fimls.
STRICT := -W error::DeprecationWarning -W error::PendingDeprecationWarning -W error::FutureWarning

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help try test test-quick test-newest test-oldest test-editors test-toolchains
.PHONY: check lint types contracts format constraints clean install-base install-dev install-test

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# -- use it ------------------------------------------------------------------------------------

try: install-base ## set up, fetch the default model, complete a real file
	@$(BIN)/fimls pull
	@echo "fimls complete $(TRY_AT)"
	@$(BIN)/fimls complete $(TRY_AT)

# -- check it ----------------------------------------------------------------------------------

test: install-test ## all tests, with torch and real models
	@sh tests/install/tools.sh
	@$(BIN)/fimls pull
	@$(BIN)/fimls pull smollm2
	FIMLS_REQUIRE_ALL=1 $(PYTEST) $(PARALLEL) $(ARGS)

test-quick: install-dev ## tests that need neither torch nor a model, two minutes
	$(PYTEST) tests/unit tests/parity tests/e2e tests/snapshots tests/training/typing -m "not weights and not slow and not gpu" $(PARALLEL) $(ARGS)

test-newest: ## all tests with the newest versions that are allowed; deprecations are errors
	@rm -f .venv-newest/.base
	@$(MAKE) --no-print-directory test VENV=.venv-newest PINS= ARGS="$(STRICT) $(ARGS)"

test-oldest: ## all tests with the oldest versions that are allowed
	@$(MAKE) --no-print-directory test VENV=.venv-oldest PINS=constraints/oldest.txt

test-editors: install-dev ## real VS Code, Neovim and Emacs; installs them first (apt, npm)
	@$(INSTALL) -e '.[dev,editors]'
	PATH="$(CURDIR)/$(BIN):$$PATH" sh tests/editors/install/all.sh $(EDITORS)
	cd editor-plugins/vscode && npm ci --no-audit --no-fund && npm run check && npm test && npm run package
	FIMLS_EDITORS=$(EDITORS) FIMLS_REQUIRE_EDITORS=1 $(PYTEST) tests/editors $(ARGS)

test-toolchains: install-test ## functions judged by real Go and Node tests; installs both first (pip)
	@$(INSTALL) -e '.[test,train,toolchains]'
	FIMLS_REQUIRE_ALL=1 $(PYTEST) tests/toolchains $(ARGS)

check: lint types contracts ## lint, types and contracts

lint: install-dev ## ruff: rules and formatting
	$(BIN)/ruff check
	$(BIN)/ruff format --check

types: install-dev ## mypy --strict
	$(BIN)/mypy

contracts: install-dev ## import-linter: who may import whom
	$(BIN)/lint-imports

format: install-dev ## rewrite files as `make lint` wants them
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

# -- pins --------------------------------------------------------------------------------------
# One file holds for every extra, Python and system: its lines say which they are for.

COMPILE = $(BIN)/uv pip compile pyproject.toml --universal --python-version 3.10 --strip-extras \
    --no-annotate --custom-compile-command "make constraints" -q

constraints: | $(BIN)/python ## compile the pins again from pyproject.toml
	@$(PIP) uv
	$(COMPILE) --upgrade --all-extras -c constraints/held.txt -o constraints/pinned.txt
	$(COMPILE) --upgrade --extra test --extra train --resolution lowest-direct -o constraints/oldest.txt

# -- install -----------------------------------------------------------------------------------
# A stamp in the virtual environment is as new as the pyproject.toml and the pins it was installed
# from, so that a second run starts at once.

install-base: $(VENV)/.base
install-dev: $(VENV)/.dev
install-test: $(VENV)/.test

$(BIN)/python:
	@command -v $(PYTHON) >/dev/null || { echo "$(PYTHON) not found: install Python 3.10 or newer, or name one with PYTHON=" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' \
	    || { echo "$$($(PYTHON) --version) is too old: fimls needs Python 3.10 or newer; name one with PYTHON=" >&2; exit 1; }
	@echo "creating $(VENV) with $$($(PYTHON) --version)"
	@$(PYTHON) -m venv $(VENV) \
	    || { rm -rf $(VENV); echo "no virtual environment: does this Python have venv? (Debian: apt install python3-venv)" >&2; exit 1; }

$(VENV)/.base: pyproject.toml $(PINS) | $(BIN)/python
	@echo "installing fimls into $(VENV), about a minute"
	@$(INSTALL) -e .
	@touch $@

$(VENV)/.dev: $(VENV)/.base
	@echo "installing test and lint tools into $(VENV), about a minute"
	@$(INSTALL) -e '.[dev]'
	@touch $@

$(VENV)/.test: $(VENV)/.base
	@echo "installing torch, what training needs and test tools into $(VENV), about two minutes"
	@$(INSTALL) -e '.[test,train]'
	@touch $@

clean: ## remove the virtual environment and caches; models stay
	rm -rf $(VENV) .venv-newest .venv-oldest build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
