/* A file server on loopback for the test of scripts/fetch-engine: GET of the files right below the working directory, one connection at a
 * time. Prints its port and serves until it is killed. Not part of the product; compiled by the test. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static void say(int to, const char *text)
{
	if (write(to, text, strlen(text)) < 0)
		perror("serve: write");
}

/* The request line of a GET and nothing else is looked at; a name is one path component. */
static void answer(int to, char *request)
{
	char *name = request + strlen("GET /"), head[128];
	name[strcspn(name, " \r\n")] = '\0';
	int fd = name[0] != '.' && strchr(name, '/') == NULL ? open(name, O_RDONLY | O_CLOEXEC) : -1;
	struct stat st;
	if (fd < 0 || fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
		say(to, "HTTP/1.1 404 Not Found\r\nContent-Length: 9\r\nConnection: close\r\n\r\nnot here\n");
	} else {
		(void)snprintf(head, sizeof(head), "HTTP/1.1 200 OK\r\nContent-Length: %lld\r\nConnection: close\r\n\r\n", (long long)st.st_size);
		say(to, head);
		while (sendfile(to, fd, NULL, 1 << 20) > 0)
			;
	}
	if (fd >= 0)
		close(fd);
}

static void serve(int listener)
{
	for (;;) {
		char request[4096];
		int fd = accept(listener, NULL, NULL);
		if (fd < 0)
			continue;
		ssize_t n = read(fd, request, sizeof(request) - 1);
		if (n > 5) {
			request[n] = '\0';
			answer(fd, request);
		}
		close(fd);
	}
}

int main(void)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(address);
	(void)signal(SIGPIPE, SIG_IGN);
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (listener < 0 || bind(listener, (struct sockaddr *)&address, len) != 0 || listen(listener, 8) != 0 ||
	    getsockname(listener, (struct sockaddr *)&address, &len) != 0) {
		perror("serve");
		return 1;
	}
	printf("%d\n", ntohs(address.sin_port));
	fflush(stdout);
	serve(listener);
}
