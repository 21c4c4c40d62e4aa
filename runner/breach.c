#include "runner/breach.h"

static const char *const names[] = {
	[BREACH_NONE] = "",		[BREACH_MEMORY] = "memory", [BREACH_CPU] = "cpu",   [BREACH_PROCESSES] = "processes", [BREACH_FILES] = "files",
	[BREACH_WORKSPACE] = "workspace", [BREACH_OUTPUT] = "output", [BREACH_TIME] = "time", [BREACH_SILENCE] = "silence",
};
_Static_assert(ARRAY_LEN(names) == BREACHES, "each ceiling has a word");

const char *breach_name(enum breach b) { return names[b]; }

static void add_bytes(struct buf *out, int64_t n)
{
	static const char *const units[] = {"bytes", "KiB", "MiB", "GiB", "TiB"};
	size_t u = 0;
	while (u + 1 < ARRAY_LEN(units) && n >= 1024 && n % 1024 == 0) {
		n /= 1024;
		u++;
	}
	buf_printf(out, "%lld %s", (long long)n, units[u]);
}

static void add_time(struct buf *out, int64_t ms)
{
	if (ms >= 120000 && ms % 60000 == 0)
		buf_printf(out, "%lld min", (long long)(ms / 60000));
	else if (ms % 1000 == 0)
		buf_printf(out, "%lld s", (long long)(ms / 1000));
	else
		buf_printf(out, "%lld ms", (long long)ms);
}

void breach_sentence(enum breach b, const struct job_spec *spec, struct buf *out)
{
	switch (b) {
	case BREACH_NONE:
	case BREACHES: return;
	case BREACH_MEMORY:
		buf_adds(out, "exceeded ");
		add_bytes(out, spec->memory_max);
		buf_adds(out, " of memory (`limits.memory`)");
		return;
	case BREACH_CPU:
		buf_adds(out, "exceeded ");
		add_time(out, spec->cpu_ms_max);
		buf_adds(out, " of CPU time (`limits.cpu_time`)");
		return;
	case BREACH_PROCESSES: buf_printf(out, "exceeded %lld processes and threads (`limits.processes`)", (long long)spec->processes_max); return;
	case BREACH_FILES: buf_printf(out, "exceeded %lld files (`limits.files`)", (long long)spec->files_max); return;
	case BREACH_WORKSPACE:
		buf_adds(out, "exceeded ");
		add_bytes(out, spec->workspace_max);
		buf_adds(out, " of files (`limits.workspace`)");
		return;
	case BREACH_OUTPUT:
		buf_adds(out, "exceeded ");
		add_bytes(out, spec->output_max * OUTPUT_END_FACTOR);
		buf_printf(out, " of output, %d times `limits.output`", OUTPUT_END_FACTOR);
		return;
	case BREACH_TIME:
		buf_adds(out, JOB_TIMEOUT_SAYS);
		add_time(out, spec->timeout_ms);
		buf_printf(out, ", the time limit of this phase (`limits.%s_timeout`)", spec->phase == PHASE_APPLY ? "apply" : "plan");
		return;
	case BREACH_SILENCE:
		buf_adds(out, JOB_TIMEOUT_SAYS);
		add_time(out, spec->silence_ms);
		buf_adds(out, " without output (`limits.silence`)");
		return;
	}
}
