/* sluice-job-init: the first program of ours inside the sandbox, and the parent of the engine. Static, no library, no privilege: the
 * sandbox is already closed around it. It starts one step at a time, carries output and files out as bytes, and leaves nothing running
 * behind a step. It speaks runner/job_proto.h on descriptors 3 and 4; when the runner is gone it ends, and the sandbox with it. */
#include "runner/job_battery.h"
#include "runner/job_confine.h"
#include "runner/job_init_net.h"
#include "runner/job_launch.h"
#include "runner/job_proto.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { PATH_SIZE = 4096, HEAD = 4, FILES_MAX = 4096, ROOM_MIN = 64 * 1024 };
static const rlim_t file_bytes_max = (rlim_t)1024 * 1024 * 1024;

struct step {
	bool running;
	uint8_t id;
	pid_t pid;
	int pidfd, out, err; /* -1: closed, or its end was seen */
	int64_t kill_at_ms;  /* 0: not cancelled */
	int64_t look_ms;     /* at the room that is left, next */
	bool full;           /* that was told */
};

struct export
{
	uint8_t id;
	uint64_t max;
	char path[PATH_SIZE]; /* "": none */
	struct stat seen;     /* as last carried out */
	int64_t next_ms;
};

static struct step step = {.pidfd = -1, .out = -1, .err = -1};
static struct export watch;
static uint8_t control[HEAD + JOB_CONTROL_FRAME_MAX];
static size_t control_len;
static bool alone; /* no control group counts for us */

