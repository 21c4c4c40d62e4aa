/* An App from a manifest in the simulated GitHub: from the form over the button to an App whose key works. */
#include "base/json.h"
#include "tests/component/sim_fixture.h"
#include "tests/component/sim_jwt.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static const char new_app[] = "/settings/apps/new?state=s%20t";

static int post_form(struct sim_fixture *f, const char *path, const char *manifest, const char *origin)
{
	struct buf body CLEANUP_BUF = {0};
	buf_adds(&body, "x=1&manifest=");
	text_url_segment(&body, manifest);
	f->type = "application/x-www-form-urlencoded";
	f->origin = origin;
	int status = sim_fixture_call(f, "POST", path, buf_str(&body));
	f->type = f->origin = NULL;
	return status;
}

/* The address that the page's button leads to. The caller frees. */
static char *button(struct sim_fixture *f)
{
	const char *at = strstr(buf_str(&f->body), "action=\"");
	assert_non_null(at);
	return xstrndup(at + 8, strcspn(at + 8, "\""));
}

static char *conversion(struct sim_fixture *f)
{
	static const char back[] = "http://127.0.0.1:9/setup?code=";
	assert_memory_equal(f->location, back, strlen(back));
	assert_string_equal(strchr(f->location, '&'), "&state=s%20t");
	const char *code = f->location + strlen(back);
	return xasprintf("/app-manifests/%.*s/conversions", (int)strcspn(code, "&"), code);
}

static char *unquoted(struct sim_fixture *f, const char *pem)
{
	struct json_doc *doc = NULL;
	struct json root;
	const char *text;
	assert_int_equal(json_parse(buf_str(&f->body), f->body.len, NULL, &doc, &root, &f->err), 0);
	assert_int_equal(json_str(&root, pem, 8192, &text, &f->err), 0);
	char *copy = xstrdup(text);
	json_doc_free(doc);
	return copy;
}

static const char good[] = "{\"name\":\"My Sluice\",\"url\":\"https://example.com\",\"redirect_url\":\"http://127.0.0.1:9/setup\",\"public\":false,"
			   "\"hook_attributes\":{\"url\":\"http://127.0.0.1:9/hook\"},\"default_permissions\":{\"checks\":\"write\"},"
			   "\"default_events\":[\"push\",\"check_run\"]}";

static void from_the_form_to_a_token(void **state)
{
	struct sim_fixture f;
	(void)state;
	sim_fixture_start(&f, NULL);
	assert_int_equal(post_form(&f, new_app, good, "http://127.0.0.1:9"), 200); /* another server's page */
	assert_non_null(strstr(buf_str(&f.body), "My Sluice"));
	CLEANUP_FREE char *press = button(&f), *code = xstrdup(strstr(press, "offer=") + 6);
	CLEANUP_FREE char *early = xasprintf("/app-manifests/%s/conversions", code);
	assert_int_equal(sim_fixture_call(&f, "POST", early, NULL), 404); /* nobody has said yes */
	f.origin = "http://127.0.0.1:9";
	assert_int_equal(sim_fixture_call(&f, "POST", press, ""), 403);   /* and nobody's page may */
	f.origin = NULL;
	assert_int_equal(sim_fixture_raw(&f, "POST", press), 302);
	CLEANUP_FREE char *path = conversion(&f);
	assert_int_equal(sim_fixture_call(&f, "POST", path, NULL), 201);
	assert_string_equal(sim_fixture_member(&f, "slug"), "\"my-sluice\"");
	assert_string_equal(sim_fixture_member(&f, "permissions"), "{\"checks\":\"write\",\"metadata\":\"read\"}");
	assert_string_equal(sim_fixture_member(&f, "events"), "[\"push\",\"check_run\"]");
	CLEANUP_FREE char *pem = unquoted(&f, "pem"), *id = xstrdup(sim_fixture_member(&f, "id")), *secret = unquoted(&f, "webhook_secret");
	assert_int_equal(strlen(secret), 40);
	char claims[160];
	int64_t now = clock_wall_ms() / 1000;
	(void)snprintf(claims, sizeof(claims), "{\"iss\":%s,\"iat\":%lld,\"exp\":%lld}", id, (long long)now, (long long)now + 300);
	struct buf key CLEANUP_BUF = {0};
	buf_adds(&key, pem);
	CLEANUP_FREE char *jwt = sim_jwt_of(&key, "{\"alg\":\"RS256\"}", claims);
	assert_int_equal(sim_fixture_call_as(&f, jwt, "GET", "/app", NULL), 200);
	assert_int_equal(sim_fixture_call_as(&f, jwt, "GET", "/repos/" REPO "/installation", NULL), 404); /* it is installed nowhere yet */
	assert_int_equal(sim_fixture_call(&f, "POST", path, NULL), 404);  /* once */
	assert_int_equal(sim_fixture_call(&f, "POST", press, ""), 422);
	sim_fixture_stop(&f);
}

static void wrong_manifests_are_refused(void **state)
{
	static const char *const bad[] = {
		"", "{", "[]", "{\"name\":\"x\",\"url\":\"https://e\"}", "{\"url\":\"https://e\",\"redirect_url\":\"http://e\"}",
		"{\"name\":\"x\",\"url\":\"https://e\",\"redirect_url\":\"javascript:alert(1)\"}",
		"{\"name\":\"x\",\"url\":\"https://e\",\"redirect_url\":\"http://e\",\"default_permissions\":{\"magic\":\"read\"}}",
		"{\"name\":\"x\",\"url\":\"https://e\",\"redirect_url\":\"http://e\",\"hook_attributes\":{}}",
		"{\"name\":\"a name that is longer than thirty-four\",\"url\":\"https://e\",\"redirect_url\":\"http://e\"}",
	};
	struct sim_fixture f;
	(void)state;
	sim_fixture_start(&f, NULL);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(post_form(&f, new_app, bad[i], NULL), 422);
	assert_int_equal(post_form(&f, "/organizations/acme/settings/apps/new", good, NULL), 200);
	assert_int_equal(sim_fixture_call(&f, "GET", new_app, NULL), 200);
	assert_int_equal(sim_fixture_call(&f, "POST", "/app-manifests/nothing/conversions", NULL), 404);
	sim_fixture_stop(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(from_the_form_to_a_token),
		cmocka_unit_test(wrong_manifests_are_refused),
	};
	return cmocka_run_group_tests(tests, sim_fixture_warm_up, NULL);
}
