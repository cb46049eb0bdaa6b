# `make study` and `make test` install everything that they need. `make help` lists all commands.
.DEFAULT_GOAL := help
.PHONY: help study check test packages lint env report recover reference compare reproduce benchmark lock format checked-study

PYTHON ?= python3
# A study's file in config/, without .yaml. Its results go to results/, to a folder with the name that `study:` gives.
STUDY ?= article
CORES ?= all
# For `make reproduce`: how many runs of each study it draws.
RUNS ?= 3
BIN := .venv/bin
CONFIG := config/$(STUDY).yaml

help:  ## list the commands
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "make %-10s %s\n", $$1, $$2}'

env: .venv/installed  ## create .venv/, the environment that everything runs from, and nothing else

# The stamp is written last, so that an interrupted installation is repeated. pip compiles bytecode while it installs;
# otherwise each training job would spend seconds on importing TensorFlow.
.venv/installed: envs/requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "few-weights needs Python 3.11 or newer, and '$(PYTHON)' is not; name another one: make PYTHON=python3.12 …" >&2; exit 1; }
	@echo "Installing envs/requirements.txt into .venv/ (about a minute, 1.7 GB) …"
	@$(PYTHON) -m venv --clear .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --compile --require-hashes --requirement envs/requirements.txt
	@touch $@
	@echo "Environment ready."

study: checked-study  ## run a study from the data to its report: make study [STUDY=article] [CORES=all]
	$(BIN)/snakemake --configfile "$(CONFIG)" --cores "$(CORES)" $(BARS)

# Progress bars in a terminal. Elsewhere Snakemake's own lines, because the plugin would print nothing until the end.
BARS = $$(test -t 2 && echo --logger rich)

STUDIES := $(patsubst config/%.yaml,%,$(wildcard config/*.yaml config/*/*.yaml))

checked-study: env
	@test -f "$(CONFIG)" || { echo "There is no $(CONFIG); STUDY can be one of: $(STUDIES)" >&2; exit 1; }

# Everything that needs no training: `make check` and `make test` begin with it.
lint: env  ## format, lint and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/snakefmt --check Snakefile workflow/report.smk workflow/rules
	$(BIN)/snakemake --lint
	$(BIN)/mypy
	@if [ -x $(BIN)/actionlint ]; then echo "$(BIN)/actionlint"; $(BIN)/actionlint; fi

check: lint  ## format, lint, types and the fast tests: one to five minutes on two cores
	$(BIN)/python -m pytest tests/unit -m "not slow" --numprocesses=2

# Three processes on two cores, since the tests on Slurm mostly wait. The tests of a file stay together, because they
# share what they trained; tests/conftest.py starts the longest files first.
test: lint packages  ## every check and test: half an hour to an hour on two cores
	$(BIN)/python -m pytest --numprocesses=3 --dist=loadfile --no-loadscope-reorder

packages: env  ## install the Debian packages that some tests need: Chromium and Slurm (needs root)
	@$(BIN)/python tests/debian_packages.py

report: checked-study  ## make a study's report, and Snakemake's own, from the runs that are there; trains nothing
	@$(BIN)/python workflow/scripts/make_report.py --configfile "$(CONFIG)" --cores "$(CORES)"

recover: checked-study  ## after Snakemake was killed: stop its remaining trainings and unlock the folder
	@$(BIN)/python workflow/scripts/recover.py --configfile "$(CONFIG)"

reference: checked-study  ## copy a finished study's small outputs to results/reference/, to commit them
	$(BIN)/python workflow/scripts/copy_reference.py --configfile "$(CONFIG)"

compare: checked-study  ## compare a fresh run of a study with the committed one, bit for bit
	@$(BIN)/python workflow/scripts/compare_runs.py --configfile "$(CONFIG)"

# Without STUDY=…: every study of which results are committed.
reproduce: checked-study  ## train some committed runs again and compare their bits: make reproduce [STUDY=article] [RUNS=3] [SEED=…]
	@$(BIN)/python workflow/scripts/reproduce_runs.py --runs "$(RUNS)" --cores "$(CORES)" \
		$(if $(filter-out file,$(origin STUDY)),--configfile "$(CONFIG)") $(if $(SEED),--seed "$(SEED)")

# PyTorch gets its own environment: it is large, and nothing else needs it.
benchmark: env $(if $(PYTORCH),.venv/pytorch/installed)  ## time training of every built-in network against plain Keras, and PyTorch too: make benchmark [PYTORCH=1]
	$(BIN)/snakemake --cores 1 -- results/data/mnist.npz
	$(BIN)/python workflow/scripts/benchmark_training.py --output results/benchmark \
		$(if $(PYTORCH),--pytorch .venv/pytorch/bin/python)

.venv/pytorch/installed: envs/pytorch.txt .venv/installed
	$(PYTHON) -m venv --clear .venv/pytorch
	.venv/pytorch/bin/python -m pip install --quiet --disable-pip-version-check --requirement envs/pytorch.txt
	@touch $@

lock: env  ## resolve envs/*.in into the lock files (needs uv)
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
		--no-emit-index-url --no-emit-find-links envs/requirements.in --output-file envs/requirements.txt
	uv pip compile --quiet --python-platform x86_64-manylinux_2_28 --python-version 3.11 --generate-hashes --no-header \
		--no-emit-index-url --no-emit-find-links --constraint envs/requirements.txt \
		envs/training-gpu.in --output-file envs/training-gpu.txt

format:  ## format the code
	$(BIN)/ruff check --fix --quiet .
	$(BIN)/ruff format --quiet .
	$(BIN)/snakefmt Snakefile workflow/report.smk workflow/rules
