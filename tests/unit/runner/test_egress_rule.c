/* Rules of the network: the sentence for each bad one, what a name fits, and what covers what. */
#include "runner/egress_priv.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static const struct {
	const char *rule, *error; /* NULL: good */
} sentences[] = {
	{"sts.amazonaws.com:443", NULL},
	{"STS.Amazonaws.com.:443", NULL},
	{"sts.*.amazonaws.com:443", NULL},
	{"*.*.amazonaws.com:443", NULL},
	{"s3-*.amazonaws.com:443", NULL},
	{"vault:8200", NULL},
	{"xn--bcher-kva.example:443", NULL},
	{"state.corp.example:443=10.0.0.0/8", NULL},
	{"state.corp.example:443=10.1.2.3", NULL},
	{"state.corp.example:443=fd00::/8", NULL},
	{"state.corp.example:443=10.1.2.3:8443", NULL},
	{"state.corp.example:443=[fd00::1]:8443", NULL},
	{"*.amazonaws.com:443=127.0.0.1:5000", NULL},
	{"", "\"\" is not HOST:PORT"},
	{":443", "\":443\" is not HOST:PORT"},
	{"sts.amazonaws.com", "\"sts.amazonaws.com\" is not HOST:PORT: the port is missing"},
	{"sts.amazonaws.com:", "\"sts.amazonaws.com:\": a port is a number from 1 to 65535"},
	{"sts.amazonaws.com:0", "\"sts.amazonaws.com:0\": a port is a number from 1 to 65535"},
	{"sts.amazonaws.com:65536", "\"sts.amazonaws.com:65536\": a port is a number from 1 to 65535"},
	{"sts.amazonaws.com:0443", "\"sts.amazonaws.com:0443\": a port is a number from 1 to 65535"},
	{"sts.amazonaws.com:https", "\"sts.amazonaws.com:https\": a port is a number from 1 to 65535"},
	{"sts.amazonaws.com:*", "\"sts.amazonaws.com:*\": a port is a number from 1 to 65535"},
	{"https://a.example.com", "\"https://a.example.com\" is a URL: write HOST:PORT alone, as in \"a.example.com:443\""},
	{"https://a.example.com:8443/x", "\"https://a.example.com:8443/x\" is a URL: write HOST:PORT alone, as in \"a.example.com:443\""},
	{"a.example.com:443/x", "\"a.example.com:443/x\" has a path: a rule is HOST:PORT, what is asked for inside is encrypted"},
	{"me@a.example.com:443", "\"me@a.example.com:443\" names a user: a rule is HOST:PORT"},
	{"*", "\"*\" would open everything: name hosts, as in \"sts.*.amazonaws.com:443\""},
	{"*:443", "\"*:443\" is too wide: the last two labels of the host are written out, as in \"*.example.com:443\""},
	{"*.com:443", "\"*.com:443\" is too wide: the last two labels of the host are written out, as in \"*.example.com:443\""},
	{"a.*.com:443", "\"a.*.com:443\" is too wide: the last two labels of the host are written out, as in \"*.example.com:443\""},
	{"a.b.co*:443", "\"a.b.co*:443\" is too wide: the last two labels of the host are written out, as in \"*.example.com:443\""},
	{"a.x*.com:443", "\"a.x*.com:443\" is too wide: the last two labels of the host are written out, as in \"*.example.com:443\""},
	{"**.example.com:443", "\"**.example.com:443\": the host has more than one * in a label"},
	{"10.0.0.1:443", "\"10.0.0.1:443\": a rule names a host, not an address; HOST:PORT=ADDRESS:PORT says where HOST is"},
	{"2130706433:443", "\"2130706433:443\": a rule names a host, not an address; HOST:PORT=ADDRESS:PORT says where HOST is"},
	{"[::1]:443", "\"[::1]:443\": a rule names a host, not an address; HOST:PORT=ADDRESS:PORT says where HOST is"},
	{"0x7f.1:443", "\"0x7f.1:443\": the host is an address, or ends like one"},
	{"0x7f000001:443", "\"0x7f000001:443\": the host is an address, or ends like one"},
	{"127.0.0.0x1:443", "\"127.0.0.0x1:443\": the host is an address, or ends like one"},
	{"a..example.com:443", "\"a..example.com:443\": the host has an empty label"},
	{".example.com:443", "\".example.com:443\": the host has an empty label"},
	{"example.com..:443", "\"example.com..:443\": the host has an empty label"},
	{".:443", "\".:443\": the host is empty"},
	{"-a.example.com:443", "\"-a.example.com:443\": the host has a label that begins or ends with a hyphen"},
	{"a_b.example.com:443", "\"a_b.example.com:443\": the host holds a character that no host name has"},
	{"a b.example.com:443", "\"a b.example.com:443\": the host holds a character that no host name has"},
	{"b\xc3\xbc"
	 "cher.example:443",
	 "\"b\xc3\xbc"
	 "cher.example:443\": the host is not ASCII: write its xn-- form"},
	{"a.example.com:443=", "\"a.example.com:443=\": the pin behind =, which is CIDR or ADDRESS:PORT: \"\" is not an IP address"},
	{"a.example.com:443=b.example.com:443",
	 "\"a.example.com:443=b.example.com:443\": the pin behind =, which is CIDR or ADDRESS:PORT: \"b.example.com\" is not an IP address"},
	{"a.example.com:443=10.0.0.1/8",
	 "\"a.example.com:443=10.0.0.1/8\": the pin behind =, which is CIDR or ADDRESS:PORT: \"10.0.0.1/8\": bits are set behind the first 8"},
	{"a.example.com:443=0.0.0.0/0", "\"a.example.com:443=0.0.0.0/0\": a pin has at least 8 bits (IPv6: 7)"},
	{"a.example.com:443=::/0", "\"a.example.com:443=::/0\": a pin has at least 8 bits (IPv6: 7)"},
	{"a.example.com:443=169.254.169.254",
	 "\"a.example.com:443=169.254.169.254\": no rule opens the metadata service of a cloud: it hands out credentials"},
	{"a.example.com:443=169.254.169.254:80",
	 "\"a.example.com:443=169.254.169.254:80\": no rule opens the metadata service of a cloud: it hands out credentials"},
};

