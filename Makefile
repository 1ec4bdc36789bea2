# The front door. Everything is built by CMake presets into build/<preset>.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help run build test test-qemu soak figures demo-observe clean pgo-tiny-profile pgo-tiny-collect pgo-tiny-build pgo-tiny-full

BUILD := build/release
export CMAKE_BUILD_PARALLEL_LEVEL ?= $(shell nproc)

# CMD goes to the shell as it was typed: through the environment, with no expansion by make.
unexport CMD
export RUN_UNDER_HAKMEM := $(value CMD)

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: build ## compare real programs under the system's malloc and hakmem; CMD="..." runs a command under hakmem
	@if [[ -n "$$RUN_UNDER_HAKMEM" ]]; then \
	  command="$$RUN_UNDER_HAKMEM"; unset RUN_UNDER_HAKMEM MAKEFLAGS MAKELEVEL MFLAGS MAKEOVERRIDES MAKE_TERMOUT MAKE_TERMERR CMAKE_BUILD_PARALLEL_LEVEL; \
	  exec $(BUILD)/hakmem run -- sh -c "$$command"; \
	else \
	  exec python3 tools/demo/compare.py --library $(BUILD)/libhakmem.so; \
	fi

build: ## build both libraries, libhakmem.a and the hakmem command into build/release
	@scripts/install_packages run
	@[[ -f $(BUILD)/build.ninja ]] || cmake --preset release >&2
	@cmake --build $(BUILD) --target libhakmem.so libhakmem-hardened.so hakmem_static hakmem_cli >&2

# It builds nothing, so that root need not be who builds.
PREFIX ?= /usr/local
.PHONY: install uninstall
install: ## install what `make build` made below PREFIX (/usr/local), for packagers below DESTDIR/PREFIX
	@[[ -x $(BUILD)/hakmem ]] || { echo "make install: $(BUILD) has no hakmem command: make build makes it" >&2; exit 1; }
	@cmake --install $(BUILD) --prefix "$(PREFIX)" >&2
	@[[ -n "$(DESTDIR)" ]] || echo "Programs linked with libhakmem.so find it once root has run ldconfig; where that does not look into $(PREFIX)/lib, by LD_LIBRARY_PATH."

uninstall: ## remove the files that the last `make install` made, with the same DESTDIR
	@[[ -f $(BUILD)/install_manifest.txt ]] || { echo "make uninstall: nothing was installed from $(BUILD)" >&2; exit 1; }
	@while IFS= read -r file || [[ -n "$$file" ]]; do rm -f -- "$(DESTDIR)$$file"; done < $(BUILD)/install_manifest.txt

test: ## build release, debug, asan, ubsan and tsan, and run all their tests
	@scripts/test

test-qemu: ## aarch64 under qemu-user, with pages of 4, 16 and 64 KiB: cross build, and run the tests that can run there
	@scripts/test aarch64

soak: build ## the faults of the tests in long form, half an hour and more; SOAK_MINUTES=3 takes a tenth of it
	@scripts/install_packages test
	@cmake --build $(BUILD) --target $$(python3 tests/soak/soak.py --targets) test_schedule test_scavenger test_pool test_front test_superslab test_heap test_profile test_large test_hardened test_fakeos >&2
	@[[ -f build/ubsan/build.ninja ]] || cmake --preset ubsan >&2
	@cmake --build build/ubsan --target fuzz_api fuzz_garbage >&2
	@python3 tests/soak/soak.py --build $(BUILD)

figures: build ## measure beside other allocators, and judge the gates
	@cmake --build $(BUILD) --target bench/all
	@$(BUILD)/hakmem bench compare --gates --rounds 5

demo-observe: build ## a loaded redis-server, a leak and a pinning pattern: what each command says of them, with pictures, into build/demo-observe
	@scripts/install_packages test
	@cmake --build $(BUILD) --target profile_leak pinning >&2
	@python3 tools/demo/observe.py --command $(BUILD)/hakmem --library $(BUILD)/libhakmem.so --leak $(BUILD)/tests/profile_leak --pin $(BUILD)/tests/pinning --output build/demo-observe

# COMPILER=clang does the same with clang++. The five workloads, their limit and the checks are in scripts/pgo.
COMPILER ?= gcc

pgo-tiny-profile: pgo-packages ## PGO 1: build a libhakmem.so that counts, into build/pgo-profile-gcc (COMPILER=clang: clang)
	@scripts/pgo profile --compiler $(COMPILER)

pgo-tiny-collect: ## PGO 2: run five training workloads, 30 s each at most, and verify what they counted
	@scripts/pgo collect --compiler $(COMPILER)

pgo-tiny-build: ## PGO 3: compile libhakmem.so with that, into build/pgo-gcc
	@scripts/pgo build --compiler $(COMPILER)

pgo-tiny-full: pgo-packages ## PGO 1 to 3, then the gain over release, on trained rows and on others
	@scripts/pgo full --compiler $(COMPILER)

.PHONY: pgo-packages
pgo-packages:
	@scripts/install_packages $(if $(filter clang,$(COMPILER)),test,run)

clean: ## remove everything that was built
	@rm -rf build compile_commands.json
