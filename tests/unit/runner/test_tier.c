/* The judge over recorded answers of the battery: what each wrong answer costs, and that none can be left out. */
#include "base/fs.h"
#include "base/text.h"
#include "runner/tier_priv.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

static struct strlist full; /* lines of a box without a fault */

static void lines_of(const char *name, struct strlist *ret)
{
	const char *root = getenv("SLUICE_ROOT");
	struct err err = {0};
	CLEANUP_BUF struct buf text = {0};
	CLEANUP_FREE char *path = xasprintf("%s/tests/fixtures/tier/%s", root != NULL ? root : ".", name);
	if (fs_read(path, 65536, &text, &err) != 0)
		fail_msg("%s", err.msg);
	text_split_lines(buf_str(&text), ret);
}

/* The full box, with this line instead of the one of that name; without '=': that line is left out. */
static void judge_with(const char *line, struct tier_report *ret)
{
	CLEANUP_BUF struct buf text = {0};
	size_t n = strcspn(line, "="), changed = 0;
	for (size_t i = 0; i < full.n; i++) {
		bool same = strncmp(full.v[i], line, n) == 0 && full.v[i][n] == '=';
		changed += same;
		if (!same)
			buf_printf(&text, "%s\n", full.v[i]);
		else if (line[n] == '=')
			buf_printf(&text, "%s\n", line);
	}
	assert_int_equal(changed, 1);
	tier_judge(buf_str(&text), ret);
}

static const struct tier_finding *finding(const struct tier_report *r, const char *name)
{
	for (size_t i = 0; i < r->n; i++)
		if (strcmp(r->v[i].name, name) == 0)
			return &r->v[i];
	fail_msg("no finding %s", name);
	return NULL;
}

static void box_without_a_fault_is_full(void **state)
{
	(void)state;
	struct tier_report r;
	CLEANUP_FREE char *text = text_join_lines(&full);
	tier_judge(text, &r);
	if (r.tier != TIER_FULL)
		fail_msg("%s", r.why);
	assert_null(r.why);
	assert_int_equal(r.n, 19);
	for (size_t i = 0; i < r.n; i++) {
		assert_true(r.v[i].ok);
		assert_null(r.v[i].fix);
		assert_true(r.v[i].seen[0] != '\0');
	}
	tier_report_free(&r);
}

