# Each target starts from nothing: it makes .venv and installs from the lock where that has not been done.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Tests read real films from here where the folder exists; without it they skip with a reason.
TEST_DATA ?= $(wildcard ../shared/data)

.PHONY: demo test lint audit docs bench peers clean

$(VENV)/installed: requirements.lock pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $@

demo: $(VENV)/installed
	$(BIN)/pneumoscope demo --out demo-output --overwrite

test: $(VENV)/installed lint
	PNEUMOSCOPE_DATA="$(if $(PNEUMOSCOPE_DATA),$(PNEUMOSCOPE_DATA),$(abspath $(TEST_DATA)))" $(BIN)/python -m pytest

lint: $(VENV)/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/bandit --quiet --recursive --severity-level medium src

# Known holes in what we stand on; asks the package index, so it is no part of the tests.
audit:
	$(PYTHON) -m venv .bench/audit
	.bench/audit/bin/python -m pip install --quiet --disable-pip-version-check pip-audit
	.bench/audit/bin/pip-audit --requirement requirements.lock --no-deps --disable-pip

docs: $(VENV)/installed
	$(BIN)/mkdocs build --strict

bench: $(VENV)/installed
	$(BIN)/python -m benchmarks --write docs/benchmarks.md

# Programs that tests run beside ours where they are installed; needs root, on Debian.
peers:
	apt-get update -qq
	DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
		chromium postgresql orthanc orthanc-dicomweb dcmtk dicom3tools

clean:
	rm -rf $(VENV) demo-output site
