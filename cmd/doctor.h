/* What `sluice doctor` finds: a list of findings, each with a verdict and, where something is to be done, what. Between cmd/doctor*.c. */
#ifndef CMD_DOCTOR_H
#define CMD_DOCTOR_H

#include "base/mem.h"
#include "plan/config.h"
#include "runner/tier.h"

enum verdict { FINE, WEAK, BAD };

struct doctor_row {
	const char *section;
	char *name, *seen, *fix; /* fix NULL: nothing to do */
	enum verdict verdict;
};

struct doctor {
	struct server_config config;
	bool has_config; /* else the built-in values */
	struct tier_report tier;
	struct doctor_row *v;
	size_t n;
};

/* Adds a finding; seen is taken over, fix (NULL: none) is copied. */
void doctor_add(struct doctor *d, const char *section, const char *name, enum verdict verdict, char *seen, const char *fix);

/* cmd/doctor_machine.c: what the machine offers · cmd/doctor_files.c: the files that the configuration names */
void doctor_machine(struct doctor *d);
void doctor_files(struct doctor *d);

#endif
