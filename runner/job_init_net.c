#include "runner/job_init_net.h"

#include "runner/egress.h"
#include "runner/job_proto.h"

#include <arpa/inet.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

/* Descriptors on their way are counted per user, against the limit of who sends: another job of our user may have as many there as its own allows,
 * FILES_MAX. What cannot be raised is seen at sendmsg. */
static void raise_files(void)
{
	struct rlimit r;
	if (getrlimit(RLIMIT_NOFILE, &r) != 0)
		return;
	r.rlim_cur = r.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &r);
}

/* The listening socket of the job's network goes out before anything foreign runs; the proxy accepts on it from outside, and in here nothing
 * is left of the way there. */
void give_listener_away(void)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(EGRESS_PORT), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	char byte = 'L';
	struct iovec iov = {&byte, 1};
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr head;
	} rights = {.head = {.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof(int))}};
	struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = rights.bytes, .msg_controllen = sizeof(rights.bytes)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || bind(fd, (const struct sockaddr *)&a, sizeof(a)) != 0 || listen(fd, SOMAXCONN) != 0)
		_exit(1);
	raise_files();
	memcpy(CMSG_DATA(&rights.head), &fd, sizeof(fd));
	if (sendmsg(JOB_NET_FD, &m, MSG_NOSIGNAL) != 1)
		_exit(1);
	(void)close(fd);
}
