/* Each ceiling has a word and a sentence that names the limit and its key. */
#include "runner/breach.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void sentences(void **state)
{
	(void)state;
	const struct job_spec spec = {.phase = PHASE_PLAN,	.timeout_ms = 600000, .output_max = 4 << 20,	   .memory_max = INT64_C(1) << 30,
				      .cpu_ms_max = 90000,	.processes_max = 512, .files_max = 1000, .workspace_max = 1536 * 1024, .silence_ms = 1500};
	static const struct {
		enum breach b;
		const char *word, *sentence;
	} cases[] = {
		{BREACH_NONE, "", ""},
		{BREACH_MEMORY, "memory", "exceeded 1 GiB of memory (`limits.memory`)"},
		{BREACH_CPU, "cpu", "exceeded 90 s of CPU time (`limits.cpu_time`)"},
		{BREACH_PROCESSES, "processes", "exceeded 512 processes and threads (`limits.processes`)"},
		{BREACH_FILES, "files", "exceeded 1000 files (`limits.files`)"},
		{BREACH_WORKSPACE, "workspace", "exceeded 1536 KiB of files (`limits.workspace`)"},
		{BREACH_OUTPUT, "output", "exceeded 64 MiB of output, 16 times `limits.output`"},
		{BREACH_TIME, "time", "stopped after 10 min, the time limit of this phase (`limits.plan_timeout`)"},
		{BREACH_SILENCE, "silence", "stopped after 1500 ms without output (`limits.silence`)"},
	};
	assert_int_equal(ARRAY_LEN(cases), BREACHES);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		CLEANUP_BUF struct buf out = {0};
		assert_string_equal(breach_name(cases[i].b), cases[i].word);
		breach_sentence(cases[i].b, &spec, &out);
		assert_string_equal(buf_str(&out), cases[i].sentence);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(sentences)};
	return cmocka_run_group_tests_name("breach", tests, NULL, NULL);
}
