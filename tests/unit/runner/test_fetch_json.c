/* The order and the answer of `sluice fetch`: both ways, and what is none. */
#include "runner/fetch_priv.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define TRAFFIC ",\"connections\":1,\"refused\":2,\"bytes_out\":3,\"bytes_in\":4"

static void orders_and_answers(void **state)
{
	(void)state;
	struct fetch_order o = {.data_dir = xstrdup("/d"), .engine = ENGINE_OPENTOFU, .engine_path = xstrdup("/e"), .tree_dir = xstrdup("/t"), .dir = xstrdup("."),
				.download = true, .timeout_ms = 20000};
	struct fetch_order again;
	struct err err = {0};
	struct fetch_result r;
	CLEANUP_BUF struct buf json = {0};
	o.isolation_min = TIER_BOUNDED;
	o.ca_file = xstrdup("/ca");
	o.egress_deny = xstrdup("127.0.0.1:80");
	fetch_order_write(&o, &json);
	assert_int_equal(fetch_order_read(buf_str(&json), json.len, &again, &err), 0);
	assert_string_equal(again.tree_dir, o.tree_dir);
	assert_string_equal(again.ca_file, "/ca");
	assert_string_equal(again.egress_deny, "127.0.0.1:80");
	assert_null(again.mirror_dir);
	assert_true(again.download && again.isolation_min == TIER_BOUNDED && again.timeout_ms == 20000 && again.engine == ENGINE_OPENTOFU);
	fetch_order_free(&again);
	fetch_order_free(&o);
	static const char *const orders[] = {"", "{}", "[]", "{\"data_dir\":1}", "{\"data_dir\":\"/x\",\"engine_path\":\"/e\",\"tree_dir\":\"/t\",\"dir\":\".\",\"engine\":\"none\"}"};
	for (size_t i = 0; i < ARRAY_LEN(orders); i++)
		assert_int_equal(fetch_order_read(orders[i], strlen(orders[i]), &again, &err), ERR_PARSE);
	static const char *const answers[] = {"", "{}", "{\"code\":0}", "{\"code\":-5" TRAFFIC "}", "{\"code\":7" TRAFFIC "}", "{\"code\":0,\"downloads\":0,\"notes\":[1]" TRAFFIC "}",
				       "{\"code\":-5,\"error\":\"no\"}"};
	for (size_t i = 0; i < ARRAY_LEN(answers); i++)
		assert_int_equal(fetch_answer_read(answers[i], strlen(answers[i]), &r, &err), ERR_PARSE);
	static const char no[] = "{\"code\":-5,\"error\":\"no\"" TRAFFIC "}";
	assert_int_equal(fetch_answer_read(no, strlen(no), &r, &err), ERR_REFUSED);
	assert_string_equal(err.msg, "no");
	assert_int_equal(r.traffic.connections + 10 * r.traffic.refused + 100 * r.traffic.bytes_out + 1000 * r.traffic.bytes_in, 4321);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(orders_and_answers)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
