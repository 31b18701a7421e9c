# make setup | test | lint | demo | bench | docs | lock | clean      (needs only Python >= 3.11 with venv)
SHELL := /bin/sh
.DEFAULT_GOAL := help
.PHONY: acceptance test-browser help setup explore mutants crash test scan gates lint format demo bench bench-cold bench-flat bench-aws arm64 cost docs lock clean

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
KERNEL := layers/batchdrop/batchdrop/records/libkernel.so
# sam looks for `python3.x` and `pip` on the PATH: let it find the ones of the virtual environment.
export PATH := $(CURDIR)/$(BIN):$(PATH)
export SAM_CLI_TELEMETRY := 0
# and what it remembers, in the project: otherwise that is ~/.aws-sam
export __SAM_CLI_APP_DIR := $(CURDIR)/.aws-sam

help:
	@echo 'make setup  install everything into $(VENV)'
	@echo 'make test   everything CI checks'
	@echo 'make test-browser  the report in a real Chromium, which is installed if it is missing (Debian)'
	@echo 'make acceptance  the acceptance rows, their tests, and whether they pass'
	@echo 'make demo   the main job on this machine: embedded AWS, five vendor simulators, one drop each'
	@echo 'make gates  the scanners and the endpoint against its description, without the other tests'
	@echo 'make lint   ruff, mypy and sam validate only'
	@echo 'make bench  the performance goals beside the peers (MB=5000 for large files);'
	@echo '            bench-flat: memory from 100 MB to 5 GB; bench-cold: cold starts; bench-aws: large files and many drops on the embedded AWS; cost: of a job'
	@echo 'make explore  every single fault, every pair on the submit path, and 10,000 random runs (RUNS=...)'
	@echo 'make crash  300 drops, vendors that misbehave, killed workers, a restart: the books must balance (CRASH_DROPS=...)'
	@echo 'make arm64  the records engine on an emulated arm64 processor (Debian; slow)'
	@echo 'make mutants  defects put into copies of the project: some test must catch each'
	@echo 'make docs   the parts of the documentation that are made from the code'
	@echo 'make clean  stop the local stack and remove what was built'

setup: $(STAMP) $(KERNEL)
	@:

$(KERNEL): $(STAMP) $(wildcard layers/batchdrop/kernel/*) layers/batchdrop/targets/kernel.py
	@echo 'setup: compiling the kernel of the records engine (half a minute the first time)'
	@python layers/batchdrop/targets/kernel.py $@
	@touch $@

$(STAMP): requirements-dev.txt layers/batchdrop/requirements.txt pyproject.toml local/setup.sh
	@sh local/setup.sh $(VENV)
	@touch $@

lint: setup
	@echo '== ruff' && ruff check . && ruff format --check .
	@echo '== zig fmt' && python -m ziglang fmt --check layers/batchdrop/kernel
	@echo '== mypy' && mypy
	@if [ -f template.yaml ]; then echo '== sam validate' && sam validate --region eu-west-1 && sam validate --lint --region eu-west-1; fi

test: setup
	@$(MAKE) --no-print-directory --jobs 2 lint scan
	@echo '== pytest'
	@pytest --numprocesses 3 --dist loadscope --no-loadscope-reorder

test-browser: setup
	@command -v chromium >/dev/null || { apt-get update -qq && apt-get install -y -qq chromium; }
	@pytest tests/browser

GATES := .venv-gates
$(GATES)/.installed: tests/security/requirements-gates.txt
	@echo '== installing the scanners into $(GATES) (a minute)'
	@$(BIN)/python -m venv $(GATES)
	@$(GATES)/bin/python -m pip install -qq --disable-pip-version-check --no-compile --no-deps --require-hashes -r $<
	@touch $@

scan: setup $(GATES)/.installed
	@echo '== scanners' && $(BIN)/python -m tests.security.gates

gates: scan
	@pytest -q tests/security/test_openapi.py

RUNS := 10000
explore: setup
	@$(BIN)/python -m tests.simulation.explore --runs $(RUNS)

crash: setup
	@CRASH_DROPS=$${CRASH_DROPS:-300} CRASH_KILLS=$${CRASH_KILLS:-30} CRASH_SECONDS=$${CRASH_SECONDS:-2400} \
		pytest -q -s tests/e2e/test_crashes.py

mutants: setup
	@$(BIN)/python -m tests.simulation.mutants

format: setup
	@ruff check --fix . && ruff format . && python -m ziglang fmt layers/batchdrop/kernel

demo: setup
	@$(BIN)/python -m local.demo $(if $(KEEP),--keep)

bench: setup
	@$(BIN)/python -m tests.bench $(if $(MB),--mb $(MB))

bench-cold: setup
	@$(BIN)/python -m tests.bench.cold

arm64: setup
	@sh tests/arm64.sh $(BIN)/python

bench-flat: setup
	@$(BIN)/python -m tests.bench.flat

bench-aws: setup
	@$(BIN)/python -m tests.bench.aws $(if $(MB),--mb $(MB))

cost: setup
	@$(BIN)/python -m tests.bench.cost

docs: setup
	@$(BIN)/python -m local.docs

acceptance: setup
	@$(BIN)/python -m tests.acceptance

lock:
	@sh local/lock.sh

clean:
	@if [ -x $(BIN)/batchdrop ]; then $(BIN)/batchdrop down; fi
	rm -rf $(VENV) $(GATES) .venv-bench .arm64 $(KERNEL) $(KERNEL).made-of .aws-sam .batchdrop .mypy_cache .pytest_cache .ruff_cache .hypothesis .schemathesis build *.egg-info
	find . -name .git -prune -o -type d -name __pycache__ -prune -exec rm -rf {} +
