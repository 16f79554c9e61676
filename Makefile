# Everything runs in virtual environments that this file creates: .venv with the newest tested Airflow, .venv-<version>
# with another one: `make test AIRFLOW=2.11.2`. It needs only make and Python 3.10 or newer.

PYTHON ?= python3
NEWEST := 3.3.2
OLDEST_AIRFLOW := 2.11.2
MATRIX := $(OLDEST_AIRFLOW) 3.0.6 3.1.8 3.2.2 3.3.2
SYSTEM_TESTS ?= tests/system
# Two pytest workers run the tests with Airflow components, one Airflow each, and mostly wait. The third runs the others.
IN_PARALLEL := -n 3 --dist loadgroup
MATRIX_TESTS := $(wildcard tests/unit tests/integration) $(SYSTEM_TESTS)

# Newer dependencies break these releases of Airflow, so their environments use packages of the same age.
EXCLUDE_NEWER_3.0.6 := 2025-09-20
EXCLUDE_NEWER_3.1.8 := 2026-03-25
EXCLUDE_NEWER_3.2.2 := 2026-06-15
# These tests run the state of a task in Airflow, too.
WITH_AIRFLOW := sequences every_stop start
OLDEST := 'httpx==0.27.0' 'pydantic==2.8.0' 'starlette==0.40.0' 'uvicorn==0.30.0'
# This release shows the form fields of providers only if this package is installed.
EXTRA_3.0.6 := flask-appbuilder

AIRFLOW ?=
VENV := .venv$(addprefix -,$(AIRFLOW))
RUN := $(VENV)/bin/python -m
COMMITTED = $(shell git log -1 --format=%ct)
UV = $(abspath .venv)/bin/uv
# uv trusts the certificates of the system, as pip does, so that it works behind a proxy that inspects TLS. Like pip, it
# takes proxies from the environment, and more certificates from SSL_CERT_FILE.
export UV_SYSTEM_CERTS ?= true
INSTALL = $(UV) pip install --quiet --compile-bytecode --python
DEV = --group dev --constraint .ci/dev.txt psycopg2-binary asyncpg
LOCK = $(UV) pip compile --quiet --universal --python-version 3.10 --upgrade --custom-compile-command 'make lock'

.PHONY: help test test-system test-matrix test-oldest coverage lint docs pictures check-wheel release-check sbom test-readme demo demo-picture screenshots airflow benchmark lock clean
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

test-oldest: .venv-oldest/.installed  ## Run the tests without Airflow on the oldest httpx and pydantic
	.venv-oldest/bin/python -m pytest -n 2 tests/unit/api tests/unit/executions $(WITH_AIRFLOW:%=--ignore tests/unit/executions/test_%.py)

coverage: $(VENV)/.installed  ## Run every test and check the coverage
	@mkdir -p .cache/coverage
	$(RUN) pytest $(IN_PARALLEL) --cov --cov-report=json
	$(VENV)/bin/python .ci/coverage_gate.py .cache/coverage/report.json

lint: $(VENV)/.installed .venv-tools/.installed  ## Check style, types and workflows
	$(RUN) ruff check .
	$(RUN) ruff format --check .
	$(RUN) mypy
	.venv-tools/bin/zizmor --offline --quiet .github

docs: .venv/.installed .venv-tools/.installed  ## Build the documentation in strict mode
	.venv-tools/bin/python .ci/pictures.py --check
	NO_MKDOCS_2_WARNING=1 .venv-tools/bin/mkdocs build --strict
	.venv-tools/bin/python .ci/site.py build/docs
	.venv/bin/python .ci/browse.py build/docs

