# Everything a developer or a fresh machine needs; `make help` lists it.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# A locked installation: every file is checked against the hash in requirements/.
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes
WORKERS ?= 2
# Without compiled modules each start, and each command that a test runs, compiles all of them anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help setup run console test quick lint types docs bench lock clean

help:  ## Show this list
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1	\2/p' $(MAKEFILE_LIST)

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed; set PYTHON=..."; exit 1; }
	@$(PYTHON) -m venv $(VENV) >/dev/null 2>&1 || { rm -rf $(VENV); sh tests/system/venv.sh && $(PYTHON) -m venv $(VENV); }

$(VENV)/.runtime: $(BIN)/python requirements/runtime.txt pyproject.toml
	@echo "Installing what Roadstead needs into $(VENV) ..."
	@$(INSTALL) -r requirements/runtime.txt
	@ROADSTEAD_CONSOLE=0 $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.test: $(VENV)/.runtime requirements/test.txt
	@echo "Installing what the tests need into $(VENV) ..."
	@$(INSTALL) -r requirements/test.txt
	@touch $@

setup: $(VENV)/.runtime  ## Install everything needed to run

console: $(VENV)/.runtime  ## Build the web console, if it has changed
	@$(BIN)/python web/build_console.py

run: console  ## Start the registry on port 5000 with its data in ./data
	@exec $(BIN)/roadstead serve

test: $(VENV)/.test  ## Install what tests need, check style and types, run all tests
	@sh tests/system/install.sh
	@$(BIN)/python -m tests.system.helm
	@$(BIN)/python -m tests.system.oidc
	@ROADSTEAD_CONSOLE=1 $(BIN)/python web/build_console.py
	@$(BIN)/ruff check . && $(BIN)/ruff format --check --quiet . && $(BIN)/mypy && $(BIN)/lint-imports
	@$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile

quick: $(VENV)/.test  ## Run the tests that need no other programs
	@$(BIN)/python -m pytest -n $(WORKERS) --ignore tests/end_to_end --ignore tests/resilience

lint: $(VENV)/.test  ## Check style and imports
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/lint-imports

types: $(VENV)/.test  ## Check types
	@$(BIN)/mypy

docs: $(VENV)/.runtime  ## Write docs/reference anew
	@$(BIN)/python docs/generate.py

bench: $(VENV)/.test  ## Measure against Debian's docker-registry, and what triggers and charts cost
	@$(BIN)/python -m benchmarks && $(BIN)/python -m benchmarks.deliveries && $(BIN)/python -m benchmarks.charts

lock: $(BIN)/python  ## Resolve requirements/*.txt anew
	@$(BIN)/python -m pip install --quiet uv
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
		--no-emit-index-url --extra build pyproject.toml -o requirements/runtime.txt
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
		--no-emit-index-url --extra build --extra test pyproject.toml -o requirements/test.txt
	@$(BIN)/python web/build_console.py lock

clean:  ## Remove what make has made, but no data
	@rm -rf $(VENV) build dist roadstead/console web/node_modules web/dist web/src/api/generated
