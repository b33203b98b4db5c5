# Everything is done by these few commands; each sets up what it needs and is quick the second time.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: help serve test check static mutation fuzz review screenshot clean
.DEFAULT_GOAL := help

help: ## list the commands
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

$(READY): setup.cfg pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

serve: $(READY) ## start the service on 127.0.0.1:8080 in development mode
	@exec $(BIN)/plexus-cds serve --development

test: $(READY) ## run the tests; fails below 95 % of the branches
	$(BIN)/python -m pytest --numprocesses 3 --dist loadfile --cov --cov-report=term

static: $(READY) ## format, lint, types, imports, and the generated pages
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/plexus-cds review --check

check: static test ## all that must pass

mutation: $(READY) ## damage the tables and the code, and see whether the tests notice (an hour or so; MINUTES=20: a sample)
	$(BIN)/python tools/mutate_cards.py
	$(BIN)/python -m pip install --quiet --disable-pip-version-check 'mutmut >=3.8,<3.9'
	$(BIN)/python tools/mutate_code.py $(if $(MINUTES),--minutes $(MINUTES))

fuzz: $(READY) ## send the service made-up bodies for MINUTES=10, and save what it answers wrongly
	$(BIN)/python tools/fuzz.py --minutes $(or $(MINUTES),10) $(if $(SEED),--seed $(SEED))

review: $(READY) ## write REVIEW.md from the knowledge
	$(BIN)/plexus-cds review

screenshot: $(READY) ## take the README's picture of the playground anew
	$(BIN)/python tools/screenshot.py docs/playground.png

clean: ## remove what the other commands made
	rm -rf $(VENV) build dist mutants *.egg-info .coverage* .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
