/* The arguments of bubblewrap: what must always be there, what must never be, in which order. */
#include "base/fs.h"
#include "base/limits.h"
#include "runner/box_args.h"
#include "runner/project_look.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char root[] = "/tmp/test-box-XXXXXX";
static struct job_spec spec;
static size_t copied; /* files of the last order */
static char dot[] = ".", deep[] = "live/app", dflt[] = "default", prod[] = "prod", engine[] = "/opt/terraform", mirror[] = "/opt/mirror";

static void put(const char *name)
{
	struct err err = {0};
	CLEANUP_FREE char *path = fs_join(root, name);
	CLEANUP_FREE char *dir = xstrndup(path, (size_t)(strrchr(path, '/') - path));
	assert_int_equal(fs_mkdir_p(dir, 0700, &err), 0);
	assert_int_equal(fs_write_fast(path, "", 0, 0600, &err), 0);
}

/* All arguments of an order, each between spaces. */
static char *joined(const struct box_order *o)
{
	struct err err = {0};
	struct strlist args = {0};
	struct box_copies copies = {0};
	struct buf out = {0};
	if (box_args(o, &args, &copies, &err) != 0)
		fail_msg("%s", err.msg);
	copied = copies.n;
	box_copies_close(&copies);
	buf_addc(&out, ' ');
	for (size_t i = 0; i < args.n; i++)
		buf_printf(&out, "%s ", args.v[i]);
	strlist_free(&args);
	return buf_take(&out);
}

static size_t holds(const char *all, const char *part)
{
	CLEANUP_FREE char *spaced = xasprintf(" %s ", part);
	const char *p = strstr(all, spaced);
	if (p == NULL)
		fail_msg("no \"%s\" in%s", part, all);
	return p == NULL ? 0 : (size_t)(p - all);
}

static void lacks(const char *all, const char *part)
{
	if (strstr(all, part) != NULL)
		fail_msg("\"%s\" in%s", part, all);
}

static struct box_order order(char *dir, char *workspace)
{
	spec = (struct job_spec){.dir = dir,
				 .workspace = workspace,
				 .engine = ENGINE_TERRAFORM,
				 .engine_path = engine,
				 .tree_dir = root,
				 .managed_state = true,
				 .memory_max = 1 << 20,
				 .workspace_max = 1 << 20,
				 .files_max = 1000,
				 .processes_max = 64};
	return (struct box_order){.spec = &spec, .job_init = "/opt/job-init"};
}

static void closed_on_every_side(void **state)
{
	(void)state;
	struct box_order o = order(dot, dflt);
	CLEANUP_FREE char *all = joined(&o);
	static const char *const always[] = {
		"--unshare-all",
		"--unshare-user",
		"--die-with-parent",
		"--new-session",
		"--clearenv",
		"--cap-drop ALL",
		"--uid 65534 --gid 65534",
		"--ro-bind /tmp/root /",
		"--remount-ro /dev",
		"--dev-bind /tmp/dev /dev",
		"--bind /tmp/tmp /tmp",
		"--bind /tmp/home /home",
		"--bind /tmp/work /work",
		"--setenv PATH /bin",
		"--setenv TF_DATA_DIR /tmp/tfdata",
		"--setenv HOME /home",
		"--chdir /work",
	};
	for (size_t i = 0; i < ARRAY_LEN(always); i++)
		holds(all, always[i]);
	static const char *const never[] = {"--share-net", "--dev /dev", "TF_WORKSPACE",
					    BOX_PLAN_IN,   "PROXY",      "terraform.tfstate", "--proc",   "/usr"};
	for (size_t i = 0; i < ARRAY_LEN(never); i++)
		lacks(all, never[i]);
}

static void weaker_only_when_told(void **state)
{
	(void)state;
	struct box_order o = order(dot, dflt);
	spec.profile = PROFILE_COMPAT;
	CLEANUP_FREE char *before = joined(&o);
	holds(before, "--proc /proc");
	o.no_proc = true;
	CLEANUP_FREE char *all = joined(&o);
	lacks(all, "--proc");
	holds(all, "--unshare-user");
}

/* The orders of the launcher, each between spaces. */
static char *orders_of(const struct box_order *o)
{
	struct buf out = {0};
	buf_addc(&out, ' ');
	box_launch_orders(o, "/usr/bin/bwrap", 77, 200001, &out);
	for (size_t i = 0; i < out.len; i++)
		out.data[i] = out.data[i] == '\0' ? ' ' : out.data[i];
	return buf_take(&out);
}

