# What one does with this project; `make` alone tells. Each target sets up .venv itself, once, and
# again whenever pyproject.toml changes.

.PHONY: help demo test lint bench format clean
.DEFAULT_GOAL := help

VENV := .venv
BIN := $(VENV)/bin
SOURCES := src tests typing_tests $(wildcard examples) $(wildcard benchmarks)

# pyright's wrapper would otherwise ask the network whether there is a newer one.
export PYRIGHT_PYTHON_IGNORE_WARNINGS := 1

help:
	@echo "make demo            a tour of stdb on the flights that left New York in 2013"
	@echo "make test            tests, doctests and the examples of the documentation (ARGS=... for pytest)"
	@echo "make lint            ruff, mypy, pyright, import-linter"
	@echo "make bench           benchmarks; QUICK=1 for a short run"
	@echo "make format          let ruff format and fix"
	@echo "make clean           remove .venv, builds and caches"

demo: $(VENV)/demo.stamp
	$(BIN)/python examples/flights/run.py

test: $(VENV)/dev.stamp
	$(BIN)/python -m pytest --numprocesses auto --dist loadfile $(ARGS)

lint: $(VENV)/dev.stamp
	$(BIN)/python -m ruff check $(SOURCES)
	$(BIN)/python -m ruff format --check $(SOURCES)
	$(BIN)/python -m mypy --strict src
	$(BIN)/python -m pytest tests/typing
	$(BIN)/lint-imports

bench: $(VENV)/dev.stamp
	$(BIN)/python benchmarks/run.py $(if $(QUICK),--quick)

format: $(VENV)/dev.stamp
	$(BIN)/python -m ruff check --fix-only $(SOURCES)
	$(BIN)/python -m ruff format $(SOURCES)

clean:
	rm -rf $(VENV) build dist .hypothesis .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
	rm -rf .coverage .coverage.* htmlcov
	find src tests typing_tests $(wildcard examples benchmarks) -name __pycache__ -prune -exec rm -rf {} +

# The first Python on the path that is new enough. A name may exist and yet not run (pyenv's do), so
# each is asked.
$(VENV)/venv.stamp:
	@for python in $(PYTHON) python3 python3.14 python3.13 python3.12 python3.11; do \
	    if $$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
	        echo "$$python -m venv $(VENV)"; \
	        $$python -m venv --clear $(VENV) && touch $@; \
	        exit; \
	    fi; \
	done; \
	echo "stdb needs Python 3.11 or newer, and none was found; try: make PYTHON=/path/to/python3" >&2; \
	exit 1

$(VENV)/demo.stamp: pyproject.toml | $(VENV)/venv.stamp
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[demo]'
	@touch $@

$(VENV)/dev.stamp: pyproject.toml | $(VENV)/venv.stamp
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@ $(VENV)/demo.stamp
