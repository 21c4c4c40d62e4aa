/* What takes all there is, stays behind, or leaves things for others to fall over. */
#include "tests/attacks/probe.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* Every box has this name, and no machine on which the tests should end. */
static void only_in_a_box(void)
{
	char name[64] = "";
	if (gethostname(name, sizeof(name) - 1) == 0 && strcmp(name, "job") == 0)
		return;
	(void)fprintf(stderr, "probe: this is done in a box only\n");
	exit(2);
}

static const char *where(char **words) { return words[0] != NULL ? words[0] : "/work"; }

int eat_memory(char **words)
{
	only_in_a_box();
	(void)words;
	size_t n = 0;
	for (; n < 64; n++) { /* 1 GiB is enough to see that nobody minds */
		char *p = mmap(NULL, 16 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (p == MAP_FAILED)
			break;
		memset(p, 'x', 16 << 20);
	}
	(void)printf("memory ends at %zu MiB\n", n * 16);
	(void)fflush(stdout);
	return pause();
}

int spin(char **words)
{
	only_in_a_box();
	for (unsigned long n = words[0] != NULL ? strtoul(words[0], NULL, 10) : 1; n > 1; n--)
		if (fork() == 0)
			break;
	for (volatile unsigned i = 0;;)
		i++;
	return 1;
}

int fork_all(char **words)
{
	only_in_a_box();
	(void)words;
	for (;;) {
		if (fork() == 0)
			continue;
		if (errno == ENOSYS || errno == EPERM)
			return 1;
		(void)poll(NULL, 0, 1);
	}
	return 1;
}

int open_all(char **words)
{
	(void)words;
	int n = 0;
	while (dup(STDOUT_FILENO) >= 0)
		n++;
	(void)printf("descriptors end at %d %s\n", n, strerrorname_np(errno));
	return 0;
}

/* Descriptors on their way, which the kernel counts for the user of all jobs; left there for a while. */
int fly_all(char **words)
{
	(void)words;
	int s[2], n = 0, fds[200] = {0};
	union {
		char bytes[CMSG_SPACE(sizeof(fds))];
		struct cmsghdr head;
	} rights = {.head = {.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof(fds))}};
	char byte = 'x';
	struct iovec part = {&byte, 1};
	const struct msghdr m = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = rights.bytes, .msg_controllen = sizeof(rights.bytes)};
	memcpy(CMSG_DATA(&rights.head), fds, sizeof(fds));
	while (errno != ETOOMANYREFS && socketpair(AF_UNIX, SOCK_STREAM, 0, s) == 0)
		while (sendmsg(s[0], &m, MSG_DONTWAIT) > 0)
			n += 200;
	(void)printf("on their way %d %s\n", n, strerrorname_np(errno));
	(void)fflush(stdout);
	(void)poll(NULL, 0, 5000);
	return 0;
}

/* Told, and long enough there for whoever watches from outside. */
static int full(const char *what, const char *dir, unsigned n)
{
	(void)printf("%s %s ends at %u %s\n", what, dir, n, strerrorname_np(errno));
	(void)fflush(stdout);
	(void)poll(NULL, 0, 3000);
	return 0;
}

/* A file of its own per 64 MiB, so that no limit on one file hides the other. */
int fill(char **words)
{
	only_in_a_box();
	static char block[1 << 20];
	char path[4096];
	unsigned mib = 0;
	int fd = -1;
	memset(block, 'x', sizeof(block));
	for (; mib < 65536; mib++) {
		if (mib % 64 == 0) {
			(void)snprintf(path, sizeof(path), "%s/fill-%u", where(words), mib);
			fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
		}
		if (fd < 0 || write(fd, block, sizeof(block)) < (ssize_t)sizeof(block))
			break;
	}
	return full("fill", where(words), mib);
}

int make_files(char **words)
{
	only_in_a_box();
	char path[4096];
	unsigned n = 0;
	for (; n < 2000000; n++) {
		(void)snprintf(path, sizeof(path), "%s/i%u", where(words), n);
		int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
		if (fd < 0)
			break;
		(void)close(fd);
	}
	return full("inodes", where(words), n);
}

int flood(char **words)
{
	only_in_a_box();
	static char block[65536];
	memset(block, words[0] != NULL ? '\n' : 'x', sizeof(block));
	while (write(STDOUT_FILENO, block, sizeof(block)) > 0)
		continue;
	return 1;
}

int hang(char **words)
{
	(void)words;
	(void)signal(SIGTERM, SIG_IGN);
	(void)signal(SIGINT, SIG_IGN);
	for (;;)
		(void)pause();
	return 1;
}

/* A daemon by the book, which then only has its name: the tests look for it on the host. */
int stay(char **words)
{
	static char word[] = "hang";
	char *again[] = {probe_self, word, words[0], NULL};
	if (fork() != 0)
		return 0;
	(void)setsid();
	(void)signal(SIGHUP, SIG_IGN);
	if (fork() != 0)
		_exit(0);
	(void)close(0);
	(void)close(1);
	(void)close(2);
	(void)execv(probe_self, again);
	return hang(words);
}

/* What a service would fall over when it looked at what is left. */
int plant(char **words)
{
	if (chdir(where(words)) != 0)
		return 1;
	say("plant", "fifo", mkfifo("planted-fifo", 0666) == 0);
	int fd = open("planted-suid", O_WRONLY | O_CREAT | O_CLOEXEC, 0755);
	say("plant", "suid", fd >= 0 && fchmod(fd, 06755) == 0);
	say("plant", "link", symlink("/etc/passwd", "planted-link") == 0);
	say("plant", "sparse", fd >= 0 && ftruncate(fd, (off_t)1 << 50) == 0);
	struct sockaddr_un at = {.sun_family = AF_UNIX, .sun_path = "planted-socket"};
	int s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	say("plant", "socket", s >= 0 && bind(s, (const struct sockaddr *)&at, sizeof(at)) == 0);
	unsigned depth = 0;
	while (depth < 3000 && mkdir("d", 0700) == 0 && chdir("d") == 0)
		depth++;
	(void)printf("plant depth %u\n", depth);
	return 0;
}

int crash(char **words)
{
	(void)words;
	abort();
}