static void each_bad_rule_has_its_sentence(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(sentences); i++) {
		struct err err = {0};
		int rc = egress_rule_check(sentences[i].rule, &err);
		if ((rc != 0) != (sentences[i].error != NULL))
			fail_msg("%s: %s", sentences[i].rule, rc != 0 ? err.msg : "is taken");
		if (rc != 0)
			assert_string_equal(err.msg, sentences[i].error);
	}
}

static void lengths(void **state)
{
	char label[66], out[HOST_MAX + 1];
	CLEANUP_BUF struct buf host = {0};
	(void)state;
	memset(label, 'a', sizeof(label));
	assert_null(egress_host_read(label, 63, false, out));
	assert_string_equal(egress_host_read(label, 64, false, out), "has a label of more than 63 characters");
	for (int i = 0; i < 3; i++)
		buf_printf(&host, "%.63s.", label);
	buf_printf(&host, "%.61s", label);
	assert_int_equal(host.len, 253);
	assert_null(egress_host_read(host.data, host.len, false, out));
	assert_string_equal(out, host.data);
	buf_addc(&host, '.'); /* the one dot at the end does not count */
	assert_null(egress_host_read(host.data, host.len, false, out));
	host.data[253] = 'a';
	assert_string_equal(egress_host_read(host.data, host.len, false, out), "has more than 253 characters");
	assert_string_equal(egress_host_read("a\0b.example.com", 15, false, out), "holds a NUL");
	assert_string_equal(egress_host_read("*.example.com", 13, false, out), "holds a character that no host name has");
}