static const struct {
	const char *line, *finding;
	enum tier tier;
} prices[] = {
	{"descriptors=7:directory", "descriptors", TIER_NONE},
	{"environment=HOME SLUICE_CANARY_BAIT PATH", "environment", TIER_NONE},
	{"environ_first=212 bytes", "environment", TIER_NONE},
	{"environ_parent=1 bytes", "environment", TIER_NONE},
	{"memory_first=yes", "environment", TIER_NONE},
	{"user=0:0", "user", TIER_NONE},
	{"become_root=yes", "user", TIER_NONE},
	{"capabilities=effective 0000000000000001", "capabilities", TIER_NONE},
	{"bounding=41", "capabilities", TIER_REDUCED},
	{"pid=4711", "processes", TIER_NONE},
	{"processes=85", "processes", TIER_NONE},
	{"processes_in_proc=80", "processes", TIER_NONE},
	{"bait_process=EPERM", "processes", TIER_NONE},
	{"bait_process=no bait", "processes", TIER_NONE},
	{"trace_parent=yes", "processes", TIER_NONE},
	{"read_parent=EFAULT", "processes", TIER_NONE},
	{"bait_file=yes", "host files", TIER_NONE},
	{"bait_file=EACCES", "host files", TIER_NONE},
	{"secrets=/etc/shadow", "host files", TIER_NONE},
	{"devices=/dev/kvm", "host files", TIER_NONE},
	{"system_files=/sys", "host files", TIER_NONE},
	{"homes=2", "host files", TIER_NONE},
	{"write_root=yes", "read-only", TIER_NONE},
	{"write_plugins=yes", "read-only", TIER_NONE},
	{"write_programs=terraform", "read-only", TIER_NONE},
	{"write_work=ENOSPC", "workspace", TIER_NONE},
	{"network=1", "network", TIER_NONE},
	{"network=ENOPROTOOPT", "namespaces", TIER_REDUCED},
	{"interfaces=lo eth0", "network", TIER_NONE},
	{"bait_tcp=yes", "network", TIER_NONE},
	{"bait_tcp=EINPROGRESS", "network", TIER_NONE},
	{"bait_tcp=ECONNREFUSED", "landlock", TIER_REDUCED},
	{"tcp_proxy_port_out=EINPROGRESS", "network", TIER_NONE},
	{"udp_out=yes", "network", TIER_NONE},
	{"bait_abstract=yes", "network", TIER_NONE},
	{"bait_socket=yes", "network", TIER_NONE},
	{"owner_of_devices=0", "namespaces", TIER_REDUCED},
	{"hostname=server1", "namespaces", TIER_REDUCED},
	{"control_group=0::/system.slice/sluice.service", "namespaces", TIER_REDUCED},
	{"nested_unshare=yes", "nested namespaces", TIER_REDUCED},
	{"nested_clone=yes", "nested namespaces", TIER_REDUCED},
	{"nested_clone3=yes", "nested namespaces", TIER_REDUCED},
	{"outside_isolation=reduced", "nested namespaces", TIER_REDUCED},
	{"seccomp=0", "system calls", TIER_REDUCED},
	{"no_new_privs=0", "system calls", TIER_REDUCED},
	{"io_uring=yes", "system calls", TIER_REDUCED},
	{"bpf=EINVAL", "system calls", TIER_REDUCED},
	{"vsock=yes", "system calls", TIER_REDUCED},
	{"mptcp=yes", "system calls", TIER_REDUCED},
	{"tiocsti_high=ENOTTY", "system calls", TIER_REDUCED},
	{"mount=ENODEV", "mounts", TIER_REDUCED},
	{"device=yes", "mounts", TIER_REDUCED},
	{"set_user_id=yes", "mounts", TIER_REDUCED},
	{"mount_flags=/work is without", "mounts", TIER_REDUCED},
	{"shell=/bin/sh", "programs", TIER_NONE},
	{"execute_work=ENOEXEC", "programs", TIER_REDUCED},
	{"execute_memory=ENOEXEC", "programs", TIER_REDUCED},
	{"landlock=-1", "landlock", TIER_REDUCED},
	{"listen=yes", "landlock", TIER_REDUCED},
	{"device_command=ENOTTY", "landlock", TIER_REDUCED},
	{"signal_first=yes", "landlock", TIER_REDUCED},
	{"signal_parent=yes", "landlock", TIER_REDUCED},
	{"limit_core=none", "limits", TIER_REDUCED},
	{"limit_processes=96365", "limits", TIER_REDUCED},
	{"room_bytes=no tmpfs", "limits", TIER_REDUCED},
	{"room_files=0x", "limits", TIER_REDUCED},
	{"room_files=100001", "limits", TIER_REDUCED},
	{"tty=yes", "terminal", TIER_REDUCED},
	{"outside_control_group=none", "control group", TIER_BOUNDED},
	{"outside_control_group=v3", "control group", TIER_BOUNDED},
	{"end=no", "box", TIER_NONE},
	{"box=broke", "box", TIER_NONE},
};

static void each_wrong_answer_has_its_price(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(prices); i++) {
		struct tier_report r;
		judge_with(prices[i].line, &r);
		const struct tier_finding *f = finding(&r, prices[i].finding);
		if (f->ok || r.tier != prices[i].tier || f->at_most != prices[i].tier || r.why == NULL)
			fail_msg("%s: %s, %s", prices[i].line, tier_name(r.tier), r.why != NULL ? r.why : "fine");
		if (!text_starts(r.why, prices[i].finding))
			fail_msg("%s: %s", prices[i].line, r.why);
		CLEANUP_FREE char *probe = xasprintf("%.*s: ", (int)strcspn(prices[i].line, "="), prices[i].line);
		for (size_t k = 0; k < r.n; k++) /* and nothing is blamed for anything else */
			if (!r.v[k].ok && &r.v[k] != f && !text_starts(r.v[k].seen, probe))
				fail_msg("%s: also %s", prices[i].line, r.v[k].name);
		tier_report_free(&r);
	}
}

