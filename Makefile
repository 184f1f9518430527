# Each target starts from nothing: it makes .venv and installs from the lock where that has not been done.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Tests read real films from here where the folder exists; without it they skip with a reason.
TEST_DATA ?= $(wildcard ../shared/data)

.PHONY: demo test lint docs bench peers clean

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

docs: $(VENV)/installed
	$(BIN)/mkdocs build --strict

# Programs of other projects that some tests talk to; where they are missing, those tests skip. Debian, as root.
peers:
	apt-get update -qq
	DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends orthanc orthanc-dicomweb dcmtk dicom3tools

bench: $(VENV)/installed
	$(BIN)/python -m benchmarks

clean:
	rm -rf $(VENV) demo-output site
