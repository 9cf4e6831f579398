# Everything happens in a virtual environment of the project's own, which the interpreter PYTHON creates.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

.PHONY: demo picture test slow faults bench js bundle browser lab check docs clean

demo: $(VENV)/report.installed  ## mix, train, score and report on the built-in recordings
	$(BIN)/absslab demo --output_folder demo

# Those that listen come last, since they measure what a browser plays and so need the machine for themselves.
define run_tests
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m "($(1)) and not listens" \
		--numprocesses auto --maxprocesses 4 --dist worksteal --durations 25
	$(BIN)/python -m pytest -m "($(1)) and listens" tests/browser
endef

test: $(VENV)/dev.installed js  ## the fast tests; TESTS="tests/cli" those that it names
ifdef TESTS
	$(BIN)/python -m pytest $(TESTS)
else
	$(call run_tests,not slow)
endif

slow: $(VENV)/dev.installed  ## the tests that take minutes
	$(call run_tests,slow)

faults: $(VENV)/dev.installed  ## kills, full disks and hostile inputs by the thousand; FAULTS="--n_kills 20" sets how many
	OMP_NUM_THREADS=1 PYTHONPATH=tests/helpers $(BIN)/python tests/faults/campaign.py $(FAULTS)

bench: $(VENV)/dev.installed  ## how fast each path is, beside a reference; BENCH="--paths features" chooses
	$(BIN)/python benchmarks/speed.py $(BENCH)

# What a page loads is one file for each widget, bundled from its modules and kept in git: an installation needs no node.
BUNDLES := player/static/player ui/static/upload dashboards/static/page_heartbeat
ESBUILD := node_modules/.bin/esbuild --bundle --format=esm --target=es2022 --charset=utf8 --log-level=warning \
	--banner:js='// Made by "make bundle" from the modules in the folder js beside this one: change those.' \
	$(foreach bundle,$(BUNDLES),$(bundle)=absslab/widgets/$(subst static,js,$(bundle)).mjs)

bundle: node_modules/.package-lock.json  ## the scripts of the widgets, made anew from their modules
	$(ESBUILD) --outdir=absslab/widgets

ifneq ($(or $(CI),$(shell command -v npm)),)
js: node_modules/.package-lock.json  ## types and tests of the JavaScript, and whether the bundles are current
	node_modules/.bin/tsc --project .
	$(ESBUILD) --outdir=node_modules/.bundles
	@for bundle in $(BUNDLES); do cmp node_modules/.bundles/$$bundle.js absslab/widgets/$$bundle.js \
		|| { echo "absslab/widgets/$$bundle.js is not current: run make bundle"; exit 1; }; done
	node --test tests/js/*.test.mjs
else
js:
	@echo "npm is missing: the JavaScript is not checked"
endif

node_modules/.package-lock.json: package-lock.json package.json
	npm ci --ignore-scripts --no-audit --no-fund
	touch $@

browser: $(VENV)/dev.installed  ## the tests in a browser alone, slow ones too; without chromium they skip
	$(BIN)/python -m pytest tests/browser

picture: demo $(VENV)/dev.installed  ## the pictures of README and manual, made anew; screenshots need chromium
	cp demo/masks.png docs/pictures/demo_masks.png
	$(BIN)/python docs/pictures.py
	$(BIN)/python docs/screenshots.py --demo demo

docs: $(VENV)/docs.installed  ## the manual, in site/: python3 -m http.server --directory site shows it
	$(BIN)/python docs/make_pages.py build/manual
	$(BIN)/zensical build --clean --strict
	$(BIN)/python docs/check_site.py site

lab: $(VENV)/lab.installed  ## JupyterLab with the notebooks
	$(BIN)/absslab lab

check: $(VENV)/dev.installed  ## style, types, and which package imports which
	$(BIN)/ruff format --check . && $(BIN)/ruff check . && $(BIN)/mypy && $(BIN)/lint-imports

$(VENV)/%.installed: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --editable ".[$*]"
	touch $@

clean:
	rm -rf $(VENV) demo build site node_modules *.egg-info
