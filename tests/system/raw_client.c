/* Sends what stands in a file to 127.0.0.1:PORT as it is, then waits until the peer closes, at most SECONDS. Prints the first line of the
 * answer and how it ended: "HTTP/1.1 413 ... closed after 0 s". For requests that no well-behaved client can be made to send.
 * usage: raw_client PORT FILE SECONDS */
#include <arpa/inet.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	if (argc != 4)
		return 2;
	static char text[65536], answer[65536];
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons((unsigned short)strtoul(argv[1], NULL, 10))};
	int fd = socket(AF_INET, SOCK_STREAM, 0), wait_s = (int)strtoul(argv[3], NULL, 10);
	FILE *f = fopen(argv[2], "r");
	size_t n = f != NULL ? fread(text, 1, sizeof(text), f) : 0;
	if (fd < 0 || connect(fd, (const struct sockaddr *)&a, sizeof(a)) != 0 || write(fd, text, n) != (ssize_t)n)
		return 3;
	time_t began = time(NULL);
	size_t have = 0;
	int closed = 0;
	while (!closed && time(NULL) - began < wait_s) {
		struct pollfd p = {.fd = fd, .events = POLLIN};
		if (poll(&p, 1, 500) <= 0)
			continue;
		ssize_t got = read(fd, answer + have, sizeof(answer) - 1 - have);
		closed = got <= 0;
		have += got > 0 ? (size_t)got : 0;
	}
	answer[strcspn(answer, "\r\n")] = '\0';
	(void)printf("%s %s after %ld s\n", answer, closed ? "closed" : "open", (long)(time(NULL) - began));
	return closed ? 0 : 1;
}
