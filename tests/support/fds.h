/* How many descriptors are open: a test that ends with another number than it began with has leaked. */
#ifndef TESTS_SUPPORT_FDS_H
#define TESTS_SUPPORT_FDS_H

int support_open_fds(void); /* a number to compare; -1 without /proc */

#endif
