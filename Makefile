# Each target does all the set-up it needs: a machine with Python 3.11, pip, make, gcc and git is enough.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
MODELS := checkpoints
SCENARIO := fixtures/demo.yaml

.PHONY: audit discover study test slow check format browser registries bench calibrate calibration-check lock clean

audit: $(READY)  ## train the demo's Rashomon set if it is not there, audit it, hold the verdicts against the known answers
	PATH="$(CURDIR)/$(BIN):$$PATH" MODELS=$(MODELS) SCENARIO=$(SCENARIO) bash ci/audit.sh

study: $(READY)  ## the thesis's tables and figures on the demo's drawings, beside the published ones: reports/study/study.html
	PATH="$(CURDIR)/$(BIN):$$PATH" bash ci/study.sh

discover: $(READY)  ## after `make audit`: what the demo's models take for cats and fish, though nobody names it, held against the known answers
	PATH="$(CURDIR)/$(BIN):$$PATH" MODELS=$(MODELS) bash ci/discover.sh

test: check  ## every check but the slow, the browser's and the registries'
	PATH="$(CURDIR)/$(BIN):$$PATH" bash ci/test.sh

slow: $(READY)  ## the tests that run whole sessions in processes of their own
	PATH="$(CURDIR)/$(BIN):$$PATH" SLOW=1 bash ci/test.sh

check: $(READY)  ## format, lint, types
	PATH="$(CURDIR)/$(BIN):$$PATH" bash ci/check.sh

format: $(READY)
	$(BIN)/ruff check --fix-only --quiet .
	$(BIN)/ruff format .

browser: $(READY)  ## the report's page in Chromium: links, pictures, no request, axe-core; after `make audit` the demo's own page
	PATH="$(CURDIR)/$(BIN):$$PATH" bash ci/browser.sh

registries: $(READY)  ## the recipe for MLflow in docs/registries.md, against a registry on this disk
	PATH="$(CURDIR)/$(BIN):$$PATH" VENV=$(VENV) bash ci/registries.sh

bench: $(READY)  ## ours against peers, in short; docs/masks.md says how its longer tables were made
	PATH="$(CURDIR)/$(BIN):$$PATH" bash ci/bench.sh

calibrate: $(READY)  ## how often the audits err, on a population of trained models; writes docs/calibration.md and .json
	PATH="$(CURDIR)/$(BIN):$$PATH" bash ci/calibrate.sh

calibration-check: $(READY)  ## a slice of that population, from other seeds, held against docs/calibration.json
	PATH="$(CURDIR)/$(BIN):$$PATH" bash ci/calibration.sh

lock: $(READY)  ## pins every dependency with its hashes, without any download address
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --extra test --generate-hashes --no-emit-index-url \
	  --no-emit-find-links --no-header --no-annotate pyproject.toml -o requirements.lock

$(READY): requirements.lock pyproject.toml ci/setup.sh
	PYTHON=$(PYTHON) VENV=$(VENV) bash ci/setup.sh
	touch $@

clean:
	rm -rf $(VENV) reports checkpoints calibration .pytest_cache .mypy_cache .ruff_cache .hypothesis
