/* What a stranger's program would try, one word per thing. Static, so that it runs in a box that has nothing in it. Each line of the answer is
 * "WHAT RESULT", where RESULT is "yes" or the name of the error that stopped it. Run outside of a box the same words say "yes", which is how the
 * tests know that it would notice.
 *
 *   look                      what can be seen and called at once
 *   read PATH... | list DIR... | write PATH... | run PATH...
 *   tcp ADDRESS PORT | udp ADDRESS PORT | unix PATH (a leading @: abstract)
 *   send PORT                 standard input to 127.0.0.1:PORT as it is, and all that comes back until the peer closes, at most three seconds
 *   listen [NAME]             on a port of 127.0.0.1 that it prints, and on the abstract UNIX socket NAME: a line for each who comes
 *   memory | spin N | forks | descriptors | fly | fill DIR | inodes DIR | flood [lines] | hang | stay NAME | plant DIR | crash */
#include "tests/attacks/probe.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/keyctl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

char *probe_self;

void say(const char *what, const char *detail, bool ok)
{
	(void)printf("%s%s%s %s\n", what, *detail != '\0' ? " " : "", detail, ok ? "yes" : strerrorname_np(errno));
	(void)fflush(stdout);
}

/* ---- look ---- */

static void look_at_descriptors(void)
{
	int n = 0;
	for (int fd = 3; fd < 4096; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	(void)printf("descriptors %d\n", n);
}

static int numbers_in(const char *path)
{
	int n = 0;
	DIR *d = opendir(path);
	if (d == NULL)
		return -1;
	for (struct dirent *e; (e = readdir(d)) != NULL;)
		n += e->d_name[0] >= '0' && e->d_name[0] <= '9';
	(void)closedir(d);
	return n;
}

/* At most len bytes of it; -1: errno. */
static ssize_t read_some(const char *path, char *buf, size_t len)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	ssize_t n = fd >= 0 ? read(fd, buf, len) : -1;
	int keep = errno;
	if (fd >= 0)
		(void)close(fd);
	errno = keep;
	return n;
}

static void look_at_processes(void)
{
	static char buf[65536];
	(void)printf("processes %d\n", numbers_in("/proc"));
	ssize_t n = read_some("/proc/1/environ", buf, sizeof(buf));
	(void)printf("environ-of-init %s\n", n < 0 ? strerrorname_np(errno) : n == 0 ? "empty" : "yes");
	n = read_some("/proc/self/mountinfo", buf, sizeof(buf) - 1);
	for (ssize_t i = 0; n > 0 && i < n;) {
		size_t len = strcspn(buf + i, "\n");
		(void)printf("mount %.*s\n", (int)len, buf + i);
		i += (ssize_t)len + 1;
	}
}

static void look_at_rights(void)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct caps[2] = {{0}};
	struct rlimit core = {0};
	long rc = syscall(SYS_capget, &head, caps);
	(void)printf("capabilities %s\n", rc != 0 ? strerrorname_np(errno) : (caps[0].effective | caps[0].permitted | caps[1].effective | caps[1].permitted) != 0 ? "yes" : "none");
	(void)printf("no-new-privileges %d\n", prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
	(void)printf("seccomp %d\n", prctl(PR_GET_SECCOMP, 0, 0, 0, 0));
	(void)printf("user %u\n", getuid());
	(void)printf("core %s\n", getrlimit(RLIMIT_CORE, &core) == 0 && core.rlim_cur == 0 ? "none" : "yes");
	say("become-root", "", setuid(0) == 0 || setresuid(0, 0, 0) == 0);
}

/* In a child: what succeeds here changes the process. */
static void in_child(const char *what, bool (*try)(void))
{
	(void)fflush(stdout);
	pid_t pid = fork();
	if (pid == 0) {
		say(what, "", try());
		_exit(0);
	}
	int status = 0;
	if (pid < 0 || waitpid(pid, &status, 0) < 0)
		say(what, "", false);
	else if (WIFSIGNALED(status))
		(void)printf("%s killed by signal %d\n", what, WTERMSIG(status));
}

