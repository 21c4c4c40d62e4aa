/* What the machine offers: kernel, control groups, memory, engines, certificates. */
#include "base/db.h"
#include "base/fs.h"
#include "base/text.h"
#include "cmd/doctor.h"
#include "runner/cgroup.h"

#include <stdio.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <unistd.h>

#define CA_BUNDLE "/etc/ssl/certs/ca-certificates.crt"
enum { CA_BYTES_MAX = 4 * 1024 * 1024, SQLITE_WAL_MENDED = 3051003 };

static const char section[] = "machine";

/* ---- kernel ---- */

static void kernel(struct doctor *d)
{
	struct utsname u;
	unsigned major = 0, minor = 0;
	if (uname(&u) != 0 || sscanf(u.release, "%u.%u", &major, &minor) != 2) {
		doctor_add(d, section, "kernel", WEAK, xstrdup("its version cannot be told"), NULL);
		return;
	}
	unsigned version = major * 1000 + minor;
	const char *fix = version < 5007   ? "sluice needs Linux 5.7 or later"
			  : version < 5013 ? "Linux 5.13 brings Landlock, 6.12 all of it that sluice uses"
					   : NULL;
	doctor_add(d, section, "kernel",
		   version < 5007   ? BAD
		   : version < 5013 ? WEAK
				    : FINE,
		   xasprintf("Linux %s, %s", u.release, u.machine), fix);
}

static void control_group(struct doctor *d)
{
	static const char *const kinds[] = {[CGROUP_NONE] = "none", [CGROUP_V1] = "version 1", [CGROUP_V2] = "version 2"};
	CLEANUP_FREE char *why = NULL;
	enum cgroup_kind kind = cgroup_here(&why);
	doctor_add(d, section, "control groups", kind == CGROUP_NONE ? WEAK : FINE,
		   kind == CGROUP_NONE ? xasprintf("none for this user: memory is watched from outside, a little late")
				       : xstrdup(kinds[kind]),
		   why);
}

static void who(struct doctor *d)
{
	doctor_add(d, section, "user", FINE,
		   geteuid() == 0
			   ? xstrdup("root: each box gets a user of its own; what is said here is true of a server that is started as root")
			   : xasprintf("%u: what is said here is true of a server that runs as this user", geteuid()),
		   NULL);
}

static void library(struct doctor *d)
{
	int v = db_library_version();
	doctor_add(d, section, "SQLite", FINE,
		   xasprintf("%d.%d.%d%s", v / 1000000, v / 1000 % 1000, v % 1000,
			     v < SQLITE_WAL_MENDED
				     ? ": before 3.51.3 two writers at once could damage a log; sluice has one writer, and nothing "
				       "else may write to its database"
				     : ""),
		   NULL);
}

/* ---- memory ---- */

static void size_text(struct buf *out, int64_t bytes)
{
	if (bytes >= INT64_C(1) << 30)
		buf_printf(out, "%.1f GiB", (double)bytes / (double)(INT64_C(1) << 30));
	else
		buf_printf(out, "%.0f MiB", (double)bytes / (double)(INT64_C(1) << 20));
}

static void memory(struct doctor *d)
{
	struct sysinfo s;
	CLEANUP_BUF struct buf seen = {0};
	if (sysinfo(&s) != 0) {
		doctor_add(d, section, "memory", WEAK, xstrdup("it cannot be told how much there is"), NULL);
		return;
	}
	int64_t machine = (int64_t)s.totalram * (int64_t)s.mem_unit;
	int64_t all = d->config.memory_total != 0 ? d->config.memory_total : machine / 4 * 3; /* as the server reckons */
	int64_t fit = d->config.memory_bytes > 0 ? all / d->config.memory_bytes : d->config.jobs;
	size_text(&seen, machine);
	buf_adds(&seen, "; a job may use ");
	size_text(&seen, d->config.memory_bytes);
	buf_printf(&seen, ", %lld run at once", (long long)d->config.jobs);
	const char *fix = NULL;
	enum verdict v = FINE;
	if (all > machine) {
		v = WEAK;
		fix = "`limits.memory_total` is more than the machine has";
	}
	if (fit < d->config.jobs) {
		v = WEAK;
		fix = "not all of them fit at once, so that some wait for memory: lower `limits.jobs` or `limits.memory`";
	}
	if (fit < 1) {
		v = BAD;
		fix = "not one job fits: lower `limits.memory`";
	}
	doctor_add(d, section, "memory", v, buf_take(&seen), fix);
	if (d->config.workspace_bytes > d->config.memory_bytes)
		doctor_add(
			d, section, "workspace", WEAK,
			xstrdup("`limits.workspace` is above `limits.memory`, and the files of a job count as memory: memory ends a job first"),
			"lower `limits.workspace` or raise `limits.memory`");
}

/* ---- what runs, and what it trusts ---- */

/* The answer is not kept: whoever runs this is perhaps not the user of the server. */
static void engines(struct doctor *d)
{
	char scratch[] = "/tmp/sluice-doctor-XXXXXX";
	size_t found = 0;
	struct err last = {0};
	if (mkdtemp(scratch) == NULL) {
		doctor_add(d, section, "engines", BAD, xstrdup("/tmp cannot be written to"), "jobs need a /tmp");
		return;
	}
	for (int k = 0; k < ENGINE_KINDS; k++) {
		const struct engine *row = engine_row((enum engine_kind)k);
		struct engine_binary b = {0};
		struct err err = {0};
		if (!row->runs)
			continue;
		int rc = engine_find((enum engine_kind)k, d->config.engine_dir, scratch, &b, &err);
		if (rc == 0) {
			doctor_add(d, section, row->name, FINE, xasprintf("%s at %s", b.version, b.path), NULL);
			engine_binary_free(&b);
			found++;
		} else if (rc != ERR_NOT_FOUND) {
			doctor_add(d, section, row->name, BAD, xstrdup(err.msg),
				   "put a working binary there, or name another directory in `engines.dir`");
		}
		last = rc != 0 ? err : last;
	}
	if (found == 0)
		doctor_add(d, section, "engines", BAD, xstrdup(last.msg),
			   "install terraform or tofu in the PATH of the server, or set `engines.dir`");
	if (fs_remove_tree(scratch, &last) != 0)
		doctor_add(d, section, "scratch", WEAK, xstrdup(last.msg), NULL);
}

static void certificates(struct doctor *d)
{
	static const char usual[] = CA_BUNDLE;
	const char *file = d->config.egress_ca_file != NULL ? d->config.egress_ca_file : usual;
	CLEANUP_BUF struct buf text = {0};
	struct err err = {0};
	size_t n = 0;
	if (fs_read(file, CA_BYTES_MAX, &text, &err) == 0)
		for (const char *p = buf_str(&text); (p = strstr(p, "-----BEGIN CERTIFICATE-----")) != NULL; p++)
			n++;
	if (n > 0)
		doctor_add(d, section, "CA certificates", FINE, xasprintf("%zu in %s", n, file), NULL);
	else
		doctor_add(d, section, "CA certificates", BAD,
			   err.code != 0 ? xstrdup(err.msg) : xasprintf("%s holds no certificate", file),
			   file == usual ? "apt-get install ca-certificates; update-ca-certificates"
					 : "`egress.ca_file` names the certificates that jobs trust, in PEM form");
}

void doctor_machine(struct doctor *d)
{
	kernel(d);
	who(d);
	control_group(d);
	memory(d);
	engines(d);
	certificates(d);
	library(d);
}
