# The only commands anyone must know. Each builds .venv when it is missing or older than setup.cfg.
PYTHON ?= python3.11
DATA ?= ../shared/data
BIN := .venv/bin
STAMP := .venv/.installed

.PHONY: demo test lint doctest examples bench gpu-check docs release-check clean

$(STAMP): setup.cfg pyproject.toml
	[ -x $(BIN)/python ] || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet -e ".[dev]"
	$(BIN)/python -m pip install --quiet --no-build-isolation pyradiomics==3.0.1
	touch $(STAMP)

demo: $(STAMP)
	$(BIN)/python examples/demo.py demo_output

test: $(STAMP)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadgroup

lint: $(STAMP)
	$(BIN)/ruff check src tests examples benchmarks docs
	$(BIN)/ruff format --check src tests examples benchmarks docs
	$(BIN)/lint-imports

doctest: $(STAMP)
	$(BIN)/python -m pytest --doctest-modules src

# Each example is a target, `make run-demo`, so that `make -j2 examples` runs two at a time.
# The real radiographs are not part of the project; where their folder is missing, the reason is printed.
EXAMPLES := $(patsubst examples/%.py,run-%,$(wildcard examples/*.py))
REAL_run-knee_osteoporosis := $(DATA)/knees
REAL_run-vertebral_fractures := $(DATA)/vertebrae
REAL_run-real_hips := $(DATA)/pelvis/unlabelled
REAL_run-correct_and_train := $(DATA)/pelvis
MORE_run-real_hips := 12

examples: $(EXAMPLES)

$(EXAMPLES): run-%: $(STAMP)
	@if [ -n "$(REAL_$@)" ] && [ ! -d "$(REAL_$@)" ]; then echo "skipped $*.py: no folder $(REAL_$@)"; exit 0; fi; \
	echo "== examples/$*.py"; $(BIN)/python -W error examples/$*.py $(REAL_$@) output/$* $(MORE_$@)

docs: $(STAMP)
	$(BIN)/python -m pip install --quiet -e ".[docs]"
	$(BIN)/python -m sphinx -W --keep-going -q -b html docs docs/_build/html

# Types, coverage, laws on other examples than those of `test`, and the wheel in an environment that has nothing else: no pyradiomics, no tools.
release-check: $(STAMP)
	$(BIN)/mypy src/deepradiomics
	HYPOTHESIS_PROFILE=random OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadgroup --cov --cov-report=term:skip-covered --cov-fail-under=90
	rm -rf dist build/clean
	$(BIN)/python -m build
	$(PYTHON) -m venv build/clean
	build/clean/bin/python -m pip install --quiet dist/*.whl
	cd build && clean/bin/python -c "import deepradiomics, importlib.util as u; assert not u.find_spec('radiomics')"
	cd build && clean/bin/deepradiomics info
	cd build && clean/bin/python ../examples/demo.py demo_output

bench: $(STAMP)
	$(BIN)/python benchmarks/texture.py

# All that a CUDA device is there to show, in under eight minutes once .venv is built: tests, texture, networks, the chain.
gpu-check: $(STAMP)
	@if $(BIN)/python -c "import sys, torch; sys.exit(not torch.cuda.is_available())"; then \
		$(BIN)/python -m pytest -q -m gpu tests && OMP_NUM_THREADS=1 timeout 480 sh -ec \
		"$(BIN)/python benchmarks/texture.py --gpu; $(BIN)/python benchmarks/deep.py; $(BIN)/python benchmarks/chain.py"; \
	else echo "gpu-check: torch finds no CUDA device here, nothing was checked"; fi

clean:
	rm -rf .venv demo_output build dist src/*.egg-info
