/* May a connection go to this address: rules, pins and what no rule opens, without a socket. */
#include "runner/egress_priv.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static const char rules_text[] = "open.test:443\n"
				 "pinned.test:443=10.1.0.0/16\n"
				 "both.test:443\n"
				 "both.test:443=10.1.0.0/16\n"
				 "two.test:443=10.1.0.0/16\n"
				 "two.test:443=fd00::/16\n"
				 "*.wide.test:443=10.0.0.0/8\n"
				 "a.wide.test:443=192.168.0.0/16\n"
				 "*.wide.test:443\n"
				 "fixed.test:443=10.9.9.9:8443\n"
				 "link.test:443=169.254.0.0/16";

static const struct {
	const char *host, *address;
	enum egress_verdict verdict;
	const char *why; /* begins so */
} rows[] = {
	{"open.test", "1.1.1.1", VERDICT_OK, ""},
	{"open.test", "2606:4700::1111", VERDICT_OK, ""},
	{"open.test", "10.1.0.1", VERDICT_NOT_PUBLIC,
	 "open.test:443 is at 10.1.0.1, which is not public: it is for private use (RFC 1918); if this is meant, pin it: open.test:443=10.1.0.1"},
	{"open.test", "127.0.0.1", VERDICT_NOT_PUBLIC, "open.test:443 is at 127.0.0.1, which is not public: it is a loopback address"},
	{"open.test", "0.0.0.0", VERDICT_NOT_PUBLIC, "open.test:443 is at 0.0.0.0"},
	{"open.test", "::", VERDICT_NOT_PUBLIC, "open.test:443 is at ::"},
	{"open.test", "::1", VERDICT_NOT_PUBLIC, "open.test:443 is at ::1"},
	{"open.test", "::ffff:1.1.1.1", VERDICT_NOT_PUBLIC,
	 "open.test:443 is at ::ffff:1.1.1.1, which is not public: it is an IPv4 address in disguise"},
	{"open.test", "64:ff9b::101:101", VERDICT_NOT_PUBLIC, "open.test:443 is at 64:ff9b::101:101"},
	{"open.test", "169.254.169.254", VERDICT_METADATA,
	 "open.test:443 is at 169.254.169.254, the metadata service of a cloud, which no rule opens"},
	{"open.test", "fd00:ec2::254", VERDICT_METADATA, "open.test:443 is at fd00:ec2::254"},
	{"pinned.test", "10.1.255.255", VERDICT_OK, ""},
	{"pinned.test", "10.2.0.0", VERDICT_OUTSIDE_PIN, "pinned.test:443 is at 10.2.0.0, which is outside of the pin of its rule"},
	{"pinned.test", "1.1.1.1", VERDICT_OUTSIDE_PIN, ""},
	{"pinned.test", "::ffff:10.1.0.1", VERDICT_OUTSIDE_PIN, ""},
	{"both.test", "1.1.1.1", VERDICT_OK, ""},
	{"both.test", "10.1.2.3", VERDICT_OK, ""},
	{"both.test", "10.2.2.3", VERDICT_NOT_PUBLIC, ""},
	{"two.test", "10.1.2.3", VERDICT_OK, ""},
	{"two.test", "fd00::1", VERDICT_OK, ""},
	{"two.test", "fd01::1", VERDICT_OUTSIDE_PIN, ""},
	{"b.wide.test", "10.200.0.1", VERDICT_OK, ""},
	{"b.wide.test", "8.8.8.8", VERDICT_OK, ""},
	{"a.wide.test", "192.168.1.1", VERDICT_OK, ""},
	{"a.wide.test", "10.200.0.1", VERDICT_OUTSIDE_PIN, ""}, /* the rule for the whole name counts alone */
	{"a.wide.test", "8.8.8.8", VERDICT_OUTSIDE_PIN, ""},
	{"fixed.test", "10.9.9.9", VERDICT_OK, ""},
	{"link.test", "169.254.1.1", VERDICT_OK, ""},
	{"link.test", "169.254.169.254", VERDICT_METADATA, ""}, /* a range around it does not open it */
	{"link.test", "169.254.170.2", VERDICT_METADATA, ""},
};

