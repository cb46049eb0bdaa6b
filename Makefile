# Everything a newcomer needs: `make study` and `make test` set themselves up. `make help` lists the rest.
.DEFAULT_GOAL := help
.PHONY: help study test env report reference compare lock format

PYTHON ?= python3
STUDY ?= article
CORES ?= all
BIN := .venv/bin
CONFIG := config/$(STUDY).yaml

help:  ## show this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "make %-10s %s\n", $$1, $$2}'

env: .venv/installed  ## make .venv/, the environment that everything runs from, and nothing else

# The stamp comes last, so that a set-up which was cut short is done again. pip compiles bytecode as it
# installs; without it each training job would pay seconds for the import of TensorFlow.
.venv/installed: envs/requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "few-weights needs Python 3.11 or newer, and '$(PYTHON)' is not; name another: make PYTHON=python3.12 …" >&2; exit 1; }
	@echo "Setting up .venv/ from envs/requirements.txt (about a minute, 1.7 GB) …"
	@$(PYTHON) -m venv --clear .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --compile --require-hashes --requirement envs/requirements.txt
	@touch $@
	@echo "Environment ready."
