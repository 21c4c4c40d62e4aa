#include "base/http_framing.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void one_reading_or_none(void **state)
{
	(void)state;
	static const struct {
		const char *headers[3][2];
		bool clear;
	} cases[] = {
		{{{0}}, true},
		{{{"Host", "x y"}, {"X-Other", ""}}, true},
		{{{"Content-Length", "0"}}, true},
		{{{"content-length", "12345678901234567890"}}, true}, /* too large is another question */
		{{{"Transfer-Encoding", "chunked"}}, true},
		{{{"transfer-encoding", "Chunked"}, {"Host", "x"}}, true},
		{{{"Content-Length", "5"}, {"Transfer-Encoding", "chunked"}}, false},
		{{{"Transfer-Encoding", "chunked"}, {"Content-Length", "5"}}, false},
		{{{"Content-Length", "5"}, {"Content-Length", "5"}}, false},
		{{{"Content-Length", "5"}, {"Host", "x"}, {"CONTENT-LENGTH", "6"}}, false},
		{{{"Transfer-Encoding", "chunked"}, {"Transfer-Encoding", "chunked"}}, false},
		{{{"Transfer-Encoding", "gzip, chunked"}}, false},
		{{{"Transfer-Encoding", "xchunked"}}, false},
		{{{"Transfer-Encoding", ""}}, false},
		{{{"Content-Length", ""}}, false},
		{{{"Content-Length", "+5"}}, false},
		{{{"Content-Length", "-5"}}, false},
		{{{"Content-Length", "5, 5"}}, false},
		{{{"Content-Length", "0x5"}}, false},
		{{{"Content-Length", "5 "}}, false},
		{{{"Content-Length ", "5"}}, false},
		{{{"X\tOther", "5"}}, false},
		{{{"", "5"}}, false},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct http_framing f = {0};
		for (size_t k = 0; k < 3 && cases[i].headers[k][0] != NULL; k++)
			http_framing_header(&f, cases[i].headers[k][0], cases[i].headers[k][1]);
		if (http_framing_is_clear(&f) != cases[i].clear)
			fail_msg("case %zu", i);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(one_reading_or_none)};
	return cmocka_run_group_tests_name("http_framing", tests, NULL, NULL);
}