static struct address address_of(const char *text)
{
	struct address a = {.v6 = strchr(text, ':') != NULL, .port = 443};
	assert_int_equal(inet_pton(a.v6 ? AF_INET6 : AF_INET, text, a.bytes), 1);
	return a;
}

static void verdicts(void **state)
{
	struct egress_rules rules;
	struct err err = {0};
	const struct egress_deny none = {0};
	(void)state;
	assert_int_equal(egress_rules_parse(rules_text, &rules, &err), 0);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct egress_match m;
		struct address a = address_of(rows[i].address);
		CLEANUP_BUF struct buf why = {0};
		assert_true(egress_rules_match(&rules, rows[i].host, 443, &m));
		enum egress_verdict v = egress_judge(&m, &a, &none, &why);
		if (v != rows[i].verdict || strncmp(buf_str(&why), rows[i].why, strlen(rows[i].why)) != 0)
			fail_msg("%s at %s: %s, %s", rows[i].host, rows[i].address, egress_verdict_word(v), buf_str(&why));
		assert_int_equal(why.len == 0, v == VERDICT_OK);
	}
	egress_rules_free(&rules);
}

static void own_listeners(void **state)
{
	static const struct {
		const char *deny, *address;
		bool denied;
	} cases[] = {
		{"10.9.9.9:443", "10.9.9.9", true},  {"10.9.9.9:444", "10.9.9.9", false},
		{"10.9.9.8:443", "10.9.9.9", false}, {"1.2.3.4:1\n[fd00::5]:443", "fd00::5", true},
		{"0.0.0.0:443", "127.0.0.1", true},  {"0.0.0.0:443", "127.9.9.9", true}, /* all of it is this host */
		{"0.0.0.0:443", "1.1.1.1", false},   {"0.0.0.0:443", "::1", false},      /* that listener is not reached by IPv6 */
		{"[::]:443", "127.0.0.1", true},     {"[::]:443", "2606:4700::1111", false},
		{"127.0.0.1:443", "0.0.0.0", true},  {"10.0.0.1:443", "::", true},
	};
	struct egress_rules rules;
	struct egress_match m;
	(void)state;
	assert_int_equal(egress_rules_parse("fixed.test:443=10.9.9.9:443", &rules, NULL), 0); /* even then */
	assert_true(egress_rules_match(&rules, "fixed.test", 443, &m));
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct egress_deny deny;
		struct address a = address_of(cases[i].address);
		CLEANUP_BUF struct buf why = {0};
		assert_int_equal(egress_deny_parse(cases[i].deny, &deny, NULL), 0);
		enum egress_verdict v = egress_judge(&m, &a, &deny, &why);
		if ((v == VERDICT_OWN_LISTENER) != cases[i].denied)
			fail_msg("%s, %s: %s", cases[i].deny, cases[i].address, egress_verdict_word(v));
		egress_deny_free(&deny);
	}
	egress_rules_free(&rules);
	struct egress_deny deny;
	struct err err = {0};
	assert_int_equal(egress_deny_parse("localhost:443", &deny, &err), ERR_PARSE);
	assert_string_equal(err.msg, "\"localhost\" is not an IP address");
}

static void each_verdict_has_a_word(void **state)
{
	(void)state;
	for (int v = 0; v < VERDICTS; v++) {
		const char *word = egress_verdict_word((enum egress_verdict)v);
		assert_non_null(word);
		for (int k = 0; k < v; k++)
			assert_string_not_equal(word, egress_verdict_word((enum egress_verdict)k));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(verdicts),
		cmocka_unit_test(own_listeners),
		cmocka_unit_test(each_verdict_has_a_word),
	};
	return cmocka_run_group_tests_name("egress_judge", tests, NULL, NULL);
}
