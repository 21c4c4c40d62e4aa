/* Addresses: how they are written, and for each range of the registries its first and last address and the neighbours. */
#include "runner/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static struct address host(const char *text)
{
	struct address_range r;
	struct address a = {.v6 = strchr(text, ':') != NULL};
	struct err err = {0};
	if (address_range_parse(text, &r, &err) == 0)
		return r.base;
	/* what the parser refuses for people, but what a look-up may give */
	assert_int_equal(inet_pton(AF_INET6, text, a.bytes), 1);
	return a;
}

static void ranges(void **state)
{
	static const struct {
		const char *first, *last, *below, *above; /* NULL: no neighbour, or that one is not public either */
	} rows[] = {
		{"0.0.0.0", "0.255.255.255", NULL, "1.0.0.0"},
		{"10.0.0.0", "10.255.255.255", "9.255.255.255", "11.0.0.0"},
		{"100.64.0.0", "100.127.255.255", "100.63.255.255", "100.128.0.0"},
		{"127.0.0.0", "127.255.255.255", "126.255.255.255", "128.0.0.0"},
		{"169.254.0.0", "169.254.255.255", "169.253.255.255", "169.255.0.0"},
		{"172.16.0.0", "172.31.255.255", "172.15.255.255", "172.32.0.0"},
		{"192.0.0.0", "192.0.0.255", "191.255.255.255", "192.0.1.0"},
		{"192.0.2.0", "192.0.2.255", "192.0.1.255", "192.0.3.0"},
		{"192.88.99.0", "192.88.99.255", "192.88.98.255", "192.88.100.0"},
		{"192.168.0.0", "192.168.255.255", "192.167.255.255", "192.169.0.0"},
		{"198.18.0.0", "198.19.255.255", "198.17.255.255", "198.20.0.0"},
		{"198.51.100.0", "198.51.100.255", "198.51.99.255", "198.51.101.0"},
		{"203.0.113.0", "203.0.113.255", "203.0.112.255", "203.0.114.0"},
		{"224.0.0.0", "239.255.255.255", "223.255.255.255", NULL},
		{"240.0.0.0", "255.255.255.255", NULL, NULL},
		{"::", "::", NULL, NULL},
		{"::1", "::ffff:ffff", NULL, NULL},
		{"::ffff:0:0", "::ffff:ffff:ffff", NULL, NULL},
		{"::ffff:8.8.8.8", "::8.8.8.8", NULL, NULL},
		{"64:ff9b::", "64:ff9b::ffff:ffff", NULL, NULL},
		{"64:ff9b:1::", "64:ff9b:1:ffff:ffff:ffff:ffff:ffff", NULL, NULL},
		{"100::", "100::ffff:ffff:ffff:ffff", NULL, NULL},
		{"2001::", "2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff", "2000:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "2001:200::"},
		{"2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", "2001:db7:ffff:ffff:ffff:ffff:ffff:ffff", "2001:db9::"},
		{"2002::", "2002:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "2001:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "2003::"},
		{"2620:4f:8000::", "2620:4f:8000:ffff:ffff:ffff:ffff:ffff", "2620:4f:7fff::", "2620:4f:8001::"},
		{"3fff::", "3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff", "3ffe:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "3fff:1000::"},
		{"4000::", "fbff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", NULL, NULL},
		{"5f00::", "5f00:ffff:ffff:ffff:ffff:ffff:ffff:ffff", NULL, NULL},
		{"fc00::", "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", NULL, NULL},
		{"fe80::", "febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff", NULL, NULL},
		{"fec0::", "feff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", NULL, NULL},
		{"ff00::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", NULL, NULL},
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const char *const inside[] = {rows[i].first, rows[i].last}, *const outside[] = {rows[i].below, rows[i].above};
		for (size_t k = 0; k < 2; k++) {
			struct address a = host(inside[k]);
			if (address_not_public(&a) == NULL)
				fail_msg("%s is public", inside[k]);
			if (outside[k] == NULL)
				continue;
			a = host(outside[k]);
			if (address_not_public(&a) != NULL)
				fail_msg("%s: %s", outside[k], address_not_public(&a));
		}
	}
}

static void public_ones_and_metadata(void **state)
{
	static const char *const open[] = {"1.1.1.1",          "8.8.8.8", "140.82.121.3", "52.95.110.1", "2606:4700:4700::1111",
					   "2a00:1450:4001::1"};
	static const char *const metadata[] = {"169.254.169.254", "169.254.170.2", "fd00:ec2::254", "100.100.100.200"};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(open); i++) {
		struct address a = host(open[i]);
		assert_null(address_not_public(&a));
		assert_false(address_is_metadata(&a));
	}
	for (size_t i = 0; i < ARRAY_LEN(metadata); i++) {
		struct address a = host(metadata[i]);
		assert_non_null(address_not_public(&a));
		assert_true(address_is_metadata(&a));
	}
	struct address a = host("10.1.2.3");
	assert_string_equal(address_not_public(&a), "it is for private use (RFC 1918)");
}

static void read_and_written(void **state)
{
	static const struct {
		const char *text, *error; /* NULL: comes back as it is */
	} rows[] = {
		{"192.0.2.1:443", NULL},
		{"[2001:db8::1]:8443", NULL},
		{"1.2.3.4", "\"1.2.3.4\" is not ADDRESS:PORT"},
		{"", "\"\" is not ADDRESS:PORT"},
		{"[::1]", "\"[::1]\" is not ADDRESS:PORT"},
		{"1.2.3.4:0", "\"1.2.3.4:0\": a port is a number from 1 to 65535"},
		{"1.2.3.4:65536", "\"1.2.3.4:65536\": a port is a number from 1 to 65535"},
		{"1.2.3.4:", "\"1.2.3.4:\": a port is a number from 1 to 65535"},
		{"[::1]:x", "\"[::1]:x\": a port is a number from 1 to 65535"},
		{"::1:443", "\"::1:443\": an IPv6 address stands in brackets, as in [2001:db8::1]:443"},
		{"[1.2.3.4]:443", "\"[1.2.3.4]:443\": brackets are for IPv6 addresses"},
		{"1.2.3:443", "\"1.2.3\" is not an IP address"},
		{"01.2.3.4:443", "\"01.2.3.4\" is not an IP address"},
		{"0x7f.0.0.1:443", "\"0x7f.0.0.1\" is not an IP address"},
		{"[::ffff:1.2.3.4]:443", "\"::ffff:1.2.3.4\" is an IPv4 address written as IPv6: write the IPv4 one"},
		{"[fe80::1%lo]:443", "\"fe80::1%lo\" is not an IP address"},
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct err err = {0};
		struct address a;
		char text[ADDRESS_TEXT_SIZE];
		int rc = address_parse(rows[i].text, &a, &err);
		assert_int_equal(rc != 0, rows[i].error != NULL);
		assert_string_equal(rc == 0 ? address_text(&a, text) : err.msg, rc == 0 ? rows[i].text : rows[i].error);
	}
}

static void ranges_as_text(void **state)
{
	static const struct {
		const char *range, *inside, *outside, *error;
	} rows[] = {
		{"10.0.0.0/8", "10.255.0.1", "11.0.0.0", NULL},
		{"10.1.2.3", "10.1.2.3", "10.1.2.4", NULL},
		{"10.0.0.0/9", "10.127.255.255", "10.128.0.0", NULL},
		{"192.168.1.128/25", "192.168.1.128", "192.168.1.127", NULL},
		{"0.0.0.0/0", "255.1.1.1", "::1", NULL},
		{"fd00::/8", "fd12::1", "fe00::1", NULL},
		{"2001:db8::1", "2001:db8::1", "2001:db8::2", NULL},
		{"10.0.0.0/33", NULL, NULL, "\"10.0.0.0/33\": behind the / stands a number of bits from 0 to 32"},
		{"10.0.0.0/", NULL, NULL, "\"10.0.0.0/\": behind the / stands a number of bits from 0 to 32"},
		{"10.0.0.0/-1", NULL, NULL, "\"10.0.0.0/-1\": behind the / stands a number of bits from 0 to 32"},
		{"10.0.0.1/8", NULL, NULL, "\"10.0.0.1/8\": bits are set behind the first 8"},
		{"fd00::/129", NULL, NULL, "\"fd00::/129\": behind the / stands a number of bits from 0 to 128"},
		{"corp", NULL, NULL, "\"corp\" is not an IP address"},
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct err err = {0};
		struct address_range r;
		int rc = address_range_parse(rows[i].range, &r, &err);
		if (rows[i].error != NULL) {
			assert_int_not_equal(rc, 0);
			assert_string_equal(err.msg, rows[i].error);
			continue;
		}
		struct address in = host(rows[i].inside), out = host(rows[i].outside);
		assert_true(address_in(&in, &r));
		assert_false(address_in(&out, &r));
	}
}

static void sockets(void **state)
{
	static const char *const texts[] = {"192.0.2.7:8443", "[2001:db8::7]:443"};
	struct sockaddr_storage s;
	struct address a, b;
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		char text[ADDRESS_TEXT_SIZE];
		assert_int_equal(address_parse(texts[i], &a, NULL), 0);
		assert_int_equal(address_to_socket(&a, &s), i == 0 ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6));
		assert_true(address_from_socket((const struct sockaddr *)&s, &b));
		assert_true(address_same_host(&a, &b));
		assert_string_equal(address_text(&b, text), texts[i]);
	}
	const struct sockaddr other = {.sa_family = AF_UNIX};
	assert_false(address_from_socket(&other, &b));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ranges),           cmocka_unit_test(public_ones_and_metadata),
		cmocka_unit_test(read_and_written), cmocka_unit_test(ranges_as_text),
		cmocka_unit_test(sockets),
	};
	return cmocka_run_group_tests_name("address", tests, NULL, NULL);
}
