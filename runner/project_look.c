#include "runner/project_look.h"

#include "base/limits.h"
#include "base/text.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

int project_open(const struct job_spec *spec, int *ret_fd, struct err *err)
{
	CLEANUP_FD int tree = open(spec->tree_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (tree < 0)
		return err_sys(err, "open the tree %s", spec->tree_dir);
	struct open_how how = {.flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC,
			       .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS};
	long fd = syscall(SYS_openat2, tree, spec->dir, &how, sizeof(how));
	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
		return err_set(err, ERR_NOT_FOUND, "project directory %s does not exist in this commit", spec->dir);
	if (fd < 0 && (errno == ELOOP || errno == EXDEV))
		return err_set(err, ERR_REFUSED,
			       "project directory %s leads through a symbolic link or out of the repository: name the real directory",
			       spec->dir);
	if (fd < 0)
		return err_sys(err, "open project directory %s", spec->dir);
	*ret_fd = (int)fd;
	return 0;
}

bool project_has_lock_file(const struct job_spec *spec)
{
	CLEANUP_FD int fd = -1;
	struct stat st;
	return project_open(spec, &fd, NULL) == 0 && fstatat(fd, ".terraform.lock.hcl", &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	       S_ISREG(st.st_mode);
}

static bool words_in(const char *text, size_t len)
{
	static const char first[] = "backend", second[] = "\"local\"";
	const char *end = text + len;
	for (const char *p = text; (p = memmem(p, (size_t)(end - p), first, sizeof(first) - 1)) != NULL; p++) {
		const char *q = p + sizeof(first) - 1;
		while (q < end && (*q == ' ' || *q == '\t'))
			q++;
		if ((size_t)(end - q) >= sizeof(second) - 1 && strncmp(q, second, sizeof(second) - 1) == 0)
			return true;
	}
	return false;
}

static bool file_names_local_backend(int dir, const char *name)
{
	struct stat st;
	CLEANUP_FD int fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
	if (fd < 0 || fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || st.st_size <= 0 || st.st_size > LIMIT_HCL_FILE_BYTES)
		return false;
	char *text = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd,
			  0); /* the tree is read-only and shared: it does not shrink */
	if (text == MAP_FAILED)
		return false;
	bool found = words_in(text, (size_t)st.st_size);
	(void)munmap(text, (size_t)st.st_size);
	return found;
}

bool project_names_local_backend(const struct job_spec *spec)
{
	int fd = -1;
	if (project_open(spec, &fd, NULL) != 0)
		return false;
	DIR *d = fdopendir(fd);
	if (d == NULL) {
		(void)close(fd);
		return false;
	}
	bool found = false;
	for (const struct dirent *e; !found && (e = readdir(d)) != NULL;)
		found = (text_ends(e->d_name, ".tf") || text_ends(e->d_name, ".tofu")) && file_names_local_backend(dirfd(d), e->d_name);
	(void)closedir(d);
	return found;
}