static void compat_shows_the_hosts_programs(void **state)
{
	(void)state;
	struct box_order o = order(dot, dflt);
	spec.profile = PROFILE_COMPAT;
	CLEANUP_FREE char *all = joined(&o), *orders = orders_of(&o);
	holds(all, "--dev /dev --bind /tmp/shm /dev/shm");
	holds(all, "--setenv PATH /opt/sluice:/usr/local/bin:/usr/bin:/bin");
	holds(orders, "bind=root/usr:/usr");
	holds(orders, "link=root/bin:usr/bin");
	holds(orders, "dir=root/proc");
	holds(orders, "bind=root/opt/sluice/terraform:/opt/terraform");
	holds(orders, "bind=root/opt/sluice/job-init:/opt/job-init");
	spec.engine = ENGINE_NONE;
	static char host[] = "/usr/bin/true", other[] = "/srv/tool";
	spec.engine_path = host;
	CLEANUP_FREE char *shown = orders_of(&o), *there = box_program(&spec);
	lacks(shown, ":/usr/bin/true");
	assert_string_equal(there, host);
	spec.engine_path = other;
	CLEANUP_FREE char *bound = orders_of(&o);
	holds(bound, "bind=root/opt/sluice/tool:/srv/tool");
}

static void orders_of_the_launcher(void **state)
{
	(void)state;
	struct box_order o = order(deep, dflt);
	static char rules[] = "a.example:443", lock[] = "/locks/1", store[] = "/data/store", ca[] = "/etc/ca.pem";
	o.net = -1;
	o.plan = "p";
	o.plan_len = 1;
	spec.mirror_dir = mirror;
	spec.store_dir = store;
	spec.lock_file = lock;
	spec.ca_file = ca;
	CLEANUP_FREE char *all = orders_of(&o), *tree = xasprintf("bind=tree:%s", root), *work = xasprintf("bind=root/work:%s", root);
	static const char *const want[] = {"parent=77", "bwrap=/usr/bin/bwrap", "uid=200001", "nested=1", "size=1048576", "inodes=1000",
					   "bind=root/bin/job-init:/opt/job-init", "bind=root/bin/terraform:/opt/terraform", "bind=root/plugins:/opt/mirror",
					   "bind=root/store:/data/store", "bind=lock:/locks/1", "file=root/etc/tfrc:7", "file=root/etc/passwd:8",
					   "bind=root/etc/ssl/certs/ca-certificates.crt:/etc/ca.pem", "bind=root/plan/plan.bin:/dev/null", "bind=dev/null:/dev/null",
					   "arg=/bin/job-init arg=strict arg=no-net arg=64 arg=4194304 arg=/bin/terraform"};
	for (size_t i = 0; i < ARRAY_LEN(want); i++)
		holds(all, want[i]);
	holds(all, tree);
	holds(all, work);
	static const char *const never[] = {"/usr:", "root/proc", "root/lib", "dev/tty", "dev/pts"};
	for (size_t i = 0; i < ARRAY_LEN(never); i++)
		lacks(all, never[i]);
	CLEANUP_FREE char *args = joined(&o);
	holds(args, "--ro-bind /tmp/lock /work/live/app/.terraform.lock.hcl");
	assert_int_equal(copied, 2); /* not the tree's own lock file */
	spec.egress = rules;
	CLEANUP_FREE char *net = joined(&o);
	holds(net, "--setenv HTTPS_PROXY http://127.0.0.1:3128");
	holds(net, "--setenv https_proxy http://127.0.0.1:3128");
}

static void fetched_modules(void **state)
{
	(void)state;
	struct box_order o = order(deep, dflt);
	struct err err = {0};
	struct strlist args = {0};
	struct box_copies copies = {0};
	CLEANUP_FREE char *set = fs_join(root, "set"), *bind = xasprintf("bind=root/modules:%s/files", set);
	spec.modules_dir = set;
	assert_int_not_equal(box_args(&o, &args, &copies, &err), 0); /* the set is gone */
	assert_non_null(strstr(err.msg, "set/modules.json"));
	strlist_free(&args);
	box_copies_close(&copies);
	put("set/modules.json");
	CLEANUP_FREE char *all = joined(&o), *orders = orders_of(&o);
	assert_true(holds(all, "--bind /tmp/tmp /tmp") < holds(all, "--dir /tmp/tfdata/modules --file"));
	holds(all, "/tmp/tfdata/modules/modules.json");
	holds(orders, bind);
	CLEANUP_FREE char *list = fs_join(set, "modules.json");
	assert_int_equal(unlink(list), 0);
	assert_int_equal(rmdir(set), 0);
}

