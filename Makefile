# Each target does its own set-up; a newcomer needs python3 and make, nothing else.
PYTHON := .venv/bin/python
# where it is set, every process we start compiles every module anew
export PYTHONDONTWRITEBYTECODE :=

.PHONY: help install run demo test bench check deb sbom faults faults-tally fuzz soak debian-run debian-test clean
help:
	@echo "make run     start the appliance under ./var"
	@echo "make demo    start it and print a real film"
	@echo "make test    all tests"
	@echo "make bench   the benchmarks, as ratios"
	@echo "make check   format, types, layers, known weaknesses of packages"
	@echo "make deb     a Debian package in dist/"
	@echo "make faults  kill, starve and cut the power at every step, 25 times: hours; the 2,225 kills of one machine's"
	@echo "             parts alone (FAULT_TESTS='tests/faults/test_kill*.py') 45 minutes on 2 busy cores."
	@echo "             It goes on where it was broken off. FAULT_SECONDS=1800: half an hour of it, other cases each"
	@echo "             time; FAULT_SHARE=1/3: a third, for one of three machines. make faults-tally counts them all"
	@echo "make fuzz    100,000 spoilt associations"
	@echo "make soak    10,000 films and 100,000 instances, with kills in between"

install: .venv/installed

# the locks first: what they name comes by its hash; a dependency that is new and not locked yet comes behind
.venv/installed: pyproject.toml requirements-dev.lock packages-run.txt scripts/debian-packages
	@scripts/debian-packages packages-run.txt
	@test -x $(PYTHON) || python3 -m venv .venv
	@$(PYTHON) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@$(PYTHON) -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	@touch $@

.venv/test-packages: packages-test.txt packages-run.txt scripts/debian-packages | .venv/installed
	@scripts/debian-packages packages-run.txt packages-test.txt
	@touch $@

run: install
	@$(PYTHON) -m appliance serve --data var

demo: install
	@$(PYTHON) scripts/demo.py

# some of a test is waiting: three on two cores
TEST_WORKERS ?= $(shell echo $$(($$(nproc) * 3 / 2 + ($$(nproc) == 1))))
test: install .venv/test-packages
	@$(PYTHON) -m pytest -n $(TEST_WORKERS) --dist loadfile --no-loadscope-reorder

bench: install .venv/test-packages
	@$(PYTHON) -m benchmarks

check: install
	@.venv/bin/ruff check .
	@.venv/bin/mypy
	@.venv/bin/lint-imports
	@scripts/audit-packages

deb: install
	@scripts/build-deb

sbom: install
	@$(PYTHON) scripts/sbom

# Long runs of what `make test` does shortly: every point 25 times, every operation of every device, every state.
FAULT_TALLY ?= build/faults.jsonl
FAULT_SEED ?= $(shell date +%s)
FAULT_TESTS ?= tests/faults
FAULT_WORKERS ?= 10 # most of a case is waiting
faults: install .venv/test-packages
	@FAULT_REPEATS=25 FAULT_TALLY=$(FAULT_TALLY) FAULT_SEED=$(FAULT_SEED) $(PYTHON) -m pytest -n $(FAULT_WORKERS) --dist load $(FAULT_TESTS) --timeout 900

faults-tally: install
	@$(PYTHON) -m tests.faults.tally $(FAULT_TALLY)

fuzz: install .venv/test-packages
	@FUZZ_CASES=100000 $(PYTHON) -m pytest tests/fuzz tests/web/test_api.py --timeout 0 -s

soak: install .venv/test-packages
	@$(PYTHON) -m tests.faults.soak

clean:
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache
