/* What a program in the box can start, write to, read and connect to. */
#include "runner/job_battery.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <netinet/in.h>

enum { SO_NETNS_COOKIE_NUMBER = 71, TMPFS = 0x01021994, CONNECT_MS = 300 };
static const uint32_t nowhere = 0xc0000201; /* 192.0.2.1, which belongs to documents */

/* ---- programs ---- */

/* Not a program at all: ENOEXEC says that the kernel was willing. */
static void execute_file(const char *path, char *value, size_t size)
{
	char *argv[] = {NULL, NULL}, name[] = "x";
	argv[0] = name;
	int fd = open(path, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0700);
	if (fd < 0 || write(fd, "nothing to run", 14) != 14) {
		battery_say(value, size, "not written");
	} else {
		(void)close(fd);
		fd = -1;
		battery_answer(value, size, execv(path, argv));
	}
	if (fd >= 0)
		(void)close(fd);
	(void)unlink(path);
}

static void execute_work(char *value, size_t size) { execute_file("/work/.battery-program", value, size); }
static void execute_tmp(char *value, size_t size) { execute_file("/tmp/.battery-program", value, size); }

static void execute_memory(char *value, size_t size)
{
	char name[] = "x", *argv[] = {name, NULL};
	int fd = (int)syscall(SYS_memfd_create, "battery", 0);
	battery_answer(value, size, fd < 0 ? -1 : syscall(SYS_execveat, fd, "", argv, argv + 1, AT_EMPTY_PATH));
	if (fd >= 0)
		(void)close(fd);
}

static void execute_at(char *value, size_t size)
{
	char name[] = "x", *argv[] = {name, NULL};
	battery_answer(value, size, syscall(SYS_execveat, -1, "", argv, argv + 1, AT_EMPTY_PATH));
}

static void shell(char *value, size_t size)
{
	static const char *const shells[] = {"/bin/sh", "/bin/bash", "/usr/bin/sh", "/usr/bin/env", "/usr/bin/python3", "/bin/busybox"};
	struct stat st;
	battery_say(value, size, "none");
	for (size_t i = 0; i < sizeof(shells) / sizeof(shells[0]); i++)
		if (stat(shells[i], &st) == 0)
			battery_say(value, size, "%s", shells[i]);
}

/* ---- writing ---- */

static void make_file_in(const char *dir, char *value, size_t size)
{
	char path[256];
	battery_say(path, sizeof(path), "%s/.battery", dir);
	int fd = open(path, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
	battery_answer(value, size, fd < 0 ? -1 : write(fd, "x", 1));
	if (fd >= 0)
		(void)close(fd);
	(void)unlink(path);
}

static void write_root(char *value, size_t size) { make_file_in("", value, size); }
static void write_bin(char *value, size_t size) { make_file_in("/bin", value, size); }
static void write_usr(char *value, size_t size) { make_file_in("/usr", value, size); }
static void write_etc(char *value, size_t size) { make_file_in("/etc", value, size); }
static void write_dev(char *value, size_t size) { make_file_in("/dev", value, size); }
static void write_plugins(char *value, size_t size) { make_file_in("/plugins", value, size); }
static void write_work(char *value, size_t size) { make_file_in("/work", value, size); }
static void write_tmp(char *value, size_t size) { make_file_in("/tmp", value, size); }
static void write_home(char *value, size_t size) { make_file_in("/home", value, size); }

/* Opened for writing, not written to. */
static void write_programs(char *value, size_t size)
{
	DIR *d = opendir("/bin");
	battery_say(value, size, "no");
	if (d == NULL) {
		battery_answer(value, size, -1);
		return;
	}
	for (const struct dirent *e; (e = readdir(d)) != NULL;) {
		int fd = e->d_type == DT_DIR ? -1 : openat(dirfd(d), e->d_name, O_WRONLY | O_CLOEXEC);
		if (fd < 0)
			continue;
		battery_say(value, size, "%s", e->d_name);
		(void)close(fd);
	}
	(void)closedir(d);
}

/* ---- room ---- */

static void room(const char *path, bool files, char *value, size_t size)
{
	struct statfs s;
	if (statfs(path, &s) != 0)
		battery_answer(value, size, -1);
	else if ((unsigned long)s.f_type != TMPFS)
		battery_say(value, size, "no tmpfs");
	else
		battery_say(value, size, "%llu",
			    files ? (unsigned long long)s.f_files : (unsigned long long)s.f_blocks * (unsigned long long)s.f_bsize);
}

static void room_bytes(char *value, size_t size) { room("/work", false, value, size); }
static void room_files(char *value, size_t size) { room("/work", true, value, size); }
static void room_tmp_files(char *value, size_t size) { room("/tmp", true, value, size); }
static void room_home_files(char *value, size_t size) { room("/home", true, value, size); }

static void mount_flags(char *value, size_t size)
{
	static const char *const places[] = {"/work", "/tmp", "/home"};
	struct statvfs s;
	battery_say(value, size, "nosuid nodev");
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++)
		if (statvfs(places[i], &s) != 0 || (s.f_flag & (ST_NOSUID | ST_NODEV)) != (ST_NOSUID | ST_NODEV))
			battery_say(value, size, "%s is without", places[i]);
}

