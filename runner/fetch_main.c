/* `sluice fetch`: the child that does the work. */
#include "base/clock.h"
#include "base/fs.h"
#include "base/limits.h"
#include "runner/fetch_priv.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

enum { ORDER_MAX = 2 << 20 };

static int read_order(struct buf *ret, struct err *err)
{
	char chunk[65536];
	for (;;) {
		ssize_t n = read(STDIN_FILENO, chunk, sizeof(chunk));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(err, "read the order of a fetch");
		if (n == 0)
			return 0;
		if (ret->len + (size_t)n > ORDER_MAX)
			return err_set(err, ERR_LIMIT, "the order of a fetch is larger than %d bytes", ORDER_MAX);
		buf_add(ret, chunk, (size_t)n);
	}
}

static int fetch_all(const struct fetch_order *o, struct fetch_result *ret, struct err *err)
{
	struct fetch_need need;
	int64_t downloads = 0, deadline_ms = clock_mono_ms() + (o->timeout_ms > 0 ? o->timeout_ms : LIMIT_FETCH_MS);
	int rc = fetch_look(o, &need, err);
	if (rc != 0)
		return rc;
	for (size_t i = 0; rc == 0 && i < need.missing.n; i++)
		rc = fetch_provider(o, lock_file_find(&need.lock, need.missing.v[i]), deadline_ms, &downloads, err);
	struct fetch_result modules = {0};
	if (rc == 0 && need.modules)
		rc = fetch_modules(o, need.modules_key, deadline_ms, &modules, err);
	fetch_need_free(&need);
	if (rc == 0)
		rc = fetch_look(o, &need, err); /* as everybody will find it now */
	if (rc == 0) {
		*ret = need.result;
		ret->downloads = downloads + modules.downloads;
		if (modules.modules != NULL) /* whatever somebody fetched since */
			fetch_set_modules(o, modules.modules, ret);
		need.result = (struct fetch_result){0};
		fetch_need_free(&need);
	}
	fetch_result_free(&modules);
	return rc;
}

int fetch_main(void)
{
	struct err err = {0};
	struct fetch_order o = {0};
	struct fetch_result r = {0};
	const struct rlimit no_core = {0, 0};
	CLEANUP_BUF struct buf in = {0}, out = {0};
	(void)prctl(PR_SET_NAME, "sluice-fetch");
	(void)setrlimit(RLIMIT_CORE, &no_core);
	(void)signal(SIGPIPE, SIG_IGN);
	int rc = read_order(&in, &err);
	if (rc == 0)
		rc = fetch_order_read(buf_str(&in), in.len, &o, &err);
	if (rc == 0)
		rc = fetch_all(&o, &r, &err);
	if (rc == 0)
		fetch_forget_unused(&o);
	r.traffic = fetch_traffic;
	fetch_answer_write(rc, &r, &err, &out);
	fetch_result_free(&r);
	fetch_order_free(&o);
	if (fs_write_all(STDOUT_FILENO, out.data, out.len, &err) != 0)
		return 3;
	return rc == 0 ? 0 : 1;
}
