/* `sluice sim`: the simulated GitHub as a process of its own, for shell tests and for a look at its page. */
#include "base/fs.h"
#include "base/log.h"
#include "base/text.h"
#include "cmd/sim/sim_priv.h"

#include <getopt.h>
#include <signal.h>

enum { SECRET_MAX = 4096, TOKENS_MAX = 32, APPS_MAX = 8, KEY_MAX = 16384 };

static const char usage[] =
	"usage: sluice sim --port N --dir DIR [--webhook-url URL --secret-file FILE] [--token TOKEN=LOGIN]...\n"
	"                  [--app ID=SLUG=PUBLIC_KEY_FILE]... [--record FILE] [--seed N] [--faults RULES] [--enforce-write-limit]\n"
	"A simulated GitHub on 127.0.0.1; docs/simulated-github.md says what it does. Port 0 takes a free one.\n";

struct options {
	struct sim_options sim;
	struct sim_token tokens[TOKENS_MAX];
	struct sim_app apps[APPS_MAX];
	struct strlist words; /* owns the parts of --token and --app */
	struct buf secret;
	const char *secret_file;
};

static int add_token(struct options *o, const char *word, struct err *err)
{
	const char *equals = strchr(word, '=');
	if (equals == NULL || equals == word || equals[1] == '\0')
		return err_set(err, ERR_USAGE, "--token: write TOKEN=LOGIN");
	if (o->sim.tokens_n == TOKENS_MAX)
		return err_set(err, ERR_LIMIT, "--token: more than %d", TOKENS_MAX);
	strlist_add_n(&o->words, word, (size_t)(equals - word));
	strlist_add(&o->words, equals + 1);
	o->tokens[o->sim.tokens_n++] = (struct sim_token){.token = o->words.v[o->words.n - 2], .login = o->words.v[o->words.n - 1]};
	return 0;
}

/* The App's public key is all that is needed here: its private one stays with the server that is tested. */
static int add_app(struct options *o, const char *word, struct err *err)
{
	CLEANUP_BUF struct buf key = {0};
	CLEANUP_FREE char *number = xstrndup(word, strcspn(word, "="));
	const char *slug = word[strlen(number)] == '=' ? word + strlen(number) + 1 : "", *file = strchr(slug, '=');
	int64_t id = 0;
	if (file == NULL || file == slug || file[1] == '\0' || text_int(number, 1, INT64_C(1) << 52, &id, NULL) != 0)
		return err_set(err, ERR_USAGE, "--app: write ID=SLUG=PUBLIC_KEY_FILE");
	if (o->sim.apps_n == APPS_MAX)
		return err_set(err, ERR_LIMIT, "--app: more than %d", APPS_MAX);
	int rc = fs_read(file + 1, KEY_MAX, &key, err);
	if (rc != 0)
		return err_wrap(err, "--app");
	strlist_add_n(&o->words, slug, (size_t)(file - slug));
	strlist_add(&o->words, buf_str(&key));
	o->apps[o->sim.apps_n++] = (struct sim_app){.id = id, .slug = o->words.v[o->words.n - 2], .key = o->words.v[o->words.n - 1]};
	return 0;
}

static int take_option(struct options *o, int c, const char *value, struct err *err)
{
	int64_t n = 0;
	int rc = 0;
	switch (c) {
	case 'p':
		rc = text_int(value, 0, 65535, &n, err);
		o->sim.port = (int)n;
		return rc;
	case 'S':
		rc = text_int(value, 0, INT64_MAX, &n, err);
		o->sim.seed = (uint64_t)n;
		return rc;
	case 'd': o->sim.dir = value; return 0;
	case 'u': o->sim.webhook_url = value; return 0;
	case 's': o->secret_file = value; return 0;
	case 'r': o->sim.record = value; return 0;
	case 'f': o->sim.faults = value; return 0;
	case 'l': o->sim.enforce_write_limit = true; return 0;
	case 'a': return add_app(o, value, err);
	case 't': return add_token(o, value, err);
	default: return err_set(err, ERR_USAGE, "%s", usage);
	}
}

static int parse(int argc, char **argv, struct options *o, struct err *err)
{
	static const struct option longs[] = {
		{"port", required_argument, NULL, 'p'},
		{"dir", required_argument, NULL, 'd'},
		{"webhook-url", required_argument, NULL, 'u'},
		{"secret-file", required_argument, NULL, 's'},
		{"record", required_argument, NULL, 'r'},
		{"seed", required_argument, NULL, 'S'},
		{"faults", required_argument, NULL, 'f'},
		{"app", required_argument, NULL, 'a'},
		{"token", required_argument, NULL, 't'},
		{"enforce-write-limit", no_argument, NULL, 'l'},
		{NULL, 0, NULL, 0},
	};
	int rc = 0;
	optind = 1;
	for (int c; rc == 0 && (c = getopt_long(argc, argv, "", longs, NULL)) != -1;)
		rc = take_option(o, c, optarg, err);
	if (rc == 0 && (o->sim.dir == NULL || optind < argc))
		rc = err_set(err, ERR_USAGE, "%s", usage);
	if (rc == 0 && o->secret_file != NULL)
		rc = fs_read(o->secret_file, SECRET_MAX, &o->secret, err);
	while (o->secret.len > 0 && (o->secret.data[o->secret.len - 1] == '\n' || o->secret.data[o->secret.len - 1] == '\r'))
		buf_truncate(&o->secret, o->secret.len - 1);
	o->sim.webhook_secret = buf_str(&o->secret);
	o->sim.tokens = o->tokens;
	o->sim.apps = o->apps;
	return rc;
}

static void on_signal(int signum, void *arg)
{
	(void)signum;
	loop_stop(arg);
}

static int serve(const struct options *o, struct err *err)
{
	struct sim *s = NULL;
	struct loop *l = loop_new();
	int rc = sim_start(l, &o->sim, &s, err);
	if (rc == 0) {
		loop_on_signal(l, SIGTERM, on_signal, l);
		loop_on_signal(l, SIGINT, on_signal, l);
		(void)printf("listening on 127.0.0.1:%d\n", sim_port(s));
		(void)fflush(stdout);
		loop_run(l);
		loop_signals_close(l);
	}
	sim_close(s);
	loop_close(l);
	return rc;
}

int cmd_sim(int argc, char **argv)
{
	struct options o = {0};
	struct err err = {0};
	int rc = parse(argc, argv, &o, &err);
	if (rc == 0)
		rc = serve(&o, &err);
	if (rc != 0)
		(void)fprintf(stderr, "sluice sim: %s\n", err.msg);
	buf_free(&o.secret);
	strlist_free(&o.words);
	return rc == 0 ? 0 : rc == ERR_USAGE ? 2 : 3;
}
