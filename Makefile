# Two commands do everything on a fresh machine: `make run` and `make test`.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
CUDA_BUILD := build/cuda-build
# one thread a process: on shared cores two were 8 times slower
export OMP_NUM_THREADS ?= 1
# test files on this many processes
SIDE_BY_SIDE := -n 4 --dist loadfile
SLOW ?= slow and not chain

.PHONY: run test test-fast test-slow test-cuda-build check format house schema lock clean help

run: $(VENV)/ready  ## set up, then run the whole chain on the experiment of config/config.yaml
	@echo "gonogo: snakemake --profile local   (a NO-GO ends with exit code 1 and says why)"
	@PATH="$(CURDIR)/$(BIN):$$PATH" snakemake --profile local

test: $(VENV)/ready  ## set up, then run the test suite, without its slow part
	@echo "gonogo: running the test suite (about 15 minutes on two cores; the slow part: make test-slow)"
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m pytest $(SIDE_BY_SIDE) -m "not slow" $(PYTEST_ARGS)

test-fast: $(VENV)/ready  ## the tests that need neither torch nor SSH
	@echo "gonogo: running the fast tests (under 20 seconds on two cores)"
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m pytest --fast -n 2 --dist loadfile -m "not slow" $(PYTEST_ARGS)

test-slow: $(VENV)/ready  ## the slow tests: whole runs of the workflow
	@echo "gonogo: running the slow tests (about 25 minutes on two cores)"
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m pytest $(SIDE_BY_SIDE) -o faulthandler_timeout=1800 -m "$(SLOW)" $(PYTEST_ARGS)

test-cuda-build: $(CUDA_BUILD)/ready  ## the tests of traces with PyPI's CUDA build of torch, as on a machine without a GPU
	@echo "gonogo: running the tests of traces with a CUDA build of torch (about 3 minutes)"
	@CUDA_VISIBLE_DEVICES= $(CUDA_BUILD)/bin/python -m pytest tests/memory tests/script/card -m "not slow" $(PYTEST_ARGS)

check: $(VENV)/ready  ## lint, format, types, workflow lint, generated files
	@echo "gonogo: checking style, types and generated files"
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/snakefmt --check --compact-diff Snakefile workflow
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache
	@PATH="$(CURDIR)/$(BIN):$$PATH" snakemake --lint
	@$(BIN)/python -m gonogo.config.reference --schema | diff - config/schema.json
	@$(BIN)/python -m gonogo.verdict | diff - docs/verdict.schema.json
	@$(BIN)/python -m gonogo.config.reference --check
	@$(BIN)/python -m tools.locks --check
	@$(BIN)/python -m tools.tables --check
	@$(BIN)/python -m tools.house --check

format: $(VENV)/ready  ## let the formatters write
	@$(BIN)/ruff check --fix . ; $(BIN)/ruff format . ; $(BIN)/snakefmt Snakefile workflow

house: $(VENV)/ready  ## draw the rooms of the package, from the code
	@$(BIN)/python -m tools.house

schema: $(VENV)/ready  ## write the generated files: JSON schemas, key tables, benchmark tables
	@$(BIN)/python -m gonogo.config.reference --schema > config/schema.json
	@$(BIN)/python -m gonogo.config.reference
	@$(BIN)/python -m gonogo.verdict > docs/verdict.schema.json
	@$(BIN)/python -m tools.tables

lock:  ## resolve pyproject.toml again into requirements.lock, and what is made from it
	@rm -rf build/lock && $(PYTHON) -m venv build/lock
	@build/lock/bin/pip install --quiet torch==2.13.0 && build/lock/bin/pip install --quiet -e '.[dev]'
	@build/lock/bin/pip freeze --exclude-editable | sed 's/+cpu$$//' > requirements.lock
	@build/lock/bin/python -m tools.locks

$(VENV)/ready: requirements.lock pyproject.toml
	@echo "gonogo: setting up $(VENV) with $$($(PYTHON) --version) (once, a few minutes)"
	@$(PYTHON) -c 'import sys; sys.exit("gonogo needs Python 3.11 or newer" if sys.version_info < (3, 11) else 0)'
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install --quiet --disable-pip-version-check -r requirements.lock
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps -e .
	@touch $@

# === leaves out builds with a local version, such as +cpu
$(CUDA_BUILD)/ready: requirements.lock pyproject.toml
	@echo "gonogo: setting up $(CUDA_BUILD) (once, some minutes and 7 GB)"
	@$(PYTHON) -m venv --clear $(CUDA_BUILD)
	@sed 's/^torch==/torch===/' requirements.lock > $(CUDA_BUILD)/requirements.txt
	@$(CUDA_BUILD)/bin/pip install --quiet --disable-pip-version-check -r $(CUDA_BUILD)/requirements.txt
	@$(CUDA_BUILD)/bin/pip install --quiet --disable-pip-version-check --no-deps -e .
	@$(CUDA_BUILD)/bin/python -c 'import sys, torch; sys.exit(None if torch.version.cuda else \
	  f"torch {torch.__version__} is not built with CUDA: PyPI has such builds for Linux only")'
	@touch $@

clean:  ## remove results and caches; archive/ is kept
	@rm -rf results .snakemake .pytest_cache .ruff_cache .mypy_cache build

help:  ## this list
	@grep -E '^[a-z-]+:.*##' Makefile | sed 's/:.*##/\t/' | expand -t 18
