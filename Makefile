# `make demo` and `make test` need Python 3.11 to 3.13 and nothing else: they create .venv, install into it, and run.
# Another interpreter: make demo PYTHON=python3.12

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Exists once .venv holds what pyproject.toml and constraints.txt ask for.
INSTALLED := $(VENV)/.installed

# The command line that follows `genesis demo`, as in: make demo ARGS="--epochs 50"
ARGS ?=
# Workers that share the tests.
WORKERS ?= 2

.PHONY: help install demo bench test thorough fuzz examples lint stubs format clean

help:
	@echo "make demo      optimise the motion of a Franka Panda through the physics, write controls and a plot"
	@echo "make bench     measure steps and gradients beside MuJoCo C, write tables and a plot"
	@echo "make test      run the tests"
	@echo "make thorough  sweeps that are too long for every change: gradients of many states and steps, contacts beside MuJoCo's"
	@echo "make fuzz      make random calls with random arguments, report whatever is no GenesisException"
	@echo "make examples  run the programs of examples/"
	@echo "make lint      ruff and mypy"
	@echo "make stubs     write what follows from the catalogue of parameters: accessors.pyi, a table of docs"
	@echo "make format    let ruff format the code"
	@echo "make clean     remove .venv and everything that was built"

$(INSTALLED): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(None if (3, 11) <= v < (3, 14) else "Python 3.11, 3.12 or 3.13 is needed; $(PYTHON) is %d.%d. Name another: make PYTHON=python3.12" % v)'
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[demo,bench,test,dev]'
	@touch $@

install: $(INSTALLED)

demo: $(INSTALLED)
	$(BIN)/genesis demo $(ARGS)

bench: $(INSTALLED)
	$(BIN)/genesis bench $(ARGS)

test: $(INSTALLED)
	$(BIN)/python -m pytest -n $(WORKERS) $(ARGS)

thorough: $(INSTALLED)
	$(BIN)/python -m pytest -n $(WORKERS) --thorough tests/test_gradient.py tests/test_contact_gradient.py tests/rigid/test_pair_gradients.py tests/entities/test_constraint_parameters.py $(ARGS)
	$(BIN)/python -m tests.sweeps.shapes
	$(BIN)/python -m tests.sweeps.sensors

fuzz: $(INSTALLED)
	$(BIN)/python -m tests.fuzz.fuzz_calls $(ARGS)

examples: $(INSTALLED)
	$(BIN)/python examples/quick_start.py
	$(BIN)/python examples/trajectory_optimization.py
	$(BIN)/python examples/learn_parameters.py
	$(BIN)/python examples/push_block.py
	$(BIN)/python examples/carry_part.py
	$(BIN)/python examples/lift_part.py
	$(BIN)/python examples/stand_up.py
	$(BIN)/python examples/swing_up.py
	$(BIN)/python examples/mpc.py

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

stubs: $(INSTALLED)
	$(BIN)/python -m genesis.entities.catalogue_texts
	$(BIN)/python -m genesis.rigid.pipeline.stage_table
	$(BIN)/python -m genesis.compat.page

format: $(INSTALLED)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf $(VENV) build dist genesis-demo genesis-bench .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
