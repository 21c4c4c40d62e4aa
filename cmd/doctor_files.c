/* The files that the configuration names: are they there, can they be used, and only by whom they should? */
#include "base/fs.h"
#include "cmd/doctor.h"
#include "secrets/secret.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

static const char section[] = "server";
static const int64_t room_bad = INT64_C(512) << 20, room_weak = INT64_C(5) << 30;

/* ---- the data directory ---- */

/* Nothing stays: a file without a name. */
static bool can_be_written(const char *dir)
{
	CLEANUP_FD int fd = open(dir, O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);
	if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR))
		return fd >= 0;
	CLEANUP_FREE char *path = fs_join(dir, "doctor-XXXXXX");
	fd = mkostemp(path, O_CLOEXEC);
	if (fd >= 0)
		(void)unlink(path); /* just made */
	return fd >= 0;
}

/* The directory itself, or the nearest one above that exists. */
static char *existing(const char *path)
{
	char *at = xstrdup(path);
	while (!fs_exists(at)) {
		char *slash = strrchr(at, '/');
		if (slash == NULL || slash == at) {
			free(at);
			return xstrdup("/");
		}
		*slash = '\0';
	}
	return at;
}

static void disk(struct doctor *d, const char *at)
{
	struct statvfs s;
	if (statvfs(at, &s) != 0) {
		doctor_add(d, section, "disk", BAD, xasprintf("%s: %s", at, strerror(errno)), NULL);
		return;
	}
	int64_t room = (int64_t)s.f_bavail * (int64_t)s.f_frsize;
	bool files = s.f_files == 0 || s.f_favail > 10000;
	enum verdict v = room < room_bad || !files ? BAD : room < room_weak ? WEAK : FINE;
	doctor_add(d, section, "disk", v,
		   xasprintf("%.1f GiB free%s where %s is", (double)room / (double)(INT64_C(1) << 30),
			     files ? "" : ", but hardly a file more", d->config.data_dir),
		   v == FINE ? NULL : "mirrors, logs and plans need room: make some, or move `data_dir`");
}

static void data_dir(struct doctor *d)
{
	const char *dir = d->config.data_dir;
	struct stat st;
	if (stat(dir, &st) != 0) {
		CLEANUP_FREE char *above = existing(dir);
		bool fine = errno == ENOENT && can_be_written(above);
		doctor_add(d, section, "data directory", fine ? FINE : BAD,
			   fine ? xasprintf("%s: will be made", dir)
				: xasprintf("%s: it is not there and cannot be made in %s", dir, above),
			   fine ? NULL : "make it, for the user of the server alone: install -d -m 0700 -o USER DIRECTORY");
		disk(d, above);
		return;
	}
	if (!S_ISDIR(st.st_mode))
		doctor_add(d, section, "data directory", BAD, xasprintf("%s is not a directory", dir), "name another one in `data_dir`");
	else if ((st.st_mode & 0077) != 0)
		doctor_add(d, section, "data directory", BAD, xasprintf("%s: mode %04o lets others look in", dir, st.st_mode & 07777),
			   "chmod 0700 it: it holds keys, states and logs");
	else if (!can_be_written(dir))
		doctor_add(d, section, "data directory", BAD,
			   xasprintf("%s: user %u cannot write there, it belongs to %u", dir, geteuid(), st.st_uid),
			   "run this as the user of the server, or give the directory to that user");
	else if (st.st_uid != geteuid())
		doctor_add(d, section, "data directory", WEAK,
			   xasprintf("%s belongs to user %u, and this is %u", dir, st.st_uid, geteuid()),
			   "run this as the user of the server: only then is everything here true of it");
	else
		doctor_add(d, section, "data directory", FINE, xasprintf("%s, for its owner alone", dir), NULL);
	disk(d, dir);
}

/* ---- secrets: they are read, and forgotten ---- */

