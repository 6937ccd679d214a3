# Two commands set everything up: `make demo` (no PyTorch) and `make test`.
PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
REPOSITORY ?= model_repository
HTTP_PORT ?= 8000
GRPC_PORT ?= 8001
TEST_PROCESSES ?= 2

# Threads that wait spin a few microseconds: without it small layers take a third longer, with the default a busy
# neighbour stops everything.
export GOMP_SPINCOUNT ?= 2000

.PHONY: help setup demo demo-train serve test soak check bench bench-gpu clean

help:
	@echo "make demo        start Triton, segment RGB-D pictures, write demo/out (about a minute, no PyTorch)"
	@echo "make demo-train  the same from scratch: train, evaluate, export, serve, predict (about ten minutes)"
	@echo "make serve       serve $(REPOSITORY) on 127.0.0.1 until Ctrl-C"
	@echo "make test        run all tests        make check  ruff, mypy, import boundaries"
	@echo "make bench       measure the CPU      make bench-gpu  measure an NVIDIA GPU"
	@echo "make soak        long trials of the server"
	@echo "make setup       install everything into $(VENV)"

$(PY):
	$(PYTHON) -m venv $(VENV)

$(VENV)/.serve: pyproject.toml | $(PY)
	$(PY) -m pip install --quiet --disable-pip-version-check -e ".[serve,client]"
	@touch $@

$(VENV)/.train: pyproject.toml | $(PY)
	$(PY) -m pip install --quiet --disable-pip-version-check -e ".[train,export,serve,client]"
	@touch $@ $(VENV)/.serve

$(VENV)/.all: pyproject.toml | $(PY)
	$(PY) -m pip install --quiet --disable-pip-version-check -e ".[train,export,serve,client,dev]"
	@touch $@ $(VENV)/.train $(VENV)/.serve

setup: $(VENV)/.all

demo: $(VENV)/.serve
	$(PY) -m demo

demo-train: $(VENV)/.train
	$(PY) -m demo.train

serve: $(VENV)/.serve
	$(PY) -m serving up --repository $(REPOSITORY) --http-port $(HTTP_PORT) --grpc-port $(GRPC_PORT)

# Two processes, a file in one of them: tests of one file may share a server.
test: $(VENV)/.all
	$(PY) -m pytest -n $(TEST_PROCESSES) --dist loadfile

soak: $(VENV)/.all
	$(PY) -m pytest tests/soak_serving.py tests/soak_clients.py

check: $(VENV)/.all
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy
	$(PY) -m pytest -q tests/test_import_boundaries.py tests/test_structure.py

bench: $(VENV)/.all
	$(PY) -m benchmarks

bench-gpu: $(VENV)/.all
	$(PY) -m benchmarks.gpu

clean:
	rm -rf $(VENV) demo/out runs build *.egg-info
