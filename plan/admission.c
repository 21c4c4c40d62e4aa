#include "plan/admission.h"

enum { MIB = 1024 * 1024 };

char *admission_refusal(const struct admission *a)
{
	int64_t need = a->job_bytes / ADMISSION_PART, left = a->machine.available;
	if (a->running <= 0 || left < 0 || left / (a->starting + 1) >= need)
		return NULL;
	left = left > a->starting * need ? left - a->starting * need : 0;
	return xasprintf("%lld MiB of memory are free on this machine, and a job begins with half of limits.memory, %lld MiB: it waits until one of the %lld "
			 "at work has ended",
			 (long long)(left / MIB), (long long)(need / MIB), (long long)a->running);
}
