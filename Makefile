# The front door. Everything is built by CMake presets into build/<preset>.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help run build test figures clean

BUILD := build/release
export CMAKE_BUILD_PARALLEL_LEVEL ?= $(shell nproc)

# CMD goes to the shell as it was typed: through the environment, with no expansion by make.
unexport CMD
export RUN_UNDER_HAKMEM := $(value CMD)

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: build ## compare real programs under the system's malloc and hakmem; CMD="..." runs a command under hakmem
	@if [[ -n "$$RUN_UNDER_HAKMEM" ]]; then \
	  command="$$RUN_UNDER_HAKMEM"; unset RUN_UNDER_HAKMEM MAKEFLAGS MAKELEVEL MFLAGS MAKEOVERRIDES MAKE_TERMOUT MAKE_TERMERR CMAKE_BUILD_PARALLEL_LEVEL; \
	  exec $(BUILD)/hakmem run -- sh -c "$$command"; \
	else \
	  exec python3 tools/demo/compare.py --library $(BUILD)/libhakmem.so; \
	fi

build: ## build libhakmem.so, libhakmem.a and the hakmem command into build/release
	@scripts/install_packages run
	@[[ -f $(BUILD)/build.ninja ]] || cmake --preset release >&2
	@cmake --build $(BUILD) --target libhakmem.so hakmem_static hakmem_cli >&2

test: ## build release, debug, asan, ubsan and tsan, and run all their tests
	@scripts/test

figures: build ## measure beside other allocators, and judge the gates
	@cmake --build $(BUILD) --target bench/all
	@$(BUILD)/hakmem bench compare --gates --rounds 5

clean: ## remove everything that was built
	@rm -rf build compile_commands.json
