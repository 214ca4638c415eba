# `make demo` and `make test` need Python 3.11 or newer and make, nothing else. Everything lands in .venv and .local.

SHELL := /bin/sh
PYTHON ?= $(shell for name in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$name -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$name; break; }; done)
BIN := .venv/bin
SERVED := $(BIN)/python -m loyalty.embedded run --
ARGS ?=
WORKERS ?= 3
FILE ?=

# Lint never talks to these; the settings only read them.
LINT_ENV := LOYALTY_ENV=test DATABASE_URL=postgres://lint:lint@127.0.0.1/lint REDIS_URL=redis://127.0.0.1/0
DEPLOY_ENV := LOYALTY_ENV=production PUBLIC_URL=https://rewards.example.com \
	SECRET_KEY=for-lint-only-9f3b1c7e5a2d8046-for-lint-only-71d5e0c9b3a86f24 \
	CREDENTIALS_KEYS=Zm9yLWxpbnQtb25seS1mb3ItbGludC1vbmx5LTAxMjM= \
	DATABASE_URL=postgres://lint:lint@127.0.0.1/lint REDIS_URL=redis://127.0.0.1/0 EMAIL_URL=smtp+tls://lint:lint@127.0.0.1:587

LOCK_FLAGS := --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	--no-emit-find-links --custom-compile-command "make lock" $(ARGS)

.DEFAULT_GOAL := help
.PHONY: help demo demo-reset test test-nightly lint e2e-shop e2e-medusa bench-import bench-points bench-peers bench-audit bench-flash bench-codes bench-grid bench-export screenshots lock venv venv-demo python bench-import-points prove-races prove-faults bench-webhooks axe bench-reconcile bench-issuing bench-program bench-tiers fuzz-api

help: ## show this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-20s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: venv-demo ## run everything with demo data: PostgreSQL, Valkey, shop, web, worker, beat; Ctrl-C stops it
	@exec $(BIN)/python -m loyalty.embedded demo

demo-reset: venv-demo ## stop the demo and remove its data
	@$(BIN)/python -m loyalty.embedded reset

test: venv axe ## run the tests on real servers (ARGS="tests/points -k hold" for some of them)
	$(SERVED) $(BIN)/pytest -m "not shop and not medusa and not nightly" -n $(WORKERS) --dist loadfile --no-loadscope-reorder $(ARGS)

test-nightly: venv ## run the tests that take minutes each
	$(SERVED) $(BIN)/pytest -m nightly -n $(WORKERS) --dist loadfile $(ARGS)

# The browser tests ask axe-core about each page; without npm, or without a registry, they say aloud that
# they did not, and where CI is set that is a failure: hence no failure here.
axe:
	@! command -v npm >/dev/null || test -e e2e/axe/node_modules/axe-core/axe.min.js || \
		{ cd e2e/axe && npm ci --ignore-scripts --no-audit --no-fund --silent; } || true

lint: venv ## check style, types, import contracts, templates, migrations and deployment settings
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(LINT_ENV) $(BIN)/mypy --explicit-package-bases .
	$(BIN)/lint-imports
	$(BIN)/djlint --lint --quiet templates
	find templates -name '*.html' -exec $(BIN)/djade --check --target-version 5.2 {} +
	$(SERVED) $(BIN)/python manage.py makemigrations --check --dry-run
	$(DEPLOY_ENV) $(BIN)/python manage.py check --deploy --fail-level WARNING

e2e-shop: venv ## install a real shop (Vendure) from npm into e2e/vendure and run the whole loop against it
	@command -v npm >/dev/null || { echo "npm was not found. The real shop needs Node 20 or newer; install it and try again."; exit 1; }
	cd e2e/vendure && npm ci --ignore-scripts --no-audit --no-fund
	$(SERVED) $(BIN)/pytest -m shop $(ARGS)

e2e-medusa: venv ## install a real shop (Medusa) from npm into e2e/medusa, boot it on our PostgreSQL and run the whole loop
	@command -v npm >/dev/null || { echo "npm was not found. The real shop needs Node 20 or newer; install it and try again."; exit 1; }
	cd e2e/medusa && npm install --ignore-scripts --no-audit --no-fund --no-save
	$(SERVED) $(BIN)/pytest -m medusa $(ARGS)

fuzz-api: venv ## ask the running API ten thousands of things its OpenAPI document allows, or does not (FUZZ_EXAMPLES=...)
	FUZZ_EXAMPLES=$${FUZZ_EXAMPLES:-100} FUZZ_SECONDS=$${FUZZ_SECONDS:-7200} $(SERVED) $(BIN)/pytest tests/api/test_fuzzing.py $(ARGS)

