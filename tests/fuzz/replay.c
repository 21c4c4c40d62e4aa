#include "tests/fuzz/fuzz.h"

#include "base/buf.h"
#include "base/fs.h"
#include "base/mem.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>

/* Stands in for libFuzzer: gives the target each file of the folders and files on the command line, then some inputs that no corpus should
 * be needed for. A crash names the file, because it is printed first. */

enum { REPLAY_MAX_BYTES = 32 * 1024 * 1024 };

static int files_n;

static int replay_file(const char *path)
{
	CLEANUP_BUF struct buf bytes = { .max = REPLAY_MAX_BYTES };
	struct err err = { 0 };
	if (fs_read(path, REPLAY_MAX_BYTES, &bytes, &err) != 0) {
		fprintf(stderr, "%s\n", err.msg);
		return 1;
	}
	printf("# %s\n", path);
	fflush(stdout);
	/* An exact copy on the heap, so that the sanitizer sees a read behind the end. */
	CLEANUP_FREE uint8_t *copy = xmalloc(bytes.len > 0 ? bytes.len : 1);
	if (bytes.len > 0)
		memcpy(copy, bytes.data, bytes.len);
	(void)LLVMFuzzerTestOneInput(copy, bytes.len); /* libFuzzer reserves the value; 0 and -1 both mean "went through" */
	files_n++;
	return 0;
}

static int replay(const char *path)
{
	DIR *dir = opendir(path);
	if (dir == NULL)
		return replay_file(path);
	int failed = 0;
	const struct dirent *entry;
	while ((entry = readdir(dir)) != NULL) {
		if (entry->d_name[0] == '.')
			continue;
		CLEANUP_FREE char *file = xasprintf("%s/%s", path, entry->d_name);
		failed |= replay_file(file);
	}
	closedir(dir);
	return failed;
}

static void replay_basics(void)
{
	uint8_t bytes[256];
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)i;
	for (size_t size = 0; size <= sizeof(bytes); size = size == 0 ? 1 : size * 2)
		(void)LLVMFuzzerTestOneInput(bytes, size); /* as above */
	memset(bytes, '[', sizeof(bytes));
	(void)LLVMFuzzerTestOneInput(bytes, sizeof(bytes)); /* as above */
}

/* Weak: a target may bring a main of its own. */
__attribute__((weak)) int main(int argc, char **argv)
{
	int failed = 0;
	for (int i = 1; i < argc; i++)
		failed |= replay(argv[i]);
	replay_basics();
	printf("# %d files\n", files_n);
	return failed;
}
