/* sd_notify's protocol: one datagram to $NOTIFY_SOCKET, nothing when it is not set. */
#ifndef CMD_NOTIFY_H
#define CMD_NOTIFY_H

void notify_systemd(const char *message);

#endif
