/* GraphQL queries, as far as clients write them: one operation, variables, arguments, aliases, inline fragments.
 *
 * A query is read against its variables, which are checked against their declared types; arguments come out as JSON with the variables put in.
 * What a selection gives is taken from a JSON document that has everything: sim_gql_project writes the selected part and refuses what is not
 * there, as a server with a schema does. Lists that are paged are {"__connection": [...]} in that document. */
#ifndef CMD_SIM_SIM_GQL_H
#define CMD_SIM_SIM_GQL_H

#include "base/json.h"

enum { SIM_GQL_FIELDS_MAX = 500, SIM_GQL_DEPTH_MAX = 24, SIM_GQL_VARS_MAX = 32 };

struct sim_gql_field {
	char *name;      /* NULL: an inline fragment */
	char *key;       /* alias, or the name */
	char *on;        /* type of the fragment */
	struct buf args; /* JSON object; empty: no arguments */
	size_t child, next; /* place in the list of fields; 0: none */
};

struct sim_gql {
	bool mutation;
	struct sim_gql_field *fields; /* fields[0] is the operation itself */
	size_t n;
};

int sim_gql_parse(const char *text, const struct json *variables, struct sim_gql *ret, struct err *err) MUST_CHECK;
void sim_gql_free(struct sim_gql *g);
/* Arguments of a field as JSON; the caller frees *ret_doc. Those that are not in allowed (NULL-terminated) are refused. */
int sim_gql_args(const struct sim_gql *g, size_t field, const char *const *allowed, struct json_doc **ret_doc, struct json *ret, struct err *err) MUST_CHECK;
/* Writes the members that the selection of a field asks for, without braces. */
int sim_gql_project(const struct sim_gql *g, size_t field, const struct json *object, struct json_writer *w, struct err *err) MUST_CHECK;

#endif
