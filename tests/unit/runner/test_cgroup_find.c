/* Where groups can be made, on hosts of every make: their files of /proc and their groups stand below a directory of this test. */
#include "base/fs.h"
#include "runner/cgroup_priv.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char root[] = "/tmp/test-cgroup-find-XXXXXX";

#define V2_MOUNT "30 23 0:26 / /sys/fs/cgroup rw,nosuid,nodev,noexec,relatime shared:4 - cgroup2 cgroup2 rw,nsdelegate,memory_recursiveprot\n"
#define OTHERS "22 27 0:21 / /proc rw,relatime - proc proc rw\n23 27 0:22 / /sys rw,relatime shared:2 - sysfs sysfs rw\n"
#define UNIT "/sys/fs/cgroup/system.slice/sluice.service"
#define V1(name) "32 31 0:29 / /sys/fs/cgroup/" name " rw,relatime - cgroup cgroup rw," name "\n"
#define V1_CPU "33 31 0:30 / /sys/fs/cgroup/cpu\\054cpuacct rw,relatime - cgroup cgroup rw,cpu,cpuacct\n"

struct file {
	const char *path, *text; /* text NULL: a directory */
};

static void put(const struct file *f)
{
	struct err err = {0};
	CLEANUP_FREE char *path = xasprintf("%s%s", root, f->path);
	CLEANUP_FREE char *dir = xstrdup(path);
	*strrchr(dir, '/') = '\0';
	int rc = fs_mkdir_p(f->text != NULL ? dir : path, 0755, &err);
	if (rc == 0 && f->text != NULL)
		rc = fs_write_fast(path, f->text, strlen(f->text), 0644, &err);
	if (rc != 0)
		fail_msg("%s", err.msg);
}

static void empty(void)
{
	struct err err = {0};
	if (fs_remove_tree(root, &err) != 0)
		fail_msg("%s", err.msg);
	assert_int_equal(mkdir(root, 0755), 0);
}

struct row {
	const char *name;
	struct file files[12];
	enum cgroup_kind kind;
	const char *dir[CG_DIRS];
	const char *why; /* a part of it */
	bool leaf, enabled, whole;
};

#define GROUP(dir, have, on) {dir "/cgroup.controllers", have}, {dir "/cgroup.subtree_control", on}, {dir "/cgroup.procs", ""}, {dir "/cgroup.type", "domain\n"}

