# Each target makes the environment that it needs; `make help` lists them.
PYTHON ?= python3
VENV ?= .venv
EXTRAS ?= dev,export
PYTEST_ARGS ?=
# What `make bench` needs beyond that.
BENCH_EXTRAS := dev,export,tuner,trackers
# Tests that run at the same time.
PROCESSES ?= 2

SHELL := /bin/bash
BIN := $(VENV)/bin
comma := ,
# One stamp per set of extras: another set, or changed requirements, installs again.
stamp = $(VENV)/.installed-$(subst $(comma),-,$(or $(1),base))
# Only what is an environment is removed, whatever VENV names.
remove_environment = if [ -e $(VENV)/pyvenv.cfg ]; then rm -rf $(VENV); fi
DEVELOPED := $(call stamp,$(EXTRAS))

.DEFAULT_GOAL := help
.PHONY: help demo test lint bench gpu-check clean

help:  ## list the targets
	@echo "make TARGET [PYTHON=python3.12] [VENV=.venv] [EXTRAS=dev,export,samplers]"
	@sed -n 's/^\([a-z-]*\):.*## /  \1\t/p' $(firstword $(MAKEFILE_LIST)) | expand -t 14

demo: $(call stamp,)  ## search with search_spaces/quickstart.yaml
	@$(BIN)/automl search --space search_spaces/quickstart.yaml

test: $(DEVELOPED)  ## the fast tests, then the slow ones; AUTOML_TEST_DATA=FOLDER adds those on real pictures
	@$(call tier,fast tests,not slow and not real_data and not browser and not gpu)
	@$(call tier,slow tests,(slow or real_data or browser) and not gpu)

lint: $(DEVELOPED)  ## ruff, mypy and the rules about which room imports which
	@status=0; for check in "ruff check ." mypy lint-imports; do echo "== $$check"; $(BIN)/$$check || status=1; done; exit $$status

bench: $(call stamp,$(BENCH_EXTRAS))  ## measure, for hours: DATA=FOLDER of sets, PEERS=FOLDER of the other tools' scripts
	@for set in hymenoptera cats_dogs cifar10_mini; do [ -d "$(DATA)/$$set/train" ] || { echo "DATA: expected a folder with $$set/train, but got '$(DATA)'." >&2; exit 2; }; done
	@run() { echo "== $$1"; $(BIN)/python benchmarks/$$1.py "$${@:2}" | tail -n 1 | tee -a benchmarks/results.jsonl; }; set -eo pipefail; \
	run augmentation; run head_trial; run memory --plot docs/images/memory.svg; run driver; \
	run peers --data "$(DATA)" --peers "$(PEERS)" --alone; \
	run peers --data "$(DATA)" --peers "$(PEERS)" --alone --sets cifar10_mini --a-class 100 --tools "automl, frozen" "KerasTuner, frozen"; \
	run floor --data "$(DATA)/hymenoptera"
	@$(BIN)/python benchmarks/table.py

gpu-check:  ## the tests that need a GPU, where there is one
	@count=$$(nvidia-smi -L 2>/dev/null | grep -c '^GPU '); \
	if [ "$$count" -eq 0 ]; then echo "No GPU found (nvidia-smi lists none): nothing to check."; \
	else $(MAKE) --no-print-directory run-gpu-tests EXTRAS="$(EXTRAS),gpu" GPUS="$$count"; fi

.PHONY: run-gpu-tests
run-gpu-tests: $(DEVELOPED)
	@seen=$$($(BIN)/python -c 'import tensorflow; print(len(tensorflow.config.list_physical_devices("GPU")))' 2>/dev/null | tail -n 1); \
	echo "GPUs: nvidia-smi lists $(GPUS), TensorFlow uses $${seen:-none}."; \
	if [ "$${seen:-0}" -eq 0 ]; then echo "TensorFlow sees no GPU: compare the driver's version with what tensorflow[and-cuda] needs." >&2; exit 1; fi
	@AUTOML_REQUIRE=gpu $(BIN)/python -m pytest -m gpu $(PYTEST_ARGS)

clean:  ## remove the environment, caches and builds; studies stay
	@$(remove_environment)
	@rm -rf build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

define tier
started=$$SECONDS; echo "== $(1)"; $(BIN)/python -m pytest -n $(PROCESSES) --dist loadfile -m '$(2)' $(PYTEST_ARGS); status=$$?; \
echo "== $(1): $$((SECONDS - started)) s"; exit $$status
endef

# pip compiles what it installs: without it every start of Keras takes three times as long where Python writes no bytecode.
$(VENV)/.installed-%: pyproject.toml constraints.txt | $(BIN)/python
	@wanted="$(subst -,$(comma),$(filter-out base,$*))"; \
	echo "Installing automl$${wanted:+[$$wanted]} into $(VENV): up to three minutes, more where a gigabyte has to be downloaded."; \
	started=$$SECONDS; $(BIN)/python -m pip install -qq --compile -c constraints.txt -e ".$${wanted:+[$$wanted]}" && \
	echo "Installed in $$((SECONDS - started)) s." && touch $@

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	found=$$($(PYTHON) --version 2>/dev/null || echo missing); \
	echo "automl needs Python 3.11 or newer, but $(PYTHON) is $$found. Choose another: make PYTHON=python3.12 TARGET" >&2; exit 1; }
	@echo "Creating $(VENV) with $$($(PYTHON) --version)."; $(remove_environment); $(PYTHON) -m venv $(VENV) || { $(remove_environment); exit 1; }
