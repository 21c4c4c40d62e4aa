/* A stand-in for an engine, for what a real one cannot be made to do on demand: hang, flood, crash, write half a state, look around. It
 * is compiled statically by the tests and put where the runner looks for `terraform`. The file "mode" in the project directory says what
 * to do. */
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

extern char **environ;
static char mode[64];

static void write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text)) {
		fprintf(stderr, "cannot write %s: %s\n", path, strerror(errno));
		exit(70);
	}
	(void)close(fd);
}

static void write_state(int serial)
{
	char text[256];
	(void)snprintf(text, sizeof(text), "{\"version\":4,\"serial\":%d,\"lineage\":\"double\",\"outputs\":{}}", serial);
	write_file("terraform.tfstate", text);
}

static void hang(void)
{
	for (;;)
		(void)sleep(1000);
}

static void on_int(int s)
{
	static const char text[] = "\nError: execution halted\n\nInterrupted.\n";
	(void)s;
	(void)!write(2, text, sizeof(text) - 1);
	_exit(1);
}

static void flood(size_t n)
{
	static char line[1024];
	memset(line, 'x', sizeof(line) - 1);
	line[sizeof(line) - 1] = '\n';
	for (; n > 0; n -= sizeof(line))
		(void)!write(1, line, sizeof(line));
}

static int exists(const char *path)
{
	struct stat st;
	return stat(path, &st) == 0;
}

static const char *yes(int ok) { return ok ? "yes" : "no"; }

static int can_connect(const char *ip, int port)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((unsigned short)port)};
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	(void)inet_pton(AF_INET, ip, &a.sin_addr);
	return fd >= 0 && connect(fd, (const struct sockaddr *)&a, sizeof(a)) == 0;
}

static long file_bytes(const char *path)
{
	char b[4096];
	int fd = open(path, O_RDONLY);
	long n = fd < 0 ? -1 : read(fd, b, sizeof(b));
	if (fd >= 0)
		(void)close(fd);
	return n;
}

static void list(const char *name, const char *path)
{
	DIR *d = opendir(path);
	printf("%s:", name);
	for (struct dirent *e; d != NULL && (e = readdir(d)) != NULL;)
		if (strcmp(path, "/proc") != 0 || (e->d_name[0] >= '0' && e->d_name[0] <= '9'))
			printf(" %s", e->d_name);
	printf("\n");
}

/* Looks for everything that must not be there. */
static void probe(int host_port)
{
	for (char **e = environ; *e != NULL; e++)
		printf("env %s\n", *e);
	printf("fds:");
	for (int i = 0; i < 1024; i++)
		if (fcntl(i, F_GETFD) >= 0)
			printf(" %d", i);
	printf("\nuid %u gid %u\n", getuid(), getgid());
	printf("network %s\n", yes(can_connect("127.0.0.1", host_port) || can_connect("10.255.255.1", 53) || errno == ETIMEDOUT));
	printf("environ of 1: %ld\n", file_bytes("/proc/1/environ"));
	printf("memory of job-init: %s\n", yes(open("/proc/2/mem", O_RDONLY) >= 0));
	printf("trace job-init: %s\n", yes(ptrace(PTRACE_ATTACH, getppid(), 0, 0) == 0));
	printf("shadow %s\n", yes(file_bytes("/etc/shadow") >= 0 || file_bytes("evil") >= 0));
	printf("escape %s\n", yes(file_bytes("out/etc/hostname") >= 0));
	printf("shell %s\n", yes(file_bytes("/bin/sh") >= 0));
	printf("change input %s\n", yes(open("mode", O_WRONLY) >= 0));
	printf("remove input %s\n", yes(unlink("mode") == 0));
	write_file("mode", mode); /* the next step reads it */
	printf("change tree %s\n", yes(open("/work/other.txt", O_WRONLY | O_CREAT, 0600) >= 0));
	printf("write beside %s\n", yes(open("beside", O_WRONLY | O_CREAT, 0600) >= 0));
	printf("write outside %s\n", yes(open("/etc/x", O_WRONLY | O_CREAT, 0600) >= 0 || open("/dev/x", O_WRONLY | O_CREAT, 0600) >= 0 ||
					 mkdir("/x", 0700) == 0));
	printf("write home %s\n", yes(open("/home/x", O_WRONLY | O_CREAT, 0600) >= 0));
	printf("mount %s\n", yes(mount("none", "/tmp", "tmpfs", 0, "") == 0));
	char oom[16] = "";
	(void)!read(open("/proc/self/oom_score_adj", O_RDONLY), oom, sizeof(oom) - 1);
	printf("oom score %s", oom);
	list("root", "/");
	list("bin", "/bin");
	list("work", "/work");
	list("here", ".");
	list("processes", "/proc");
	printf("nested namespace %s\n", yes(unshare(CLONE_NEWUSER) == 0));
	fflush(stdout);
}

static void orphan(void)
{
	if (fork() == 0) {
		(void)setsid();
		if (fork() == 0)
			hang();
		hang();
	}
	printf("left two behind\n");
	fflush(stdout);
}

