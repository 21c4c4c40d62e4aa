/* Real programs through the proxy, and the whole design: a network namespace with nothing but loopback, whose one listener was handed out. */
#include "base/clock.h"
#include "base/fs.h"
#include "tests/support/egress_support.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static char dir[] = "/tmp/test-egress-XXXXXX";
static pid_t server;
static uint16_t tls_port;

/* Runs a command in the directory of the test with this address of the proxy; its output goes to ret. The exit status. */
static int run(const struct egress_rig *rig, const char *command, struct buf *ret)
{
	int out[2];
	char bytes[4096];
	ssize_t n;
	int status;
	CLEANUP_FREE char *proxy = xasprintf("http://127.0.0.1:%u", rig->port);
	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		if (chdir(dir) != 0 || dup2(out[1], 1) < 0 || dup2(out[1], 2) < 0 || setenv("P", proxy, 1) != 0)
			_exit(126);
		(void)setenv("CHECKPOINT_DISABLE", "1", 1);
		(void)execl("/bin/sh", "sh", "-c", command, (char *)NULL);
		_exit(127);
	}
	(void)close(out[1]);
	while ((n = read(out[0], bytes, sizeof(bytes))) > 0)
		buf_add(ret, bytes, (size_t)n);
	(void)close(out[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

static bool has(const char *program)
{
	CLEANUP_FREE char *path = fs_which(program);
	return path != NULL;
}

static void open_rig(struct egress_rig *rig)
{
	CLEANUP_FREE char *rules = xasprintf("allowed.test:443=127.0.0.1:%u\nfront.test:443=127.0.0.1:%u", tls_port, tls_port);
	tun_open(rig, rules, NULL, 0);
}

struct attempt {
	const char *program, *command;
	bool works;
	const char *says; /* in its output */
};

static void curl_and_openssl(void **state)
{
	static const struct attempt rows[] = {
		{"curl", "curl -sS -m 10 --cacert cert.pem -x $P https://allowed.test/f", true, "from inside"},
		{"curl", "curl -sS -m 10 --cacert cert.pem -x $P --http1.1 --tls-max 1.2 https://ALLOWED.test/f", true, "from inside"},
		{"curl", "curl -sS -m 10 --cacert cert.pem -x $P https://evil.test/f", false, "403"},
		{"curl", "curl -sS -m 10 --cacert cert.pem -x $P http://allowed.test/f", true,
		 "only CONNECT is served"}, /* the 405 is an answer to it */
		{"curl", "curl -sS -m 10 --cacert cert.pem -x $P https://169.254.169.254/", false, "403"},
		{"openssl",
		 "echo | openssl s_client -proxy ${P#http://} -connect allowed.test:443 -servername allowed.test -CAfile cert.pem", true,
		 "Verify return code: 0"},
		{"openssl", "echo | openssl s_client -proxy ${P#http://} -connect allowed.test:443 -servername evil.test", false,
		 "alert access denied"},
		{"openssl", "echo | openssl s_client -proxy ${P#http://} -connect front.test:443 -servername allowed.test", false,
		 "alert access denied"},
		{"openssl", "echo | openssl s_client -proxy ${P#http://} -connect allowed.test:443 -noservername", false,
		 "alert access denied"},
	};
	(void)state;
	if (server <= 0) {
		print_message("skipped: openssl cannot be started here\n");
		skip();
	}
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct egress_rig rig;
		CLEANUP_BUF struct buf out = {0};
		if (!has(rows[i].program))
			continue;
		open_rig(&rig);
		int rc = run(&rig, rows[i].command, &out);
		if ((rc == 0) != rows[i].works || strstr(buf_str(&out), rows[i].says) == NULL)
			fail_msg("%s: %d, %s", rows[i].command, rc, buf_str(&out));
		tun_close(&rig);
		tun_free(&rig);
	}
}

/* The sentence with the rule to add is in the engine's own words: Go prints the reason phrase. */
static void terraform_reads_its_state(void **state)
{
	static const char main_tf[] = "terraform {\n  backend \"http\" {\n    address = \"https://%s/state\"\n    retry_max = 0\n  }\n}\n";
	static const char command[] =
		"cd tf && rm -rf .terraform && HTTPS_PROXY=$P SSL_CERT_FILE=../cert.pem terraform init -input=false -no-color "
		"&& HTTPS_PROXY=$P SSL_CERT_FILE=../cert.pem terraform state pull";
	static const struct {
		const char *host, *says;
	} rows[] = {{"allowed.test", "from the proxy"}, {"evil.test", "egress.plan has no rule for evil.test:443"}};
	(void)state;
	if (server <= 0 || !has("terraform")) {
		print_message("skipped: needs openssl and terraform\n");
		skip();
	}
	CLEANUP_FREE char *tf = fs_join(dir, "tf"), *file = fs_join(tf, "main.tf");
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct egress_rig rig;
		CLEANUP_BUF struct buf out = {0}, text = {0};
		struct err err = {0};
		assert_int_equal(fs_mkdir_p(tf, 0700, &err), 0);
		buf_printf(&text, main_tf, rows[i].host);
		assert_int_equal(fs_write_fast(file, text.data, text.len, 0600, &err), 0);
		open_rig(&rig);
		(void)run(&rig, command, &out); /* what it says decides */
		for (char *p = out.data; p != NULL && *p != '\0'; p++)
			*p = *p == '\n' ? ' ' : *p; /* it wraps its lines */
		if (strstr(buf_str(&out), rows[i].says) == NULL)
			fail_msg("%s: %s", rows[i].host, buf_str(&out));
		tun_close(&rig);
		assert_true(tun_logged(&rig, rows[i].host, i == 0 ? "ok" : "not-listed"));
		tun_free(&rig);
	}
}