static void project_layer_comes_after_the_tree(void **state)
{
	(void)state;
	struct box_order o = order(deep, prod);
	spec.mirror_dir = mirror;
	o.state = "s";
	o.state_len = 1;
	o.plan = "p";
	o.plan_len = 1;
	CLEANUP_FREE char *all = joined(&o);
	static const char big[] = "--ro-bind /tmp/tree/live/app/big.zip /work/live/app/big.zip";
	static const char sub[] = "--ro-bind /tmp/tree/live/app/sub /work/live/app/sub";
	size_t at_root = holds(all, "--ro-bind /tmp/root /"), at_layer = holds(all, "--bind /tmp/work /work/live/app"), at_file = holds(all, "/work/live/app/main.tf");
	size_t at_state = holds(all, "--dir /work/live/app/terraform.tfstate.d/prod --perms 0600 --file 9 "
				     "/work/live/app/terraform.tfstate.d/prod/terraform.tfstate");
	assert_true(at_root < at_layer && at_layer < at_file && at_layer < at_state);
	holds(all, sub);
	holds(all, big);
	lacks(all, "live/app/main.tf /work");
	lacks(all, "--ro-bind-data 10 /work");
	assert_int_equal(copied, 3); /* main.tf, the lock file and the script */
	const char *script = strstr(all, "/work/live/app/run.sh ");
	assert_non_null(script);
	const char *perms = strstr(all, "--perms 0755 --file ");
	assert_true(perms != NULL && script - perms >= 20 && script - perms < 26);
	holds(all, "--ro-bind-data 10 " BOX_PLAN_IN);
	holds(all, "--setenv TF_WORKSPACE prod");
	holds(all, "--chdir /work/live/app");
}

static void links_stay_links_and_tool_state_stays_out(void **state)
{
	(void)state;
	struct box_order o = order(deep, dflt);
	CLEANUP_FREE char *all = joined(&o);
	holds(all, "--symlink /etc/shadow /work/live/app/evil");
	lacks(all, "live/app/evil /work");
	static const char *const hidden[] = {"/.terraform ", "/terraform.tfstate ", "/terraform.tfstate.d ", "/errored.tfstate ", "/fifo "};
	for (size_t i = 0; i < ARRAY_LEN(hidden); i++)
		lacks(all, hidden[i]);
	holds(all, "/work/live/app/.terraform.lock.hcl");
	assert_true(project_has_lock_file(&spec));
	o = order(dot, dflt);
	assert_false(project_has_lock_file(&spec));
}

static void state_without_management_never_enters(void **state)
{
	(void)state;
	struct box_order o = order(deep, prod);
	spec.managed_state = false;
	o.state = "s";
	o.state_len = 1;
	CLEANUP_FREE char *all = joined(&o);
	lacks(all, "--file 9 ");
	lacks(all, "terraform.tfstate");
	holds(all, "--setenv TF_WORKSPACE prod");
}

static void state_paths(void **state)
{
	(void)state;
	static const struct {
		char *dir, *workspace;
		const char *want;
	} cases[] = {
		{dot, dflt, "/work/terraform.tfstate"},
		{deep, dflt, "/work/live/app/terraform.tfstate"},
		{dot, prod, "/work/terraform.tfstate.d/prod/terraform.tfstate"},
		{deep, prod, "/work/live/app/terraform.tfstate.d/prod/terraform.tfstate"},
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		(void)order(cases[i].dir, cases[i].workspace);
		CLEANUP_FREE char *path = box_state_path(&spec);
		assert_string_equal(path, cases[i].want);
	}
}

static void refused(char *dir, char *workspace, int code, const char *want)
{
	struct err err = {0};
	struct strlist args = {0};
	struct box_copies copies = {0};
	struct box_order o = order(dir, workspace);
	int rc = box_args(&o, &args, &copies, &err);
	box_copies_close(&copies);
	strlist_free(&args);
	if (rc != code || strstr(err.msg, want) == NULL)
		fail_msg("%s: %d, %s", dir, rc, err.msg);
}

static void names_that_are_refused(void **state)
{
	(void)state;
	static char nowhere[] = "nowhere", out[] = "..", absolute[] = "/etc", link[] = "link", many[] = "many", slash[] = "a/b",
		    empty[] = "", dots[] = "..";
	refused(nowhere, dflt, ERR_NOT_FOUND, "does not exist in this commit");
	refused(out, dflt, ERR_REFUSED, "out of the repository");
	refused(absolute, dflt, ERR_REFUSED, "out of the repository");
	refused(link, dflt, ERR_REFUSED, "symbolic link");
	refused(dot, slash, ERR_REFUSED, "workspace");
	refused(dot, empty, ERR_REFUSED, "workspace");
	refused(dot, dots, ERR_REFUSED, "workspace");
	for (unsigned i = 0; i <= LIMIT_PROJECT_ENTRIES; i++) {
		CLEANUP_FREE char *name = xasprintf("many/%u", i);
		put(name);
	}
	refused(many, dflt, ERR_LIMIT, "more than 2000 entries");
}

