# Everything happens in a virtual environment of the project's own; PYTHON names what makes it.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

.PHONY: demo picture test lab check clean

demo: $(VENV)/plot.installed  ## the whole way on the built-in recordings, with a report to open
	$(BIN)/absslab demo --output_folder demo

test: $(VENV)/dev.installed  ## the tests; TESTS="-m slow" runs the slow ones
	$(BIN)/python -m pytest $(or $(TESTS),-m "not slow")

picture: demo  ## the README's picture, made anew
	cp demo/masks.png docs/demo_masks.png

lab: $(VENV)/lab.installed  ## JupyterLab
	$(BIN)/jupyter lab

check: $(VENV)/dev.installed  ## style and types
	$(BIN)/ruff format --check . && $(BIN)/ruff check . && $(BIN)/mypy

$(VENV)/%.installed: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --editable ".[$*]"
	touch $@

clean:
	rm -rf $(VENV) demo build *.egg-info
