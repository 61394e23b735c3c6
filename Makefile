# What README, CI and people call. Everything is set up on first use, in .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SOURCES := $(wildcard omniroute/_speedups/*.pyx omniroute/_speedups/*.pxd) setup.py

.PHONY: serve test test-plain check format docs bench load dist clean

# Runtime only: what `serve` needs. `pip install -e .` compiles the speedups in place.
$(VENV)/runtime: requirements/runtime.lock pyproject.toml $(SOURCES)
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "OmniRoute needs Python 3.11 or newer: make PYTHON=python3.12 ...")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements/runtime.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -e .
	touch $@

$(VENV)/dev: $(VENV)/runtime requirements/dev.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements/dev.lock
	touch $@

$(VENV)/perf: $(VENV)/runtime requirements/perf.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements/perf.lock
	touch $@

serve: $(VENV)/runtime
	exec $(BIN)/python -m omniroute serve $(ARGS)

test: $(VENV)/dev
	OMNIROUTE_REQUIRE_SPEEDUPS=1 $(BIN)/python -m pytest $(ARGS)

# The same suite on the plain-Python twins.
test-plain: $(VENV)/dev
	OMNIROUTE_NO_SPEEDUPS=1 $(BIN)/python -m pytest $(ARGS)

check: $(VENV)/dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/cython-lint --max-line-length=120 omniroute/_speedups
	$(BIN)/codespell omniroute tests perf docs *.md

format: $(VENV)/dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

docs: $(VENV)/dev
	$(BIN)/python -m tests.architecture.configuration_page

bench: $(VENV)/perf
	$(BIN)/python -m perf.bench $(ARGS)

load: $(VENV)/perf
	$(BIN)/locust -f perf/locustfile.py $(ARGS)

dist: $(VENV)/dev
	$(BIN)/python -m build

clean:
	rm -rf $(VENV) build dist *.egg-info perf/build
	find omniroute -name '*.so' -delete
