# Two commands are enough: `make train` trains the main example, `make test` runs the tests; `make test-slow` the long ones.
# Each makes its own environment the first time; see .ci/setup for how an existing one is respected.

SETUP := bin="$$(bash .ci/setup)" &&

.PHONY: train test test-slow fuzz check docs site wheel-test faults freeze-examples release-check clean

train:  ## the main example: Burgers' equation, some minutes on 2 cores
	@$(SETUP) "$$bin/upt" train configs/burgers.yaml

test:  ## the test suite, but for long properties
	@$(SETUP) OMP_NUM_THREADS=1 "$$bin/python" -m pytest -n 2 -m "not slow" tests

test-slow:  ## the long properties: statistics over many seeds, real files, distributions built and installed
	@$(SETUP) OMP_NUM_THREADS=1 "$$bin/python" -m pytest -n 2 -m slow tests

fuzz:  ## configurations, checkpoints and data files spoilt in new ways each time; UPT_FUZZ: times the usual number
	@$(SETUP) OMP_NUM_THREADS=1 UPT_FUZZ="$${UPT_FUZZ:-100}" "$$bin/python" -m pytest -n 2 tests/fuzz

check:  ## format, lint, types, import directions
	@$(SETUP) "$$bin/ruff" format --check . && "$$bin/ruff" check . && "$$bin/mypy" && "$$bin/lint-imports"

docs:  ## the pages that are generated: catalogue, tables of keys, snapshot of public signatures
	@$(SETUP) "$$bin/python" -m upt_core.cli.catalogue && "$$bin/python" tests/api/test_snapshot.py

site:  ## the documentation as a site, in build/site
	@$(SETUP) "$$bin/python" -m mkdocs build --strict -f docs/site/mkdocs.yml

faults:  ## what a run survives: faults done to a small run, some minutes; the table in docs/faults.md
	@$(SETUP) OMP_NUM_THREADS=1 "$$bin/python" tests/faults/table.py

wheel-test:  ## tests of commands, files and pages against the built wheel, in an environment of its own
	@$(SETUP) bash .ci/wheel-test "$$bin"

freeze-examples:  ## once for each release: keeps the distributions that its authors have, to try later kernels with
	@$(SETUP) "$$bin/python" tests/compatibility/freeze.py

release-check:  ## whether what we would publish is right: distributions, metadata, licences, SBOM
	@$(SETUP) bash .ci/release-check "$$bin"

clean:
	rm -rf .venv build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
