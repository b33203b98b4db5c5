# Everything is done by these few commands; each sets up what it needs and is quick the second time.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
SERVING := $(VENV)/.serving
SUPPLY := build/supply-chain
DEPLOYED := build/deployed
LOCK := deploy/requirements.lock
DEVELOPMENT_LOCK := tests/requirements.lock
SECRETS := deploy/secrets
KINDS := spec contract integration browser generative faults
PYTEST := $(BIN)/python -m pytest --numprocesses 3 --dist loadfile
PIP := python -m pip --quiet --disable-pip-version-check
UV_OPTIONS = --quiet --universal --python-version 3.11 --custom-compile-command 'make lock' \
	--no-emit-index-url --no-emit-find-links $(if $(UPGRADE),--upgrade)

.PHONY: help serve test $(KINDS:%=test-%) check static safety other-days mutation fuzz benchmarks review docs screenshot lock sbom audit release trial clean
.DEFAULT_GOAL := help

help: ## list the commands
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

$(READY): setup.cfg pyproject.toml $(DEVELOPMENT_LOCK)
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint $(DEVELOPMENT_LOCK) --editable '.[dev]'
	@touch $@

$(SERVING): setup.cfg pyproject.toml $(DEVELOPMENT_LOCK)
	$(PYTHON) -m venv $(VENV)
	@echo 'Installing what the service needs into $(VENV): some 40 packages, once, in a minute or two.'
	$(BIN)/python -m pip install --disable-pip-version-check --constraint $(DEVELOPMENT_LOCK) --editable .
	@touch $@

serve: $(SERVING) ## start the service on 127.0.0.1:8080 in development mode
	@exec $(BIN)/plexus-cds serve --development

test: $(READY) ## run all tests; fails below 95 % branch coverage (test-spec, -contract, -integration, ...: one kind)
	$(PYTEST) --cov --cov-report=term

$(KINDS:%=test-%): test-%: $(READY) # one kind of tests
	$(PYTEST) tests/$*

static: $(READY) ## format, lint, types, imports, and the generated pages
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/plexus-cds review --check

check: static test ## all that must pass

other-days: $(READY) ## run what depends on dates as of other days, and past midnight elsewhere (needs faketime)
	$(BIN)/python -m tools.other_days

mutation: $(READY) ## damage the tables and the code, and see whether the tests notice (an hour or so; MINUTES=20: a sample)
	$(BIN)/python -m tools.mutate_words
	$(BIN)/python -m tools.mutate_cards
	$(BIN)/python -m pip install --quiet --disable-pip-version-check 'mutmut >=3.8,<3.9'
	$(BIN)/python -m tools.mutate_code $(if $(MINUTES),--minutes $(MINUTES))

safety: $(READY) ## take out each control of the hazard log, and see whether its test notices (some ten minutes)
	$(BIN)/python -m tools.take_out_controls

fuzz: $(READY) ## run the generative tests with all examples, then send made-up bodies for MINUTES=10 and save the failures
	$(PYTEST) --hypothesis-profile=full tests/generative tests/integration/auth
	$(BIN)/python -m tools.fuzz --minutes $(or $(MINUTES),10) $(if $(SEED),--seed $(SEED))
	$(BIN)/python -m tools.fuzz --instances --minutes $(or $(MINUTES),10) $(if $(SEED),--seed $(SEED))

benchmarks: $(READY) ## measure what a call costs, beside bare Flask (some twenty minutes, on a quiet machine)
	$(BIN)/python -m benchmarks --soak

review: $(READY) ## write REVIEW.md and the hazard log from the knowledge
	$(BIN)/plexus-cds review

docs: $(READY) ## build the documentation as a site with a search, in build/docs; fails at a dead link
	$(BIN)/sphinx-build --quiet --fail-on-warning --keep-going --conf-dir docs . build/docs
	@echo '<!doctype html><title>plexus-cds</title><meta http-equiv="refresh" content="0; url=docs/index.html">' > build/docs/index.html
	@echo 'Open build/docs/index.html'

screenshot: $(READY) ## take the pictures of our pages in README and docs anew
	$(BIN)/python tools/screenshot.py docs