static const struct row rows[] = {
	{"systemd, divided by the daemon; its runner is in the leaf",
	 {{"/proc/self/cgroup", "0::/system.slice/sluice.service/daemon\n"},
	  {"/proc/self/mountinfo", OTHERS V2_MOUNT},
	  {UNIT "/daemon", NULL},
	  GROUP(UNIT, "cpu memory pids\n", "cpu memory pids\n")},
	 .kind = CGROUP_V2, .dir = {UNIT}, .leaf = true, .enabled = true},
	{"the daemon itself before that",
	 {{"/proc/self/cgroup", "0::/system.slice/sluice.service\n"}, {"/proc/self/mountinfo", OTHERS V2_MOUNT}, GROUP(UNIT, "cpu memory pids\n", "")},
	 .dir = {UNIT}, .why = "is not divided: the daemon does that when it starts"},
	{"a login session of root",
	 {{"/proc/self/cgroup", "0::/user.slice/user-0.slice/session-3.scope\n"},
	  {"/proc/self/mountinfo", OTHERS V2_MOUNT},
	  GROUP("/sys/fs/cgroup/user.slice/user-0.slice/session-3.scope", "memory pids\n", "")},
	 .dir = {"/sys/fs/cgroup/user.slice/user-0.slice/session-3.scope"}, .why = "`Delegate=memory pids cpu`"},
	{"a unit without the controllers",
	 {{"/proc/self/cgroup", "0::/system.slice/sluice.service\n"}, {"/proc/self/mountinfo", OTHERS V2_MOUNT}, GROUP(UNIT, "pids\n", "")},
	 .why = "was not given the controllers memory and pids"},
	{"a container whose root is a part of the host's tree",
	 {{"/proc/self/cgroup", "0::/\n"},
	  {"/proc/self/mountinfo", "900 899 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup rw\n"},
	  GROUP("/sys/fs/cgroup", "memory pids\n", "memory pids\n")},
	 .kind = CGROUP_V2, .dir = {"/sys/fs/cgroup"}, .enabled = true},
	{"no systemd: everything is in the root of all",
	 {{"/proc/self/cgroup", "0::/\n"},
	  {"/proc/self/mountinfo", V2_MOUNT},
	  {"/sys/fs/cgroup/cgroup.controllers", "cpu memory pids\n"},
	  {"/sys/fs/cgroup/cgroup.subtree_control", ""},
	  {"/sys/fs/cgroup/cgroup.procs", "1\n"}},
	 .kind = CGROUP_V2, .dir = {"/sys/fs/cgroup"}, .whole = true},
	{"a path outside of the cgroup namespace", {{"/proc/self/cgroup", "0::/../elsewhere\n"}, {"/proc/self/mountinfo", V2_MOUNT}}, .why = "no control groups with memory and pids are mounted"},
	{"both versions, memory in the first",
	 {{"/proc/self/cgroup", "9:name=systemd:/\n8:pids:/\n4:memory:/own/group\n2:cpu,cpuacct:/\n0::/\n"},
	  {"/proc/self/mountinfo", OTHERS V1("memory") V1("pids") V1_CPU "41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n"},
	  {"/sys/fs/cgroup/memory/own/group", NULL},
	  {"/sys/fs/cgroup/pids", NULL},
	  {"/sys/fs/cgroup/cpu,cpuacct", NULL},
	  {"/sys/fs/cgroup/unified/cgroup.controllers", "hugetlb\n"},
	  {"/sys/fs/cgroup/unified/cgroup.subtree_control", ""}},
	 .kind = CGROUP_V1, .dir = {"/sys/fs/cgroup/memory/own/group", "/sys/fs/cgroup/pids", "/sys/fs/cgroup/cpu,cpuacct"}},
	{"version 1 with a hierarchy per controller",
	 {{"/proc/self/cgroup", "8:pids:/\n4:memory:/\n2:cpuacct:/\n1:cpu:/\n"},
	  {"/proc/self/mountinfo", OTHERS V1("memory") V1("pids") V1("cpuacct") V1("cpu")},
	  {"/sys/fs/cgroup/memory", NULL},
	  {"/sys/fs/cgroup/pids", NULL},
	  {"/sys/fs/cgroup/cpuacct", NULL},
	  {"/sys/fs/cgroup/cpu", NULL}},
	 .kind = CGROUP_V1, .dir = {"/sys/fs/cgroup/memory", "/sys/fs/cgroup/pids", "/sys/fs/cgroup/cpuacct", "/sys/fs/cgroup/cpu"}},
	{"version 1 in a container that sees the host's paths",
	 {{"/proc/self/cgroup", "8:pids:/docker/abc\n4:memory:/docker/abc\n2:cpuacct:/docker/abc/in\n"},
	  {"/proc/self/mountinfo", "1 0 0:1 /docker/abc /m rw - cgroup cgroup rw,memory\n1 0 0:1 /docker/abc /p rw - cgroup cgroup rw,pids\n"
				   "1 0 0:1 /docker/abc /c\\040d rw - cgroup cgroup rw,cpuacct\n"},
	  {"/m", NULL}, {"/p", NULL}, {"/c d/in", NULL}},
	 .kind = CGROUP_V1, .dir = {"/m", "/p", "/c d/in"}},
	{"version 1 without pids",
	 {{"/proc/self/cgroup", "4:memory:/\n2:cpu,cpuacct:/\n"}, {"/proc/self/mountinfo", V1("memory") V1_CPU}, {"/sys/fs/cgroup/memory", NULL}},
	 .why = "no control groups with memory and pids are mounted"},
	{"version 1 whose directory is not to be written to",
	 {{"/proc/self/cgroup", "8:pids:/\n4:memory:/gone\n2:cpu,cpuacct:/\n"}, {"/proc/self/mountinfo", V1("memory") V1("pids") V1_CPU}},
	 .why = "memory/gone is not ours to divide: run sluice as root"},
	{"no /proc", {{"/other", ""}}, .why = "mount /proc"},
	{"files that are not what they should be", {{"/proc/self/cgroup", "\n:\n::\n0\n0:"}, {"/proc/self/mountinfo", "- - -\n1 2 3 4 5\n\n - cgroup2 x y\n\\"}}, .why = "no control groups"},
};

