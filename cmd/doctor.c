/* `sluice doctor`: is this machine fit to run the jobs of strangers, and does the server find what it needs? Looks, and changes nothing that
 * stays. Nothing that is secret is printed. */
#include "cmd/doctor.h"

#include "base/fs.h"
#include "base/json.h"
#include "base/text.h"
#include "cmd/commands.h"

#include <stdio.h>
#include <unistd.h>

enum { EXIT_FINE = 0, EXIT_NOT = 1, EXIT_USAGE = 2, EXIT_ENVIRONMENT = 3, NAME_WIDTH = 18 };

static const char *const verdicts[] = {[FINE] = "ok", [WEAK] = "weak", [BAD] = "bad"};
static const char default_config[] = "sluice-server.yaml";

void doctor_add(struct doctor *d, const char *section, const char *name, enum verdict verdict, char *seen, const char *fix)
{
	d->v = xreallocarray(d->v, d->n + 1, sizeof(d->v[0]));
	d->v[d->n++] = (struct doctor_row){
		.section = section,
		.name = xstrdup(name),
		.seen = seen,
		.fix = xstrdup(fix),
		.verdict = verdict,
	};
}

static void doctor_free(struct doctor *d)
{
	for (size_t i = 0; i < d->n; i++) {
		free(d->v[i].name);
		free(d->v[i].seen);
		free(d->v[i].fix);
	}
	free(d->v);
	tier_report_free(&d->tier);
	server_config_free(&d->config);
}

/* ---- the box ---- */

static void look_at_isolation(struct doctor *d)
{
	enum tier floor = (enum tier)d->config.sandbox_floor;
	tier_probe(NULL, &d->tier);
	for (size_t i = 0; i < d->tier.n; i++) {
		const struct tier_finding *f = &d->tier.v[i];
		enum verdict v = f->ok ? FINE : f->at_most < floor || f->at_most == TIER_NONE ? BAD : WEAK;
		doctor_add(d, "isolation", f->name, v, xstrdup(f->seen), f->fix);
	}
	bool enough = d->tier.tier >= floor && d->tier.tier != TIER_NONE;
	doctor_add(d, "isolation", "tier",
		   !enough                     ? BAD
		   : d->tier.tier == TIER_FULL ? FINE
					       : WEAK,
		   xasprintf("%s; the floor is %s%s", tier_name(d->tier.tier), tier_name(floor),
			     enough                      ? ""
			     : d->tier.tier == TIER_NONE ? ": nothing is run at all"
							 : ": jobs of pull requests are refused"),
		   enough ? NULL : "mend what is bad above; `sandbox.floor` says how much is enough");
}

/* ---- configuration ---- */

static void tell_errors(const struct config_errors *errors, const struct err *err)
{
	CLEANUP_BUF struct buf list = {0};
	config_errors_print(errors, &list);
	(void)fprintf(stderr, "%s", errors->n != 0 ? buf_str(&list) : "");
	if (errors->n == 0)
		(void)fprintf(stderr, "sluice doctor: %s\n", err->msg);
}

/* Without a file, and none in the working directory, the machine alone is looked at. */
static int load_config(struct doctor *d, const char *file)
{
	struct config_errors errors = {0};
	struct err err = {0};
	if (file == NULL && !fs_exists(default_config)) {
		server_config_builtin(&d->config);
		doctor_add(d, "server", "configuration", FINE, xstrdup("built-in values; --config FILE names a server file"), NULL);
		return 0;
	}
	file = file != NULL ? file : default_config;
	int rc = server_config_load(file, &d->config, &errors, &err);
	if (rc != 0)
		tell_errors(&errors, &err);
	config_errors_free(&errors);
	if (rc != 0)
		return rc;
	d->has_config = true;
	doctor_add(d, "server", "configuration", FINE, xasprintf("%s has no errors", file), NULL);
	return 0;
}

/* ---- answers ---- */

static enum verdict worst_of(const struct doctor *d)
{
	enum verdict worst = FINE;
	for (size_t i = 0; i < d->n; i++)
		worst = d->v[i].verdict > worst ? d->v[i].verdict : worst;
	return worst;
}

static void print_text(const struct doctor *d, struct buf *out)
{
	const char *section = "";
	size_t count[3] = {0};
	for (size_t i = 0; i < d->n; i++) {
		const struct doctor_row *r = &d->v[i];
		if (strcmp(section, r->section) != 0)
			buf_printf(out, "%s%s\n", i > 0 ? "\n" : "", r->section);
		section = r->section;
		buf_printf(out, "  %-4s  %-*s  ", verdicts[r->verdict], NAME_WIDTH, r->name);
		text_clean(out, r->seen, strlen(r->seen));
		buf_addc(out, '\n');
		if (r->fix != NULL)
			buf_printf(out, "        %-*s  -> %s\n", NAME_WIDTH, "", r->fix);
		count[r->verdict]++;
	}
	buf_printf(out, "\n%zu ok, %zu weak, %zu bad\n", count[FINE], count[WEAK], count[BAD]);
}

static void print_json(const struct doctor *d, struct buf *out)
{
	struct json_writer w = json_writer(out);
	CLEANUP_BUF struct buf report = {0};
	jw_open(&w, NULL);
	jw_bool(&w, "ok", worst_of(d) != BAD);
	jw_str(&w, "tier", tier_name(d->tier.tier));
	jw_str(&w, "floor", tier_name((enum tier)d->config.sandbox_floor));
	if (tier_report_write(&d->tier, &report) == 0)
		jw_raw(&w, "canary", buf_str(&report));
	jw_open_arr(&w, "findings");
	for (size_t i = 0; i < d->n; i++) {
		const struct doctor_row *r = &d->v[i];
		jw_open(&w, NULL);
		jw_str(&w, "section", r->section);
		jw_str(&w, "name", r->name);
		jw_str(&w, "verdict", verdicts[r->verdict]);
		jw_str(&w, "seen", r->seen);
		jw_str(&w, "fix", r->fix);
		jw_close(&w);
	}
	jw_close_arr(&w);
	jw_close(&w);
	buf_addc(out, '\n');
}

static int usage(void)
{
	(void)fputs("usage: sluice doctor [--config FILE] [--format json]\n", stderr);
	return EXIT_USAGE;
}

int cmd_doctor(int argc, char **argv)
{
	struct doctor d = {0};
	struct err err = {0};
	CLEANUP_BUF struct buf out = {0};
	const char *file = NULL;
	bool json = false;
	for (int i = 1; i < argc; i++) {
		bool has_value = i + 1 < argc;
		if (strcmp(argv[i], "--config") == 0 && has_value)
			file = argv[++i];
		else if (strcmp(argv[i], "--format") == 0 && has_value && strcmp(argv[i + 1], "json") == 0)
			json = true, i++;
		else
			return usage();
	}
	int status = EXIT_USAGE;
	if (load_config(&d, file) == 0) {
		doctor_files(&d);
		doctor_machine(&d);
		look_at_isolation(&d);
		status = worst_of(&d) == BAD ? EXIT_NOT : EXIT_FINE;
		(json ? print_json : print_text)(&d, &out);
		if (fs_write_all(STDOUT_FILENO, buf_str(&out), out.len, &err) != 0) {
			(void)fprintf(stderr, "sluice doctor: %s\n", err.msg);
			status = EXIT_ENVIRONMENT;
		}
	}
	doctor_free(&d);
	return status;
}