$(SUPPLY)/.ready: Makefile
	$(PYTHON) -m venv $(SUPPLY)
	$(SUPPLY)/bin/$(PIP) install 'uv >=0.9,<1' 'cyclonedx-bom >=7.2,<8' 'pip-audit >=2.10,<3' 'bandit >=1.9,<2' 'build >=1.3,<2'
	@touch $@

lock: $(SUPPLY)/.ready ## pin what the image installs, with hashes, and what `make` installs for development (UPGRADE=1: the newest versions)
	$(SUPPLY)/bin/uv pip compile setup.cfg --extra postgresql --output-file $(LOCK) --generate-hashes $(UV_OPTIONS)
	echo 'setuptools >=77' | $(SUPPLY)/bin/uv pip compile - --output-file deploy/build.lock --generate-hashes $(UV_OPTIONS)
	$(SUPPLY)/bin/uv pip compile setup.cfg --extra dev --constraint $(LOCK) --output-file $(DEVELOPMENT_LOCK) $(UV_OPTIONS)

sbom: $(SUPPLY)/.ready ## write build/sbom.json: CycloneDX, of what the image installs
	$(PYTHON) -m venv --clear $(DEPLOYED)
	$(DEPLOYED)/bin/$(PIP) install --require-hashes --only-binary :all: --requirement $(LOCK)
	$(DEPLOYED)/bin/$(PIP) wheel --no-deps --wheel-dir $(DEPLOYED) .
	$(DEPLOYED)/bin/$(PIP) install --no-deps --no-index $(DEPLOYED)/*.whl
	$(DEPLOYED)/bin/python -m pip check
	$(DEPLOYED)/bin/$(PIP) uninstall --yes pip setuptools
	rm $(DEPLOYED)/lib/python*/site-packages/plexus_cds-*/direct_url.json
	$(SUPPLY)/bin/cyclonedx-py environment --validate --output-reproducible --output-file build/sbom.json $(DEPLOYED)

audit: $(SUPPLY)/.ready ## look for weak places in the code, and for known vulnerabilities of what the image installs
	$(SUPPLY)/bin/bandit --quiet --recursive --configfile pyproject.toml cds_service
	@$(SUPPLY)/bin/pip-audit --strict --disable-pip --require-hashes --requirement $(LOCK) || \
	{ echo "Vulnerable, or not audited: see above. Nothing is known of a package that pip-audit did not find on PyPI."; exit 1; }

release: sbom ## build what is published, in dist/: wheel, source archive, SBOM, and their SHA-256 checksums
	rm -rf dist
	SOURCE_DATE_EPOCH=$$(git log -1 --format=%ct) $(SUPPLY)/bin/python -m build --outdir dist .
	cp build/sbom.json dist/plexus_cds-$$($(DEPLOYED)/bin/python -c 'import cds_service; print(cds_service.__version__)').sbom.json
	cd dist && sha256sum * > SHA256SUMS && cat SHA256SUMS

$(SECRETS): # passwords, a key and a certificate for the trial; readable by the containers' users, below a folder that is not
	@mkdir -p -m 0700 $@.new
	@printf %s "$$(openssl rand -hex 24)" > $@.new/postgres_password
	@printf 'postgresql://plexus_cds:%s@database/plexus_cds' "$$(cat $@.new/postgres_password)" > $@.new/store_url
	@openssl rand -hex 32 > $@.new/patient_key
	@openssl req -x509 -newkey rsa:2048 -noenc -days 30 -subj /CN=localhost -addext subjectAltName=DNS:localhost \
		-keyout $@.new/key.pem -out $@.new/certificate.pem 2> $@.new/log || { cat $@.new/log; exit 1; }
	@rm $@.new/log
	@chmod 0644 $@.new/*
	@mv $@.new $@
	@echo 'Wrote $@: passwords, a key, and a certificate of 30 days for https://localhost:8443'

trial: $(SECRETS) ## start the service with PostgreSQL and nginx in containers (needs Docker; synthetic patients only)
	docker compose --file deploy/compose.yaml up --build --detach

clean: ## remove what the other commands made
	rm -rf $(VENV) build dist mutants *.egg-info .coverage* .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