static void hosts(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct row *r = &rows[i];
		empty();
		for (const struct file *f = r->files; f->path != NULL; f++)
			put(f);
		struct cgroup_base b;
		cgroup_base_find(root, &b);
		if (b.kind != r->kind || (b.why == NULL) != (r->why == NULL) || (r->why != NULL && strstr(b.why, r->why) == NULL))
			fail_msg("%s: kind %d, \"%s\"", r->name, (int)b.kind, b.why != NULL ? b.why : "");
		for (size_t k = 0; k < CG_DIRS; k++) {
			CLEANUP_FREE char *want = r->dir[k] != NULL ? xasprintf("%s%s", root, r->dir[k]) : NULL;
			if ((want == NULL) != (b.dir[k] == NULL) || (want != NULL && strcmp(want, b.dir[k]) != 0))
				fail_msg("%s: directory %zu is %s", r->name, k, b.dir[k] != NULL ? b.dir[k] : "none");
		}
		if (b.leaf != r->leaf || b.enabled != r->enabled || b.whole != r->whole)
			fail_msg("%s: leaf %d, enabled %d, whole %d", r->name, b.leaf, b.enabled, b.whole);
		cgroup_base_free(&b);
	}
}

static void memory_has_the_lowest_ceiling_on_the_way_up(void **state)
{
	(void)state;
	static const struct { const char *name; struct file files[8]; int64_t want; } cases[] = {
		{"of an ancestor",
		 {{"/proc/self/cgroup", "0::/a/b/daemon\n"}, {"/proc/self/mountinfo", V2_MOUNT}, {"/sys/fs/cgroup/a/b/daemon/memory.max", "max\n"},
		  {"/sys/fs/cgroup/a/b/memory.max", "2000000000\n"}, {"/sys/fs/cgroup/a/memory.max", "1000000000\n"}},
		 1000000000},
		{"of our own", {{"/proc/self/cgroup", "0::/a\n"}, {"/proc/self/mountinfo", V2_MOUNT}, {"/sys/fs/cgroup/a/memory.max", "5000\n"}}, 5000},
		{"of a container's root", {{"/proc/self/cgroup", "0::/\n"}, {"/proc/self/mountinfo", V2_MOUNT}, {"/sys/fs/cgroup/memory.max", "7000\n"}}, 7000},
		{"none", {{"/proc/self/cgroup", "0::/a\n"}, {"/proc/self/mountinfo", V2_MOUNT}, {"/sys/fs/cgroup/a/memory.max", "max\n"}}, 0},
		{"version 1 writes none as a large number",
		 {{"/proc/self/cgroup", "4:memory:/a\n"}, {"/proc/self/mountinfo", V1("memory")}, {"/sys/fs/cgroup/memory/a/memory.limit_in_bytes", "9223372036854771712\n"}}, 0},
		{"version 1",
		 {{"/proc/self/cgroup", "4:memory:/a\n"}, {"/proc/self/mountinfo", V1("memory")}, {"/sys/fs/cgroup/memory/memory.limit_in_bytes", "4096000\n"},
		  {"/sys/fs/cgroup/memory/a/memory.limit_in_bytes", "9223372036854771712\n"}}, 4096000},
		{"nothing mounted", {{"/proc/self/cgroup", ""}, {"/proc/self/mountinfo", ""}}, 0},
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		empty();
		for (const struct file *f = cases[i].files; f->path != NULL; f++)
			put(f);
		int64_t got = cgroup_memory_ceiling_at(root);
		if (got != cases[i].want)
			fail_msg("%s: %lld", cases[i].name, (long long)got);
	}
}

