# `make demo` runs the main job on real input; `make test` passes the tests. Each sets up everything it needs.
VENV ?= .venv
PYTHON = $(VENV)/bin/python

.PHONY: setup demo test lint check docs benchmark screenshots clean

setup: $(VENV)/.ready

$(VENV)/.ready: pyproject.toml constraints.txt .ci/setup
	bash .ci/setup $(VENV)

demo: setup
	$(PYTHON) -m ACSegLib demo -o demo-results

lint: setup
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .
	@if $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then set -x; $(PYTHON) -m mypy; \
	else echo 'mypy is left out: NumPy for Python 3.10 types the shapes of arrays otherwise'; fi

test: lint
	QT_QPA_PLATFORM=offscreen $(PYTHON) Testing/Python/sharing.py

docs: setup
	$(PYTHON) -m pip install -q -c constraints.txt -e '.[docs]'
	$(PYTHON) -m sphinx -W --keep-going -b html Documentation build/docs
	@echo "open build/docs/index.html"

benchmark: setup
	$(PYTHON) Testing/Benchmarks/fill.py

screenshots: setup
	$(PYTHON) Testing/screenshots.py
	$(PYTHON) Testing/page_screenshots.py

clean:
	rm -rf $(VENV) demo-results build dist *.egg-info
