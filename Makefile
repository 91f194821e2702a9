# The daily commands; `make` lists them.
PYTHON = .venv/bin/python

.PHONY: help install test fast lint format docs release-check notebooks benchmarks ci

help:            ## list the commands
	@grep -E '^[a-z-]+: .*##' Makefile | sed 's/:.*##/:/'

install:         ## create .venv with everything for development
	python3 -m venv .venv && .venv/bin/pip install -c constraints.txt -e ".[dev]"
	.venv/bin/pip install --no-deps -r tests/no-deps.txt

test:            ## all tests, with coverage
	$(PYTHON) -m pytest -n auto --dist worksteal --cov

fast:            ## tests without real models and subprocesses
	$(PYTHON) -m pytest -n auto -m "not slow"

lint:            ## ruff, mypy and import contracts
	.venv/bin/ruff check . && .venv/bin/ruff format --check . && .venv/bin/mypy && .venv/bin/lint-imports

format:          ## format and fix with ruff
	.venv/bin/ruff check --fix . && .venv/bin/ruff format .

docs:            ## build the documentation; warnings are errors
	.venv/bin/python docs/generate.py && .venv/bin/zensical build --clean --strict

release-check:   ## build sdist and wheel, and use the wheel in a clean environment
	.ci/release-check

notebooks:       ## execute the notebooks
	$(PYTHON) -m pytest --nbmake notebooks -q

benchmarks:      ## speed of heads and language models against the naive way
	$(PYTHON) tests/benchmarks/heads.py
	$(PYTHON) -m tests.benchmarks.models
	$(PYTHON) -m tests.benchmarks.export
	$(PYTHON) -m tests.benchmarks.pages
	$(PYTHON) -m tests.benchmarks.embedders
	$(PYTHON) -m tests.benchmarks.ratios
	$(PYTHON) -m tests.benchmarks.scale
	$(PYTHON) -m tests.benchmarks.cpu_steps

ci:              ## what runs on a new machine
	.ci/run