/* A kernel that knows less of Landlock is held to what it knows. */
static void older_landlock_is_enough(void **state)
{
	(void)state;
	CLEANUP_BUF struct buf text = {0};
	for (size_t i = 0; i < full.n; i++) {
		const char *l = full.v[i];
		if (text_starts(l, "landlock="))
			l = "landlock=2";
		else if (text_starts(l, "bait_tcp="))
			l = "bait_tcp=ECONNREFUSED";
		else if (text_starts(l, "listen="))
			l = "listen=yes";
		else if (text_starts(l, "signal_first="))
			l = "signal_first=yes";
		else if (text_starts(l, "signal_parent="))
			l = "signal_parent=yes";
		else if (text_starts(l, "device_command="))
			l = "device_command=ENOTTY";
		buf_printf(&text, "%s\n", l);
	}
	struct tier_report r;
	tier_judge(buf_str(&text), &r);
	if (r.tier != TIER_FULL)
		fail_msg("%s", r.why);
	tier_report_free(&r);
}

static void nothing_can_be_left_out(void **state)
{
	(void)state;
	for (size_t i = 0; i < full.n; i++) {
		struct tier_report r;
		CLEANUP_FREE char *name = xstrndup(full.v[i], strcspn(full.v[i], "="));
		judge_with(name, &r);
		bool compared = text_starts(name, "outside_"); /* what it is compared with is blamed */
		if (r.tier == TIER_FULL || (!compared && strstr(r.why, "not answered") == NULL))
			fail_msg("without %s: %s, %s", name, tier_name(r.tier), r.why != NULL ? r.why : "fine");
		tier_report_free(&r);
	}
}

static void nothing_can_be_said_twice(void **state)
{
	(void)state;
	for (size_t i = 0; i < full.n; i++) {
		struct tier_report r;
		CLEANUP_FREE char *all = text_join_lines(&full);
		CLEANUP_FREE char *twice = xasprintf("%s\n%s\n", all, full.v[i]);
		tier_judge(twice, &r);
		if (r.tier == TIER_FULL)
			fail_msg("%s", full.v[i]);
		tier_report_free(&r);
	}
}

static void cut_text_is_no_box(void **state)
{
	(void)state;
	CLEANUP_FREE char *all = text_join_lines(&full);
	size_t len = strlen(all);
	for (size_t n = 0; n + 1 < len; n += 7) {
		struct tier_report r;
		CLEANUP_FREE char *cut = xstrndup(all, n);
		tier_judge(cut, &r);
		if (r.tier != TIER_NONE)
			fail_msg("%zu bytes: %s", n, tier_name(r.tier));
		tier_report_free(&r);
	}
}

static void host_itself_is_no_box(void **state)
{
	(void)state;
	struct strlist lines = {0};
	struct tier_report r;
	lines_of("nothing.txt", &lines);
	CLEANUP_FREE char *text = text_join_lines(&lines);
	tier_judge(text, &r);
	assert_int_equal(r.tier, TIER_NONE);
	size_t bad = 0;
	for (size_t i = 0; i < r.n; i++)
		bad += !r.v[i].ok;
	assert_int_equal(bad, 15); /* all but that it ran, could write, and had a control group and no terminal */
	assert_string_equal(
		finding(&r, "network")->seen,
		"network: 3; interfaces: lo eth0; bait_tcp: EINPROGRESS; tcp_out: EINPROGRESS; tcp_proxy_port_out: EINPROGRESS; "
		"udp_out: yes; dns_out: yes; bait_abstract: yes; bait_socket: yes");
	tier_report_free(&r);
	strlist_free(&lines);
}

