# Set-up and the developer's checks. Every target makes its own virtual environment first.
#   PYTHON=python3.12   the Python to make it with     VENV=/tmp/venv312   where to put it
#   ARGS="-k cancel -x" more for pytest, or for `farm demo`
#   ONLY="farm/limit"   for `make bench`: only keys with that in their name

PYTHON ?= python3
VENV ?= .venv
ARGS ?=
BIN := $(VENV)/bin
LOCKED := pyproject.toml ops/lock/venv.sh
CACHES := .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis

# The developer's environment holds the user's, at the same versions.
READY := $(VENV)/.ready
READY_DEV := $(VENV)/.ready-dev
ifneq ($(wildcard $(READY_DEV)),)
READY := $(READY_DEV)
endif

export PYTHON

.PHONY: help demo test check accept accept-short containers faults faults-short bench lock clean
.DEFAULT_GOAL := help

help: ## This list
	@echo "make TARGET [PYTHON=python3.12] [ARGS=...]"
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  \1\t\2/p' $(MAKEFILE_LIST) | expand -t 18

demo: $(READY) ## From nothing to things found in sample photos, and a report; leaves nothing running
	@$(BIN)/farm demo $(ARGS)

test: $(READY_DEV) ## The unit and integration tests, with real brokers and workers
	$(BIN)/python -m pytest -n 2 --dist loadfile tests/unit tests/integration $(ARGS)

check: $(READY_DEV) ## Format, lint, types and who may import whom
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

accept: $(READY_DEV) ## The acceptance tests, all of them (long)
	$(BIN)/python -m pytest -n 2 --dist loadfile tests/acceptance -m "not alone" $(ARGS)
	$(BIN)/python -m pytest tests/acceptance -m alone $(ARGS)

accept-short: $(READY_DEV) ## The acceptance tests that CI runs
	$(BIN)/python -m pytest -n 2 --dist loadfile tests/acceptance -m short $(ARGS)

containers: $(READY_DEV) ## The farm in real containers, by podman (root; minutes the first time)
	$(BIN)/python -m pytest tests/acceptance/test_containers.py $(ARGS)

faults: $(READY_DEV) ## Kill, freeze and starve things, and count the results (long)
	$(BIN)/python -m pytest tests/faults $(ARGS)

faults-short: $(READY_DEV) ## The faults that CI runs
	$(BIN)/python -m pytest tests/faults -m short $(ARGS)

bench: $(READY_DEV) ## Measure everything that is promised about speed, into build/bench.json (long)
	$(BIN)/python tests/bench/run.py $(ARGS)

lock: ## Choose the packages' versions anew (ARGS=--upgrade for the newest)
	ops/lock/lock.sh $(ARGS)

clean: ## Remove the virtual environment, builds and tool caches; nothing outside this folder
	rm -rf .venv build dist $(CACHES)
	find . -name .git -prune -o -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/.ready: ops/lock/all.lock $(LOCKED)
	@ops/lock/venv.sh $(VENV) ops/lock/all.lock
	@touch $@

$(VENV)/.ready-dev: ops/lock/dev.lock $(LOCKED)
	@ops/lock/venv.sh $(VENV) ops/lock/dev.lock
	@touch $@