/* ---- the host's files ---- */

static void first_readable(const char *const *paths, char *value, size_t size)
{
	battery_say(value, size, "none");
	for (; *paths != NULL; paths++) {
		int fd = open(*paths, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
		if (fd < 0)
			continue;
		battery_say(value, size, "%s", *paths);
		(void)close(fd);
	}
}

static void secrets(char *value, size_t size)
{
	static const char *const paths[] = {"/etc/shadow", "/etc/gshadow", "/etc/sudoers", "/etc/ssh", "/root", "/var",
					    "/run",        "/opt",         "/srv",         "/boot",    NULL};
	first_readable(paths, value, size);
}

static void devices(char *value, size_t size)
{
	static const char *const paths[] = {"/dev/kvm",  "/dev/vda",  "/dev/sda",     "/dev/nvme0n1", "/dev/mem",
					    "/dev/kmsg", "/dev/fuse", "/dev/net/tun", "/dev/vsock",   NULL};
	first_readable(paths, value, size);
}

static void system_files(char *value, size_t size)
{
	static const char *const paths[] = {"/sys",
					    "/sys/fs/cgroup",
					    "/proc/sys/kernel/core_pattern",
					    "/proc/kallsyms",
					    "/proc/kcore",
					    "/proc/keys",
					    "/proc/1/root/etc",
					    NULL};
	first_readable(paths, value, size);
}

static void homes(char *value, size_t size)
{
	int n = 0;
	DIR *d = opendir("/home");
	if (d == NULL) {
		battery_answer(value, size, -1);
		return;
	}
	for (const struct dirent *e; (e = readdir(d)) != NULL;)
		n += e->d_name[0] != '.';
	(void)closedir(d);
	battery_say(value, size, "%d", n);
}

static void bait_file(char *value, size_t size)
{
	const char *path = battery_bait("file");
	if (path == NULL) {
		battery_say(value, size, "no bait");
		return;
	}
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	battery_answer(value, size, fd);
	if (fd >= 0)
		(void)close(fd);
}

static void control_group(char *value, size_t size)
{
	FILE *f = fopen("/proc/self/cgroup", "re");
	if (f == NULL || fgets(value, (int)size, f) == NULL)
		battery_answer(value, size, -1);
	else
		value[strcspn(value, "\n")] = '\0';
	if (f != NULL)
		(void)fclose(f);
}

/* ---- network ---- */

/* A connection under way: 0 when it stands, else -1 and errno; EINPROGRESS when nothing answers, as if the way were open. */
static int came_through(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLOUT};
	int failure = EINPROGRESS;
	socklen_t n = sizeof(failure);
	if (poll(&p, 1, CONNECT_MS) == 1 && getsockopt(fd, SOL_SOCKET, SO_ERROR, &failure, &n) != 0)
		failure = errno;
	errno = failure;
	return failure == 0 ? 0 : -1;
}

static void connect_to(char *value, size_t size, const void *address, size_t len, int type)
{
	const struct sockaddr *a = address;
	int fd = socket(a->sa_family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int rc = fd < 0 ? -1 : connect(fd, a, (socklen_t)len);
	if (fd >= 0 && rc != 0 && errno == EINPROGRESS)
		rc = came_through(fd);
	battery_answer(value, size, rc);
	if (fd >= 0)
		(void)close(fd);
}

static void connect_inet(char *value, size_t size, uint32_t address, uint16_t port, int type)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(address)};
	connect_to(value, size, &a, sizeof(a), type);
}

