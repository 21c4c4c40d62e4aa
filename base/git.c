#include "base/git.h"

#include "base/clock.h"
#include "base/text.h"

#include <git2.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/time.h>

_Static_assert((int)GIT_OID_HEX == (int)GIT_OID_HEXSZ, "ids are SHA-1 in hex");

/* Trees that are looked at again and again (the root, a directory of ten thousand projects) must stay parsed. */
#define TREE_CACHE_OBJECT ((size_t)16 << 20)
#define CACHE_TOTAL ((ptrdiff_t)256 << 20)

struct git_repo {
	git_repository *g;
	git_odb *odb;
};

#define DEFINE_DROP(kind) \
	static void drop_##kind(git_##kind **p) { git_##kind##_free(*p); }
DEFINE_DROP(commit)
DEFINE_DROP(tree)
DEFINE_DROP(object)
DEFINE_DROP(remote)
DEFINE_DROP(odb_object)
DEFINE_DROP(reference)

/* libgit2's words for what just failed in this thread; valid until its next call. */
static const char *reason(void)
{
	const git_error *e = git_error_last();
	return e != NULL && e->message != NULL && e->message[0] != '\0' ? e->message : "unknown reason";
}

static int code_of(int git_code) { return git_code == GIT_ENOTFOUND || git_code == GIT_EINVALIDSPEC ? ERR_NOT_FOUND : ERR_IO; }

static int read_oid(const char *hex, git_oid *ret, struct err *err)
{
	if (strlen(hex) != GIT_OID_HEX || git_oid_fromstr(ret, hex) != 0)
		return err_set(err, ERR_USAGE, "%.60s: not a git object id of %d hex characters", hex, GIT_OID_HEX);
	return 0;
}

static void write_oid(const git_oid *oid, char ret[GIT_OID_HEX + 1]) { git_oid_tostr(ret, GIT_OID_HEX + 1, oid); }

/* Once per process. No file of this machine or user may say how we fetch (url.insteadOf, http.proxy, credentials): no search paths.
 * Objects are named by their hash when a fetch indexes them; hashing them again at each read would cost more than inflating them. */
static int library_ready(struct err *err)
{
	static bool ready;
	if (ready)
		return 0;
	if (git_libgit2_init() < 0)
		return err_set(err, ERR_INTERNAL, "start libgit2: %s", reason());
	static const int levels[] = {GIT_CONFIG_LEVEL_PROGRAMDATA, GIT_CONFIG_LEVEL_SYSTEM, GIT_CONFIG_LEVEL_XDG, GIT_CONFIG_LEVEL_GLOBAL};
	int rc = 0;
	for (size_t i = 0; i < ARRAY_LEN(levels); i++)
		rc |= git_libgit2_opts(GIT_OPT_SET_SEARCH_PATH, levels[i], "");
	rc |= git_libgit2_opts(GIT_OPT_SET_OWNER_VALIDATION, 0);
	rc |= git_libgit2_opts(GIT_OPT_ENABLE_STRICT_HASH_VERIFICATION, 0);
	rc |= git_libgit2_opts(GIT_OPT_SET_CACHE_OBJECT_LIMIT, (int)GIT_OBJECT_TREE, TREE_CACHE_OBJECT);
	rc |= git_libgit2_opts(GIT_OPT_SET_CACHE_MAX_SIZE, CACHE_TOTAL);
	if (rc != 0)
		return err_set(err, ERR_INTERNAL, "set up libgit2: %s", reason());
	ready = true;
	return 0;
}

static int create_mirror(const char *path, git_repository **ret, struct err *err)
{
	git_repository_init_options o;
	if (git_repository_init_options_init(&o, GIT_REPOSITORY_INIT_OPTIONS_VERSION) != 0)
		return err_set(err, ERR_INTERNAL, "libgit2 is not the version it was built as: %s", reason());
	o.flags = GIT_REPOSITORY_INIT_BARE | GIT_REPOSITORY_INIT_MKPATH | GIT_REPOSITORY_INIT_NO_DOTGIT_DIR;
	o.mode = 0700;
	o.initial_head = "main";
	if (git_repository_init_ext(ret, path, &o) != 0)
		return err_set(err, ERR_IO, "create git mirror %s: %s", path, reason());
	return 0;
}

