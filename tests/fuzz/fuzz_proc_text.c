/* Input: what a file of /proc says of a process, which chooses its own name. Whatever it is, no number that is taken from it is impossible. */
#include "runner/watch_priv.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP_FREE char *text = xstrndup((const char *)data, size);
	struct watch_stat s = {0};
	if (watch_read_stat(text, &s)) {
		ASSERT(s.ticks >= 0 && s.threads >= 0);
		/* a name before it changes nothing: it may look like all the rest */
		CLEANUP_FREE char *named = xasprintf("1 (x) R 1 2 3 4 (%s", text);
		struct watch_stat again = {0};
		ASSERT(watch_read_stat(named, &again));
		ASSERT(again.ppid == s.ppid && again.ticks == s.ticks && again.threads == s.threads && again.start == s.start);
	}
	ASSERT(watch_read_kb(text, "RssAnon") >= -1);
	struct watch_machine m;
	watch_machine_read(text, 0, &m);
	ASSERT(m.total >= 0 && m.available >= -1);
	return 0;
}
