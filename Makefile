# The only commands anyone must know. Each builds .venv when it is missing or older than setup.cfg.
PYTHON ?= python3.11
BIN := .venv/bin
STAMP := .venv/.installed

.PHONY: demo test lint doctest examples bench clean

$(STAMP): setup.cfg pyproject.toml
	[ -x $(BIN)/python ] || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet -e ".[dev]"
	$(BIN)/python -m pip install --quiet --no-build-isolation pyradiomics==3.0.1
	touch $(STAMP)

demo: $(STAMP)
	$(BIN)/python examples/demo.py demo_output

test: $(STAMP)
	$(BIN)/python -m pytest -n 2 --dist loadgroup

lint: $(STAMP)
	$(BIN)/ruff check src tests examples benchmarks
	$(BIN)/ruff format --check src tests examples benchmarks
	$(BIN)/lint-imports

doctest: $(STAMP)
	$(BIN)/python -m pytest --doctest-modules src

bench: $(STAMP)
	$(BIN)/python benchmarks/texture.py

clean:
	rm -rf .venv demo_output build dist src/*.egg-info