static void report_survives_being_written(void **state)
{
	(void)state;
	static const char *const lines[] = {"end=yes", "seccomp=0", "descriptors=3:directory", "outside_control_group=none"};
	for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
		struct tier_report r, back;
		struct err err = {0};
		CLEANUP_BUF struct buf json = {0};
		judge_with(lines[i], &r);
		assert_int_equal(tier_report_write(&r, &json), 0);
		if (tier_report_read(buf_str(&json), json.len, &back, &err) != 0)
			fail_msg("%s", err.msg);
		assert_int_equal(back.tier, r.tier);
		assert_int_equal(back.n, r.n);
		assert_true((back.why == NULL) == (r.why == NULL));
		if (r.why != NULL)
			assert_string_equal(back.why, r.why);
		for (size_t k = 0; k < r.n; k++) {
			assert_string_equal(back.v[k].name, r.v[k].name);
			assert_string_equal(back.v[k].seen, r.v[k].seen);
			assert_int_equal(back.v[k].ok, r.v[k].ok);
			assert_int_equal(back.v[k].at_most, r.v[k].at_most);
			assert_true((back.v[k].fix == NULL) == (r.v[k].fix == NULL));
		}
		tier_report_free(&r);
		tier_report_free(&back);
	}
}

static void report_that_claims_too_much_is_refused(void **state)
{
	(void)state;
	static const struct {
		const char *json, *error;
	} cases[] = {
		{"{\"tier\":\"full\",\"why\":null,\"findings\":[]}", "findings: there are none"},
		{"{\"tier\":\"full\",\"findings\":[{\"name\":\"a\",\"ok\":false,\"at_most\":\"none\",\"seen\":\"x\"}]}",
		 "\"full\" is not what its findings say"},
		{"{\"tier\":\"best\",\"findings\":[{\"name\":\"a\",\"ok\":true,\"at_most\":\"full\",\"seen\":\"x\"}]}",
		 "\"best\" is no tier"},
		{"{\"tier\":\"full\",\"findings\":[{\"name\":\"a\",\"ok\":1,\"at_most\":\"full\",\"seen\":\"x\"}]}",
		 "expected true or false"},
		{"{\"tier\":\"full\"}", "findings"},
		{"full", "report of the canary"},
		{"", "report of the canary"},
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct tier_report r = {.n = 99};
		struct err err = {0};
		assert_true(tier_report_read(cases[i].json, strlen(cases[i].json), &r, &err) != 0);
		if (strstr(err.msg, cases[i].error) == NULL)
			fail_msg("%s: %s", cases[i].json, err.msg);
		assert_int_equal(r.n, 99);
	}
}

static void fix_fits_the_host(void **state)
{
	(void)state;
	static const struct {
		struct tier_host host;
		const char *fix;
	} cases[] = {
		{{false, true, -1, 1000, -1, false}, "apt-get install bubblewrap"},
		{{false, false, 0, 0, 1, false}, "apt-get install bubblewrap"},
		{{true, false, -1, 1000, -1, false}, "make install"},
		{{true, true, 0, 1000, -1, false}, "kernel.unprivileged_userns_clone=1"},
		{{true, true, 0, 1000, -1, true}, "bwrap --unshare-all"}, /* root is not meant by it */
		{{true, true, 1, 0, -1, false}, "user.max_user_namespaces="},
		{{true, true, -1, 0, -1, true}, "user.max_user_namespaces="},
		{{true, true, 1, 1000, 1, false}, "AppArmor"},
		{{true, true, 1, 1000, 1, true}, "bwrap --unshare-all"},
		{{true, true, 1, 1000, 0, false}, "bwrap --unshare-all"},
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		if (strstr(tier_box_fix(&cases[i].host), cases[i].fix) == NULL)
			fail_msg("case %zu: %s", i, tier_box_fix(&cases[i].host));
}

static int set_up(void **state)
{
	(void)state;
	lines_of("full.txt", &full);
	return full.n > 90 ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	strlist_free(&full);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(box_without_a_fault_is_full),
		cmocka_unit_test(each_wrong_answer_has_its_price),
		cmocka_unit_test(older_landlock_is_enough),
		cmocka_unit_test(nothing_can_be_left_out),
		cmocka_unit_test(nothing_can_be_said_twice),
		cmocka_unit_test(cut_text_is_no_box),
		cmocka_unit_test(host_itself_is_no_box),
		cmocka_unit_test(report_survives_being_written),
		cmocka_unit_test(report_that_claims_too_much_is_refused),
		cmocka_unit_test(fix_fits_the_host),
	};
	return cmocka_run_group_tests_name("tier", tests, set_up, tear_down);
}
