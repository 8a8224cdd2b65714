# make run: everything from a fresh clone to the first table.  make test: the suite.  Nothing but Python 3.11 and pip is needed.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
TORCH ?= torch==2.13.0
VENV := .venv
PY := $(VENV)/bin/python
STAMP := $(VENV)/.ready

.PHONY: setup run test test-full lint matrix grid talk dashboard gallery clean

setup: $(STAMP)

# torch first, by itself: from the wheel at hand it is the CPU build, and the project then adds no other one
$(STAMP): pyproject.toml constraints.txt
	test -x $(PY) || $(PYTHON) -m venv $(VENV)
	$(PY) -m pip install --quiet --disable-pip-version-check "$(TORCH)"
	$(PY) -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[embedded,quality,launchers,search,weights,dev]"
	$(PY) -m pip check
	touch $(STAMP)

run: setup
	$(PY) scripts/prepare.py
	$(PY) scripts/sweep.py sweep=quick launcher=workers
	$(PY) scripts/table.py

test: setup
	$(PY) -m pytest -m "not slow" -n 2 --dist worksteal

test-full: setup
	$(PY) -m pytest -n 2 --dist worksteal

lint: setup
	$(PY) -m ruff check .

clean:
	rm -rf outputs/runs outputs/table outputs/multirun

dashboard: setup
	$(PY) scripts/dashboard.py

gallery: setup
	$(PY) scripts/gallery.py

matrix: setup
	$(PY) scripts/matrix.py --check

grid: setup
	$(PY) scripts/sweep.py sweep=grid launcher=workers trainer=cpu
	$(PY) scripts/grid.py trainer=cpu

talk: setup
	$(PY) scripts/sweep.py sweep=talk launcher=workers trainer=cpu
	$(PY) scripts/sweep.py sweep=data_needs launcher=workers trainer=cpu
	$(PY) scripts/table.py --talk