static bool try_userns(void) { return unshare(CLONE_NEWUSER) == 0; }
static bool try_userns_clone(void)
{
	long pid = syscall(SYS_clone, (unsigned long)CLONE_NEWUSER | SIGCHLD, NULL, NULL, NULL, 0L);
	if (pid == 0)
		_exit(0);
	return pid > 0;
}
static bool try_userns_clone3(void)
{
	uint64_t args[8] = {CLONE_NEWUSER, 0, 0, 0, SIGCHLD, 0, 0, 0};
	long pid = syscall(SYS_clone3, args, sizeof(args));
	if (pid == 0)
		_exit(0);
	return pid > 0;
}
static bool try_mountns(void) { return unshare(CLONE_NEWNS) == 0; }
/* Only the permission to mount: outside of a box it must not change anything. */
static bool try_mount(void) { return syscall(SYS_fsopen, "tmpfs", 0) >= 0; }
static bool try_chroot(void) { return chroot(".") == 0; }
static bool try_ptrace(void) { return ptrace(PTRACE_TRACEME, 0, NULL, NULL) == 0; }
static bool try_io_uring(void)
{
	unsigned char params[120] = {0};
	return syscall(SYS_io_uring_setup, 4, params) >= 0;
}
static bool try_userfaultfd(void) { return syscall(SYS_userfaultfd, 1) >= 0; }
static bool try_key(void) { return syscall(SYS_add_key, "user", "x", "y", (size_t)1, KEY_SPEC_PROCESS_KEYRING) >= 0; }
static bool try_keyctl(void) { return syscall(SYS_keyctl, KEYCTL_GET_KEYRING_ID, KEY_SPEC_PROCESS_KEYRING, 1) >= 0; }
static bool try_bpf(void)
{
	unsigned char attr[48] = {2 /* array */, 0, 0, 0, 4, 0, 0, 0, 4, 0, 0, 0, 1, 0, 0, 0};
	return syscall(SYS_bpf, 0, attr, sizeof(attr)) >= 0;
}
static bool try_perf(void)
{
	unsigned char attr[112] = {1, 0, 0, 0, 112, 0, 0, 0};
	return syscall(SYS_perf_event_open, attr, 0, -1, -1, 0) >= 0;
}
static bool try_vsock(void) { return socket(AF_VSOCK, SOCK_STREAM, 0) >= 0; }
static bool try_netfilter(void) { return socket(AF_NETLINK, SOCK_RAW, 12) >= 0; }
static bool try_xfrm(void) { return socket(AF_NETLINK, SOCK_RAW, 6) >= 0; }
static bool try_packet(void) { return socket(AF_PACKET, SOCK_RAW, 0) >= 0; }
static bool try_raw(void) { return socket(AF_INET, SOCK_RAW, IPPROTO_ICMP) >= 0; }
static bool try_alg(void) { return socket(AF_ALG, SOCK_SEQPACKET, 0) >= 0; }
static bool try_ldt(void)
{
	char ldt[64];
	return syscall(SYS_modify_ldt, 0, ldt, sizeof(ldt)) >= 0;
}
static bool try_memory_file(void) { return memfd_create("x", 0) >= 0; }
static bool try_device(void) { return mknod("./probe-device", S_IFCHR | 0600, makedev(1, 5)) == 0; }
static bool try_handle(void)
{
	unsigned char handle[16] = {8, 0, 0, 0, 1, 0, 0, 0, 2};
	return syscall(SYS_open_by_handle_at, AT_FDCWD, handle, O_RDONLY) >= 0;
}
static bool try_other_memory(void)
{
	char there[8];
	struct iovec local = {there, sizeof(there)}, far = {there, sizeof(there)};
	return process_vm_readv(getppid(), &local, 1, &far, 1, 0) > 0;
}
static bool try_syslog(void)
{
	char log[64];
	return syscall(SYS_syslog, 3, log, sizeof(log)) >= 0;
}
static bool try_suid(void)
{
	int fd = open("./probe-suid", O_WRONLY | O_CREAT | O_CLOEXEC, 0700);
	return fd >= 0 && fchmod(fd, 04755) == 0;
}
/* The high half of the command is not looked at by the kernel, and was by filters. */
static bool try_terminal(void)
{
	char c = '\n';
	return ioctl(STDIN_FILENO, TIOCSTI, &c) == 0;
}
static bool try_terminal_high(void)
{
	char c = '\n';
	return syscall(SYS_ioctl, STDIN_FILENO, TIOCSTI | 1UL << 32, &c) == 0;
}
static bool try_terminal_device(void) { return open("/dev/tty", O_RDWR | O_CLOEXEC) >= 0; }

