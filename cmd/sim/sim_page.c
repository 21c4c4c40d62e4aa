#include "cmd/sim/sim_priv.h"
void sim_page(struct sim *s, struct http_exchange *x) { (void)s; http_reply_text(x, 404, "Not Found"); }
