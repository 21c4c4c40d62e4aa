/* What is kept of a job's box: the row, the audit log, the counters, the words. */
#include "plan/job_box_kept.h"

#include "base/crypto.h"
#include "base/fs.h"
#include "base/limits.h"
#include "tests/support/store_support.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

static char dir[] = "/tmp/sluice-kept-XXXXXX";
static struct server_config config = {.data_dir = dir};

static int setup(void **state)
{
	(void)state;
	(void)snprintf(dir, sizeof(dir), "/tmp/sluice-kept-XXXXXX"); /* fits: it is itself */
	assert_non_null(mkdtemp(dir));
	CLEANUP_FREE char *logs = fs_join(dir, "logs");
	return fs_mkdir_p(logs, 0700, NULL);
}

static int teardown(void **state)
{
	(void)state;
	return fs_remove_tree(dir, NULL);
}

static const struct job_exit record = {.isolation = (char[]){"bounded"}, .breach = (char[]){"memory"}, .modules = (char[]){"d1"},
				       .peak_memory = 1024 * 1024 * 65 + 1, .cpu_ms = 2150, .connections = 3, .connections_refused = 1, .bytes_out = 100, .bytes_in = 2000};

static void the_row(void **state)
{
	struct job_row job = {0};
	(void)state;
	job_box_take(&record, &job);
	assert_string_equal(job.isolation, "bounded");
	assert_string_equal(job.breach, "memory");
	assert_string_equal(job.modules, "d1");
	assert_int_equal(job.peak_memory, record.peak_memory);
	assert_int_equal(job.cpu_ms, 2150);
	assert_int_equal(job.connections, 3);
	assert_int_equal(job.connections_refused, 1);
	job_box_take(&(struct job_exit){0}, &job);
	assert_null(job.isolation);
	assert_null(job.breach);
	assert_string_equal(job.modules, "d1"); /* an apply that came to no end still has those of its plan */
	job_row_free(&job);
}

static void words(void **state)
{
	static const struct {
		struct job_row job;
		const char *want;
	} rows[] = {
		{{0}, ""},
		{{.connections = 1}, "1 connection"},
		{{.connections = 3, .connections_refused = 1}, "3 connections, 1 refused"},
		{{.peak_memory = 1, .cpu_ms = 50}, "1 MiB of memory, 0.0 s of CPU time"},
		{{.connections = 1, .connections_refused = 1, .peak_memory = (int64_t)1024 * 1024 * 64, .cpu_ms = 2150}, "1 connection, 1 refused; 64 MiB of memory, 2.1 s of CPU time"},
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CLEANUP_BUF struct buf b = {0};
		job_box_used(&rows[i].job, &b);
		assert_string_equal(buf_str(&b), rows[i].want);
	}
}

static void the_audit_log(void **state)
{
	static const char lines[] = "{\"host\":\"a.example\"}\n";
	struct db_conn *c = store_open();
	struct job_row job = {.id = 9, .run_id = 4, .repo_id = STORE_REPO, .pull = 12, .phase = PHASE_APPLY, .project = (char[]){"net"}};
	struct err err = {0};
	char sha256[2 * SHA256_SIZE + 1];
	(void)state;
	store_must(job_box_note(c, &config, &job, &(struct job_exit){.bytes_in = 1}, &err), &err);
	assert_int_equal(store_int(c, "SELECT count(*) FROM audit"), 0); /* no network, no row */
	store_must(job_box_note(c, &config, &job, &record, &err), &err);
	assert_string_equal(store_text(c, "SELECT detail FROM audit", NULL),
			    "{\"project\":\"net\",\"phase\":\"apply\",\"connections\":3,\"refused\":1,\"bytes_out\":100,\"bytes_in\":2000,\"log_sha256\":null}");
	CLEANUP_FREE char *path = jobs_egress_path(&config, 9);
	store_must(fs_write_fast(path, lines, strlen(lines), 0600, &err), &err);
	crypto_sha256_hex(lines, strlen(lines), sha256);
	store_must(job_box_note(c, &config, &job, &record, &err), &err);
	assert_string_equal(store_text(c, "SELECT json_extract(detail, '$.log_sha256') FROM audit ORDER BY seq DESC LIMIT 1", NULL), sha256);
	assert_string_equal(store_text(c, "SELECT kind||' '||pull||' '||run_id||' '||job_id FROM audit ORDER BY seq DESC LIMIT 1", NULL), "egress 12 4 9");
	store_close(c);
}

static void counters(void **state)
{
	struct jobs_counts n = {0};
	(void)state;
	job_box_count(&record, &n);
	job_box_count(&record, &n);
	job_box_count(&(struct job_exit){.breach = (char[]){"silence"}}, &n);
	job_box_count(&(struct job_exit){.breach = (char[]){"a word of later"}}, &n);
	job_box_count(&(struct job_exit){0}, &n);
	for (int b = 0; b < BREACHES; b++)
		assert_int_equal(n.breaches[b], b == BREACH_MEMORY ? 2 : b == BREACH_SILENCE ? 1 : 0);
	assert_int_equal(n.connections, 6);
	assert_int_equal(n.connections_refused, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(the_row), cmocka_unit_test(words), cmocka_unit_test_setup_teardown(the_audit_log, setup, teardown),
					   cmocka_unit_test(counters)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
