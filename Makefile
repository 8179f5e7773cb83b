# The only commands anyone must know. Each builds .venv when it is missing or older than setup.cfg.
PYTHON ?= python3.11
DATA ?= ../shared/data
BIN := .venv/bin
STAMP := .venv/.installed

.PHONY: demo test lint doctest examples bench docs release-check clean

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

# The real radiographs are not part of the project; where their folder is missing, the reason is printed.
examples: $(STAMP)
	for script in $(filter-out examples/knee_osteoporosis.py examples/vertebral_fractures.py examples/real_hips.py, $(wildcard examples/*.py)); do \
	    echo "== $$script"; $(BIN)/python -W error $$script output || exit 1; done
	if [ -d $(DATA)/knees ]; then $(BIN)/python -W error examples/knee_osteoporosis.py $(DATA)/knees output; \
	    else echo "skipped knee_osteoporosis.py: no folder $(DATA)/knees"; fi
	if [ -d $(DATA)/vertebrae ]; then $(BIN)/python -W error examples/vertebral_fractures.py $(DATA)/vertebrae output; \
	    else echo "skipped vertebral_fractures.py: no folder $(DATA)/vertebrae"; fi
	if [ -d $(DATA)/pelvis ]; then $(BIN)/python -W error examples/real_hips.py $(DATA)/pelvis/unlabelled output 12; \
	    else echo "skipped real_hips.py: no folder $(DATA)/pelvis"; fi

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

clean:
	rm -rf .venv demo_output build dist src/*.egg-info
