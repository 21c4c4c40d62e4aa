/* What the engines read, sluice has to read, too: a block that only they see would move a state, or bring a provider along, behind a reviewer's back.
 * Odd files, each with a backend or a provider that the engine's own `init` complains about when it sees it. */
#include "plan/hygiene.h"

#include "base/fs.h"
#include "runner/provider_rule.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

#define EVIL "terraform {\n  backend \"evil\" {}\n}\n"
#define LATER "locals {\n  b = <<E\nE\n}\n"
#define REQUIRES(entry) "terraform {\n  required_providers {\n" entry "\n  }\n}\n"

static char root[] = "/tmp/sluice-engines.XXXXXX";
static char *engines[2];

static void find_engines(void)
{
	const char *parts = getenv("SLUICE_PARTS");
	CLEANUP_FREE char *tofu = fs_join(parts != NULL ? parts : "parts", "bin/tofu");
	static const char *const dirs[] = {"/usr/local/bin/terraform", "/usr/bin/terraform"};
	for (size_t i = 0; engines[0] == NULL && i < ARRAY_LEN(dirs); i++)
		engines[0] = fs_exists(dirs[i]) ? xstrdup(dirs[i]) : NULL;
	engines[1] = fs_exists(tofu) ? realpath(tofu, NULL) : NULL;
}

/* What `init` says of a directory with this one file. */
static void init(const char *engine, const char *name, const char *text, size_t len, struct buf *ret)
{
	struct err err;
	CLEANUP_FREE char *dir = fs_join(root, "w");
	CLEANUP_FREE char *file = fs_join(dir, name);
	CLEANUP_FREE char *rc = fs_join(root, "rc");
	CLEANUP_FREE char *command = xasprintf("cd %s && CHECKPOINT_DISABLE=1 TF_CLI_CONFIG_FILE=%s %s init -no-color -input=false 2>&1", dir, rc, engine);
	static const char settings[] = "provider_installation {\n  filesystem_mirror {\n    path = \"/nonexistent\"\n  }\n}\n";
	if (fs_remove_tree(dir, &err) != 0 || fs_mkdir_p(dir, 0755, &err) != 0 || fs_write_fast(file, text, len, 0644, &err) != 0 ||
	    fs_write_fast(rc, settings, sizeof(settings) - 1, 0644, &err) != 0)
		fail_msg("%s", err.msg);
	FILE *f = popen(command, "r");
	assert_non_null(f);
	char bytes[4096];
	for (size_t n; (n = fread(bytes, 1, sizeof(bytes), f)) > 0;)
		buf_add(ret, bytes, n);
	(void)pclose(f); /* init fails in every case */
}

struct odd {
	const char *name, *text;
	size_t len; /* 0: of the string */
};

static bool sees_backend(const struct odd *o, size_t len, bool tofu)
{
	struct tf_dir d = {0};
	struct backend_place p;
	tf_dir_add(&d, o->name, o->text, len);
	backend_place_read(&d, tofu, &p);
	bool sees = p.unclear != NULL || (p.type != NULL && strcmp(p.type, "evil") == 0);
	backend_place_free(&p);
	tf_dir_free(&d);
	return sees;
}

static void backends(void **state)
{
	static const struct odd odd[] = {
		{"m.tf", EVIL, 0},
		{"m.tf", "\xef\xbb\xbf" EVIL, 0},
		{"m.tf", "terraform {\n  backend \"\\u0065vil\" {}\n}\n", 0},
		{"m.tf", "terraform {\n  backend evil {}\n}\n", 0},
		{"m.tf", "locals {\n  a = \"$$${\"\n}\n" EVIL, 0},
		{"m.tf", "locals {\n  a = <<E\nx\n\x0b" "E\n}\n" EVIL LATER, 0},
		{"m.tf", "locals {\n  a = <<E\nx\n\xc2\xa0" "E\n}\n" EVIL LATER, 0},
		{"m.tf", "locals {\n  a = <<E\nx\n\xe3\x80\x80" "E\n}\n" EVIL LATER, 0},
		{"m.tf", "locals {\n  a = <<E\nx\nE\xe2\x80\x83\n}\n" EVIL LATER, 0},
		{"m.tf", "locals {\n  a = <<E\nx\n\xe2\x80\x8b" "E\n}\n" EVIL LATER, 0},
		{"m.tf", "locals {\n  a = <<E\n$\nE\n}\n" EVIL, 0},
		{"m.tf", "locals {\n  a = <<E\nx$\nE\n}\n" EVIL LATER, 0},
		{"m.tf", "locals {\n  a = <<E\n${[\nE\n]}\nE\n}\n" EVIL, 0},
		{"m.tf", "locals {\n  a = <<E\nx\rE\n}\n" EVIL LATER, 0},
		{"m.tf", "# x\r" EVIL, 0},
		{"m.tf", "/* /* */" EVIL, 0},
		{"m.tf", EVIL "/* x", 0},
		{"m.tf", "locals {\n a = \"${1 /* } \" */ }\"\n}\n" EVIL, 0},
		{"m.tf", "locals {\n a = \"%{ if true }}%{ endif }\"\n}\n" EVIL, 0},
		{"m.tf", "# \0\n" EVIL, sizeof("# \0\n" EVIL) - 1},
		{"m.tf", "terraform\n{\n backend \"evil\" {}\n}\n", 0},
		{"m.tf.json", "{\"terraform\":{},\"terraform\":{\"b\\u0061ckend\":{\"evil\":{}}}}", 0},
		{"m.tf.json", "[{\"terraform\":[{\"backend\":[{\"evil\":[{}]}]}]}]", 0},
		{"m.tf.json", "{\"terraform\":{\"backend\":{\"local\":{}},\"backend\":{\"evil\":{}}}}", 0},
		{"m.tf.json", "{\"locals\":{\"a\":\"\\ud800\"},\"terraform\":{\"backend\":{\"evil\":{}}}}", 0},
	};
	size_t seen = 0;
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(odd); i++)
		for (int tofu = 0; tofu < 2; tofu++) {
			CLEANUP_BUF struct buf said = {0};
			size_t len = odd[i].len != 0 ? odd[i].len : strlen(odd[i].text);
			if (engines[tofu] == NULL)
				continue;
			init(engines[tofu], odd[i].name, odd[i].text, len, &said);
			bool engine = strstr(buf_str(&said), "backend type") != NULL;
			seen += engine;
			if (engine && !sees_backend(&odd[i], len, tofu != 0))
				fail_msg("only %s sees it in: %s", engines[tofu], odd[i].text);
		}
	assert_true(seen > 10); /* else init says it in other words by now */
}

