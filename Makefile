# sluice. `make help` lists the targets. One non-recursive file; the variants are flag sets: VARIANT=debug|release|asan|tsan|fuzz|cov.
VARIANT ?= release
B := build/$(VARIANT)
ifeq ($(origin CC),default)
CC := $(if $(filter fuzz,$(VARIANT)),clang,gcc)
endif
PREFIX ?= /usr/local
FUZZ_SECONDS ?= 30
# As many compilers as processors, unless the caller said otherwise.
ifeq (0,$(MAKELEVEL)$(filter -j%,$(MAKEFLAGS)))
MAKEFLAGS += -j$(shell nproc 2>/dev/null || echo 2)
endif
# V=1 prints whole commands instead of one short line each; -s prints nothing.
ifeq ($(V),1)
run = $(2)
else ifneq (,$(findstring s,$(firstword -$(MAKEFLAGS))))
run = @$(2)
else
run = @echo "  $(1)	$@"; $(2)
endif

# What every compiler we build with knows, then what scripts/probe-flags found out about this one, then the variant's own.
WARN := -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wformat=2 -Wstrict-prototypes -Wmissing-prototypes \
	-Wpointer-arith -Wwrite-strings -Wcast-qual -Wundef -Wswitch-enum -Wimplicit-fallthrough -Wvla -Werror
FLAGS_MK := build/flags-$(notdir $(lastword $(CC))).mk
NO_BUILD := help clean format deps check parts fuzz asan tsan cov
ifneq (,$(filter-out $(NO_BUILD),$(or $(MAKECMDGOALS),all)))
include $(FLAGS_MK)
endif
CFLAGS_release := -O2 -g $(OPT_HARDEN)
CFLAGS_debug := -O0 -g3 -DSLUICE_CRASHPOINTS
CFLAGS_asan := -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=undefined -DSLUICE_CRASHPOINTS
CFLAGS_tsan := -O1 -g -fsanitize=thread
CFLAGS_fuzz := -O1 -g -fno-omit-frame-pointer -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined
CFLAGS_cov := -O0 -g --coverage
LDFLAGS_release := $(OPT_LDFLAGS)
LDFLAGS_asan := -fsanitize=address,undefined
LDFLAGS_tsan := -fsanitize=thread
LDFLAGS_fuzz := -fsanitize=address,undefined
LDFLAGS_cov := --coverage
CFLAGS += -std=gnu11 -D_GNU_SOURCE -I. -fPIE -fvisibility=hidden $(WARN) $(OPT_WARN) $(CFLAGS_$(VARIANT)) $(PKG_CFLAGS)
LDFLAGS += $(LDFLAGS_$(VARIANT))
LDLIBS += -Wl,--as-needed $(PKG_LIBS) -lm -lpthread

