# What README, CI and people call. Everything is set up on first use, in .venv, from locked versions.
MAKEFLAGS += --no-print-directory --no-builtin-rules
.DELETE_ON_ERROR:

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip -qq --disable-pip-version-check
SOURCES := setup.py $(wildcard omniroute/_speedups/*.pyx omniroute/_speedups/*.pxd omniroute/_speedups/*.h)

.PHONY: serve test test-plain check format docs bench load dist lock clean

# What `serve` needs, and the package itself, editable. The stamps say when a part was last brought up to date.
$(VENV)/.runtime: requirements/runtime.lock requirements/build.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "OmniRoute needs Python 3.11 or newer: make PYTHON=python3.12 ...")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) install -r requirements/build.lock -r requirements/runtime.lock
	$(PIP) install --no-deps --no-build-isolation -e .
	touch $(VENV)/.speedups $@

# A .pyx was changed: only what depends on it is compiled again.
$(VENV)/.speedups: $(SOURCES) | $(VENV)/.runtime
	$(BIN)/python setup.py --quiet build_ext --inplace
	touch $@

$(VENV)/.dev: requirements/dev.lock $(VENV)/.runtime
	$(PIP) install -r requirements/dev.lock
	touch $@

$(VENV)/.perf: requirements/perf.lock $(VENV)/.runtime
	$(PIP) install -r requirements/perf.lock
	touch $@

serve: $(VENV)/.runtime $(VENV)/.speedups
	@exec $(BIN)/python -m omniroute serve $(ARGS)

test: $(VENV)/.dev $(VENV)/.speedups
	OMNIROUTE_REQUIRE_SPEEDUPS=1 $(BIN)/python -m pytest $(ARGS)

# The same suite on the plain-Python twins.
test-plain: $(VENV)/.dev $(VENV)/.speedups
	OMNIROUTE_NO_SPEEDUPS=1 $(BIN)/python -m pytest $(ARGS)

# flake8-async beyond what ruff has. Off: 110 (ruff has it, and knows a checkpoint from a sleep), 114 and 128 (functions that pass their task_status on), 124 (interfaces that are
# async because another implementation waits), 127 (a successor of httpx is a decision, not a lint fix), 91x (an operation of
# the relay that completes at once is no checkpoint, on purpose: a request costs its task two wake-ups).
ASYNC_OFF := ASYNC110,ASYNC114,ASYNC124,ASYNC127,ASYNC128,ASYNC910,ASYNC911,ASYNC912,ASYNC913

check: $(VENV)/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	@echo flake8-async omniroute
	@$(BIN)/flake8-async --disable $(ASYNC_OFF) $(shell find omniroute -name '*.py')
	$(BIN)/mypy
	$(BIN)/lint-imports
	PATH="$(CURDIR)/$(BIN):$$PATH" cython-lint --max-line-length=120 omniroute/_speedups
	$(BIN)/codespell omniroute tests perf docs *.md

format: $(VENV)/.dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

docs: $(VENV)/.dev
	$(BIN)/python -m tests.architecture.configuration_page
	$(BIN)/python -m tests.architecture.translation_page

bench: $(VENV)/.perf $(VENV)/.speedups
	$(BIN)/python -m perf.bench $(ARGS)

load: $(VENV)/.perf
	$(BIN)/locust -f perf/locustfile.py $(ARGS)

# Without isolation: built by the locked setuptools and Cython.
dist: $(VENV)/.dev
	rm -rf dist build
	$(BIN)/python -m build --no-isolation

# Newest versions that pyproject.toml allows, with hashes, for every platform. The later files agree with the earlier ones.
COMPILE := $(BIN)/uv pip compile --quiet --universal --generate-hashes --no-header --no-emit-index-url --python-version 3.11 --upgrade
lock: $(VENV)/.runtime
	$(PIP) install uv
	$(COMPILE) --group build -o requirements/build.lock
	$(COMPILE) pyproject.toml -c requirements/build.lock -o requirements/runtime.lock
	$(COMPILE) pyproject.toml --group dev -c requirements/build.lock -c requirements/runtime.lock -o requirements/dev.lock
	$(COMPILE) pyproject.toml --extra perf -c requirements/dev.lock -o requirements/perf.lock

clean:
	rm -rf $(VENV) build dist *.egg-info perf/build
	find omniroute -name '*.so' -delete
	rm -f omniroute/_speedups/*.c