static void providers_from_one_place(void **state)
{
	(void)state;
	(void)order(dot, dflt);
	CLEANUP_BUF struct buf none = {0}, all = {0}, some = {0};
	char allow[] = "registry.terraform.io/hashicorp/*\nevil\" ]\na.example/b/c";
	box_engine_rc(&spec, &none);
	assert_non_null(strstr(buf_str(&none), "path = \"/nonexistent\""));
	spec.mirror_dir = mirror;
	box_engine_rc(&spec, &all);
	assert_non_null(strstr(buf_str(&all), "path = \"/plugins\""));
	assert_null(strstr(buf_str(&all), "direct"));
	assert_null(strstr(buf_str(&all), "include"));
	spec.provider_allow = allow;
	box_engine_rc(&spec, &some);
	assert_non_null(strstr(buf_str(&some), "include = [\"registry.terraform.io/hashicorp/*\", \"a.example/b/c\"]\n"));
	static char with_versions[] = "hashicorp/aws >= 5, < 6 h1:abcdefgh\n", unreadable[] = "evil\"]\nx";
	CLEANUP_BUF struct buf versions = {0}, nothing = {0};
	spec.provider_allow = with_versions;
	box_engine_rc(&spec, &versions);
	assert_non_null(strstr(buf_str(&versions), "include = [\"registry.terraform.io/hashicorp/aws\", \"registry.opentofu.org/hashicorp/aws\"]\n"));
	spec.provider_allow = unreadable; /* an empty list would allow all */
	box_engine_rc(&spec, &nothing);
	assert_non_null(strstr(buf_str(&nothing), "include = [\"nothing.invalid/none/none\"]\n"));
	spec.provider_allow = NULL;
}

static size_t words(const char *text)
{
	size_t n = 0;
	for (const char *p = text + 1; *p != '\0'; p += strcspn(p, " ") + 1)
		n++;
	return n;
}

/* The largest project of small programs: five arguments each, of which bubblewrap takes 9,000 in all. */
static void largest_project_of_programs(void **state)
{
	(void)state;
	static char programs[] = "programs";
	struct rlimit before, files;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	for (unsigned i = 0; i < LIMIT_PROJECT_ENTRIES; i++) {
		CLEANUP_FREE char *name = xasprintf("programs/%u", i), *path = fs_join(root, name);
		put(name);
		assert_int_equal(chmod(path, 0755), 0);
	}
	spec = (struct job_spec){.engine_path = engine, .tree_dir = root, .dir = programs, .workspace = dflt};
	const struct box_order o = {.spec = &spec, .net = -1};
	files = before;
	files.rlim_cur = before.rlim_max < 4096 ? before.rlim_max : 4096;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &files), 0);
	CLEANUP_FREE char *all = joined(&o);
	assert_true(words(all) < 9000 - 200); /* room for variables of its own */
	files.rlim_cur = 300;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &files), 0);
	CLEANUP_FREE char *few = joined(&o);
	assert_in_range(copied, 1, 300);
	holds(few, "--ro-bind /tmp/tree/programs/0 /work/programs/0");
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
}

int main(void)
{
	struct err err;
	if (mkdtemp(root) == NULL)
		return 1;
	static const char *const files[] = {"live/app/main.tf",
					    "live/app/sub/x.tf",
					    "live/app/.terraform.lock.hcl",
					    "live/app/.terraform/modules/modules.json",
					    "live/app/terraform.tfstate",
					    "live/app/terraform.tfstate.d/x",
					    "live/app/errored.tfstate"};
	for (size_t i = 0; i < ARRAY_LEN(files); i++)
		put(files[i]);
	CLEANUP_FREE char *evil = fs_join(root, "live/app/evil"), *fifo = fs_join(root, "live/app/fifo"), *link = fs_join(root, "link");
	CLEANUP_FREE char *big = fs_join(root, "live/app/big.zip"), *script = fs_join(root, "live/app/run.sh");
	put("live/app/run.sh");
	put("live/app/big.zip");
	if (chmod(script, 0755) != 0 || truncate(big, 256 * 1024 + 1) != 0)
		return 1;
	if (symlink("/etc/shadow", evil) != 0 || mkfifo(fifo, 0600) != 0 || symlink("live", link) != 0)
		return 1;
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(closed_on_every_side),
		cmocka_unit_test(weaker_only_when_told),
		cmocka_unit_test(compat_shows_the_hosts_programs),
		cmocka_unit_test(fetched_modules),
		cmocka_unit_test(orders_of_the_launcher),
		cmocka_unit_test(project_layer_comes_after_the_tree),
		cmocka_unit_test(links_stay_links_and_tool_state_stays_out),
		cmocka_unit_test(state_without_management_never_enters),
		cmocka_unit_test(state_paths),
		cmocka_unit_test(names_that_are_refused),
		cmocka_unit_test(providers_from_one_place),
		cmocka_unit_test(largest_project_of_programs),
	};
	int rc = cmocka_run_group_tests_name("box_args", tests, NULL, NULL);
	return fs_remove_tree(root, &err) != 0 ? 1 : rc;
}
