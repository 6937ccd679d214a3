# Two commands set everything up: `make demo` (no PyTorch) and `make test`.
PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
REPOSITORY ?= model_repository
HTTP_PORT ?= 8000
GRPC_PORT ?= 8001
TEST_PROCESSES ?= $(shell $(PYTHON) -c 'import os; print(2 + min(2, len(os.sched_getaffinity(0))))')

# Threads that wait spin a few microseconds: without it small layers take a third longer, with the default a busy
# neighbour stops everything.
export GOMP_SPINCOUNT ?= 2000

# What is imported is compiled once and kept, even where the environment forbids it: PyTorch with the exporter to ONNX are
# 3700 modules, and compiling them takes five seconds of every process.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: help setup lock programs demo demo-train serve test test-unit test-client test-processors test-latest soak hours audit reference check lint types laws bench bench-gpu clean

help:
	@echo "make demo        start Triton, segment RGB-D pictures, write demo/out (about a minute, no PyTorch)"
	@echo "make demo-train  the same from scratch: train, evaluate, export, serve, predict (about ten minutes)"
	@echo "make serve       serve $(REPOSITORY) on 127.0.0.1 until Ctrl-C"
	@echo "make test        run all tests        make check  ruff, mypy, import boundaries"
	@echo "make test-unit   tests that need neither training nor a server        make reference  the API reference"
	@echo "make test-latest the same with the newest packages        make lock  renew the tested set, constraints.txt"
	@echo "make test-processors  the numeric tests as other processors compute them"
	@echo "make bench       measure the CPU      make bench-gpu  measure an NVIDIA GPU"
	@echo "make soak        long trials of server, clients, guides and training"
	@echo "make hours       an hour of mixed traffic, with curves        make audit  known vulnerabilities, list of packages"
	@echo "make setup       install everything into $(VENV)"

# The versions that the tests were run with, for the Python that they were run on; others take what pyproject.toml allows.
# `make CONSTRAINTS=` asks for the newest of everything, `make lock` writes the file anew.
CONSTRAINTS ?= $(shell $(PYTHON) -c 'import sys; sys.version_info[:2] == (3, 11) and print("constraints.txt")')

# Without an NVIDIA driver the CPU build of PyTorch serves as well as that for CUDA, which is ten times as large. A pip
# that has been given links or an index of its own is left alone.
CPU_TORCH := https://download.pytorch.org/whl/cpu
TORCH_INDEX ?= $(shell command -v nvidia-smi >/dev/null || $(PY) -m pip config list 2>/dev/null | grep -qE 'find-links|index-url' || echo $(CPU_TORCH))

PIP_INSTALL = $(PY) -m pip install --quiet --disable-pip-version-check --no-compile $(addprefix -c ,$(CONSTRAINTS))
WITH_TORCH = $(addprefix --extra-index-url ,$(TORCH_INDEX))
ALL := train,export,serve,client,video,tensorrt-rtx,dev

$(PY):
	$(PYTHON) -m venv $(VENV)

$(VENV)/.serve: pyproject.toml constraints.txt | $(PY)
	$(PIP_INSTALL) -e ".[serve,client]"
	@touch $@

$(VENV)/.train: pyproject.toml constraints.txt | $(PY)
	$(PIP_INSTALL) $(WITH_TORCH) -e ".[train,export,serve,client]"
	@touch $@ $(VENV)/.serve

$(VENV)/.all: pyproject.toml constraints.txt | $(PY)
	$(PIP_INSTALL) $(WITH_TORCH) -e ".[$(ALL)]"
	@touch $@ $(VENV)/.train $(VENV)/.serve

# Programs that are no Python packages: installed where that needs no questions, named where it does.
programs: $(VENV)/.all
	@$(PY) -m tests.support.needs

# PyTorch stays at its version unless another is named: `make lock TORCH=2.14.1`.
TORCH ?= $(shell sed -n 's/^torch==//p' constraints.txt)
lock: | $(PY)
	rm -rf build/lock && $(PYTHON) -m venv build/lock
	build/lock/bin/python -m pip install --quiet --disable-pip-version-check $(WITH_TORCH) torch==$(TORCH) ".[$(ALL),soak]"
	build/lock/bin/python -m pip freeze --exclude crosswire | sed 's/+cpu$$//' > build/constraints.txt
	mv build/constraints.txt constraints.txt && rm -rf build/lock
	@echo "constraints.txt is new; next: make test"

