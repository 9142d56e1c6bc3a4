.DEFAULT_GOAL := help
.PHONY: help setup lock
SHELL := /bin/bash
python := .venv/bin/python

members := shared services/bucket-api services/sync-worker services/status-aggregator deploy/sandbox deploy/local cli
local_packages := $(addprefix --no-emit-package sync-bucket-,shared api worker aggregator sandbox local cli)
compile := .venv/bin/uv pip compile -q --universal --generate-hashes --no-header --python-version 3.11 $(local_packages) $(UPGRADE)

help: ## What can be made here
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 16

setup: ## Prepare this checkout: .venv, Java, Kafka's jars, mongod (fast when nothing changed)
	@deploy/local/bootstrap.sh

lock: ## Compile requirements/*.txt from the pyproject files (UPGRADE=--upgrade for newer versions)
	$(compile) requirements/build.in -c requirements/pins.in -o requirements/build.txt
	$(compile) requirements/java.in -o requirements/java.txt
	$(compile) $(addsuffix /pyproject.toml,$(members)) --group dev -c requirements/pins.in -c requirements/build.txt -o requirements/dev.txt
	$(compile) services/bucket-api/pyproject.toml shared/pyproject.toml -c requirements/dev.txt -o requirements/bucket-api.txt
	$(compile) services/sync-worker/pyproject.toml shared/pyproject.toml -c requirements/dev.txt -o requirements/sync-worker.txt
	$(compile) services/status-aggregator/pyproject.toml shared/pyproject.toml -c requirements/dev.txt -o requirements/status-aggregator.txt
	$(compile) deploy/sandbox/pyproject.toml -c requirements/dev.txt -o requirements/sandbox.txt