/* ---- the network of the box ---- */

static bool fails_with(int type, const char *address, uint16_t port, int want)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
	(void)inet_pton(AF_INET, address, &to.sin_addr); /* constants */
	int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);
	bool ok = connect(fd, (const struct sockaddr *)&to, sizeof(to)) != 0 && errno == want;
	(void)close(fd);
	return ok;
}

/* Inside: the numbers are those of the table. The result is a word for the parent. */
static const char *look_around(uint16_t outside_port)
{
	struct addrinfo *found = NULL;
	const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
	struct egress_rig inside = {.port = EGRESS_PORT};
	if (!fails_with(SOCK_STREAM, "127.0.0.1", outside_port, ECONNREFUSED))
		return "1: a server on the host's loopback is reached";
	if (!fails_with(SOCK_STREAM, "8.8.8.8", 443, ENETUNREACH) || !fails_with(SOCK_STREAM, "169.254.169.254", 80, ENETUNREACH))
		return "1, 2: addresses outside are reached";
	if (!fails_with(SOCK_DGRAM, "8.8.8.8", 53, ENETUNREACH))
		return "17: DNS is reached";
	if (getaddrinfo("allowed.test", "443", &hints, &found) == 0)
		return "3: a name is looked up";
	int fd = tun_tunnel(&inside, "allowed.test:443");
	tun_hello(fd, "allowed.test");
	CLEANUP_BUF struct buf back = {0};
	(void)shutdown(fd, SHUT_WR);
	if (!tun_read(fd, 1 << 16, &back) || back.len < 50)
		return "the proxy does not carry anything";
	(void)close(fd);
	CLEANUP_BUF struct buf answer = {0};
	fd = tun_connect(&inside);
	int status = tun_ask(fd, "evil.test:443", &answer);
	(void)close(fd);
	return status == 403 ? "" : "5: a host that is not listed is reached";
}

static bool enter_network(void)
{
	struct ifreq lo = {.ifr_name = "lo", .ifr_flags = IFF_UP};
	if (unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0)
		return false;
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	bool ok = ioctl(fd, SIOCSIFFLAGS, &lo) == 0;
	(void)close(fd);
	return ok;
}

