# Everything runs in virtual environments that this file creates: .venv with the newest tested Airflow, .venv-<version>
# with another one: `make test AIRFLOW=2.11.2`. It needs only make and Python 3.10 or newer.

PYTHON ?= python3
NEWEST := 3.3.2
MATRIX := 2.11.2 3.0.6 3.1.8 3.2.2 3.3.2
SYSTEM_TESTS ?= tests/system
# Two pytest workers run the tests with Airflow components, one Airflow each, and mostly wait. The third runs the others.
IN_PARALLEL := -n 3 --dist loadgroup
MATRIX_TESTS := $(wildcard tests/unit tests/integration) $(SYSTEM_TESTS)

# Newer dependencies break these releases of Airflow, so their environments use packages of the same age.
EXCLUDE_NEWER_3.0.6 := 2025-09-20
EXCLUDE_NEWER_3.1.8 := 2026-03-25
EXCLUDE_NEWER_3.2.2 := 2026-06-15
# This release shows the form fields of providers only if this package is installed.
EXTRA_3.0.6 := flask-appbuilder

AIRFLOW ?=
VENV := .venv$(addprefix -,$(AIRFLOW))
RUN := $(VENV)/bin/python -m
COMMITTED = $(shell git log -1 --format=%ct)
UV = $(abspath .venv)/bin/uv
INSTALL = $(UV) pip install --quiet --compile-bytecode --python

.PHONY: help test test-system test-matrix coverage lint docs pictures check-wheel release-check test-readme demo demo-picture screenshots airflow benchmark clean
.SECONDARY:

help:  ## Show this list
	@sed -n 's/^\([a-z-]*\):.*  ## /\1\t/p' Makefile | while IFS='	' read -r name what; do printf '  %-13s %s\n' "$$name" "$$what"; done

test: $(VENV)/.installed  ## Run every test, including those with real Airflow components
	$(RUN) pytest $(IN_PARALLEL)

test-system: $(VENV)/.installed  ## Run the tests with real Airflow components
	$(RUN) pytest $(SYSTEM_TESTS)

test-matrix: $(MATRIX:%=test-on-%)  ## Run unit, integration and system tests on every supported Airflow

$(MATRIX:%=test-on-%): test-on-%: .venv-%/.installed
	.venv-$*/bin/python -m pytest $(IN_PARALLEL) $(MATRIX_TESTS)

coverage: $(VENV)/.installed  ## Run every test and check the coverage
	@mkdir -p .cache/coverage
	$(RUN) pytest $(IN_PARALLEL) --cov --cov-report=json
	$(VENV)/bin/python .ci/coverage_gate.py .cache/coverage/report.json

lint: $(VENV)/.installed  ## Check style and types
	$(RUN) ruff check .
	$(RUN) ruff format --check .
	$(RUN) mypy

docs: .venv-tools/.installed  ## Build the documentation in strict mode
	.venv-tools/bin/python .ci/pictures.py --check
	NO_MKDOCS_2_WARNING=1 .venv-tools/bin/mkdocs build --strict
	.venv-tools/bin/python .ci/site.py build/docs

release-check: .venv/.installed .venv-tools/.installed  ## Build the wheel and the sdist twice and check them
	rm -rf dist .cache/rebuild
	SOURCE_DATE_EPOCH=$(COMMITTED) $(UV) build --quiet
	umask 077; TZ=Asia/Tokyo SOURCE_DATE_EPOCH=$(COMMITTED) $(UV) build --quiet --sdist --wheel --out-dir .cache/rebuild
	.venv-tools/bin/python -m twine check --strict dist/*
	.venv/bin/python .ci/release.py dist .cache/rebuild $(MATRIX)

test-readme: $(VENV)/.installed  ## Follow the README in a clean environment
	$(VENV)/bin/python .ci/readme.py

check-wheel: .venv/.installed  ## Build the wheel and check it in a clean environment
	rm -rf dist .cache/wheel
	$(UV) build --quiet --wheel
	$(UV) venv --quiet .cache/wheel --python .venv/bin/python
	$(INSTALL) .cache/wheel 'apache-airflow==$(NEWEST)' dist/*.whl
	.venv/bin/python .ci/wheel.py .cache/wheel dist/*.whl

pictures: .venv-tools/.installed  ## Draw the pictures of the documentation from docs/pictures
	.venv-tools/bin/python .ci/pictures.py

demo: $(VENV)/.installed  ## Run three emulated syncs in a real Airflow
	@$(RUN) tests.system.demo

demo-picture: $(VENV)/.installed  ## Record the demo as the picture in the README
	@$(RUN) tests.system.demo --picture docs/images/demo.svg

screenshots: $(VENV)/.installed  ## Make the pictures of the page in Airflow's UI for the docs
	@$(RUN) tests.system.demo --screenshots docs/images

airflow: $(VENV)/.installed  ## Run that Airflow and its UI until Ctrl-C
	@$(RUN) tests.system.demo --stay

benchmark: .cache/benchmark/.installed  ## Measure the cost of waiting and compare providers (30 minutes)
	.cache/benchmark/bin/python -m benchmarks $(OPTIONS)

clean:  ## Remove the environments and all build results
	rm -rf .venv .venv-* .cache .*_cache .hypothesis .coverage build dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/.installed: pyproject.toml
	$(PYTHON) -m venv .venv
	.venv/bin/pip install --quiet --disable-pip-version-check uv
	$(INSTALL) .venv 'apache-airflow==$(NEWEST)' -e '.[emulator,openlineage,gateway,ai]' --group dev psycopg2-binary asyncpg
	@touch $@

.venv-tools/.installed: pyproject.toml | .venv/.installed
	$(UV) venv --quiet --clear --python .venv/bin/python .venv-tools
	$(INSTALL) .venv-tools --group docs --group release
	@touch $@

# PYTHON_3.0.6=python3.12 sets the interpreter of one environment. Airflow before 3.1 does not run on Python 3.13.
.venv-%/.installed: pyproject.toml | .venv/.installed
	$(UV) venv --quiet --clear --python '$(or $(PYTHON_$*),$(PYTHON))' .venv-$*
	$(INSTALL) .venv-$* $(addprefix --exclude-newer ,$(EXCLUDE_NEWER_$*)) 'apache-airflow==$*' apache-airflow-providers-openlineage $(EXTRA_$*)
	$(INSTALL) .venv-$* 'apache-airflow==$*' -e '.[emulator,openlineage]' --group dev psycopg2-binary asyncpg
	@touch $@

.cache/benchmark/.installed: pyproject.toml benchmarks/requirements.txt | .venv/.installed
	@.venv/bin/python -c 'import sys; sys.exit(None if sys.version_info >= (3, 11) else \
		"The compared providers need Python 3.11: make clean benchmark PYTHON=python3.11")'
	$(UV) venv --quiet --clear --python .venv/bin/python .cache/benchmark
	$(INSTALL) .cache/benchmark 'apache-airflow==$(NEWEST)' -e . -r benchmarks/requirements.txt
	@touch $@