static const struct {
	const char *what;
	bool (*try)(void);
} calls[] = {
	{"userns", try_userns}, {"userns-clone", try_userns_clone}, {"userns-clone3", try_userns_clone3}, {"mountns", try_mountns}, {"new-mount", try_mount},
	{"chroot", try_chroot}, {"ptrace", try_ptrace}, {"io_uring", try_io_uring}, {"userfaultfd", try_userfaultfd}, {"key", try_key},
	{"keyctl", try_keyctl}, {"bpf", try_bpf}, {"perf", try_perf}, {"vsock", try_vsock}, {"netfilter", try_netfilter}, {"xfrm", try_xfrm},
	{"packet", try_packet}, {"raw", try_raw}, {"alg", try_alg}, {"ldt", try_ldt}, {"memory-file", try_memory_file}, {"device", try_device},
	{"handle", try_handle}, {"other-memory", try_other_memory}, {"syslog", try_syslog}, {"suid", try_suid}, {"terminal", try_terminal},
	{"terminal-high", try_terminal_high}, {"terminal-device", try_terminal_device},
};

static int look(char **words)
{
	(void)words;
	extern char **environ;
	look_at_descriptors();
	look_at_processes();
	look_at_rights();
	for (char **e = environ; *e != NULL; e++)
		(void)printf("environment %.*s\n", (int)strcspn(*e, "="), *e);
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
		in_child(calls[i].what, calls[i].try);
	return 0;
}

/* ---- files and programs ---- */

static int do_read(char **paths)
{
	static char buf[4096];
	for (; *paths != NULL; paths++)
		say("read", *paths, read_some(*paths, buf, sizeof(buf)) >= 0);
	return 0;
}

static int do_list(char **paths)
{
	for (; *paths != NULL; paths++) {
		DIR *d = opendir(*paths);
		if (d == NULL) {
			say("list", *paths, false);
			continue;
		}
		for (struct dirent *e; (e = readdir(d)) != NULL;)
			if (e->d_name[0] != '.')
				(void)printf("list %s has %s\n", *paths, e->d_name);
		(void)closedir(d);
	}
	return 0;
}

static int do_write(char **paths)
{
	for (; *paths != NULL; paths++) {
		int fd = open(*paths, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
		say("write", *paths, fd >= 0 && write(fd, "x", 1) == 1);
	}
	return 0;
}

/* Whether it starts; what it does then does not matter. */
static void run_one(const char *what, char *path)
{
	enum { NOT_STARTED = 100 };
	(void)fflush(stdout);
	pid_t pid = fork();
	if (pid == 0) {
		int null = open("/dev/null", O_RDWR);
		if (null >= 0 && (dup2(null, 0) < 0 || dup2(null, 1) < 0 || dup2(null, 2) < 0))
			_exit(NOT_STARTED);
		char *argv[] = {path, NULL};
		(void)execv(path, argv);
		_exit(NOT_STARTED + errno);
	}
	int status = 0;
	bool ended = pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status);
	errno = ended && WEXITSTATUS(status) > NOT_STARTED ? WEXITSTATUS(status) - NOT_STARTED : 0;
	say(what, path, errno == 0);
}

static int do_run(char **paths)
{
	static char own[] = "./probe-copy";
	for (; *paths != NULL; paths++)
		run_one("run", *paths);
	static char buf[65536];
	int from = open(probe_self, O_RDONLY | O_CLOEXEC), to = open(own, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0755);
	for (ssize_t n; from >= 0 && to >= 0 && (n = read(from, buf, sizeof(buf))) > 0;)
		if (write(to, buf, (size_t)n) != n)
			return 1;
	if (from < 0 || to < 0) {
		say("run-written", "", false);
		return 0;
	}
	(void)close(to);
	run_one("run-written", own);
	return 0;
}

/* ---- network ---- */

static bool reach(int fd, const struct sockaddr *to, socklen_t len)
{
	if (fd < 0)
		return false;
	if (connect(fd, to, len) == 0)
		return true;
	struct pollfd p = {.fd = fd, .events = POLLOUT};
	int why = 0;
	socklen_t size = sizeof(why);
	if (errno != EINPROGRESS)
		return false;
	if (poll(&p, 1, 2000) <= 0) {
		errno = ETIMEDOUT;
		return false;
	}
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &why, &size) != 0)
		return false;
	errno = why;
	return why == 0;
}

static int reach_inet(const char *what, int type, char **words)
{
	if (words[0] == NULL || words[1] == NULL)
		return 2;
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)strtoul(words[1], NULL, 10))};
	if (inet_pton(AF_INET, words[0], &to.sin_addr) != 1)
		return 2;
	int fd = socket(AF_INET, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	bool ok = reach(fd, (const struct sockaddr *)&to, sizeof(to));
	if (ok && type == SOCK_DGRAM)
		ok = send(fd, "x", 1, 0) == 1;
	else if (ok)
		ok = write(fd, "GET / HTTP/1.0\r\n\r\n", 18) == 18;
	say(what, words[0], ok);
	return 0;
}

