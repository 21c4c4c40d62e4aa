# sluice. `make help` lists the targets. One non-recursive file; the variants are flag sets: VARIANT=debug|release|asan|tsan|fuzz|cov.
VARIANT ?= release
B := build/$(VARIANT)
ifeq ($(origin CC),default)
CC := gcc
endif

PKGS := libgit2 libcurl libcjson libuv libcrypto sqlite3 libmicrohttpd libfyaml
PKG_CFLAGS := $(shell pkg-config --cflags $(PKGS) 2>/dev/null)
PKG_LIBS := $(shell pkg-config --libs $(PKGS) 2>/dev/null)

WARN := -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wformat=2 -Wstrict-prototypes -Wmissing-prototypes \
	-Wpointer-arith -Wwrite-strings -Wcast-qual -Wundef -Wswitch-enum -Wimplicit-fallthrough -Wvla -Wnull-dereference -Werror
GCC_WARN := -Wlogical-op -Wduplicated-cond -Wduplicated-branches -Wjump-misses-init -Warray-bounds=2 -Wuse-after-free=3
ifneq (,$(findstring clang,$(CC)))
GCC_WARN :=
endif
HARDEN := -fstack-protector-strong -fstack-clash-protection -fcf-protection -ftrivial-auto-var-init=zero
CFLAGS_release := -O2 -g -D_FORTIFY_SOURCE=3 $(HARDEN)
CFLAGS_debug := -O0 -g3 -DSLUICE_CRASHPOINTS
CFLAGS_asan := -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=undefined -DSLUICE_CRASHPOINTS
CFLAGS_tsan := -O1 -g -fsanitize=thread
CFLAGS_cov := -O0 -g --coverage
LDFLAGS_release := -pie -Wl,-z,relro,-z,now
LDFLAGS_asan := -fsanitize=address,undefined
LDFLAGS_tsan := -fsanitize=thread
LDFLAGS_cov := --coverage
CFLAGS += -std=gnu11 -D_GNU_SOURCE -I. -fPIE -fvisibility=hidden $(WARN) $(GCC_WARN) $(CFLAGS_$(VARIANT)) $(PKG_CFLAGS)
LDFLAGS += $(LDFLAGS_$(VARIANT))
LDLIBS += -Wl,--as-needed $(PKG_LIBS) -lz -lpthread

LIB_SRC := $(sort $(wildcard base/*.c secrets/*.c github/*.c runner/*.c plan/*.c webhooks/*.c))
LIB_SRC := $(filter-out runner/job_init.c,$(LIB_SRC))
CMD_SRC := $(sort $(wildcard cmd/*.c cmd/sim/*.c))
TEST_SRC := $(sort $(wildcard tests/unit/*/test_*.c tests/component/test_*.c))
LIB_OBJ := $(LIB_SRC:%.c=$(B)/%.o)
CMD_OBJ := $(CMD_SRC:%.c=$(B)/%.o)
TESTS := $(TEST_SRC:tests/%.c=$(B)/tests/%)

.PHONY: all
all: $(B)/sluice $(B)/sluice-job-init

$(B)/libsluice.a: $(LIB_OBJ)
	@rm -f $@
	@ar rcs $@ $^
$(B)/sluice: $(CMD_OBJ) $(B)/libsluice.a
	$(CC) $(LDFLAGS) -o $@ $(CMD_OBJ) $(B)/libsluice.a $(LDLIBS)
$(B)/sluice-job-init: runner/job_init.c
	@mkdir -p $(@D)
	$(CC) -std=gnu11 -D_GNU_SOURCE -I. $(WARN) -O2 -static -o $@ $<
$(B)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) -MMD -MP -c -o $@ $<
# helpers shared by tests: tests/support/*.c
SUPPORT_OBJ := $(patsubst %.c,$(B)/%.o,$(sort $(wildcard tests/support/*.c)))
$(B)/tests/%: $(B)/tests/%.o $(SUPPORT_OBJ) $(B)/libsluice.a
	$(CC) $(LDFLAGS) -o $@ $< $(SUPPORT_OBJ) $(B)/libsluice.a $(LDLIBS) -lcmocka
.SECONDARY:

-include $(shell find $(B) -name '*.d' 2>/dev/null)