static void numbers_and_words(void **state)
{
	(void)state;
	static const struct { const char *text; int64_t n; } numbers[] = {
		{"0\n", 0}, {"17", 17}, {"max\n", INT64_MAX}, {"9223372036854775807", INT64_MAX}, {"99999999999999999999999", INT64_MAX}, {"", -1}, {"-1", -1}, {"x", -1},
	};
	for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
		assert_int_equal(cgroup_number(numbers[i].text), numbers[i].n);
	static const char events[] = "low 0\noom 3\noom_kill 2\noom_group_kill 1";
	assert_int_equal(cgroup_field(events, "oom"), 3);
	assert_int_equal(cgroup_field(events, "oom_kill"), 2);
	assert_int_equal(cgroup_field(events, "oom_group_kill"), 1);
	assert_int_equal(cgroup_field(events, "max"), -1);
	assert_int_equal(cgroup_field("", "max"), -1);
	assert_true(cgroup_has_word("cpu memory pids\n", "pids"));
	assert_true(cgroup_has_word("rw,cpu,cpuacct", "cpu"));
	assert_false(cgroup_has_word("rw,cpu,cpuacct", "acct"));
	assert_false(cgroup_has_word("", "cpu"));
	assert_false(cgroup_has_word("memory_x", "memory"));
}

static void only_those_of_dead_makers_are_swept(void **state)
{
	(void)state;
	empty();
	CLEANUP_FREE char *mine = xasprintf("/sluice-job-1.%d", (int)getpid());
	const struct file files[] = {{mine, NULL}, {"/sluice-job-2.2147483646", NULL}, {"/sluice-job-3.2147483646/in", NULL}, {"/sluice-job-4", NULL},
				     {"/sluice-job-5.", NULL}, {"/sluice-job-6.99999999999", NULL}, {"/other-job.2147483646", NULL}, {"/daemon", NULL}};
	for (size_t i = 0; i < ARRAY_LEN(files); i++)
		put(&files[i]);
	cgroup_sweep_dir(root);
	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		CLEANUP_FREE char *path = xasprintf("%s%s", root, files[i].path);
		assert_int_equal(fs_is_dir(path), i != 1);
	}
}

/* Nothing to do here, or nothing that is ours to do: a test does not divide the group that it runs in. */
static void dividing_leaves_alone_what_was_not_given_to_us(void **state)
{
	(void)state;
	struct cgroup_base b;
	cgroup_base_find("", &b);
	bool v1 = b.kind == CGROUP_V1;
	cgroup_base_free(&b);
	if (!v1) {
		print_message("only where version 1 has the controllers\n");
		skip();
	}
	struct err err = {0};
	char before[CGROUP_TEXT], after[CGROUP_TEXT];
	assert_true(cgroup_text("/proc/self", "cgroup", before));
	assert_int_equal(cgroup_move_self(&err), 0);
	assert_true(cgroup_text("/proc/self", "cgroup", after));
	assert_string_equal(before, after);
}

static int setup(void **state)
{
	(void)state;
	return mkdtemp(root) != NULL ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	struct err err = {0};
	return fs_remove_tree(root, &err);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hosts),
		cmocka_unit_test(memory_has_the_lowest_ceiling_on_the_way_up),
		cmocka_unit_test(numbers_and_words),
		cmocka_unit_test(only_those_of_dead_makers_are_swept),
		cmocka_unit_test(dividing_leaves_alone_what_was_not_given_to_us),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