static void providers(void **state)
{
	static const struct odd odd[] = {
		{"m.tf", REQUIRES("x = { source = \"evil/x\" }"), 0},
		{"m.tf", REQUIRES("x = { \"source\" : \"evil/x\" }"), 0},
		{"m.tf", REQUIRES("x = { (\"source\") = \"evil/x\" }"), 0},
		{"m.tf", REQUIRES("x = { source = true ? \"evil/x\" : \"good/x\" }"), 0},
		{"m.tf", REQUIRES("x = { source = \"evil/x\", source = \"good/x\" }"), 0},
		{"m.tf", REQUIRES("x = { source = \"EVIL/x\" }"), 0},
		{"m.tf", REQUIRES("x = { source = \"\\u0065vil/x\" }"), 0},
		{"m.tf", "resource \"evilx_y\" \"z\" {}\n", 0},
		{"m.tf", "resource evilx_y z {}\n", 0},
		{"m.tf", "ephemeral \"evilx_y\" \"z\" {}\n", 0},
		{"m.tf", "provider \"evilx\" {}\n", 0},
		{"m.tf", "resource \"aws_y\" \"z\" {\n provider = evilx\n}\n", 0},
		{"m.tf", "resource \"aws_y\" \"z\" {\n provider = \"evilx.a\"\n}\n", 0},
		{"m.tf", "import {\n to = evilx_y.z\n id = \"1\"\n}\n", 0},
		{"m.tf", "check \"c\" {\n data \"evilx_y\" \"z\" {}\n assert {\n condition = true\n error_message = \"x\"\n }\n}\n", 0},
		{"m.tf.json", "{\"terraform\":{\"required_providers\":{\"x\":{\"source\":\"good/x\",\"source\":\"evil/x\"}}}}", 0},
		{"m.tf.json", "{\"terraform\":[{\"required_providers\":[{\"x\":{\"source\":\"evil/x\"}}]}]}", 0},
		{"m.tf.json", "{\"resource\":[{\"evilx_y\":[{\"z\":[{}]}]}]}", 0},
		{"m.tf.json", "{\"provider\":[{\"evilx\":[{}]}]}", 0},
		{"m.tf.json", "{\"import\":[{\"to\":\"${evilx_y.z}\",\"id\":\"1\"}]}", 0},
	};
	static const char *const registries[] = {PROVIDER_REGISTRY_TERRAFORM, PROVIDER_REGISTRY_OPENTOFU};
	size_t seen = 0;
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(odd); i++)
		for (int tofu = 0; tofu < 2; tofu++) {
			CLEANUP_BUF struct buf said = {0};
			struct tf_dir d = {0};
			struct provider_needs needs = {0};
			if (engines[tofu] == NULL)
				continue;
			init(engines[tofu], odd[i].name, odd[i].text, strlen(odd[i].text), &said);
			bool engine = strstr(buf_str(&said), "evil/x") != NULL || strstr(buf_str(&said), "hashicorp/evilx") != NULL;
			seen += engine;
			tf_dir_add(&d, odd[i].name, odd[i].text, strlen(odd[i].text));
			provider_needs_read(&d, &needs);
			CLEANUP_FREE char *why = hygiene_providers(&needs, &registries[tofu], 1, "good/*\nhashicorp/aws");
			provider_needs_free(&needs);
			tf_dir_free(&d);
			if (engine && why == NULL)
				fail_msg("only %s sees it in: %s", engines[tofu], odd[i].text);
		}
	assert_true(seen > 10);
}

int main(void)
{
	find_engines();
	if (engines[0] == NULL && engines[1] == NULL) {
		print_message("skipped: no engine\n");
		return 0;
	}
	if (mkdtemp(root) == NULL)
		return 1;
	const struct CMUnitTest tests[] = {cmocka_unit_test(backends), cmocka_unit_test(providers)};
	int rc = cmocka_run_group_tests_name("hygiene_engines", tests, NULL, NULL);
	free(engines[0]);
	free(engines[1]);
	return fs_remove_tree(root, NULL) == 0 ? rc : 1;
}
