/* A web server with TLS that gives out files: what registries, release pages and git repositories look like from outside. For tests, on loopback.
 *
 *   tls_files DIR CERT KEY PORT_FILE LOG     listens on a free port of 127.0.0.1 and writes it to PORT_FILE; one line per request to LOG
 *
 * GET and HEAD of DIR/HOST/PATH, the query included in the name where a file of that name exists. A file NAME.head has further header lines (and
 * perhaps its own Content-Type). A file NAME.cut is sent instead of NAME: with the length of NAME. A file NAME.slow holds seconds to wait. */
#include <arpa/inet.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

enum { HEAD_MAX = 16384, NAME_MAX_BYTES = 4096 };

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static void send_all(SSL *ssl, const char *bytes, size_t len)
{
	if (len > 0 && SSL_write(ssl, bytes, (int)len) <= 0)
		_exit(1);
}

static char *load(const char *path, size_t *len)
{
	FILE *f = fopen(path, "rb");
	struct stat st;
	if (f == NULL || fstat(fileno(f), &st) != 0 || !S_ISREG(st.st_mode)) {
		if (f != NULL)
			(void)fclose(f);
		return NULL;
	}
	char *bytes = calloc(1, (size_t)st.st_size + 1);
	if (bytes == NULL || fread(bytes, 1, (size_t)st.st_size, f) != (size_t)st.st_size)
		exit(1);
	(void)fclose(f);
	*len = (size_t)st.st_size;
	return bytes;
}

static char *beside(const char *path, const char *suffix, size_t *len)
{
	char name[NAME_MAX_BYTES + 16];
	(void)snprintf(name, sizeof(name), "%s%s", path, suffix);
	return load(name, len);
}

static void answer(SSL *ssl, const char *path, int head_only)
{
	char head[HEAD_MAX];
	size_t len = 0, more_len = 0, cut_len = 0, slow_len = 0;
	char *body = load(path, &len), *more = beside(path, ".head", &more_len), *cut = beside(path, ".cut", &cut_len);
	char *slow = beside(path, ".slow", &slow_len);
	if (slow != NULL)
		(void)sleep((unsigned)strtoul(slow, NULL, 10));
	const char *type = strstr(path, ".well-known/") != NULL || strstr(path, "/v1/") != NULL ? "application/json" : "application/octet-stream";
	int n = snprintf(head, sizeof(head), "HTTP/1.1 %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\nConnection: close\r\n%s\r\n",
			 body != NULL || more != NULL ? "200 OK" : "404 Not Found", type, len, more != NULL ? more : "");
	send_all(ssl, head, (size_t)n);
	if (!head_only && cut != NULL)
		send_all(ssl, cut, cut_len);
	else if (!head_only && body != NULL)
		send_all(ssl, body, len);
	if (cut == NULL)
		(void)SSL_shutdown(ssl);
}

static void serve(SSL *ssl, const char *dir, const char *log)
{
	char request[HEAD_MAX + 1], path[NAME_MAX_BYTES], method[8], target[2048], host[256] = "";
	size_t n = 0;
	while (n < HEAD_MAX) {
		int got = SSL_read(ssl, request + n, (int)(HEAD_MAX - n));
		if (got <= 0)
			return;
		n += (size_t)got;
		request[n] = '\0';
		if (strstr(request, "\r\n\r\n") != NULL)
			break;
	}
	const char *h = strcasestr(request, "\r\nhost:");
	if (sscanf(request, "%7s %2047s", method, target) != 2 || h == NULL || sscanf(h + 7, " %255[^:\r\n]", host) != 1 || strstr(target, "..") != NULL)
		return;
	FILE *f = fopen(log, "a");
	if (f != NULL) {
		(void)fprintf(f, "%s %s%s\n", method, host, target);
		(void)fclose(f);
	}
	struct stat st;
	(void)snprintf(path, sizeof(path), "%s/%s%s", dir, host, target);
	if (stat(path, &st) != 0 && strchr(target, '?') != NULL) {
		*strchr(target, '?') = '\0';
		(void)snprintf(path, sizeof(path), "%s/%s%s", dir, host, target);
	}
	answer(ssl, path, strcmp(method, "HEAD") == 0);
}

static int listen_somewhere(const char *port_file)
{
	int s = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(a);
	if (s < 0 || bind(s, (struct sockaddr *)&a, sizeof(a)) != 0 || listen(s, 64) != 0 || getsockname(s, (struct sockaddr *)&a, &len) != 0)
		die("listen");
	FILE *f = fopen(port_file, "w");
	if (f == NULL || fprintf(f, "%u\n", ntohs(a.sin_port)) < 0 || fclose(f) != 0)
		die(port_file);
	return s;
}

int main(int argc, char **argv)
{
	if (argc != 6)
		return 2;
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
	if (ctx == NULL || SSL_CTX_use_certificate_chain_file(ctx, argv[2]) != 1 || SSL_CTX_use_PrivateKey_file(ctx, argv[3], SSL_FILETYPE_PEM) != 1)
		die("certificate");
	(void)signal(SIGCHLD, SIG_IGN);
	(void)signal(SIGPIPE, SIG_IGN);
	int s = listen_somewhere(argv[4]);
	for (;;) {
		int c = accept(s, NULL, NULL);
		if (c < 0)
			continue;
		if (fork() == 0) {
			(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
			(void)alarm(60);
			SSL *ssl = SSL_new(ctx);
			if (ssl != NULL && SSL_set_fd(ssl, c) == 1 && SSL_accept(ssl) == 1)
				serve(ssl, argv[1], argv[5]);
			_exit(0);
		}
		(void)close(c);
	}
}