static void inside_run(int channel, int report, uint16_t outside_port)
{
	const char *word = "-";
	if (enter_network()) {
		uint16_t port = EGRESS_PORT;
		int listener = tcp_listen(&port);
		bool sent = tun_send_fd(channel, &listener, 1) == 0;
		(void)close(listener); /* the only copy is outside now */
		(void)close(channel);
		word = sent ? look_around(outside_port) : "the listener was not sent";
	}
	_exit(write(report, word, strlen(word) + 1) > 0 ? 0 : 1);
}

static void a_namespace_with_one_way_out(void **state)
{
	int pair[2], report[2];
	char word[128] = "it died";
	uint16_t port = 0;
	struct egress *e = NULL;
	struct egress_totals totals;
	struct err err = {0};
	(void)state;
	pid_t echo = tcp_server_start(SERVER_ECHO, &port);
	CLEANUP_FREE char *rules = xasprintf("allowed.test:443=127.0.0.1:%u", port);
	int log_fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
	assert_true(log_fd >= 0 && pipe2(report, O_CLOEXEC) == 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	const struct egress_order o = {.rules = rules, .channel = pair[1], .log_fd = log_fd};
	assert_int_equal(egress_start(&o, &e, &err), 0);
	(void)close(pair[1]);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		inside_run(pair[0], report[1], port);
	(void)close(pair[0]);
	(void)close(report[1]);
	assert_true(read(report[0], word, sizeof(word) - 1) >= 0);
	(void)close(report[0]);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	egress_end(e, &totals);
	(void)close(log_fd);
	tcp_server_stop(echo);
	if (strcmp(word, "-") == 0) {
		print_message("skipped: no user namespaces here\n");
		skip();
	}
	assert_string_equal(word, "");
	assert_int_equal(totals.connections, 2);
	assert_int_equal(totals.refused, 1);
}

/* ---- */

static const char prepare[] =
	"openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout key.pem -out cert.pem -days 2 -subj /CN=allowed.test "
	"-addext subjectAltName=DNS:allowed.test,DNS:front.test 2>/dev/null && printf 'from inside\\n' >f && "
	"printf '{\"version\":4,\"terraform_version\":\"1.0.0\",\"serial\":1,\"lineage\":\"a\",\"outputs\":{\"x\":{\"value\":\"from the proxy\","
	"\"type\":\"string\"}},\"resources\":[]}' >state";

static pid_t start_server(void)
{
	int listener = tcp_listen(&tls_port); /* only to learn of a free port */
	(void)close(listener);
	CLEANUP_FREE char *accept = xasprintf("127.0.0.1:%u", tls_port);
	pid_t pid = fork();
	if (pid != 0)
		return pid;
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null < 0 || chdir(dir) != 0 || dup2(null, 0) < 0 || dup2(null, 1) < 0 || dup2(null, 2) < 0)
		_exit(126);
	(void)execlp("openssl", "openssl", "s_server", "-accept", accept, "-cert", "cert.pem", "-key", "key.pem", "-WWW", "-quiet",
		     (char *)NULL);
	_exit(127);
}

static int setup(void **state)
{
	const struct egress_rig nobody = {0};
	CLEANUP_BUF struct buf out = {0};
	(void)state;
	if (mkdtemp(dir) == NULL)
		return -1;
	if (!has("openssl") || run(&nobody, prepare, &out) != 0)
		return 0; /* the tests say so */
	server = start_server();
	struct egress_rig direct = {.port = tls_port};
	for (int64_t end = clock_mono_ms() + 5000; clock_mono_ms() < end; (void)usleep(20000)) {
		CLEANUP_BUF struct buf up = {0};
		CLEANUP_FREE char *probe = xasprintf("echo | openssl s_client -connect 127.0.0.1:%u", direct.port);
		if (run(&direct, probe, &up) == 0)
			break;
	}
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	if (server > 0)
		tcp_server_stop(server);
	return fs_remove_tree(dir, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(curl_and_openssl),
		cmocka_unit_test(terraform_reads_its_state),
		cmocka_unit_test(a_namespace_with_one_way_out),
	};
	return cmocka_run_group_tests_name("egress_clients", tests, setup, teardown);
}
