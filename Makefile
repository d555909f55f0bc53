# Everything a person types; `.ci/run` types it too. `make` alone lists the targets.
#   VENV=dir      where the virtual environment goes
#   PYTHON=cmd    the Python (3.11 or newer) it is made from
#   ARGS=...      passed on to trainctl train, to pytest or to the benchmark

VENV ?= .venv
BIN := $(VENV)/bin
ARGS ?=

# The first interpreter that is new enough and can make a virtual environment.
find_python = for python in $(or $(PYTHON),python3 python3.14 python3.13 python3.12 python3.11 python); do \
	$$python -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	&& command -v $$python && exit 0; done; \
	echo "make: no Python 3.11 or newer with the venv module; name one with PYTHON=..." >&2; exit 1

.PHONY: help train test torture check lint bench clean
.DEFAULT_GOAL := help

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-7s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

train: $(VENV)/trainctl.stamp ## set up and run the main job, configs/mlp.yaml
	$(BIN)/trainctl train configs/mlp.yaml --force $(ARGS)

test: $(VENV)/dev.stamp ## set up and run the tests
	$(BIN)/python -m pytest $(ARGS)

torture: $(VENV)/dev.stamp ## a thousand kills, ten million damaged files, a million integer layers: KILLS=N MUTATIONS=N LAYERS=N SEED=N
	$(BIN)/python -m pytest -s tests/torture/torture.py $(ARGS)

check: lint test ## the linters, mypy and the tests

lint: $(VENV)/dev.stamp ## ruff format, ruff check and mypy
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy

bench: $(VENV)/bench.stamp ## the main job, training steps, inference, start-up and memory against PyTorch and JAX
	$(BIN)/python -m benchmarks.mlp_main_job $(ARGS)
	$(BIN)/python -m benchmarks.steps
	$(BIN)/python -m benchmarks.inference
	$(BIN)/python -m benchmarks.quantized
	$(BIN)/python -m benchmarks.startup
	$(BIN)/python -m benchmarks.peak_memory
	$(BIN)/python -m benchmarks.eager_ops

clean: ## remove the virtual environment and the caches, not the runs
	rm -rf $(VENV) build dist .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/made.stamp:
	@python=$$($(find_python)) && $$python -m venv $(VENV)
	touch $@

$(VENV)/trainctl.stamp: $(VENV)/made.stamp pyproject.toml
	$(BIN)/python -m pip install --quiet --editable '.[fast]'
	touch $@

$(VENV)/dev.stamp: $(VENV)/made.stamp pyproject.toml
	$(BIN)/python -m pip install --quiet --editable '.[dev,fast]'
	touch $@ $(VENV)/trainctl.stamp

$(VENV)/bench.stamp: $(VENV)/made.stamp pyproject.toml
	$(BIN)/python -m pip install --quiet --editable '.[bench,fast,parity]'
	touch $@ $(VENV)/trainctl.stamp
