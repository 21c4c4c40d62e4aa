#include "runner/egress.h"

#include "base/text.h"

#include <string.h>

int egress_rule_check(const char *rule, struct err *err)
{
	static const char host_chars[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.*";
	size_t host = strspn(rule, host_chars);
	int64_t port = 0;
	size_t digits = rule[host] == ':' ? strspn(rule + host + 1, "0123456789") : 0;
	CLEANUP_FREE char *number = xstrndup(rule + host + (digits > 0), digits);
	if (host == 0 || digits == 0 || text_int(number, 1, 65535, &port, NULL) != 0)
		return err_set(err, ERR_PARSE, "\"%.80s\" is not HOST:PORT", rule);
	return 0;
}
