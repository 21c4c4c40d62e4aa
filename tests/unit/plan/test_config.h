/* Shared by the tests of configuration: a file, and the lines that the errors must be, all of them. Step 4 of the flow. */
#ifndef TESTS_UNIT_PLAN_TEST_CONFIG_H
#define TESTS_UNIT_PLAN_TEST_CONFIG_H

#include "plan/config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

struct refusal {
	const char *text;
	const char *errors; /* "line:column: sentence\n" each, without the name of the file */
};

#define HEAD "version: 1\nprojects:\n  - "
#define SMALL "github: { token_file: t, webhook_secret_file: s }\nrepositories: [a/b]\n"

static inline void config_refused(bool server, const struct refusal *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct config_errors errors = {0};
		struct server_config s;
		struct repo_config c;
		CLEANUP_BUF struct buf got = {0};
		CLEANUP_BUF struct buf want = {0};
		for (const char *line = rows[i].errors; *line != '\0'; line += strcspn(line, "\n") + 1)
			buf_printf(&want, "f.yaml:%.*s\n", (int)strcspn(line, "\n"), line);
		int rc = server ? server_config_parse("f.yaml", rows[i].text, strlen(rows[i].text), &s, &errors)
				: repo_config_parse("f.yaml", rows[i].text, strlen(rows[i].text), NULL, &c, &errors);
		config_errors_print(&errors, &got);
		if (rc != ERR_PARSE || strcmp(buf_str(&got), buf_str(&want)) != 0)
			fail_msg("\n%s\ngot  %s\nwant %s", rows[i].text, buf_str(&got), buf_str(&want));
		config_errors_free(&errors);
	}
}

static inline void config_server(const char *text, struct server_config *ret)
{
	struct config_errors errors = {0};
	if (server_config_parse("/etc/sluice/sluice-server.yaml", text, strlen(text), ret, &errors) != 0)
		fail_msg("%s: %d: %s", text, errors.v[0].line, errors.v[0].msg);
	assert_int_equal(errors.n, 0);
}

#endif