prove-races: venv ## race every act against every other in a scratch database (ARGS="--workers 64")
	$(SERVED) $(BIN)/python manage.py prove_races $(ARGS)

prove-faults: venv ## break every act at each of its steps in a scratch database and mend it (ARGS="--quick", or --matrix)
	$(SERVED) $(BIN)/python manage.py prove_faults $(ARGS)

bench-import: venv ## import the purchase history in FILE=..., and print how long it took
	$(SERVED) $(BIN)/python benchmarks/bench_import.py $(FILE)

bench-program: venv ## run the purchase history in FILE=... through rules, tiers and refunds, in order and shuffled
	$(SERVED) $(BIN)/python benchmarks/bench_program.py $(FILE)

bench-tiers: venv ## judge 100,000 customers by their tiers, night after night, beside plain SQL (CUSTOMERS=...)
	$(SERVED) $(BIN)/python benchmarks/bench_tiers.py

bench-points: venv ## hold debits, expiry, audit and reading of points beside plain SQL, then import them (ROWS=..., SECONDS=..., ROUNDS=...)
	@kept=0; $(BIN)/python benchmarks/bench_points.py || kept=1; \
	$(SERVED) $(BIN)/python benchmarks/bench_import_points.py || kept=1; exit $$kept

bench-flash: venv ## sell PIECES=5000 of a reward to twice as many customers from 64 connections
	$(BIN)/python benchmarks/bench_flash.py

bench-peers: venv ## hold debits beside those of django-hordak and dj-wallet, which it installs into .local/peers
	$(BIN)/python benchmarks/bench_peers.py

bench-import-points: venv ## import points for 100,000 customers and undo it, and print how fast it went
	$(SERVED) $(BIN)/python benchmarks/bench_import_points.py

bench-codes: venv ## make, import and hand out 1,000,000 codes, and print how fast it went (CODES=...)
	$(SERVED) $(BIN)/python benchmarks/bench_codes.py

bench-reconcile: venv ## reconcile 1,000,000 codes with a shop, and find exactly what was made to differ (CODES=...)
	$(SERVED) $(BIN)/python benchmarks/bench_reconcile.py

bench-issuing: venv ## issue rewards in a shop of 150 ms latency with 1, 8 and 64 calls at a time (SECONDS=...)
	$(BIN)/python benchmarks/bench_issuing.py

bench-audit: venv ## audit, seal and verify 1,000,000 transactions, and print how long each took
	$(SERVED) $(BIN)/python benchmarks/bench_audit.py

bench-grid: venv ## 22 requests to a grid of a million redeemed rewards beside a stock ModelAdmin (ROWS=10000000 for more)
	$(BIN)/python -W ignore benchmarks/bench_grid.py

bench-webhooks: venv ## webhooks at the web server beside plain inserts, in a burst, and through a power cut (DELIVERIES=...)
	$(BIN)/python -W ignore benchmarks/bench_webhooks.py

bench-export: venv ## export a million redeemed rewards as CSV and workbook beside COPY … TO (ROWS=...)
	$(BIN)/python -W ignore benchmarks/bench_export.py

screenshots: venv ## make the pictures of the README from a running demo (start `make demo` first)
	$(BIN)/python e2e/screenshots.py

lock: venv ## resolve requirements*.in anew into the hashed locks
	$(BIN)/uv pip compile $(LOCK_FLAGS) requirements.in -o requirements.txt
	$(BIN)/uv pip compile $(LOCK_FLAGS) -c requirements.txt requirements-dev.in -o requirements-dev.txt

# The environment is installed anew when, and only when, the lock it was installed from has changed.
venv: python
	@cmp -s requirements-dev.txt .venv/installed-dev || { \
		echo "Installing the locked packages (with test tools) into .venv ..." && \
		$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.txt && \
		cp requirements.txt .venv/installed && cp requirements-dev.txt .venv/installed-dev; }

venv-demo: python
	@cmp -s requirements.txt .venv/installed || { \
		echo "Installing the locked packages into .venv ..." && \
		$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.txt && \
		cp requirements.txt .venv/installed; }

python:
	@test -n "$(PYTHON)" || { \
		echo "No Python 3.11 or newer was found. Install one, or name it: make demo PYTHON=/path/to/python3"; exit 1; }
	@test -e $(BIN)/python || { \
		"$(PYTHON)" -c 'import ensurepip, venv' 2>/dev/null || { \
			echo "This Python cannot make virtual environments. On Debian and Ubuntu: apt-get install python3-venv"; exit 1; }; \
		"$(PYTHON)" -m venv .venv; }
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(BIN)/python -m ensurepip >/dev/null 2>&1 || { \
		echo "The environment in .venv does not work (was this folder moved, or made by another tool?). Remove .venv and try again."; exit 1; }
