# `make battle` and `make test` are all a fresh machine with Python and make needs.
PYTHON ?= python3
VENV ?= .venv
CONSTRAINTS ?= constraints/newest.txt
# Container images often set this; every start would then compile 4,000 files anew, for 8 seconds of a core.
export PYTHONDONTWRITEBYTECODE =

# uv takes the build of PyTorch that suits the machine (without a GPU 1.8 GB instead of 6.5). It is used where it
# is installed and its index of those builds answers, pip everywhere else. Neither compiles 20,000 files that are
# hardly ever imported: Python does so with those that are.
UV := UV_HTTP_TIMEOUT=3 UV_HTTP_RETRIES=0 uv pip
install = if echo torch | $(UV) compile -q --no-deps --torch-backend=auto --python $(VENV)/bin/python - >/dev/null 2>&1; \
	then uv pip install -q --torch-backend=auto --python $(VENV)/bin/python -c $(CONSTRAINTS) $(1); \
	else $(VENV)/bin/python -m pip --disable-pip-version-check install -q --no-compile -c $(CONSTRAINTS) $(1); fi

.PHONY: setup battle test test-oldest lint docs docs-commands clean

# Installed again only when pyproject.toml or the versions change.
setup: $(VENV)/.installed
test lint: $(VENV)/.installed-dev

$(VENV)/.installed: pyproject.toml $(CONSTRAINTS) | $(VENV)/bin/python
	$(call install,-e .)
	touch $@

$(VENV)/.installed-dev: pyproject.toml $(CONSTRAINTS) | $(VENV)/bin/python
	$(call install,-e ".[dev]")
	touch $@ $(VENV)/.installed

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

battle: setup
	$(VENV)/bin/python battle.py human=my_hp

# Everything, the journeys through train.py and battle.py included, a worker a core; plain `pytest` leaves those out.
test:
	$(VENV)/bin/python -m pytest -m "not commands"

# Every command of README and docs, the long ones at size=smoke; what cannot run is listed with its reason.
docs-commands: $(VENV)/.installed-dev
	$(VENV)/bin/python -m pytest -m commands -rs tests/docs

# The same on the lowest versions that pyproject.toml admits.
test-oldest:
	$(MAKE) test VENV=.venv-oldest CONSTRAINTS=constraints/oldest.txt

lint:
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/ruff check .
	$(VENV)/bin/pyright

# The documentation as a site, in build/site.
docs: $(VENV)/.installed-docs
	$(VENV)/bin/python -m docs.website

$(VENV)/.installed-docs: pyproject.toml $(CONSTRAINTS) | $(VENV)/bin/python
	$(call install,-e ".[docs]")
	touch $@ $(VENV)/.installed

clean:
	rm -rf .venv .venv-oldest build dist .pytest_cache .ruff_cache .hypothesis
	find src tests -name __pycache__ -type d -prune -exec rm -rf {} +
