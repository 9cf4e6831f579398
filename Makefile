# Everything happens in a virtual environment of the project's own; PYTHON names what makes it.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

.PHONY: demo picture test js browser lab check clean

demo: $(VENV)/report.installed  ## the whole way on the built-in recordings, with a report to open
	$(BIN)/absslab demo --output_folder demo

test: $(VENV)/dev.installed js  ## the tests; TESTS="-m slow" runs the slow ones
	$(BIN)/python -m pytest $(or $(TESTS),-m "not slow")

js:  ## the tests of the player's JavaScript; without node they are left out, but not where CI is set
	if [ -n "$$CI" ] || command -v node >/dev/null; then node --test tests/js/*.test.mjs; fi

browser: $(VENV)/dev.installed  ## the tests in a browser alone, slow ones too; without chromium they skip
	$(BIN)/python -m pytest tests/browser

picture: demo $(VENV)/dev.installed  ## the README's pictures, made anew; the second needs chromium
	cp demo/masks.png docs/demo_masks.png
	$(BIN)/python docs/screenshots.py --demo demo

lab: $(VENV)/lab.installed  ## JupyterLab with the notebooks
	$(BIN)/absslab lab

check: $(VENV)/dev.installed  ## style, types, and which room imports which
	$(BIN)/ruff format --check . && $(BIN)/ruff check . && $(BIN)/mypy && $(BIN)/lint-imports

$(VENV)/%.installed: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --editable ".[$*]"
	touch $@

clean:
	rm -rf $(VENV) demo build *.egg-info
