# Thin targets: each calls one command a person could type. `make` alone lists them.
PYTHON ?= python3
BOOT = $(PYTHON) elson/bootstrap.py

.DEFAULT_GOAL := help
.PHONY: help setup run test test-fast test-engine journeys check lint fix lock bench

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## virtualenv, pinned dependencies, front-end packages; quick when nothing changed
	@$(BOOT) setup

run: ## the whole platform from a fresh clone: install, seed, serve (PORT=8000)
	@$(BOOT) run

test: ## the whole suite on PostgreSQL, Redis, SQLite and Chromium
	@$(BOOT) test

test-fast: ## engine and unit tests only, under a minute
	@$(BOOT) test-fast

test-engine: ## the engine's tests alone, in seconds, the slowest named
	@$(BOOT) test-engine

journeys: ## the browser journeys; screenshots in var/screenshots/
	@$(BOOT) journeys

check: ## format, lint, types, import contracts, migrations, templates, docs
	@$(BOOT) check

lint: ## the quick part of check: format, lint, import contracts, templates
	@$(BOOT) lint

fix: ## put format and imports right
	@$(BOOT) fix

bench: ## every performance goal beside its peers; writes docs/benchmarks.md
	@$(BOOT) bench

lock: ## renew the hash-pinned lock files from requirements*.txt
	@$(BOOT) lock