# The table of contents: the folders in layer order, from what stands on nothing to what stands on everything.
LIB_SRC := $(foreach dir,base secrets github runner plan webhooks,$(sort $(wildcard $(dir)/*.c)))
# sluice-job-init is these, and nothing of the library.
JOB_INIT_SRC := $(wildcard $(foreach part,init launch confine battery,runner/job_$(part).c runner/job_$(part)_*.c))
LIB_SRC := $(filter-out $(JOB_INIT_SRC) runner/seccomp_gen.c,$(LIB_SRC))
CMD_SRC := $(sort $(wildcard cmd/*.c cmd/sim/*.c))
SUPPORT_SRC := $(sort $(wildcard tests/support/*.c))
TEST_SRC := $(sort $(wildcard tests/unit/*/test_*.c tests/component/test_*.c))
FUZZ_SRC := $(sort $(wildcard tests/fuzz/fuzz_*.c))
BENCH_SRC := $(sort $(wildcard tests/bench/bench_*.c) tests/bench/webhook_load.c)
LIB_OBJ := $(LIB_SRC:%.c=$(B)/%.o)
JOB_INIT_OBJ := $(JOB_INIT_SRC:%.c=$(B)/job-init/%.o)
CMD_OBJ := $(CMD_SRC:%.c=$(B)/%.o)
SUPPORT_OBJ := $(SUPPORT_SRC:%.c=$(B)/%.o)
TESTS := $(TEST_SRC:%.c=$(B)/%)
FUZZERS := $(FUZZ_SRC:%.c=$(B)/%)
BENCHES := $(BENCH_SRC:%.c=$(B)/%)

.PHONY: all
all: $(B)/sluice $(B)/sluice-job-init ## build sluice and sluice-job-init into build/VARIANT

$(B)/libsluice.a: $(LIB_OBJ)
	@rm -f $@
	@ar rcs $@ $^
$(B)/sluice: $(CMD_OBJ) $(B)/libsluice.a
	$(call run,LINK,$(CC) $(LDFLAGS) -o $@ $(CMD_OBJ) $(B)/libsluice.a $(LDLIBS))
# In the box there are no libraries: static, and without the sanitizers' run-time parts.
$(B)/job-init/%.o: %.c | build/.deps-build
	@mkdir -p $(@D)
	$(call run,CC,$(CC) -std=gnu11 -D_GNU_SOURCE -I. -I$(B)/gen $(WARN) $(OPT_WARN) -O2 $(OPT_HARDEN) -MMD -MP -c -o $@ $<)
$(B)/sluice-job-init: $(JOB_INIT_OBJ)
	$(call run,LINK,$(CC) -static -o $@ $^)
# Its system call filters are made by a program that runs here and now; the library that it needs is not needed afterwards.
$(B)/gen/seccomp_gen: runner/seccomp_gen.c | build/.deps-build
	@mkdir -p $(@D)
	$(call run,LINK,$(CC) -std=gnu11 -D_GNU_SOURCE $(WARN) -O1 -o $@ $< -lseccomp)
$(B)/gen/runner/seccomp_filter.h: $(B)/gen/seccomp_gen
	@mkdir -p $(@D)
	$(call run,GEN,$< >$@.new && mv -f $@.new $@ || { rm -f $@.new; exit 1; })
$(B)/job-init/runner/job_confine.o $(B)/tests/unit/runner/test_seccomp_gen.o: $(B)/gen/runner/seccomp_filter.h
$(B)/tests/unit/runner/test_seccomp_gen.o: CFLAGS += -I$(B)/gen
ifneq ($(VARIANT),fuzz)
$(B)/tests/fuzz/%.o: CFLAGS += -DFUZZ_REPLAY
endif
$(B)/%.o: %.c | build/.deps-build
	@mkdir -p $(@D)
	$(call run,CC,$(CC) $(CFLAGS) -MMD -MP -c -o $@ $<)
# A fuzz target runs under libFuzzer in its own variant and replays files in every other one (tests/fuzz/replay.c).
REPLAY_OBJ := $(if $(filter fuzz,$(VARIANT)),,$(B)/tests/fuzz/replay.o)
$(FUZZERS): $(B)/%: $(B)/%.o $(REPLAY_OBJ) $(SUPPORT_OBJ) $(B)/libsluice.a
	$(call run,LINK,$(CC) $(LDFLAGS) $(if $(filter fuzz,$(VARIANT)),-fsanitize=fuzzer) -o $@ $^ $(LDLIBS) -lcmocka)
$(TESTS): $(B)/%: $(B)/%.o $(SUPPORT_OBJ) $(B)/libsluice.a
	$(call run,LINK,$(CC) $(LDFLAGS) -o $@ $(filter %.o,$^) $(filter %.a,$^) $(LDLIBS) -lcmocka)
$(BENCHES): $(B)/%: $(B)/%.o $(B)/libsluice.a
	$(call run,LINK,$(CC) $(LDFLAGS) -o $@ $(filter %.o,$^) $(filter %.a,$^) $(LDLIBS))
$(B)/tests/unit/runner/test_job_confine: $(B)/job-init/runner/job_confine.o
# these run the simulated GitHub in their own process
$(filter $(B)/tests/component/test_sim%,$(TESTS)): $(B)/tests/component/sim_fixture.o $(filter $(B)/cmd/sim/%,$(CMD_OBJ))
WORLD_TESTS := $(foreach name,runs decide reconcile pages role gate_read,$(B)/tests/component/test_$(name)%)
$(filter $(B)/tests/component/test_decide% $(B)/tests/component/test_reconcile%,$(TESTS)): $(B)/tests/component/inbox.o
$(filter $(WORLD_TESTS),$(TESTS)): $(B)/tests/component/world.o $(filter $(B)/cmd/sim/%,$(CMD_OBJ))
$(B)/tests/bench/bench_path: $(B)/tests/bench/lab.o $(B)/cmd/schema.o $(filter $(B)/cmd/sim/%,$(CMD_OBJ))
$(TESTS:%=%.o) $(SUPPORT_OBJ) $(FUZZERS:%=%.o) $(BENCHES:%=%.o): | build/.deps-test
.SECONDARY:

# Missing Debian packages are installed once per checkout and again when the list changes. DEPS=no leaves the system alone.
build/.deps-%: scripts/deps
	@mkdir -p build
	$(if $(filter no,$(DEPS)),,@scripts/deps $*)
	@touch $@
# One after the other: two installers at the same time would find the package database locked.
build/.deps-demo build/.deps-fuzz: build/.deps-build
build/.deps-test: build/.deps-demo
$(FLAGS_MK): scripts/probe-flags $(shell command -v $(lastword $(CC)) 2>/dev/null) | build/.deps-build
	@mkdir -p build
	@scripts/probe-flags '$(CC)' >$@.new && mv -f $@.new $@ || { rm -f $@.new; exit 1; }
build/flags-clang%: | build/.deps-fuzz

.PHONY: deps
deps: ## install the Debian packages for building and testing that are missing
	@scripts/deps test

# The engine: the one on PATH, else the one that make parts built, else a pinned release (scripts/engines.txt).
ENGINE_PATH := $$PATH:$(CURDIR)/parts/bin:$(CURDIR)/build/engine
.PHONY: demo
demo: all build/.deps-demo ## one pull request from push to apply on this machine, against a simulated GitHub
	@PATH="$(ENGINE_PATH)" scripts/fetch-engine build/engine
	@PATH="$(ENGINE_PATH)" CHECKPOINT_DISABLE=1 $(B)/sluice demo $(DEMO_ARGS)

# What the attack suite starts in boxes: static, for there is nothing else in them.
$(B)/tests/attacks/probe: tests/attacks/probe.c tests/attacks/probe_bombs.c tests/attacks/probe.h | build/.deps-build
	@mkdir -p $(@D)
	$(call run,LINK,$(CC) -std=gnu11 -D_GNU_SOURCE -I. $(WARN) $(OPT_WARN) -O1 -static -o $@ $(filter %.c,$^))

.PHONY: test-programs test
test-programs: $(TESTS) $(FUZZERS) $(B)/sluice-job-init $(B)/tests/attacks/probe
test: all test-programs build/.deps-test ## every test this machine can run; says what is skipped and why (ONLY=pattern runs some)
	@$(MAKE) --no-print-directory -s VARIANT=debug all
	@PATH="$(ENGINE_PATH)" scripts/fetch-engine build/engine || echo 'engine: going on without one, the tests that need it are skipped'
	@PATH="$(ENGINE_PATH)" SLUICE_BIN_CRASH=$(CURDIR)/build/debug/sluice scripts/run-tests $(B) '$(ONLY)'
.PHONY: test-attacks
test-attacks: all $(B)/tests/attacks/probe build/.deps-test ## the attacks of docs/security.md, as root and as an ordinary user (part of test)
	@PATH="$(ENGINE_PATH)" scripts/fetch-engine build/engine || echo 'engine: going on without one, the tests that need it are skipped'
	@PATH="$(ENGINE_PATH)" scripts/run-tests $(B) attacks/
.PHONY: test-unit
test-unit: test-programs ## unit and component tests and the fuzz corpus of VARIANT, without the system tests
	@PATH="$(ENGINE_PATH)" scripts/run-tests --no-system $(B) '$(ONLY)'
.PHONY: asan tsan
asan tsan: ## unit and component tests under AddressSanitizer and UBSan, or under ThreadSanitizer
	@$(MAKE) --no-print-directory VARIANT=$@ test-unit
.PHONY: cov
cov: ## line coverage of the unit and component tests, per file
	@find build/cov -name '*.gcda' -delete 2>/dev/null || true
	@$(MAKE) --no-print-directory VARIANT=cov test-unit && scripts/coverage build/cov

.PHONY: fuzzers fuzz
fuzzers: $(FUZZERS)
fuzz: ## run every fuzz target under clang for FUZZ_SECONDS (30) each
	@scripts/deps fuzz
	@$(MAKE) --no-print-directory VARIANT=fuzz fuzzers && scripts/fuzz build/fuzz $(FUZZ_SECONDS)

.PHONY: bench
bench: all $(BENCHES) build/.deps-test ## measure speed and memory (tests/bench/)
	@PATH="$(ENGINE_PATH)" scripts/fetch-engine build/engine
	@PATH="$(ENGINE_PATH)" scripts/bench $(B)

.PHONY: parts
parts: ## bring the heavier real parts of the tests (OpenTofu, GitHub's API description), kept in parts/
	@scripts/deps parts
	@scripts/parts/all parts

.PHONY: check
check: ## structure: one door per library, include ranks, banned calls, sizes, tests, docs
	@scripts/check-structure

.PHONY: format
format: ## clang-format on every C file, in place (FILES=... for some)
	@scripts/deps format
	@clang-format-14 -i $(or $(FILES),$(wildcard */*.[ch] */*/*.[ch] */*/*/*.[ch]))

.PHONY: docs
docs: all ## the sample server file and the configuration reference, made from the tables in the code
	@scripts/generated-docs $(B)/sluice write

.PHONY: compile_commands.json
compile_commands.json: ## for clangd and other tools
	$(file >build/cc.list,)
	$(foreach src,$(LIB_SRC) $(CMD_SRC) $(SUPPORT_SRC) $(TEST_SRC) $(FUZZ_SRC) $(BENCH_SRC) $(JOB_INIT_SRC),$(file >>build/cc.list,$(src)))
	@scripts/compile-commands $(CC) $(filter-out -Werror,$(CFLAGS)) <build/cc.list >$@.new && mv -f $@.new $@ && rm -f build/cc.list

D := $(DESTDIR)$(PREFIX)
.PHONY: install
install: all ## install into DESTDIR and PREFIX (/usr/local)
	install -d $(D)/bin $(D)/share/man/man1 $(D)/share/bash-completion/completions $(D)/share/doc/sluice \
		$(D)/lib/systemd/system $(D)/lib/sysusers.d $(D)/lib/tmpfiles.d
	install -m 755 $(B)/sluice $(B)/sluice-job-init $(D)/bin/
	install -m 644 docs/sluice.1 $(D)/share/man/man1/sluice.1
	install -m 644 deploy/completion/sluice.bash $(D)/share/bash-completion/completions/sluice
	sed 's|/usr/local/bin/|$(PREFIX)/bin/|' deploy/sluice.service >$(D)/lib/systemd/system/sluice.service
	chmod 644 $(D)/lib/systemd/system/sluice.service
	install -m 644 deploy/sluice.sysusers $(D)/lib/sysusers.d/sluice.conf
	install -m 644 deploy/sluice.tmpfiles $(D)/lib/tmpfiles.d/sluice.conf
	install -m 644 $(wildcard README.md deploy/sluice-server.yaml) $(D)/share/doc/sluice/

.PHONY: clean
clean: ## remove build/ (parts/ stays: rm -rf parts)
	rm -rf build compile_commands.json

.PHONY: help
help: ## this list
	@awk 'BEGIN { FS = ":.*## " } /^[a-z_. -]+:.*## / { printf "  make %-22s %s\n", $$1, $$2 }' Makefile
	@echo '  VARIANT=debug|release|asan|tsan|fuzz|cov, CC=gcc|clang, V=1 for whole commands, B=DIR to build elsewhere'

-include $(patsubst %.o,%.d,$(LIB_OBJ) $(JOB_INIT_OBJ) $(CMD_OBJ) $(SUPPORT_OBJ) $(TESTS:%=%.o) $(FUZZERS:%=%.o) $(BENCHES:%=%.o)) $(wildcard $(B)/tests/component/*.d $(B)/tests/bench/*.d)