int git_mirror_open(const char *path, struct git_repo **ret, struct err *err)
{
	int rc = library_ready(err);
	if (rc != 0)
		return rc;
	git_repository *g = NULL;
	rc = git_repository_open_bare(&g, path);
	if (rc == GIT_ENOTFOUND)
		rc = create_mirror(path, &g, err);
	else if (rc != 0)
		rc = err_set(err, ERR_IO, "open git mirror %s: %s", path, reason());
	if (rc != 0)
		return rc;
	git_odb *odb = NULL;
	if (git_repository_odb(&odb, g) != 0) {
		rc = err_set(err, ERR_IO, "open git mirror %s: %s", path, reason());
		git_repository_free(g);
		return rc;
	}
	struct git_repo *r = xcalloc(1, sizeof(*r));
	*r = (struct git_repo){.g = g, .odb = odb};
	*ret = r;
	return 0;
}

int git_mirror_again(const struct git_repo *r, struct git_repo **ret, struct err *err)
{
	return git_mirror_open(git_repository_path(r->g), ret, err);
}

void git_repo_close(struct git_repo *r)
{
	if (r == NULL)
		return;
	git_odb_free(r->odb);
	git_repository_free(r->g);
	free(r);
}

void git_repo_close_ptr(struct git_repo **r)
{
	git_repo_close(*r);
	*r = NULL;
}

/* --- fetch --- */

struct fetching {
	int64_t deadline_ms; /* 0: none */
	uint64_t bytes;
};

static bool too_late(const struct fetching *f) { return f->deadline_ms != 0 && clock_mono_ms() >= f->deadline_ms; }

static int on_transfer(const git_indexer_progress *p, void *arg)
{
	struct fetching *f = arg;
	f->bytes = p->received_bytes;
	return too_late(f) ? GIT_EUSER : 0;
}

static int on_sideband(const char *text, int len, void *arg)
{
	(void)text;
	(void)len;
	return too_late(arg) ? GIT_EUSER : 0;
}

static void on_alarm(int sig) { (void)sig; }

/* libgit2 has no timeout on sockets. A timer whose handler does nothing makes a blocked read or connect fail with EINTR; it repeats
 * because the first signal can arrive just before the call blocks. 0 stops it. Processes that fetch own SIGALRM. */
static void set_alarm(int64_t ms)
{
	struct sigaction sa = {.sa_handler = ms > 0 ? on_alarm : SIG_IGN};
	(void)sigaction(SIGALRM, &sa, NULL);
	struct itimerval t = {0};
	if (ms > 0) {
		t.it_value = (struct timeval){.tv_sec = ms / 1000, .tv_usec = (ms % 1000) * 1000};
		t.it_interval = (struct timeval){.tv_usec = 200000};
	}
	(void)setitimer(ITIMER_REAL, &t, NULL);
}

/* libgit2 sends a request in two pieces, and the second would wait for the peer's delayed acknowledgement of the first: 40 ms. It does not
 * tell its descriptor (1.5): whatever here is a TCP connection, and this process has no other, sends at once. */
static void send_at_once(void)
{
	enum { DESCRIPTORS = 64 };
	int yes = 1;
	for (int fd = 3; fd < DESCRIPTORS; fd++)
		(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes)); /* what is no connection refuses, and nothing is lost */
}

