# `make battle` and `make test` are all a fresh machine with Python and make needs.
PYTHON ?= python3
VENV := .venv
PIP := $(VENV)/bin/python -m pip --disable-pip-version-check
CONSTRAINTS ?= constraints/newest.txt

.PHONY: setup battle test lint clean

# Installed again only when pyproject.toml or the versions change.
setup: $(VENV)/.installed
test lint: $(VENV)/.installed-dev

$(VENV)/.installed: pyproject.toml $(CONSTRAINTS) | $(VENV)/bin/python
	$(PIP) install -q -e . -c $(CONSTRAINTS)
	touch $@

$(VENV)/.installed-dev: pyproject.toml $(CONSTRAINTS) | $(VENV)/bin/python
	$(PIP) install -q -e ".[dev]" -c $(CONSTRAINTS)
	touch $@ $(VENV)/.installed

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

battle: setup
	$(VENV)/bin/python battle.py human=my_hp

# Everything, the journeys through train.py and battle.py included, a worker a core; plain `pytest` leaves those out.
test:
	$(VENV)/bin/python -m pytest -m ""

lint:
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/ruff check .
	$(VENV)/bin/pyright

clean:
	rm -rf $(VENV) build dist .pytest_cache .ruff_cache .hypothesis src/*.egg-info
	find src tests -name __pycache__ -type d -prune -exec rm -rf {} +
