/* The system call filter: each forbidden act in a child of its own, which it ends; what serving needs goes on. */
#include "secrets/agent_priv.h"

#include "base/crypto.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* The acts are system calls as they are: no library in between, which might ask for something else first. */
static void act_socket(void) { (void)syscall(SYS_socket, AF_INET, SOCK_STREAM, 0); }
static void act_unix_socket(void) { (void)syscall(SYS_socket, AF_UNIX, SOCK_STREAM, 0); }
static void act_open(void) { (void)syscall(SYS_openat, AT_FDCWD, "/etc/passwd", O_RDONLY); }
static void act_exec(void) { (void)syscall(SYS_execve, "/bin/true", NULL, NULL); }
static void act_fork(void) { (void)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0); }
static void act_ptrace(void) { (void)syscall(SYS_ptrace, PTRACE_TRACEME, 0, 0, 0); }
static void act_kill(void) { (void)syscall(SYS_kill, getppid(), 0); }
static void act_read_memory(void) { (void)syscall(SYS_process_vm_readv, getppid(), NULL, 0, NULL, 0, 0); }
static void act_map_code(void) { (void)syscall(SYS_mmap, NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0); }
static void act_make_code(void)
{
	static char page[8192] __attribute__((aligned(4096)));
	(void)syscall(SYS_mprotect, page, 4096, PROT_READ | PROT_EXEC);
}
static void act_undo(void) { (void)syscall(SYS_prctl, PR_SET_DUMPABLE, 1, 0, 0, 0); }
static void act_dup(void) { (void)syscall(SYS_dup, 2); }
static void act_connect(void) { (void)syscall(SYS_connect, 3, NULL, 0); }
static void act_sendmsg(void) { (void)syscall(SYS_sendmsg, 3, NULL, 0); } /* could hand a descriptor over */
static void act_ioctl(void) { (void)syscall(SYS_ioctl, 0, 0, 0); }
static void act_unlink(void) { (void)syscall(SYS_unlinkat, AT_FDCWD, "/nothing", 0); }
static void act_unknown(void) { (void)syscall(100000); }
#ifdef __x86_64__
static void act_x32(void) { (void)syscall(0x40000000 + SYS_getpid); }
/* The 32-bit entry of the kernel, where 20 is getpid. */
static void act_32_bit(void)
{
	long ret;
	__asm__ volatile("int $0x80" : "=a"(ret) : "a"(20L) : "memory");
	(void)ret;
}
#endif

static void act_serving(void)
{
	uint8_t bytes[64], key[AEAD_KEY_SIZE] = {0}, sealed[64 + AEAD_OVERHEAD];
	struct err err;
	crypto_random(bytes, sizeof(bytes));
	free(xmalloc(1 << 20)); /* a mapping that comes and goes */
	if (crypto_seal(key, "a", 1, bytes, sizeof(bytes), sealed, &err) != 0 || crypto_open(key, "a", 1, sealed, sizeof(sealed), bytes, &err) != 0)
		_exit(9);
	sealed[20] ^= 1;
	if (crypto_open(key, "a", 1, sealed, sizeof(sealed), bytes, &err) != ERR_REFUSED)
		_exit(9);
}

/* The wait status of a child that closes itself in and then does something. */
static int after_closing(void (*act)(void))
{
	pid_t pid = fork();
	if (pid == 0) {
		struct err err = {0};
		act_serving(); /* loads what it needs */
		if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || agent_box_close(&err) != 0)
			_exit(8);
		act();
		_exit(7); /* it went on */
	}
	int status = 0;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static void what_ends_it(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		void (*act)(void);
	} cases[] = {
		{"socket", act_socket}, {"unix socket", act_unix_socket}, {"open", act_open}, {"exec", act_exec}, {"fork", act_fork}, {"ptrace", act_ptrace},
		{"kill", act_kill}, {"read memory", act_read_memory}, {"map code", act_map_code}, {"make code", act_make_code}, {"undo", act_undo},
		{"dup", act_dup}, {"connect", act_connect}, {"sendmsg", act_sendmsg}, {"ioctl", act_ioctl}, {"unlink", act_unlink}, {"unknown", act_unknown},
#ifdef __x86_64__
		{"x32", act_x32}, {"32 bit", act_32_bit},
#endif
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		int status = after_closing(cases[i].act);
		if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGSYS)
			fail_msg("%s: status %d", cases[i].name, status);
	}
}

static void what_goes_on(void **state)
{
	(void)state;
	int status = after_closing(act_serving);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 7);
}

/* Without no_new_privs and privileges the kernel takes no filter: then there is no agent, rather than one without. */
static void no_filter_no_agent(void **state)
{
	(void)state;
	pid_t pid = fork();
	if (pid == 0) {
		struct err err = {0};
		if (geteuid() == 0 && setresuid(65534, 65534, 65534) != 0)
			_exit(1);
		int rc = agent_box_close(&err);
		_exit(rc == ERR_IO && strstr(err.msg, "system call filter") != NULL ? 0 : 2);
	}
	int status = 1;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(what_ends_it), cmocka_unit_test(what_goes_on), cmocka_unit_test(no_filter_no_agent)};
	return cmocka_run_group_tests_name("agent box", tests, NULL, NULL);
}