static void bait_tcp(char *value, size_t size)
{
	const char *port = battery_bait("tcp");
	if (port == NULL)
		battery_say(value, size, "no bait");
	else
		connect_inet(value, size, INADDR_LOOPBACK, (uint16_t)strtoul(port, NULL, 10), SOCK_STREAM);
}

static void tcp_out(char *value, size_t size) { connect_inet(value, size, nowhere, 443, SOCK_STREAM); }
static void tcp_proxy_port_out(char *value, size_t size) { connect_inet(value, size, nowhere, 3128, SOCK_STREAM); }
static void udp_out(char *value, size_t size) { connect_inet(value, size, nowhere, 443, SOCK_DGRAM); }
static void dns_out(char *value, size_t size) { connect_inet(value, size, nowhere, 53, SOCK_DGRAM); }

static void listen_on_port(char *value, size_t size)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	battery_answer(value, size, fd < 0 ? -1 : bind(fd, (const struct sockaddr *)&a, sizeof(a)));
	if (fd >= 0)
		(void)close(fd);
}

static void connect_unix(char *value, size_t size, const char *key, bool abstract)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	const char *name = battery_bait(key);
	if (name == NULL) {
		battery_say(value, size, "no bait");
		return;
	}
	size_t n = strlen(name);
	if (n + 2 > sizeof(a.sun_path)) {
		battery_say(value, size, "name too long");
		return;
	}
	memcpy(a.sun_path + (abstract ? 1 : 0), name, n);
	connect_to(value, size, &a, offsetof(struct sockaddr_un, sun_path) + n + 1, SOCK_STREAM);
}

static void bait_abstract(char *value, size_t size) { connect_unix(value, size, "abstract", true); }
static void bait_socket(char *value, size_t size) { connect_unix(value, size, "socket", false); }

static void interfaces(char *value, size_t size)
{
	size_t len = 0;
	struct if_nameindex *all = if_nameindex();
	if (all == NULL) {
		battery_answer(value, size, -1);
		return;
	}
	for (struct if_nameindex *i = all; i->if_name != NULL && len + 1 < size; i++) {
		battery_say(value + len, size - len, "%s%s", len > 0 ? " " : "", i->if_name);
		len = strlen(value);
	}
	if_freenameindex(all);
}

/* A number that no other network namespace has. */
static void network(char *value, size_t size)
{
	uint64_t cookie = 0;
	socklen_t len = sizeof(cookie);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE_NUMBER, &cookie, &len) != 0)
		battery_answer(value, size, -1);
	else
		battery_say(value, size, "%llu", (unsigned long long)cookie);
	if (fd >= 0)
		(void)close(fd);
}

static const struct battery_row rows[] = {
	{"execute_work", execute_work},
	{"execute_tmp", execute_tmp},
	{"execute_memory", execute_memory},
	{"execute_at", execute_at},
	{"shell", shell},
	{"write_root", write_root},
	{"write_bin", write_bin},
	{"write_usr", write_usr},
	{"write_etc", write_etc},
	{"write_dev", write_dev},
	{"write_plugins", write_plugins},
	{"write_programs", write_programs},
	{"write_work", write_work},
	{"write_tmp", write_tmp},
	{"write_home", write_home},
	{"room_bytes", room_bytes},
	{"room_files", room_files},
	{"room_tmp_files", room_tmp_files},
	{"room_home_files", room_home_files},
	{"mount_flags", mount_flags},
	{"secrets", secrets},
	{"devices", devices},
	{"system_files", system_files},
	{"homes", homes},
	{"bait_file", bait_file},
	{"control_group", control_group},
	{"bait_tcp", bait_tcp},
	{"tcp_out", tcp_out},
	{"tcp_proxy_port_out", tcp_proxy_port_out},
	{"udp_out", udp_out},
	{"dns_out", dns_out},
	{"listen", listen_on_port},
	{"bait_abstract", bait_abstract},
	{"bait_socket", bait_socket},
	{"interfaces", interfaces},
	{"network", network},
};

struct battery_rows battery_reach(void) { return (struct battery_rows){rows, sizeof(rows) / sizeof(rows[0])}; }