static int plan(void)
{
	if (strcmp(mode, "hang") == 0) {
		(void)signal(SIGINT, on_int);
		printf("hanging\n");
		fflush(stdout);
		hang();
	}
	if (strcmp(mode, "stubborn") == 0) {
		(void)signal(SIGINT, SIG_IGN);
		printf("hanging\n");
		fflush(stdout);
		hang();
	}
	if (strcmp(mode, "flood") == 0)
		flood(10u << 20);
	int port = 0;
	if (sscanf(mode, "probe %d", &port) == 1)
		probe(port);
	if (strcmp(mode, "orphan") == 0)
		orphan();
	if (strcmp(mode, "silent") == 0)
		return 9;
	if (strcmp(mode, "crash") == 0)
		abort();
	if (strcmp(mode, "noplan") == 0)
		return 0;
	if (strcmp(mode, "fifo") == 0)
		return mkfifo("/tmp/plan.bin", 0600);
	if (strcmp(mode, "link") == 0)
		return symlink("/etc/tfrc", "/tmp/plan.bin");
	if (strcmp(mode, "init-needed") == 0 && !exists("/tmp/inited")) {
		fprintf(stderr, "Error: Module not installed\n\nrun init\n");
		return 1;
	}
	write_file("/tmp/plan.bin", "double plan");
	return 0;
}

static int apply(void)
{
	if (strcmp(mode, "apply-hang") == 0) {
		(void)signal(SIGINT, on_int);
		write_state(1);
		hang();
	}
	if (strcmp(mode, "apply-stubborn") == 0) {
		(void)signal(SIGINT, SIG_IGN);
		printf("hanging\n");
		fflush(stdout);
		write_state(1);
		hang();
	}
	if (strcmp(mode, "apply-torn") == 0) {
		write_state(1);
		(void)usleep(1200000); /* long enough to be seen */
		write_file("terraform.tfstate", "{\"version\":4,\"serial\":2,\"linea");
		abort();
	}
	if (strcmp(mode, "apply-older") == 0) {
		write_state(2);
		return 0;
	}
	if (strcmp(mode, "apply-crash") == 0) {
		write_state(7);
		abort();
	}
	if (strcmp(mode, "apply-init") == 0 && !exists("/tmp/inited")) {
		fprintf(stderr, "Error: Required plugins are not installed\n\nrun init\n");
		return 1;
	}
	if (strcmp(mode, "apply-late-init") == 0) {
		printf("x: Creating...\n");
		fflush(stdout);
		fprintf(stderr, "Error: Required plugins are not installed\n\nrun init\n");
		return 1;
	}
	if (strcmp(mode, "apply-nostate") != 0)
		write_state(3);
	return 0;
}

/* In the place of job-init: a box that lies to the runner. */
static void lie(void)
{
	static const char ready[] = "\3\0\0\0H\0\3", begin[] = "\2\0\0\0b", data[] = "\6\0\0\0d\0abcd";
	if (strcmp(mode, "evil-exit") == 0)
		exit(0);
	if (strcmp(mode, "evil-length") == 0)
		(void)!write(4, "\377\377\377\377", 4);
	(void)!write(4, ready, 7);
	if (strcmp(mode, "evil-type") == 0)
		(void)!write(4, "\2\0\0\0Q", 6);
	if (strcmp(mode, "evil-step") == 0)
		(void)!write(4, "\2\0\0\0o\7", 6);
	if (strcmp(mode, "evil-export") == 0)
		(void)!write(4, "\2\0\0\0b\7", 6);
	if (strcmp(mode, "evil-short") == 0)
		(void)!write(4, "\1\0\0\0H", 5);
	if (strcmp(mode, "evil-twice") == 0)
		(void)!write(4, ready, 7);
	if (strcmp(mode, "evil-status") == 0)
		(void)!write(4, "\3\0\0\0x\1\0", 7);
	if (strcmp(mode, "evil-flood") == 0) {
		(void)!write(4, begin, 6);
		while (write(4, data, 10) == 10)
			continue;
	}
	hang();
}

int main(int argc, char **argv)
{
	if (strcmp(argv[0], "/bin/job-init") == 0) {
		int fd = open("mode", O_RDONLY);
		ssize_t n = fd < 0 ? 0 : read(fd, mode, sizeof(mode) - 1);
		mode[n > 0 ? n : 0] = '\0';
		lie();
	}
	const char *word = argc > 1 ? argv[1] : "";
	if (strcmp(word, "version") == 0) {
		printf("Terraform v9.8.7\non linux_amd64\n");
		return 0;
	}
	FILE *f = fopen("mode", "r");
	if (f == NULL || fgets(mode, sizeof(mode), f) == NULL)
		return 71;
	mode[strcspn(mode, "\n")] = '\0';
	(void)fclose(f);
	if (strcmp(word, "init") == 0) {
		write_file("/tmp/inited", "");
		return 0;
	}
	if (strcmp(word, "plan") == 0)
		return plan();
	if (strcmp(word, "apply") == 0)
		return apply();
	if (strcmp(mode, "show-large") == 0)
		flood(3u << 20);
	for (unsigned i = 0; strcmp(mode, "show-fills") == 0 && i < 1000; i++) {
		char name[32];
		(void)snprintf(name, sizeof(name), "/tmp/%u", i);
		(void)close(open(name, O_WRONLY | O_CREAT, 0600));
	}
	printf("{\"format_version\":\"1.2\",\"resource_changes\":[],\"huge\":%s}\n", strcmp(mode, "show-huge") == 0 ? "true" : "false");
	return 0;
}
