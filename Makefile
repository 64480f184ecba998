# Everything runs inside .venv; `constraints.txt` pins what was tested.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
NODE_CLIENT := @kubernetes/client-node@2.0.1
RUN_STAMP := $(VENV)/.installed
TEST_STAMP := $(VENV)/.installed-test

.PHONY: help up test slow lint proto bench bench-growth sim conformance compatibility fuzz differential clean

help:  ## Show the targets
	@awk -F':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(BIN)/python:
	$(PYTHON) -c 'import sys; sys.exit("kvcluster needs Python 3.11 or newer" if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)

$(RUN_STAMP): pyproject.toml constraints.txt | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e .
	@touch $@

$(TEST_STAMP): pyproject.toml constraints.txt | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[test]'
	@PATH="$(CURDIR)/$(BIN):$$PATH" npm install --silent --no-fund --no-audit --prefix $(VENV)/node $(NODE_CLIENT) \
	  || echo 'no $(NODE_CLIENT): its tests will be skipped'
	@touch $@ $(RUN_STAMP)

up: $(RUN_STAMP)  ## Start a cluster in one process, deploy examples/web.yaml, stay up until Ctrl-C
	@exec $(BIN)/apiserver up --nodes 3 --apply examples/web.yaml

test: $(TEST_STAMP)  ## Run the whole test suite
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m pytest $(ARGS)

slow: $(TEST_STAMP)  ## Run the tests that take a minute or more by design
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m pytest -m slow $(ARGS)

lint: $(TEST_STAMP)  ## Check style and types
	$(BIN)/ruff check .
	$(BIN)/mypy

proto: $(TEST_STAMP)  ## Rebuild kvcluster/pb from proto/*.proto
	$(BIN)/python proto/build.py

bench: $(TEST_STAMP)  ## Measure ours against etcd 3.5.1 in paired runs
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m benchmarks.run

bench-growth: $(TEST_STAMP)  ## Measure how costs grow with keys and watchers, and draw docs/growth.png
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m benchmarks.growth
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m benchmarks.growth_apiserver

sim: $(TEST_STAMP)  ## A long run of the deterministic simulation (SEEDS=200)
	$(BIN)/python -m kvcluster.sim --seeds $(or $(SEEDS),200)

conformance: $(TEST_STAMP)  ## Run the published suites of etcd clients on ours and on etcd; writes docs/compatibility.md
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m tests.conformance.run

compatibility: $(TEST_STAMP)  ## Ask the API server for everything Kubernetes has; writes docs/compatibility.md
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m tests.compatibility.page

fuzz: $(TEST_STAMP)  ## Ten minutes of schemathesis against our own OpenAPI (FOR=600)
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m tests.fuzz.run --seconds $(or $(FOR),600)

differential: $(TEST_STAMP)  ## Compare with a real etcd for longer (OPERATIONS=200000)
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m tests.kvcluster.differential.run --operations $(or $(OPERATIONS),200000)

clean:  ## Remove the environment and caches
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis build *.egg-info