static void secret_file(struct doctor *d, const char *name, const char *path, const char *marker)
{
	struct secret s = {0};
	struct err err = {0};
	int rc = secret_read_file(&s, path, false, &err);
	if (rc != 0)
		doctor_add(d, section, name, BAD, xstrdup(err.msg),
			   rc == ERR_REFUSED ? "chmod 0600 it, for the user of the server"
					     : "it has to be there, readable for the user of the server");
	else if (marker != NULL && memmem(s.bytes, s.len, marker, strlen(marker)) == NULL)
		doctor_add(d, section, name, BAD, xasprintf("%s is not in the PEM form", path), "download the App's private key again");
	else
		doctor_add(d, section, name, FINE, xasprintf("%s can be read, by its owner alone", path), NULL);
	secret_free(&s);
}

static void secret_files(struct doctor *d)
{
	for (size_t i = 0; i < d->config.webhook_secret_files.n; i++)
		secret_file(d, "webhook secret", d->config.webhook_secret_files.v[i], NULL);
	if (d->config.app_private_key_file != NULL)
		secret_file(d, "App key", d->config.app_private_key_file, "PRIVATE KEY-----");
	if (d->config.token_file != NULL)
		secret_file(d, "token", d->config.token_file, NULL);
}

/* ---- providers ---- */

static void mirror(struct doctor *d)
{
	const char *dir = d->config.mirror_dir;
	size_t n = 0;
	if (dir == NULL && d->config.provider_download && d->config.provider_allow.n > 0) {
		doctor_add(d, section, "provider mirror", FINE, xstrdup("none: what `providers.allow` names is fetched, verified and kept"),
			   NULL);
		return;
	}
	if (dir == NULL) {
		doctor_add(d, section, "provider mirror", WEAK, xstrdup("none: a project that needs a provider cannot be planned"),
			   "`providers.mirror` names a directory; `terraform providers mirror DIRECTORY` fills one");
		return;
	}
	DIR *list = opendir(dir);
	if (list == NULL) {
		doctor_add(d, section, "provider mirror", BAD, xasprintf("%s: %s", dir, strerror(errno)),
			   "the user of the server has to be able to read it");
		return;
	}
	for (const struct dirent *e; (e = readdir(list)) != NULL;)
		n += e->d_name[0] != '.';
	(void)closedir(list);
	bool open_dir = faccessat(AT_FDCWD, dir, W_OK, AT_EACCESS) == 0 && geteuid() != 0;
	doctor_add(d, section, "provider mirror", n == 0 || open_dir ? WEAK : FINE,
		   xasprintf("%s, %zu host%s%s", dir, n, n == 1 ? "" : "s", open_dir ? ", and the server could write there" : ""),
		   n == 0     ? "it is empty: `terraform providers mirror DIRECTORY` fills it"
		   : open_dir ? "give it to another user: what jobs run should not be the server's to change"
			      : NULL);
}

/* What the boxes of the fetch step start of the host's /usr. */
static void fetching(struct doctor *d)
{
	const struct server_config *c = &d->config;
	bool packages = c->provider_download && c->provider_allow.n > 0;
	const char *no_unpacker = packages && !fs_exists("/usr/bin/bsdtar") ? "bsdtar, which unpacks providers, is not installed" : NULL;
	const char *no_git = !fs_exists("/usr/bin/git") ? "git, for modules that come from git, is not installed" : NULL;
	if (c->egress_fetch.n == 0) {
		doctor_add(d, section, "fetching", FINE, xstrdup("nothing is fetched: `egress.fetch` is empty"), NULL);
		return;
	}
	doctor_add(d, section, "fetching", no_unpacker != NULL || no_git != NULL ? WEAK : FINE,
		   xasprintf("%zu rules of `egress.fetch`%s%s%s%s", c->egress_fetch.n, no_unpacker != NULL ? "; " : "", no_unpacker != NULL ? no_unpacker : "",
			     no_git != NULL ? "; " : "", no_git != NULL ? no_git : ""),
		   no_unpacker != NULL ? "apt-get install libarchive-tools" : no_git != NULL ? "apt-get install git" : NULL);
}

void doctor_files(struct doctor *d)
{
	if (!d->has_config)
		return;
	data_dir(d);
	secret_files(d);
	mirror(d);
	fetching(d);
}
