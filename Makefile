# Everything a newcomer needs: `make study` and `make test` set themselves up. `make help` lists the rest.
.DEFAULT_GOAL := help
.PHONY: help study test browser env report recover reference compare benchmark lock format checked-study

PYTHON ?= python3
# A study's file in config/, without .yaml. Its results lie under the name that it gives itself with `study:`.
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

study: checked-study  ## run a study from nothing to its report: make study [STUDY=article] [CORES=all]
	$(BIN)/snakemake --configfile "$(CONFIG)" --cores "$(CORES)" $(BARS)

# Progress bars in a terminal; elsewhere Snakemake's own lines, as the plugin says nothing until the end there.
BARS = $$(test -t 2 && echo --logger rich)

STUDIES := $(patsubst config/%.yaml,%,$(wildcard config/*.yaml config/*/*.yaml))

checked-study: env
	@test -f "$(CONFIG)" || { echo "There is no $(CONFIG); STUDY takes one of: $(STUDIES)" >&2; exit 1; }

test: env browser  ## run every check and test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/snakefmt --check Snakefile workflow/report.smk workflow/rules
	$(BIN)/snakemake --lint
	$(BIN)/python -m pytest tests/cluster
	$(BIN)/python -m pytest --ignore=tests/cluster --numprocesses=2 --dist=loadfile --no-loadscope-reorder

browser:  ## install Debian's Chromium, which the report is tested in (needs root; elsewhere that test is skipped)
	@command -v chromium > /dev/null || { test "$$(id -u)" = 0 && command -v apt-get > /dev/null && \
		apt-get update --quiet && apt-get install --quiet --yes --no-install-recommends chromium; } || \
		echo "No Chromium here and no way to install it: the report is not tested in a browser." >&2

report: checked-study  ## make a study's report and Snakemake's provenance report of what is there, training nothing
	@$(BIN)/python workflow/scripts/make_report.py --configfile "$(CONFIG)" --cores "$(CORES)"

recover: checked-study  ## after snakemake was killed: stop trainings that it left behind, and unlock the folder
	@$(BIN)/python workflow/scripts/recover.py --configfile "$(CONFIG)"

reference: checked-study  ## copy a finished study's small outputs to results/reference/, to be committed
	$(BIN)/python workflow/scripts/copy_reference.py --configfile "$(CONFIG)"

compare: checked-study  ## compare a fresh run of a study with the committed one, run by run
	$(BIN)/python workflow/scripts/compare_runs.py --configfile "$(CONFIG)"

# `make benchmark PYTORCH=1` adds PyTorch, which has an environment of its own: it is large, and nothing else needs it.
benchmark: env $(if $(PYTORCH),.venv/pytorch/installed)  ## time training against plain Keras [PYTORCH=1: and PyTorch]
	$(BIN)/snakemake --cores 1 -- results/data/mnist.npz
	$(BIN)/python workflow/scripts/benchmark_training.py --output results/benchmark \
		$(if $(PYTORCH),--pytorch .venv/pytorch/bin/python)

.venv/pytorch/installed: envs/pytorch.txt .venv/installed
	$(PYTHON) -m venv --clear .venv/pytorch
	.venv/pytorch/bin/python -m pip install --quiet --disable-pip-version-check --requirement envs/pytorch.txt
	@touch $@

lock: env  ## resolve the requirements into the lock files (needs uv)
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
		--no-emit-index-url --no-emit-find-links envs/requirements.in --output-file envs/requirements.txt
	uv pip compile --quiet --python-platform x86_64-manylinux_2_28 --python-version 3.11 --generate-hashes --no-header \
		--no-emit-index-url --no-emit-find-links --constraint envs/requirements.txt \
		envs/training-gpu.in --output-file envs/training-gpu.txt

format:  ## format the code
	$(BIN)/ruff check --fix --quiet .
	$(BIN)/ruff format --quiet .
	$(BIN)/snakefmt Snakefile workflow/report.smk workflow/rules
