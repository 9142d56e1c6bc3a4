.DEFAULT_GOAL := help
.PHONY: help setup up down status logs demo test chaos lint fmt simulate mutants bench lock docs
SHELL := /bin/bash
bin := .venv/bin
stack := $(bin)/python -m local_stack

members := shared services/bucket-api services/sync-worker services/status-aggregator deploy/sandbox deploy/local cli
local_packages := $(addprefix --no-emit-package sync-bucket-,shared api worker aggregator sandbox local cli)
compile = $(bin)/uv pip compile -q --universal --generate-hashes --no-header --python-version 3.11 $(local_packages) $(UPGRADE)

# Tests of the first layers run one by one on whichever of the two test processes is free. Those of the others share a
# product or servers, so a process takes a file, or all that share one product, at a time; the longest first.
fast_layers := $(wildcard tests/unit tests/contracts tests/component tests/simulation tests/mutants tests/stores)
server_layers := $(wildcard tests/e2e tests/chaos tests/integration)

help: ## What can be made here
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 16

setup: ## Prepare this checkout: .venv, Java, Kafka's jars, mongod (fast when nothing changed)
	@deploy/local/bootstrap.sh

up: setup ## Start everything in the background and wait until it is ready (WORKERS=, AGGREGATORS=, DISPATCHERS= scale)
	@$(stack) up

down: setup ## Stop everything cleanly
	@$(stack) down

status: setup ## Show every process and whether it is ready
	@$(stack) status || [ $$? = 3 ] # 3: nothing runs, which is an answer

logs: setup ## Follow the logs (S=worker-0 for one process)
	@$(stack) logs $(S)

demo: setup ## One sync bucket from Start Sync to verified completion (CLIENTS=file.csv PRESET=only_2b KEEP=0)
	@$(stack) demo

lint: setup ## Check style, types and import rules
	$(bin)/ruff check
	$(bin)/ruff format --check
	$(bin)/mypy
	$(bin)/lint-imports

test: lint ## Everything, on real Kafka and MongoDB
	$(bin)/pytest -q -n 2 $(fast_layers)
	$(bin)/pytest -q -n 2 --dist loadscope --no-loadscope-reorder $(server_layers)

chaos: setup ## Faults of every kind on the real parts, judged by the auditor (FAMILY="kills kafka"); writes .local/chaos/results.json
	$(bin)/python -m tests.chaos $(FAMILY)

fmt: setup ## Format, and mend what can be mended by itself
	$(bin)/ruff format
	$(bin)/ruff check --fix

simulate: setup ## Run the real code under seeded faults (SEEDS=2000 FIRST=1 PROCESSES=2); prints how to repeat a failing seed
	$(bin)/python -m tests.simulation --seeds $(or $(SEEDS),2000) --first $(or $(FIRST),1) --processes $(or $(PROCESSES),1)

mutants: setup ## Remove each guard and see who notices (GUARDS="no_cas sel_local" BUDGET_S=300)
	$(bin)/python -m tests.mutants $(GUARDS) --budget-s $(or $(BUDGET_S),300)

bench: setup ## Measure; writes .local/bench/results.json
	$(bin)/python -m tests.bench

docs: setup ## Write docs/openapi.json and docs/asyncapi.json anew
	$(bin)/python -m bucket_api openapi > docs/openapi.json
	$(bin)/python -m sync_contracts.asyncapi > docs/asyncapi.json

lock: setup ## Compile requirements/*.txt from the pyproject files (UPGRADE=--upgrade for newer versions)
	$(compile) requirements/build.in -c requirements/pins.in -o requirements/build.txt
	$(compile) requirements/java.in -o requirements/java.txt
	$(compile) $(addsuffix /pyproject.toml,$(members)) --group dev -c requirements/pins.in -c requirements/build.txt -o requirements/dev.txt
	$(compile) services/bucket-api/pyproject.toml shared/pyproject.toml -c requirements/dev.txt -o requirements/bucket-api.txt
	$(compile) services/sync-worker/pyproject.toml shared/pyproject.toml -c requirements/dev.txt -o requirements/sync-worker.txt
	$(compile) services/status-aggregator/pyproject.toml shared/pyproject.toml -c requirements/dev.txt -o requirements/status-aggregator.txt
	$(compile) deploy/sandbox/pyproject.toml -c requirements/dev.txt -o requirements/sandbox.txt
