/* `sluice prepare`: the child that prepares a run, and how the daemon starts it. Request on stdin (it may hold a token), answer on stdout. */
#include "plan/prepare.h"

#include "base/fs.h"
#include "base/json.h"

#include <errno.h>
#include <sys/prctl.h>
#include <unistd.h>

enum { REQUEST_MAX = 16 << 20, ANSWER_MAX = 32 << 20, TIMEOUT_MS = 10 * 60 * 1000 };

static int read_all(int fd, struct buf *ret, struct err *err)
{
	char chunk[65536];
	for (;;) {
		ssize_t n = read(fd, chunk, sizeof(chunk));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(err, "read request");
		if (n == 0)
			return 0;
		if (ret->len + (size_t)n > REQUEST_MAX)
			return err_set(err, ERR_LIMIT, "request larger than %d bytes", REQUEST_MAX);
		buf_add(ret, chunk, (size_t)n);
	}
}

static void write_answer(int rc, const struct prepare_result *result, const struct err *err, struct buf *out)
{
	struct json_writer w = json_writer(out);
	jw_open(&w, NULL);
	jw_bool(&w, "ok", rc == 0);
	if (rc == 0) {
		CLEANUP_BUF struct buf body = {0};
		if (prepare_result_write(result, &body) == 0) /* below 2 GiB: LIMIT_RUN_JOBS projects */
			jw_raw(&w, "result", buf_str(&body));
	} else {
		jw_int(&w, "code", rc);
		jw_str(&w, "error", err->msg);
	}
	jw_close(&w);
}

int prepare_main(void)
{
	struct err err = {0};
	struct prepare_request req = {0};
	struct prepare_result result = {0};
	CLEANUP_BUF struct buf in = {0}, out = {0};
	(void)prctl(PR_SET_DUMPABLE, 0);    /* the token is not read by others of our user, */
	buf_reserve(&in, REQUEST_MAX / 16); /* nor left behind by a move */
	int rc = read_all(STDIN_FILENO, &in, &err);
	if (rc == 0)
		rc = prepare_request_read(buf_str(&in), in.len, &req, &err);
	if (in.data != NULL)
		explicit_bzero(in.data, in.len);
	if (rc == 0)
		rc = prepare_run(&req, &result, &err);
	write_answer(rc, &result, &err, &out);
	prepare_request_free(&req);
	prepare_result_free(&result);
	if (fs_write_all(STDOUT_FILENO, out.data, out.len, &err) != 0)
		return 3;
	return rc == 0 ? 0 : 3;
}

void prepare_request_place(struct prepare_request *r, const char *data_dir, int64_t repo_id)
{
	r->mirror_dir = xasprintf("%s/mirrors/%lld.git", data_dir, (long long)repo_id);
	r->trees_dir = xasprintf("%s/trees/%lld", data_dir, (long long)repo_id);
}

struct loop_process *prepare_start(struct loop *l, const char *program, const struct prepare_request *r, loop_exit_cb cb, void *arg)
{
	CLEANUP_BUF struct buf input = {0};
	if (prepare_request_write(r, &input) != 0)
		ASSERT(!"a request can be written");
	char name[] = "sluice", word[] = "prepare";
	char *argv[] = {name, word, NULL};
	struct loop_spawn spawn = {.file = program, .argv = argv, .input = buf_str(&input), .input_len = input.len, .max_output = ANSWER_MAX,
				   .timeout_ms = TIMEOUT_MS};
	struct loop_process *p = loop_process_start(l, &spawn, cb, arg);
	explicit_bzero(input.data, input.len);
	return p;
}
