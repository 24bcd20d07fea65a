# Every target calls one program; what it does stands there. Without a target: the list.
PYTHON ?= python3
# Much of a test is waiting for others, so there may be more of them than processors.
JOBS ?= 4
export PYTHONDONTWRITEBYTECODE =
.DEFAULT_GOAL := help
.PHONY: help install demo demo-stop test check bench soak images clean

help:  ## this list
	@grep -E '^[a-z-]+:.*##' Makefile | sed 's/:.*##/\t/' | expand -t 14

install:  ## make .venv with the five packages, their commands and all development tools
	@$(PYTHON) -m development.install

demo: install  ## one federated question to three hospitals; ALGORITHM=coxph asks another, KEEP=1 leaves it running
	@.venv/bin/python -m development.demo

demo-stop: install  ## stop what `make demo KEEP=1` left running
	@.venv/bin/python -m development.demo stop

test: check  ## all checks and all tests, with a container engine where one can be had
	@.venv/bin/python -m development.images --for-tests
	@.venv/bin/python -m pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder

check: install  ## lint, format and types only
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check .
	@.venv/bin/mypy

bench: install  ## the server against the classic one, tasks against the physical limit; SHORT=1 for less
	@.venv/bin/python -m development.bench_server $(if $(SHORT),--short)
	@.venv/bin/python -m development.bench_load $(if $(SHORT),--short)
	@.venv/bin/python -m development.bench_envelope $(if $(SHORT),--short)
	@.venv/bin/python -m development.bench_wrapper $(if $(SHORT),--short)
	@.venv/bin/python -m development.bench_node $(if $(SHORT),--short)
	@.venv/bin/python -m development.bench_client $(if $(SHORT),--short)
	@.venv/bin/python -m development.bench_payload $(if $(SHORT),--short)
	@.venv/bin/python -m development.kill
	@.venv/bin/python -m development.bench

soak: install  ## a federation whose parts die, stall and fill up; SOAK_RUNS= for its length, SOAK_SEED= to repeat
	@.venv/bin/python -m development.soak

images: install  ## build every image that the project ships
	@.venv/bin/python -m development.images

clean:  ## remove what the other targets made in this folder
	@rm -rf .venv .cache .mypy_cache .pytest_cache .ruff_cache
