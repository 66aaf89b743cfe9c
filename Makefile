# Every command a person, pre-commit or CI runs on this repository is defined here, once.
#
#   VENV        where the tools are installed         make test VENV=/somewhere/else
#   PYTHON      creates the virtual environment       make try PYTHON=python3.12
#   FIMLS_HOME  where models are kept (environment)   default: the user's data directory
#   TORCH       what tests install as torch; pip's own configuration says which build that is
#   TRY_AT      FILE:LINE:COL that `make try` completes
#   EDITORS     where real editors are installed      default: ~/.cache/fimls-editors
#   ARGS        further arguments for pytest          make test-quick ARGS="-k healing -x"

VENV ?= .venv
PYTHON ?= python3
TORCH ?= torch==2.13.0
TRY_AT ?= examples/shapes.py:23:15
ARGS ?=
EDITORS ?= $(HOME)/.cache/fimls-editors

BIN := $(VENV)/bin
# pip at -qq: errors only. Its progress would drown in the notes of several hundred files.
PIP := $(BIN)/python -m pip install -qq --disable-pip-version-check
PYTEST := $(BIN)/python -m pytest

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help try test test-quick test-editors check lint types contracts format clean
.PHONY: install-base install-dev install-test

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# -- use it ------------------------------------------------------------------------------------

try: install-base ## set up, fetch the default model, complete a real file
	@$(BIN)/fimls pull
	@echo "fimls complete $(TRY_AT)"
	@$(BIN)/fimls complete $(TRY_AT)

# -- check it ----------------------------------------------------------------------------------

test: install-test ## all tests, with torch and real models
	@$(BIN)/fimls pull
	@$(BIN)/fimls pull smollm2
	FIMLS_REQUIRE_WEIGHTS=1 $(PYTEST) $(ARGS)

test-quick: install-dev ## tests that need neither torch nor a model, about 2 minutes
	$(PYTEST) tests/unit tests/parity tests/e2e tests/snapshots -m "not weights and not slow and not gpu" $(ARGS)

test-editors: install-dev ## real VS Code, Neovim and Emacs; installs them first (apt, npm)
	@$(PIP) -e '.[dev,editors]'
	PATH="$(CURDIR)/$(BIN):$$PATH" sh tests/editors/install/all.sh $(EDITORS)
	cd editor-plugins/vscode && npm ci --no-audit --no-fund && npm run check && npm test && npm run package
	FIMLS_EDITORS=$(EDITORS) FIMLS_REQUIRE_EDITORS=1 $(PYTEST) tests/editors $(ARGS)

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

# -- install -----------------------------------------------------------------------------------
# A stamp in the virtual environment is as new as the pyproject.toml it was installed from, so
# that a second run starts at once.

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

$(VENV)/.base: pyproject.toml | $(BIN)/python
	@echo "installing fimls into $(VENV), about a minute"
	@$(PIP) -e .
	@touch $@

$(VENV)/.dev: pyproject.toml | $(VENV)/.base
	@echo "installing test and lint tools into $(VENV), about a minute"
	@$(PIP) -e '.[dev]'
	@touch $@

$(VENV)/.test: pyproject.toml | $(VENV)/.dev
	@echo "installing $(TORCH) and what training needs into $(VENV), about two minutes"
	@$(PIP) -e '.[dev,train]' '$(TORCH)'
	@touch $@

clean: ## remove the virtual environment and caches; models stay
	rm -rf $(VENV) build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