release-check: .venv/.installed .venv-tools/.installed  ## Build the wheel and the sdist twice and check them
	rm -rf dist .cache/rebuild
	SOURCE_DATE_EPOCH=$(COMMITTED) $(UV) build --quiet
	umask 077; TZ=Asia/Tokyo SOURCE_DATE_EPOCH=$(COMMITTED) $(UV) build --quiet --sdist --wheel --out-dir .cache/rebuild
	.venv-tools/bin/python -m twine check --strict dist/*
	.venv/bin/python .ci/release.py dist .cache/rebuild $(MATRIX)

sbom: .venv/.installed .venv-tools/.installed  ## Write the SBOM of the wheel in dist: the wheel and all that it installs
	rm -rf build/sbom .cache/sbom
	mkdir -p build/sbom
	$(UV) venv --quiet .cache/sbom --python .venv/bin/python
	$(INSTALL) .cache/sbom 'apache-airflow==$(NEWEST)' dist/*.whl
	.venv-tools/bin/cyclonedx-py environment .cache/sbom --pyproject pyproject.toml --output-reproducible \
		--output-format JSON --output-file build/sbom/sbom.cdx.json

test-readme: .venv/.installed .venv-$(OLDEST_AIRFLOW)/.installed  ## Follow the README and the quick start literally
	.venv/bin/python .ci/readme.py $(UV) .venv/bin/python .venv-$(OLDEST_AIRFLOW)/bin/python

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

screenshots: $(VENV)/.installed  ## Make the pictures of Airflow's UI for the docs
	@$(RUN) tests.system.demo --screenshots docs/images

airflow: $(VENV)/.installed  ## Run that Airflow and its UI until Ctrl-C
	@$(RUN) tests.system.demo --stay

benchmark: .cache/benchmark/.installed  ## Measure the cost of waiting and compare providers (30 minutes)
	.cache/benchmark/bin/python -m benchmarks $(OPTIONS)

lock: .venv/.installed  ## Update the versions of the tools in .ci
	cd .ci && $(LOCK) --generate-hashes tools.in --output-file tools.txt
	cd .ci && $(LOCK) --generate-hashes uv.in --output-file uv.txt
	$(LOCK) --no-annotate --no-header --group dev | grep -E '^(hypothesis|mypy|polytomic|pytest[a-z-]*|ruff|selenium)==' > .ci/dev.txt

clean:  ## Remove the environments and all build results
	rm -rf .venv .venv-* .cache .*_cache .hypothesis .coverage build dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/.installed: pyproject.toml .ci/dev.txt .ci/uv.txt
	$(PYTHON) -m venv .venv
	.venv/bin/pip install --quiet --disable-pip-version-check --require-hashes --requirement .ci/uv.txt
	$(INSTALL) .venv 'apache-airflow==$(NEWEST)' -e '.[emulator,openlineage,gateway,ai]' $(DEV)
	@touch $@

.venv-tools/.installed: .ci/tools.txt | .venv/.installed
	$(UV) venv --quiet --clear --python .venv/bin/python .venv-tools
	$(INSTALL) .venv-tools --require-hashes --requirement .ci/tools.txt
	@touch $@

# The API client and the flows with the oldest versions that pyproject.toml allows; they need no Airflow, and the lower bounds
# of Airflow itself are higher.
.venv-oldest/.installed: pyproject.toml .ci/dev.txt | .venv/.installed
	$(UV) venv --quiet --clear --python .venv/bin/python .venv-oldest
	$(INSTALL) .venv-oldest $(OLDEST) --group dev --constraint .ci/dev.txt cryptography
	$(INSTALL) .venv-oldest --no-deps -e .
	@touch $@

# PYTHON_3.0.6=python3.12 sets the interpreter of one environment. Airflow before 3.1 does not run on Python 3.13.
.venv-%/.installed: pyproject.toml .ci/dev.txt | .venv/.installed
	$(UV) venv --quiet --clear --python '$(or $(PYTHON_$*),$(PYTHON))' .venv-$*
	$(INSTALL) .venv-$* $(addprefix --exclude-newer ,$(EXCLUDE_NEWER_$*)) 'apache-airflow==$*' apache-airflow-providers-openlineage $(EXTRA_$*)
	$(INSTALL) .venv-$* 'apache-airflow==$*' -e '.[emulator,openlineage]' $(DEV)
	@touch $@

.cache/benchmark/.installed: pyproject.toml benchmarks/requirements.txt | .venv/.installed
	@.venv/bin/python -c 'import sys; sys.exit(None if sys.version_info >= (3, 11) else \
		"The compared providers need Python 3.11: make clean benchmark PYTHON=python3.11")'
	$(UV) venv --quiet --clear --python .venv/bin/python .cache/benchmark
	$(INSTALL) .cache/benchmark 'apache-airflow==$(NEWEST)' -e . -r benchmarks/requirements.txt
	@touch $@