static int do_tcp(char **words) { return reach_inet("tcp", SOCK_STREAM, words); }
static int do_udp(char **words) { return reach_inet("udp", SOCK_DGRAM, words); }

static int do_unix(char **words)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	if (words[0] == NULL || strlen(words[0]) >= sizeof(to.sun_path))
		return 2;
	memcpy(to.sun_path, words[0], strlen(words[0]));
	socklen_t len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(words[0]));
	if (to.sun_path[0] == '@')
		to.sun_path[0] = '\0';
	else
		len++;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	say("unix", words[0], reach(fd, (const struct sockaddr *)&to, len));
	return 0;
}

static int do_send(char **words)
{
	static char text[65536];
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	to.sin_port = htons((uint16_t)strtoul(words[0] != NULL ? words[0] : "0", NULL, 10));
	ssize_t n = read(STDIN_FILENO, text, sizeof(text));
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (n < 0 || fd < 0 || connect(fd, (const struct sockaddr *)&to, sizeof(to)) != 0 || send(fd, text, (size_t)n, MSG_NOSIGNAL) != n)
		return 1;
	for (struct pollfd p = {.fd = fd, .events = POLLIN}; poll(&p, 1, 3000) == 1 && (n = read(fd, text, sizeof(text))) > 0;)
		if (write(STDOUT_FILENO, text, (size_t)n) != n)
			return 1;
	return n == 0 ? 0 : 3;
}

/* What a collector of stolen things would be. It asks whoever comes to fetch a file of the host. */
static void take(int at)
{
	static const char answer[] = "HTTP/1.0 200 OK\r\nX-Terraform-Get: file:///etc\r\nContent-Length: 0\r\n\r\n";
	char request[1024] = "";
	int fd = accept4(at, NULL, NULL, SOCK_CLOEXEC);
	struct pollfd p = {.fd = fd, .events = POLLIN};
	if (fd < 0)
		return;
	if (poll(&p, 1, 1000) == 1 && read(fd, request, sizeof(request) - 1) < 0)
		request[0] = '\0';
	(void)printf("came %.*s\n", (int)strcspn(request, "\r\n"), request);
	(void)fflush(stdout);
	if (write(fd, answer, sizeof(answer) - 1) < 0)
		(void)printf("left\n");
	(void)close(fd);
}

static int do_listen(char **words)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct sockaddr_un name = {.sun_family = AF_UNIX};
	socklen_t len = sizeof(at);
	(void)signal(SIGPIPE, SIG_IGN);
	struct pollfd p[2] = {{.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), .events = POLLIN}, {.fd = -1, .events = POLLIN}};
	if (bind(p[0].fd, (const struct sockaddr *)&at, len) != 0 || listen(p[0].fd, 64) != 0 || getsockname(p[0].fd, (struct sockaddr *)&at, &len) != 0)
		return 1;
	if (words[0] != NULL && strlen(words[0]) < sizeof(name.sun_path) - 1) {
		memcpy(name.sun_path + 1, words[0], strlen(words[0]));
		p[1].fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
		len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(words[0]));
		if (bind(p[1].fd, (const struct sockaddr *)&name, len) != 0 || listen(p[1].fd, 64) != 0)
			return 1;
	}
	(void)printf("port %u\n", ntohs(at.sin_port));
	(void)fflush(stdout);
	while (poll(p, 2, -1) > 0)
		for (unsigned i = 0; i < 2; i++)
			if (p[i].revents != 0)
				take(p[i].fd);
	return 0;
}

static const struct {
	const char *word;
	int (*act)(char **words);
} acts[] = {
	{"look", look}, {"read", do_read}, {"list", do_list}, {"write", do_write}, {"run", do_run}, {"tcp", do_tcp}, {"udp", do_udp},
	{"unix", do_unix}, {"send", do_send}, {"listen", do_listen}, {"memory", eat_memory}, {"spin", spin}, {"forks", fork_all}, {"descriptors", open_all}, {"fly", fly_all}, {"fill", fill},
	{"inodes", make_files}, {"flood", flood}, {"hang", hang}, {"stay", stay}, {"plant", plant}, {"crash", crash},
};

int main(int argc, char **argv)
{
	probe_self = argv[0];
	for (size_t i = 0; argc > 1 && i < sizeof(acts) / sizeof(acts[0]); i++)
		if (strcmp(argv[1], acts[i].word) == 0)
			return acts[i].act(argv + 2);
	(void)fprintf(stderr, "probe: no such word\n");
	return 2;
}
