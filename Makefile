# Everything here runs from a clone with nothing installed. Overridable: PYTHON, VENV, RECIPE, WORKDIR.
PYTHON ?= python3
VENV ?= .venv
RECIPE ?= recipes/microworld.yaml
WORKDIR ?= runs

BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.DELETE_ON_ERROR:
.PHONY: help install packages test-packages demo test test-slow lint docs bench clean

help:
	@echo "make demo       train and measure a small model in many languages, and show its report"
	@echo "make test       the tests, with coverage (make test-slow: the ones that take minutes)"
	@echo "make lint       ruff and mypy --strict"
	@echo "make docs       check the documentation against the code"
	@echo "make bench      the benchmarks"
	@echo "make install    only set up $(VENV) and the data packages (the others do it by themselves)"
	@echo "make clean      delete $(VENV) and caches; runs stay"

install: $(STAMP) packages

# The stamp is written last: an installation that was interrupted starts again.
$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "polysee needs Python 3.11 or newer; '$(PYTHON)' is $$($(PYTHON) --version 2>/dev/null || echo missing)" >&2; \
	  echo "hint: make PYTHON=python3.11 ..." >&2; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { \
	  echo "this Python has no venv module" >&2; echo "hint: apt-get install python3-venv" >&2; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --disable-pip-version-check --quiet -c constraints.txt torch
	$(BIN)/python -m pip install --disable-pip-version-check --quiet -c constraints.txt -e '.[all,dev]'
	@touch $@

packages:
	@scripts/debian-packages

test-packages:
	@scripts/debian-packages --tests

demo: install
	$(BIN)/polysee run $(RECIPE) --workdir $(WORKDIR)
	@name=$$(sed -n 's/^name:[[:space:]]*//p' $(RECIPE)) && \
	  echo && echo "report: $(WORKDIR)/$$name/report.html" && echo "scores: $(WORKDIR)/$$name/scores.json"

test: install test-packages
	$(BIN)/python -m pytest -n 2 -m "not slow" --cov=polysee --cov-report=term --cov-fail-under=85

# pytest says 5 where there is none.
test-slow: install test-packages
	$(BIN)/python -m pytest -m slow || test $$? -eq 5

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy --strict

docs: install
	$(BIN)/python scripts/build_recipe_docs.py --check
	$(BIN)/python -m pytest tests/docs

bench: install
	@set -e; for script in benchmarks/*.py; do echo "== $$script"; $(BIN)/python "$$script"; done

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage build dist