static void names_fit(void **state)
{
	static const struct {
		const char *pattern, *host;
		bool fits;
	} rows[] = {
		{"a.example.com", "a.example.com", true},
		{"a.example.com", "b.example.com", false},
		{"a.example.com", "example.com", false},
		{"example.com", "a.example.com", false},
		{"*.example.com", "a.example.com", true},
		{"*.example.com", "a.b.example.com", false},
		{"*.example.com", "example.com", false},
		{"*.example.com", "evilexample.com", false},
		{"*.example.com", "a.example.com.evil.com", false},
		{"*.*.example.com", "a.b.example.com", true},
		{"sts.*.amazonaws.com", "sts.eu-west-1.amazonaws.com", true},
		{"sts.*.amazonaws.com", "sts.amazonaws.com", false},
		{"s3-*.amazonaws.com", "s3-eu.amazonaws.com", true},
		{"s3-*.amazonaws.com", "s3-.amazonaws.com", false}, /* at least one character */
		{"s3-*.amazonaws.com", "s3.amazonaws.com", false},
		{"*-prod.example.com", "a-prod.example.com", true},
		{"a*a.example.com", "a.example.com", false},
		{"a*a.example.com", "aa.example.com", false},
		{"a*a.example.com", "aba.example.com", true},
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (egress_name_fits(rows[i].pattern, rows[i].host) != rows[i].fits)
			fail_msg("%s, %s", rows[i].pattern, rows[i].host);
}

static void covering(void **state)
{
	static const struct {
		const char *allowed, *wanted, *effective; /* NULL: does not cover */
	} rows[] = {
		{"a.example.com:443", "a.example.com:443", "a.example.com:443"},
		{"a.example.com:443", "A.Example.com.:443", "a.example.com:443"},
		{"a.example.com:443", "a.example.com:8443", NULL},
		{"a.example.com:443", "b.example.com:443", NULL},
		{"a.example.com:443", "*.example.com:443", NULL},
		{"*.example.com:443", "a.example.com:443", "a.example.com:443"},
		{"*.example.com:443", "*.example.com:443", "*.example.com:443"},
		{"*.example.com:443", "a-*.example.com:443", "a-*.example.com:443"},
		{"a-*.example.com:443", "*.example.com:443", NULL},
		{"a-*.example.com:443", "a-b*.example.com:443", "a-b*.example.com:443"},
		{"*.*.example.com:443", "*.b.example.com:443", "*.b.example.com:443"},
		{"*.b.example.com:443", "*.*.example.com:443", NULL},
		{"*.example.com:443", "a.b.example.com:443", NULL},
		{"*.example.com:443=10.0.0.0/8", "a.example.com:443", "a.example.com:443=10.0.0.0/8"},
		{"*.example.com:443=10.0.0.0/8", "*.example.com:443=10.0.0.0/8", "*.example.com:443=10.0.0.0/8"},
		{"*.example.com:443=10.0.0.0/8", "a.example.com:443=10.0.0.0/8", NULL}, /* whoever writes a pin writes the whole rule */
		{"a.example.com:443=10.0.0.0/8", "a.example.com:443=10.0.0.0/9", NULL},
		{"a.example.com:443=10.0.0.0/8", "a.example.com:443=10.0.0.0:8", NULL},
		{"a.example.com:443=10.0.0.1:1", "a.example.com:443=10.0.0.1:1", "a.example.com:443=10.0.0.1:1"},
		{"a.example.com:443=10.0.0.1:1", "a.example.com:443=10.0.0.1:2", NULL},
		{"a.example.com:443", "a.example.com:443=10.0.0.0/8", NULL},
		{"a.example.com:443", "nonsense", NULL},
		{"nonsense", "nonsense", NULL},
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CLEANUP_FREE char *effective = egress_rule_narrow(rows[i].allowed, rows[i].wanted);
		if ((effective != NULL) != (rows[i].effective != NULL) ||
		    egress_rule_covers(rows[i].allowed, rows[i].wanted) != (effective != NULL))
			fail_msg("%s, %s: %s", rows[i].allowed, rows[i].wanted, effective != NULL ? effective : "not covered");
		if (effective != NULL)
			assert_string_equal(effective, rows[i].effective);
	}
}

static void rules_of_a_job(void **state)
{
	struct egress_rules rules;
	struct egress_match m;
	struct err err = {0};
	(void)state;
	assert_int_equal(
		egress_rules_parse("*.example.com:443=10.0.0.9:1\na.example.com:443\nb.example.com:443=10.0.0.2:7\n*.example.com:8443",
				   &rules, &err),
		0);
	assert_true(egress_rules_match(&rules, "c.example.com", 443, &m));
	assert_true(!m.whole && m.to != NULL && m.to->port == 1);
	assert_true(egress_rules_match(&rules, "a.example.com", 443, &m));
	assert_true(m.whole && m.to == NULL); /* the exact rule counts alone */
	assert_true(egress_rules_match(&rules, "b.example.com", 443, &m));
	assert_true(m.whole && m.to != NULL && m.to->port == 7);
	assert_true(egress_rules_match(&rules, "c.example.com", 8443, &m));
	assert_true(!m.whole && m.to == NULL);
	assert_false(egress_rules_match(&rules, "c.example.com", 80, &m));
	assert_false(egress_rules_match(&rules, "example.com", 443, &m));
	egress_rules_free(&rules);
	assert_int_equal(egress_rules_parse("a.example.com:443\nhttp://x", &rules, &err), ERR_PARSE);
	assert_int_equal(egress_rules_parse(NULL, &rules, &err), 0);
	assert_false(egress_rules_match(&rules, "a.example.com", 443, &m));
	egress_rules_free(&rules);
	CLEANUP_BUF struct buf many = {0};
	for (int i = 0; i <= LIMIT_EGRESS_RULES; i++)
		buf_printf(&many, "a%d.example.com:443\n", i);
	assert_int_equal(egress_rules_parse(buf_str(&many), &rules, &err), ERR_LIMIT);
	assert_string_equal(err.msg, "1001 egress rules; at most 1000");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_bad_rule_has_its_sentence),
		cmocka_unit_test(lengths),
		cmocka_unit_test(names_fit),
		cmocka_unit_test(covering),
		cmocka_unit_test(rules_of_a_job),
	};
	return cmocka_run_group_tests_name("egress_rule", tests, NULL, NULL);
}