static void add_base64(struct buf *out, const char *bytes, size_t len)
{
	static const char digit[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	for (size_t i = 0; i < len; i += 3) {
		uint32_t v = (uint32_t)(uint8_t)bytes[i] << 16;
		v |= i + 1 < len ? (uint32_t)(uint8_t)bytes[i + 1] << 8 : 0;
		v |= i + 2 < len ? (uint32_t)(uint8_t)bytes[i + 2] : 0;
		buf_addc(out, digit[v >> 18]);
		buf_addc(out, digit[v >> 12 & 63]);
		buf_addc(out, i + 1 < len ? digit[v >> 6 & 63] : '=');
		buf_addc(out, i + 2 < len ? digit[v & 63] : '=');
	}
}

/* Sent with the first request, so that a private repository does not cost an extra round trip for its 401. */
static void basic_header(const struct git_fetch *f, struct buf *out)
{
	CLEANUP_BUF struct buf pair = {0};
	buf_reserve(&pair, strlen(f->user) + strlen(f->password) + 1);
	buf_printf(&pair, "%s:%s", f->user, f->password);
	buf_reserve(out, pair.len * 4 / 3 + 64);
	buf_adds(out, "Authorization: Basic ");
	add_base64(out, pair.data, pair.len);
	explicit_bzero(pair.data, pair.len);
}

static int fetch_error(int git_code, const struct fetching *state, const struct git_fetch *f, struct err *err)
{
	if (too_late(state))
		return err_set(err, ERR_TIMEOUT, "fetch %s: not finished after %lld ms", f->url, (long long)f->timeout_ms);
	if (git_code == GIT_EAUTH)
		return err_set(err, ERR_REFUSED, "fetch %s: %s", f->url,
			       f->password != NULL ? "the server refused our token"
						   : "the server asks for credentials, and we have no token");
	const git_error *e = git_error_last();
	bool local = e != NULL && (e->klass == GIT_ERROR_ODB || e->klass == GIT_ERROR_REFERENCE || e->klass == GIT_ERROR_FILESYSTEM);
	return err_set(err, local ? ERR_IO : ERR_UNAVAILABLE, "fetch %s: %s", f->url, reason());
}

static int fetch_with(git_remote *remote, const struct git_fetch *f, char *header, uint64_t *ret_bytes, struct err *err)
{
	struct fetching state = {.deadline_ms = f->timeout_ms > 0 ? clock_mono_ms() + f->timeout_ms : 0};
	git_fetch_options o;
	if (git_fetch_options_init(&o, GIT_FETCH_OPTIONS_VERSION) != 0)
		return err_set(err, ERR_INTERNAL, "libgit2 is not the version it was built as: %s", reason());
	o.callbacks.transfer_progress = on_transfer;
	o.callbacks.sideband_progress = on_sideband;
	o.callbacks.payload = &state;
	o.prune = GIT_FETCH_PRUNE; /* a branch that is gone there must not live on here */
	o.update_fetchhead = 0;
	o.download_tags = GIT_REMOTE_DOWNLOAD_TAGS_NONE;
	o.proxy_opts.type = GIT_PROXY_NONE;
	o.follow_redirects = GIT_REMOTE_REDIRECT_NONE; /* our header would go along to another host */
	if (header != NULL)
		o.custom_headers = (git_strarray){.strings = &header, .count = 1};
	char **specs = xcalloc(f->refspecs_n + 1, sizeof(*specs));
	for (size_t i = 0; i < f->refspecs_n; i++)
		specs[i] = xstrdup(f->refspecs[i]);
	git_strarray refspecs = {.strings = specs, .count = f->refspecs_n};
	/* Connected first: git_remote_fetch() itself forgets to free the header when it cannot connect (1.5). */
	git_remote_connect_options c = {.version = GIT_REMOTE_CONNECT_OPTIONS_VERSION,
					.callbacks = o.callbacks,
					.proxy_opts = o.proxy_opts,
					.follow_redirects = o.follow_redirects,
					.custom_headers = o.custom_headers};
	set_alarm(f->timeout_ms);
	int rc = git_remote_connect_ext(remote, GIT_DIRECTION_FETCH, &c);
	send_at_once();
	if (rc == 0)
		rc = git_remote_fetch(remote, &refspecs, &o, NULL);
	set_alarm(0);
	if (rc != 0)
		rc = fetch_error(rc, &state, f, err);
	else if (ret_bytes != NULL)
		*ret_bytes = state.bytes;
	for (size_t i = 0; i < f->refspecs_n; i++)
		free(specs[i]);
	free(specs);
	return rc;
}

int git_mirror_fetch(struct git_repo *r, const struct git_fetch *f, uint64_t *ret_bytes, struct err *err)
{
	if (!text_starts(f->url, "https://") && !text_starts(f->url, "http://") && !text_starts(f->url, "file:///"))
		return err_set(err, ERR_REFUSED, "fetch %s: only https://, http:// and file:// addresses are fetched", f->url);
	git_remote_create_options o = {
		.version = GIT_REMOTE_CREATE_OPTIONS_VERSION,
		.repository = r->g,
		.flags = GIT_REMOTE_CREATE_SKIP_INSTEADOF | GIT_REMOTE_CREATE_SKIP_DEFAULT_FETCHSPEC,
	};
	CLEANUP(drop_remote) git_remote *remote = NULL;
	if (git_remote_create_with_opts(&remote, f->url, &o) != 0)
		return err_set(err, ERR_USAGE, "fetch %s: %s", f->url, reason());
	CLEANUP_BUF struct buf header = {0};
	bool has_login = f->user != NULL && f->password != NULL && !text_starts(f->url, "file:");
	if (has_login)
		basic_header(f, &header);
	int rc = fetch_with(remote, f, has_login ? header.data : NULL, ret_bytes, err);
	if (has_login)
		explicit_bzero(header.data, header.len);
	return rc;
}

/* --- commits --- */

bool git_has_commit(struct git_repo *r, const char *oid)
{
	git_oid id;
	CLEANUP(drop_commit) git_commit *c = NULL;
	return read_oid(oid, &id, NULL) == 0 && git_commit_lookup(&c, r->g, &id) == 0;
}

int git_resolve(struct git_repo *r, const char *rev, char ret_oid[GIT_OID_HEX + 1], struct err *err)
{
	git_oid id;
	CLEANUP(drop_commit) git_commit *commit = NULL;
	CLEANUP(drop_reference) git_reference *ref = NULL;
	CLEANUP(drop_object) git_object *peeled = NULL;
	int rc;
	if (read_oid(rev, &id, NULL) == 0) {
		rc = git_commit_lookup(&commit, r->g, &id);
	} else {
		rc = git_reference_lookup(&ref, r->g, rev);
		if (rc == 0 && git_reference_peel(&peeled, ref, GIT_OBJECT_COMMIT) != 0)
			return err_set(err, ERR_IO, "%s: the mirror is damaged (%s)", rev, reason());
		if (rc == 0)
			id = *git_object_id(peeled);
	}
	if (rc != 0)
		return err_set(err, code_of(rc), "%s: no such commit in the mirror (%s)", rev, reason());
	write_oid(&id, ret_oid);
	return 0;
}

int git_merge_base_of(struct git_repo *r, const char *a, const char *b, char ret[GIT_OID_HEX + 1], struct err *err)
{
	git_oid ia, ib, base;
	int rc = read_oid(a, &ia, err);
	if (rc == 0)
		rc = read_oid(b, &ib, err);
	if (rc != 0)
		return rc;
	rc = git_merge_base(&base, r->g, &ia, &ib);
	if (rc == GIT_ENOTFOUND)
		return err_set(err, ERR_NOT_FOUND, "commits %.12s and %.12s have no common ancestor", a, b);
	if (rc != 0)
		return err_set(err, ERR_IO, "merge base of %.12s and %.12s: %s", a, b, reason());
	write_oid(&base, ret);
	return 0;
}

int git_tree_of(struct git_repo *r, const char *commit, char ret_tree[GIT_OID_HEX + 1], struct err *err)
{
	git_oid id;
	int rc = read_oid(commit, &id, err);
	if (rc != 0)
		return rc;
	CLEANUP(drop_commit) git_commit *c = NULL;
	rc = git_commit_lookup(&c, r->g, &id);
	if (rc != 0)
		return err_set(err, code_of(rc), "commit %s: %s", commit, reason());
	write_oid(git_commit_tree_id(c), ret_tree);
	return 0;
}

bool git_is_ancestor(struct git_repo *r, const char *ancestor, const char *commit)
{
	git_oid old, new;
	if (read_oid(ancestor, &old, NULL) != 0 || read_oid(commit, &new, NULL) != 0)
		return false;
	if (git_oid_equal(&old, &new))
		return git_has_commit(r, commit);
	return git_graph_descendant_of(r->g, &new, &old) == 1;
}

/* --- trees --- */

static int tree_lookup(struct git_repo *r, const git_oid *id, git_tree **ret, struct err *err)
{
	int rc = git_tree_lookup(ret, r->g, id);
	if (rc == 0)
		return 0;
	char hex[GIT_OID_HEX + 1];
	write_oid(id, hex);
	return err_set(err, code_of(rc), "read git tree %s: %s", hex, reason());
}

static enum git_entry_type type_of(const git_tree_entry *e)
{
	switch (git_tree_entry_filemode(e)) {
	case GIT_FILEMODE_TREE: return GIT_DIR;
	case GIT_FILEMODE_LINK: return GIT_SYMLINK;
	case GIT_FILEMODE_COMMIT: return GIT_SUBMODULE;
	case GIT_FILEMODE_BLOB_EXECUTABLE: return GIT_EXEC;
	case GIT_FILEMODE_BLOB:
	case GIT_FILEMODE_UNREADABLE:
	default: return GIT_FILE;
	}
}

/* A crafted tree can hold names that no checkout would make; nobody above this door sees one. */
static int check_name(const char *name, struct err *err)
{
	if (name[0] == '\0' || strchr(name, '/') != NULL || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return err_set(err, ERR_REFUSED, "a git tree has an entry named \"%s\", which is no file name", name);
	return 0;
}

int git_tree_each(struct git_repo *r, const char *tree, git_entry_cb fn, void *arg, struct err *err)
{
	git_oid id;
	CLEANUP(drop_tree) git_tree *t = NULL;
	int rc = read_oid(tree, &id, err);
	if (rc == 0)
		rc = tree_lookup(r, &id, &t, err);
	for (size_t i = 0, n = rc == 0 ? git_tree_entrycount(t) : 0; rc == 0 && i < n; i++) {
		const git_tree_entry *e = git_tree_entry_byindex(t, i);
		char hex[GIT_OID_HEX + 1];
		write_oid(git_tree_entry_id(e), hex);
		rc = check_name(git_tree_entry_name(e), err);
		if (rc == 0)
			rc = fn(git_tree_entry_name(e), type_of(e), hex, arg, err);
	}
	return rc;
}

int git_tree_path(struct git_repo *r, const char *tree, const char *path, enum git_entry_type *ret_type, char ret_oid[GIT_OID_HEX + 1],
		  struct err *err)
{
	git_oid id;
	int rc = read_oid(tree, &id, err);
	enum git_entry_type type = GIT_DIR;
	const char *p = path;
	while (rc == 0 && *p != '\0') {
		size_t n = strcspn(p, "/");
		CLEANUP_FREE char *name = xstrndup(p, n);
		CLEANUP(drop_tree) git_tree *t = NULL;
		if (type == GIT_DIR)
			rc = tree_lookup(r, &id, &t, err);
		const git_tree_entry *e = t != NULL ? git_tree_entry_byname(t, name) : NULL;
		if (rc == 0 && e == NULL)
			rc = err_set(err, ERR_NOT_FOUND, "%s: no such path in this commit", path);
		if (rc != 0)
			break;
		id = *git_tree_entry_id(e);
		type = type_of(e);
		p += n + (p[n] == '/');
	}
	if (rc != 0)
		return rc;
	*ret_type = type;
	write_oid(&id, ret_oid);
	return 0;
}

static int blob_header(struct git_repo *r, const char *oid, git_oid *ret_id, size_t *ret_size, struct err *err)
{
	git_object_t type = GIT_OBJECT_INVALID;
	int rc = read_oid(oid, ret_id, err);
	if (rc != 0)
		return rc;
	rc = git_odb_read_header(ret_size, &type, r->odb, ret_id);
	if (rc != 0)
		return err_set(err, code_of(rc), "read git object %s: %s", oid, reason());
	return type == GIT_OBJECT_BLOB ? 0 : err_set(err, ERR_PARSE, "git object %s: not a file", oid);
}

int git_blob_size(struct git_repo *r, const char *oid, uint64_t *ret, struct err *err)
{
	git_oid id;
	size_t size = 0;
	int rc = blob_header(r, oid, &id, &size, err);
	*ret = size;
	return rc;
}

int git_blob_use(struct git_repo *r, const char *oid, git_blob_cb fn, void *arg, struct err *err)
{
	git_oid id;
	int rc = read_oid(oid, &id, err);
	if (rc != 0)
		return rc;
	CLEANUP(drop_odb_object) git_odb_object *o = NULL;
	rc = git_odb_read(&o, r->odb, &id);
	if (rc != 0)
		return err_set(err, code_of(rc), "read git object %s: %s", oid, reason());
	return fn(git_odb_object_data(o), git_odb_object_size(o), arg, err);
}

int git_blob_read(struct git_repo *r, const char *oid, size_t max, struct buf *ret, struct err *err)
{
	git_oid id;
	size_t size = 0;
	int rc = blob_header(r, oid, &id, &size, err); /* before any memory is asked for */
	if (rc != 0)
		return rc;
	if (size > max)
		return err_set(err, ERR_LIMIT, "git object %s: %zu bytes, more than the %zu allowed", oid, size, max);
	CLEANUP(drop_odb_object) git_odb_object *o = NULL;
	rc = git_odb_read(&o, r->odb, &id);
	if (rc != 0)
		return err_set(err, code_of(rc), "read git object %s: %s", oid, reason());
	buf_reset(ret);
	buf_add(ret, git_odb_object_data(o), git_odb_object_size(o));
	return buf_failed(ret) ? err_set(err, ERR_LIMIT, "git object %s: larger than its buffer", oid) : 0;
}