setup: $(VENV)/.all

demo: $(VENV)/.serve
	$(PY) -m demo

demo-train: $(VENV)/.train
	$(PY) -m demo.train

serve: $(VENV)/.serve
	$(VENV)/bin/crosswire serve --repository $(REPOSITORY) --http-port $(HTTP_PORT) --grpc-port $(GRPC_PORT)

# Up to two processes more than there are cores, for servers are waited for; a file is in one of them: its tests share one.
test: programs
	$(PY) -m pytest -n $(TEST_PROCESSES) --dist loadfile --no-loadscope-reorder --durations 25

# What is decided without training and without a server, on every Python that the project supports.
test-unit: $(VENV)/.all
	$(PY) -m pytest -q -n $(TEST_PROCESSES) --dist loadfile tests/unit

# The extra `client` in an environment of its own, with numpy 2: other packages than pytest may not be needed.
test-client: CLIENT_PY := .venv-client/bin/python
test-client:
	$(PYTHON) -m venv --clear .venv-client
	$(CLIENT_PY) -m pip install --quiet --disable-pip-version-check -e ".[client]" "numpy>=2" pytest pytest-timeout
	$(CLIENT_PY) -m pytest -q tests/unit/clients tests/unit/contract/test_contract.py tests/unit/media/test_media.py

# The numeric tests under the instruction sets and numbers of threads of other machines.
test-processors: $(VENV)/.all
	$(PY) -m tests.support.processors

# The same with the newest version of everything that pyproject.toml allows, in an environment of its own.
test-latest:
	$(MAKE) test VENV=.venv-latest CONSTRAINTS=

soak: $(VENV)/.all
	$(PIP_INSTALL) $(WITH_TORCH) -e ".[$(ALL),soak]"
	$(PY) -m pytest -m thorough -n $(TEST_PROCESSES) --dist loadfile tests/integration tests/e2e
	$(PY) -m pytest $(filter-out %conftest.py,$(wildcard tests/soak/*.py tests/soak/*/*.py))

# An hour of mixed traffic; the curves are left in build/hours.
hours: $(VENV)/.all
	CROSSWIRE_SOAK_MINUTES=60 $(PY) -m pytest tests/soak/hours.py

# Known vulnerabilities of the tested set of packages, and a list of all of them.
AUDIT_PY := build/audit/bin/python
audit:
	$(PYTHON) -m venv --clear build/audit
	$(AUDIT_PY) -m pip install --quiet --disable-pip-version-check "pip-audit>=2.10,<3" "cyclonedx-bom>=7.2,<8"
	$(AUDIT_PY) -m cyclonedx_py requirements constraints.txt --output-file build/sbom.json
	$(AUDIT_PY) -m pip_audit --requirement constraints.txt --no-deps --disable-pip

# The reference of what is imported by users; open docs/reference/index.html.
reference: $(VENV)/.all
	$(PIP_INSTALL) $(WITH_TORCH) -e ".[$(ALL),docs]"
	rm -rf docs/reference
	$(PY) -W error::UserWarning -m pdoc --docformat google --no-show-source --output-directory docs/reference crosswire.clients crosswire.contract

check: $(VENV)/.all
	@$(MAKE) --no-print-directory --jobs 2 --output-sync=target lint types laws

lint: $(VENV)/.all
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .

types: $(VENV)/.all
	$(PY) -m mypy

laws: $(VENV)/.all
	$(PY) -m pytest -q tests/unit/project/test_import_boundaries.py tests/unit/project/test_structure.py

bench: $(VENV)/.all
	$(PY) -m benchmarks

bench-gpu: $(VENV)/.all
	$(PY) -m benchmarks.gpu

clean:
	rm -rf $(VENV) .venv-client demo/out docs/reference runs build *.egg-info