static int64_t now_ms(void)
{
	struct timespec t;
	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static uint32_t read_u32(const uint8_t *p) { return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24; }

static void write_u32(uint8_t *p, uint32_t v)
{
	for (unsigned i = 0; i < 4; i++)
		p[i] = (uint8_t)(v >> (8 * i));
}

/* The runner always reads; when it does not exist any more, neither should we. */
static void write_all(const uint8_t *p, size_t len)
{
	while (len > 0) {
		ssize_t n = write(JOB_RESULT_FD, p, len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			_exit(1);
		p += n;
		len -= (size_t)n;
	}
}

static void tell(enum job_tell type, uint8_t id, const void *payload, size_t len)
{
	static uint8_t frame[HEAD + 2 + JOB_CHUNK];
	if (len > JOB_CHUNK)
		_exit(1);
	write_u32(frame, (uint32_t)len + 2);
	frame[HEAD] = (uint8_t)type;
	frame[HEAD + 1] = id;
	if (len > 0)
		memcpy(frame + HEAD + 2, payload, len);
	write_all(frame, HEAD + 2 + len);
}

/* ---- files ---- */

static enum job_export_end send_file(int fd, const struct export *e)
{
	static uint8_t chunk[JOB_CHUNK];
	uint64_t sent = 0;
	for (;;) {
		ssize_t n = read(fd, chunk, sizeof(chunk));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return JOB_EXPORT_UNREADABLE;
		if (n == 0)
			return JOB_EXPORT_DONE;
		sent += (uint64_t)n;
		if (sent > e->max) /* it may grow while we read */
			return JOB_EXPORT_TOO_LARGE;
		tell(JOB_TELL_DATA, e->id, chunk, (size_t)n);
	}
}

/* Through no link, wherever it stands in the path: the job made the directories, too. */
static int open_beneath_root(const char *path)
{
	struct open_how how = {.flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY,
			       .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS};
	int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	int fd = root >= 0 && path[0] == '/' ? (int)syscall(SYS_openat2, root, path + 1, &how, sizeof(how)) : -1;
	int why = errno;
	if (root >= 0)
		(void)close(root);
	errno = why;
	return fd;
}

/* Only regular files: the engine may have left a FIFO or a link where a file is expected. */
static void carry_out(struct export *e)
{
	enum job_export_end end = JOB_EXPORT_MISSING;
	struct stat st;
	tell(JOB_TELL_BEGIN, e->id, NULL, 0);
	int fd = open_beneath_root(e->path);
	if (fd >= 0 && fstat(fd, &st) == 0) {
		e->seen = st;
		if (!S_ISREG(st.st_mode))
			end = JOB_EXPORT_UNREADABLE;
		else
			end = st.st_size >= 0 && (uint64_t)st.st_size > e->max ? JOB_EXPORT_TOO_LARGE : send_file(fd, e);
	} else if (errno != ENOENT) {
		end = JOB_EXPORT_UNREADABLE;
	}
	if (fd >= 0)
		(void)close(fd);
	uint8_t byte = (uint8_t)end;
	tell(JOB_TELL_FINISH, e->id, &byte, 1);
}

static bool changed(const struct stat *a, const struct stat *b)
{
	return a->st_ino != b->st_ino || a->st_size != b->st_size || a->st_mtim.tv_sec != b->st_mtim.tv_sec ||
	       a->st_mtim.tv_nsec != b->st_mtim.tv_nsec;
}

static void look_at_watched(void)
{
	struct stat st;
	watch.next_ms = now_ms() + JOB_WATCH_MS;
	if (lstat(watch.path, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0 && changed(&st, &watch.seen))
		carry_out(&watch);
}

/* ---- room ---- */

/* The one way to see that RLIMIT_NPROC is reached: to be refused ourselves. */
static bool no_process_left(void)
{
	pid_t pid = fork();
	if (pid == 0)
		_exit(0);
	if (pid < 0)
		return errno == EAGAIN;
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		continue;
	return false;
}

/* All that the job can write to is one file system. */
static void look_for_room(void)
{
	struct statfs s;
	step.look_ms = now_ms() + JOB_FULL_MS;
	if (step.full || statfs("/tmp", &s) != 0)
		return;
	uint8_t what = s.f_ffree == 0 ? JOB_FULL_FILES : 0;
	if (what == 0 && (uint64_t)s.f_bavail * (uint64_t)s.f_bsize < ROOM_MIN)
		what = JOB_FULL_BYTES;
	if (what == 0 && alone && no_process_left())
		what = JOB_FULL_PROCESSES;
	step.full = what != 0;
	if (step.full)
		tell(JOB_TELL_FULL, step.id, &what, 1);
}

/* ---- steps ---- */

/* Between fork and exec of the engine. */
static void become(char *const *argv, int out, int err)
{
	int null = open("/dev/null", O_RDONLY);
	(void)setpgid(0, 0);
	if (null < 0 || dup2(null, 0) < 0 || dup2(out, 1) < 0 || dup2(err, 2) < 0 || close_range(3, ~0u, 0) != 0)
		_exit(126);
	(void)signal(SIGPIPE, SIG_DFL);
	(void)confine_step(); /* where the kernel knows how: a step that kills us ends its own job, and nothing else */
	(void)execv(argv[0], argv);
	static const char text[] = "sluice-job-init: the program cannot be started\n";
	ssize_t ignored = write(2, text, sizeof(text) - 1);
	_exit(ignored < 0 ? 126 : 127);
}

static void tell_ended(uint8_t id, int status, uint64_t peak)
{
	uint8_t bytes[12];
	write_u32(bytes, (uint32_t)status);
	write_u32(bytes + 4, (uint32_t)peak);
	write_u32(bytes + 8, (uint32_t)(peak >> 32));
	tell(JOB_TELL_ENDED, id, bytes, sizeof(bytes));
}

static void start(uint8_t id, char *const *argv)
{
	int out[2], err[2];
	if (pipe2(out, O_CLOEXEC) != 0 || pipe2(err, O_CLOEXEC) != 0)
		_exit(1);
	pid_t pid = fork();
	if (pid == 0)
		become(argv, out[1], err[1]);
	(void)close(out[1]);
	(void)close(err[1]);
	if (pid < 0)
		_exit(1);
	(void)setpgid(pid, pid); /* both sides, so that a cancel finds the group whoever runs first */
	step = (struct step){.running = true, .id = id, .pid = pid, .pidfd = pidfd_open(pid, 0), .out = out[0], .err = err[0]};
	if (step.pidfd < 0)
		_exit(1);
	watch.next_ms = now_ms() + JOB_WATCH_MS;
	step.look_ms = now_ms() + JOB_FULL_MS;
}

/* Everything in this PID namespace but us and its init: a step leaves nothing behind that could write into the next one. */
static void kill_all(void) { (void)kill(-1, SIGKILL); }

static void carry_output(int *fd, enum job_tell type)
{
	static uint8_t chunk[JOB_CHUNK];
	ssize_t n = read(*fd, chunk, sizeof(chunk));
	if (n > 0) {
		tell(type, step.id, chunk, (size_t)n);
	} else if (n == 0 || errno != EINTR) {
		(void)close(*fd);
		*fd = -1;
	}
}

/* The step's first process has ended: its children go too, then both pipes reach their end. */
static void finish(void)
{
	int status = 0;
	struct rusage use = {0};
	look_for_room(); /* before anything of it is gone */
	while (wait4(step.pid, &status, 0, &use) < 0 && errno == EINTR)
		continue;
	kill_all();
	while (step.out >= 0)
		carry_output(&step.out, JOB_TELL_OUT);
	while (step.err >= 0)
		carry_output(&step.err, JOB_TELL_ERR);
	(void)close(step.pidfd);
	step.running = false;
	tell_ended(step.id, status, (uint64_t)use.ru_maxrss * 1024);
}

/* ---- what the runner asks for ---- */

static void ask_run(uint8_t id, uint8_t *payload, size_t len)
{
	char *argv[JOB_ARGS_MAX + 1];
	size_t n = 0;
	if (step.running || len == 0 || payload[len - 1] != 0)
		_exit(2);
	for (size_t i = 0; i < len; i += strlen((char *)payload + i) + 1) {
		if (n == JOB_ARGS_MAX)
			_exit(2);
		argv[n++] = (char *)payload + i;
	}
	argv[n] = NULL;
	start(id, argv);
}

static void set_export(struct export *e, uint8_t id, const uint8_t *payload, size_t len)
{
	if (len < 8 || len - 8 >= PATH_SIZE)
		_exit(2);
	*e = (struct export){.id = id, .max = (uint64_t)read_u32(payload) | (uint64_t)read_u32(payload + 4) << 32};
	memcpy(e->path, payload + 8, len - 8);
}

static void ask_cancel(const uint8_t *payload, size_t len)
{
	if (len != 4)
		_exit(2);
	if (!step.running || step.kill_at_ms != 0)
		return;
	step.kill_at_ms = now_ms() + read_u32(payload);
	(void)kill(-step.pid, SIGINT);
}

static void obey(uint8_t *frame, size_t len)
{
	struct export once;
	if (len < 2)
		_exit(2);
	uint8_t *payload = frame + 2;
	size_t n = len - 2;
	switch (frame[0]) {
	case JOB_ASK_RUN: ask_run(frame[1], payload, n); break;
	case JOB_ASK_EXPORT:
		set_export(&once, frame[1], payload, n);
		carry_out(&once);
		break;
	case JOB_ASK_WATCH:
		set_export(&watch, frame[1], payload, n);
		(void)lstat(watch.path, &watch.seen); /* what is there now is known to the runner */
		break;
	case JOB_ASK_CANCEL: ask_cancel(payload, n); break;
	default: _exit(2);
	}
}

static void read_control(void)
{
	ssize_t n = read(JOB_CONTROL_FD, control + control_len, sizeof(control) - control_len);
	if (n < 0 && errno == EINTR)
		return;
	if (n <= 0) { /* the runner is done or dead */
		kill_all();
		_exit(0);
	}
	control_len += (size_t)n;
	while (control_len >= HEAD) {
		size_t len = read_u32(control);
		if (len > JOB_CONTROL_FRAME_MAX)
			_exit(2);
		if (control_len - HEAD < len)
			return;
		obey(control + HEAD, len);
		control_len -= HEAD + len;
		memmove(control, control + HEAD + len, control_len);
	}
}

/* ---- life ---- */

static void limit(__rlimit_resource_t what, rlim_t value)
{
	struct rlimit r;
	if (getrlimit(what, &r) != 0)
		_exit(1);
	r.rlim_cur = r.rlim_max = r.rlim_max < value ? r.rlim_max : value;
	if (setrlimit(what, &r) != 0)
		_exit(1);
}

struct inside {
	bool compat, net;
	rlim_t processes, data;
	const char *program;
};

/* Returns the walls that hold. What does not is the runner's business: it knows what was asked for. */
static uint8_t close_in(const struct inside *in)
{
	uint8_t walls = 0;
	if (prctl(PR_SET_DUMPABLE, 0) != 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		_exit(1);
	if (in->net)
		give_listener_away();
	if (fcntl(JOB_CONTROL_FD, F_SETFD, FD_CLOEXEC) != 0 || fcntl(JOB_RESULT_FD, F_SETFD, FD_CLOEXEC) != 0 ||
	    close_range(JOB_NET_FD, ~0u, 0) != 0)
		_exit(1);
	limit(RLIMIT_CORE, 0);
	limit(RLIMIT_NOFILE, FILES_MAX);
	limit(RLIMIT_FSIZE, file_bytes_max);
	limit(RLIMIT_NPROC, in->processes); /* counted in this user namespace: per job */
	if (in->data != 0) /* no control group: what one process alone may grow by between two looks from outside */
		limit(RLIMIT_DATA, in->data);
	(void)signal(SIGPIPE, SIG_IGN);
	struct confine_paths paths = {.compat = in->compat, .engine = in->program};
	struct confine_applied applied = {0};
	if (confine_landlock(&paths, &applied) == 0)
		walls |= JOB_WALL_LANDLOCK;
	if (confine_seccomp(in->compat) == 0)
		walls |= JOB_WALL_SECCOMP;
	return walls;
}

static struct inside read_arguments(int argc, char **argv)
{
	struct inside in = {0};
	if (argc != 6)
		_exit(2);
	in.compat = strcmp(argv[1], JOB_ARG_COMPAT) == 0;
	in.net = strcmp(argv[2], JOB_ARG_NET) == 0;
	in.processes = strtoul(argv[3], NULL, 10);
	in.data = strtoul(argv[4], NULL, 10);
	in.program = argv[5];
	return in;
}

static int wait_ms(void)
{
	int64_t until = INT64_MAX, now = now_ms();
	if (step.running && step.kill_at_ms != 0)
		until = step.kill_at_ms;
	if (step.running && watch.path[0] != '\0' && watch.next_ms < until)
		until = watch.next_ms;
	if (step.running && step.look_ms < until)
		until = step.look_ms;
	if (until == INT64_MAX)
		return -1;
	return until <= now ? 0 : (int)(until - now);
}

static void on_time(void)
{
	int64_t now = now_ms();
	if (step.kill_at_ms != 0 && now >= step.kill_at_ms) {
		kill_all();
		step.kill_at_ms = now + 1000; /* until the kernel is done with it */
	}
	if (watch.path[0] != '\0' && now >= watch.next_ms)
		look_at_watched();
	if (now >= step.look_ms)
		look_for_room();
}

int main(int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], "launch") == 0)
		return launch_main();
	if (argc >= 2 && strcmp(argv[1], "battery") == 0)
		return battery_main(argc - 2, argv + 2);
	struct inside in = read_arguments(argc, argv);
	alone = in.data != 0;
	uint8_t walls = close_in(&in);
	tell(JOB_TELL_READY, 0, &walls, 1);
	for (;;) {
		struct pollfd p[] = {
			{.fd = JOB_CONTROL_FD, .events = POLLIN},
			{.fd = step.running ? step.out : -1, .events = POLLIN},
			{.fd = step.running ? step.err : -1, .events = POLLIN},
			{.fd = step.running ? step.pidfd : -1, .events = POLLIN},
		};
		if (poll(p, sizeof(p) / sizeof(p[0]), wait_ms()) < 0 && errno != EINTR)
			_exit(1);
		if (p[1].revents != 0)
			carry_output(&step.out, JOB_TELL_OUT);
		if (p[2].revents != 0)
			carry_output(&step.err, JOB_TELL_ERR);
		if (p[3].revents != 0)
			finish();
		else if (step.running)
			on_time();
		if (p[0].revents != 0)
			read_control();
	}
}
