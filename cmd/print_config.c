/* `sluice --print-config [FILE]`: what the server would run with, or the commented sample when no file is named. */
#include "base/fs.h"
#include "cmd/commands.h"
#include "plan/config.h"

#include <stdio.h>
#include <unistd.h>

static int print(const struct buf *b)
{
	struct err err = {0};
	if (fs_write_all(STDOUT_FILENO, buf_str(b), b->len, &err) == 0)
		return 0;
	(void)fprintf(stderr, "sluice --print-config: %s\n", err.msg);
	return 3;
}

int cmd_print_config(int argc, char **argv)
{
	CLEANUP_BUF struct buf out = {0};
	if (argc > 2) {
		(void)fprintf(stderr, "usage: sluice --print-config [FILE | --reference]\n");
		return 2;
	}
	if (argc == 1 || strcmp(argv[1], "--reference") == 0) {
		if (argc == 1)
			server_config_print_sample(&out);
		else
			config_print_reference(&out);
		return print(&out);
	}
	struct server_config config = {0};
	struct config_errors errors = {0};
	struct err err = {0};
	int rc = server_config_load(argv[1], &config, &errors, &err);
	if (rc != 0) {
		CLEANUP_BUF struct buf list = {0};
		config_errors_print(&errors, &list);
		(void)fprintf(stderr, "%s", errors.n != 0 ? buf_str(&list) : err.msg);
		if (errors.n == 0)
			(void)fputc('\n', stderr);
		config_errors_free(&errors);
		return 2;
	}
	server_config_print(&config, &out);
	server_config_free(&config);
	config_errors_free(&errors);
	return print(&out);
}
