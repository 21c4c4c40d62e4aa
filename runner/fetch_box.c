/* One command of the fetch step in a box of its own: what it prints are the bytes, what it complains of becomes the sentence. */
#include "base/clock.h"
#include "base/disarm.h"
#include "base/fs.h"
#include "base/limits.h"
#include "base/text.h"
#include "runner/boxed.h"
#include "runner/engine_error.h"
#include "runner/fetch_priv.h"

#include <sys/wait.h>
#include <unistd.h>

enum { WORDS_MAX = 32 * 1024 };
struct fetch_traffic fetch_traffic;
static const int64_t memory_max = INT64_C(2) << 30;

struct hearing {
	const struct fetch_run *run;
	struct buf words;
	struct disarm disarm;
	int64_t bytes;
};

static void on_output(bool is_err, const char *bytes, size_t len, void *arg)
{
	struct hearing *h = arg;
	if (!is_err) {
		h->bytes += (int64_t)len;
		h->run->on_bytes(bytes, len, h->run->on_bytes_arg);
		return;
	}
	size_t left = h->words.len < WORDS_MAX ? WORDS_MAX - h->words.len : 0;
	len = len < left ? len : left;
	buf_add(&h->words, bytes, len);
	CLEANUP_BUF struct buf shown = {0};
	struct err ignored;
	disarm_feed(&h->disarm, bytes, len, &shown);
	(void)!fs_write_all(STDERR_FILENO, shown.data, shown.len, &ignored); /* the job's log; nothing depends on it */
}

/* ---- the sentence ---- */

/* The last line that says something, when no engine error is in it: that of sh, git, tar. */
static void last_words(const char *text, size_t len, struct buf *out)
{
	CLEANUP_BUF struct buf clean = {0};
	text_clean(&clean, text, len);
	while (clean.len > 0 && strchr("\n\t ", clean.data[clean.len - 1]) != NULL)
		buf_truncate(&clean, clean.len - 1);
	const char *nl = clean.len > 0 ? memrchr(clean.data, '\n', clean.len) : NULL;
	const char *line = nl != NULL ? nl + 1 : buf_str(&clean);
	buf_add(out, line, text_cut(line, strlen(line), 300));
}

void fetch_why(const char *text, size_t len, const char *dir, const char *refusals, struct buf *out)
{
	size_t before = out->len;
	if (!engine_error_sentence(text, len, dir, out))
		last_words(text, len, out);
	if (out->len == before)
		buf_adds(out, "it said nothing");
	if (refusals != NULL && refusals[0] != '\0')
		buf_printf(out, " (%.*s)", (int)strcspn(refusals, "\n"), refusals);
}

static int tell(const struct hearing *h, const struct boxed_result *res, struct err *err)
{
	CLEANUP_BUF struct buf why = {0};
	const struct fetch_run *run = h->run;
	if (h->bytes > run->bytes_max)
		return err_set(err, ERR_LIMIT, "it is larger than %lld MiB", (long long)(run->bytes_max >> 20));
	if (res->exit.outcome == JOB_OK)
		return 0;
	if (res->status == -1 || res->exit.breach != NULL)
		return err_set(err, ERR_UNAVAILABLE, "%s", res->exit.error != NULL ? res->exit.error : "the box ended early");
	fetch_why(buf_str(&h->words), h->words.len, run->dir, res->exit.refusals, &why);
	return err_set(err, ERR_UNAVAILABLE, "%s", buf_str(&why));
}

/* ---- the box ---- */

static void fill_spec(const struct fetch_run *run, int64_t left_ms, struct job_spec *s)
{
	const struct fetch_order *o = run->order;
	boxed_spec_default(s);
	s->profile = PROFILE_FETCH;
	s->engine = o->engine;
	s->engine_path = xstrdup(o->engine_path);
	s->engine_version = xstrdup(o->engine_version);
	s->tree_dir = xstrdup(run->tree_dir);
	xstrset(&s->dir, run->dir);
	s->egress = run->network ? xstrdup(o->egress) : NULL;
	s->egress_deny = xstrdup(o->egress_deny);
	s->job_dir = xstrdup(o->job_dir);
	s->isolation_min = o->isolation_min;
	s->ca_file = xstrdup(o->ca_file);
	s->timeout_ms = left_ms;
	s->output_max = run->bytes_max / OUTPUT_END_FACTOR + LIMIT_FRAME_BYTES;
	s->memory_max = memory_max;
	s->workspace_max = LIMIT_PACKAGE_ZIP_BYTES;
	s->files_max = INT64_C(2) * LIMIT_MODULES_ENTRIES;
}

static void count_traffic(const struct job_exit *e)
{
	fetch_traffic.connections += e->connections;
	fetch_traffic.refused += e->connections_refused;
	fetch_traffic.bytes_out += e->bytes_out;
	fetch_traffic.bytes_in += e->bytes_in;
}

static int run_boxed(const struct fetch_run *run, struct err *err)
{
	struct strlist argv = {0};
	struct job_spec spec;
	struct hearing h = {.run = run, .disarm = {.log = true}};
	struct boxed_result res;
	if (run->network && (run->order->egress == NULL || run->order->egress[0] == '\0'))
		return err_set(err, ERR_REFUSED, "`egress.fetch` lists nothing that could be reached");
	int64_t left = run->deadline_ms - clock_mono_ms();
	if (left <= 0)
		return err_set(err, ERR_TIMEOUT, "there is no time left for it");
	CLEANUP_FREE char *engine = xasprintf("/opt/sluice/%s", engine_row(run->order->engine)->program);
	strlist_add(&argv, "/bin/sh");
	strlist_add(&argv, "-c");
	strlist_add(&argv, run->script);
	strlist_add(&argv, engine); /* $0 */
	for (size_t i = 0; i < ARRAY_LEN(run->arg) && run->arg[i] != NULL; i++)
		strlist_add(&argv, run->arg[i]);
	fill_spec(run, left, &spec);
	const struct boxed_order order = {.spec = &spec, .argv = &argv, .job_init = run->order->job_init, .on_output = on_output, .arg = &h};
	int rc = boxed_run(&order, &res, err);
	if (rc != 0) { /* not the fault of what is fetched */
		rc = ERR_INTERNAL;
		if (err != NULL)
			err->code = rc;
	} else {
		rc = tell(&h, &res, err);
	}
	count_traffic(&res.exit);
	job_exit_free(&res.exit);
	job_spec_free(&spec);
	strlist_free(&argv);
	buf_free(&h.words);
	return rc;
}

int (*fetch_run_with)(const struct fetch_run *run, struct err *err) = run_boxed;

int fetch_run(const struct fetch_run *run, struct err *err) { return fetch_run_with(run, err); }
