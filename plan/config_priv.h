/* Between the files of the configuration: rows, the reader that follows them, and what a row's function gets.
 *
 * A row is one key: how it is called, what may stand there, where it goes in the struct, what is used without it, and a sentence for people.
 * config_read_map() is the only parser; sample file, --print-config and docs/configuration.md are made from the same rows. */
#ifndef PLAN_CONFIG_PRIV_H
#define PLAN_CONFIG_PRIV_H

#include "base/yaml.h"
#include "plan/config.h"

enum config_type {
	CT_TEXT,     /* char * */
	CT_NAME,     /* char *: letters, digits, . _ - / */
	CT_DIR,      /* char *: a directory of the repository, perhaps a glob; normalised */
	CT_FILE,     /* char *: a path of this machine, made absolute */
	CT_INT,      /* int64_t */
	CT_COUNT,    /* int */
	CT_BOOL,     /* bool */
	CT_DURATION, /* int64_t, milliseconds */
	CT_SIZE,     /* int64_t, bytes */
	CT_WORD,     /* an enum: the index of the word */
	CT_NAMES,    /* struct strlist */
	CT_GLOBS,    /* struct strlist, a leading ! excludes */
	CT_MAP,      /* rows below; their offsets are of the same struct */
	CT_CUSTOM,   /* read and print do it */
};

struct config_reader {
	const char *file;
	const char *dir;              /* CT_FILE: what relative paths are relative to */
	struct config_errors *errors; /* NULL: the text was checked before, nobody listens */
	size_t failed;
	bool is_repository;           /* sluice.yaml: what a person with write access wrote, not the operator */
};

struct config_row;
typedef void (*config_read_cb)(struct config_reader *r, const struct config_row *row, const struct yaml_node *n, void *target);
typedef void (*config_print_cb)(const void *target, struct buf *out, int indent);

struct config_row {
	const char *key;
	enum config_type type;
	bool required;
	bool later;           /* understood and checked; a later version acts on it */
	bool refused;         /* known only so that a sentence can tell what to do instead; has no field */
	bool start;           /* of the sample file: not commented out though not required */
	enum config_type as;  /* CT_CUSTOM without print: how its field is stored, CT_TEXT or CT_GLOBS */
	size_t offset;
	int64_t min, max;     /* CT_INT, CT_COUNT, CT_DURATION, CT_SIZE */
	const char *const *words; /* CT_WORD, NULL-terminated */
	const struct config_row *rows; /* CT_MAP; the last has no key */
	config_read_cb read;
	config_print_cb print;
	const char *what;     /* CT_CUSTOM: what may stand there, in words */
	const char *dflt;     /* YAML text of the built-in value; NULL: none */
	const char *sample;   /* YAML text for the sample file; NULL: the default */
	const char *help;
};

extern const struct config_row config_repo_rows[];    /* sluice.yaml: struct repo_parse of config_repo.c */
extern const struct config_row config_project_rows[]; /* an entry of projects: struct project_rule */
extern const struct config_row config_layer_rows[];   /* defaults: and overrides: of the server: struct project_rule */
extern const struct config_row config_server_rows[];  /* sluice-server.yaml: struct server_config */

/* What server_config.sections points to. */
struct config_sections {
	struct yaml_node *root;
	const struct yaml_node *defaults, *overrides; /* of root; NULL: none */
};

void config_fail(struct config_reader *r, const struct yaml_node *at, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* Reads the keys of a map into target; values of keys that are not there are left alone. */
void config_read_map(struct config_reader *r, const struct yaml_node *map, const struct config_row *rows, void *target);
/* Gives every field whose row has a built-in value that value. */
void config_read_defaults(const struct config_row *rows, void *target);
/* The document as a map, or NULL with errors added. The caller frees it with yaml_free. */
struct yaml_node *config_document(struct config_reader *r, const char *bytes, size_t len);

/* For the functions of CT_CUSTOM rows: NULL or false after an error was added. */
const char *config_text(struct config_reader *r, const char *key, const struct yaml_node *n);
bool config_is(struct config_reader *r, const char *key, const struct yaml_node *n, enum yaml_type want);
bool config_check_name(struct config_reader *r, const char *key, const struct yaml_node *n, const char *text);
bool config_check_glob(struct config_reader *r, const char *key, const struct yaml_node *n, const char *glob);
void config_unknown_word(struct config_reader *r, const char *key, const struct yaml_node *n, const char *word, const char *const *words);
/* Is a plain scalar a string by the YAML 1.2 core schema, or in quotes? */
bool config_is_string(const struct yaml_node *n);

/* Row functions that live in config_values.c. */
void config_read_requires(struct config_reader *r, const struct config_row *row, const struct yaml_node *n, void *target);
void config_read_texts(struct config_reader *r, const struct config_row *row, const struct yaml_node *n, void *target); /* any texts */
void config_read_identity(struct config_reader *r, const struct config_row *row, const struct yaml_node *n, void *target);
void config_read_env(struct config_reader *r, const struct config_row *row, const struct yaml_node *n, void *target);
void config_read_checks(struct config_reader *r, const struct config_row *row, const struct yaml_node *n, void *target);
void config_read_tools(struct config_reader *r, const struct config_row *row, const struct yaml_node *n, void *target);
void config_read_usd(struct config_reader *r, const struct config_row *row, const struct yaml_node *n, void *target);
/* ... and in config_server.c. */
void config_read_listen(struct config_reader *r, const struct config_row *row, const struct yaml_node *n, void *target);
void config_read_tls(struct config_reader *r, const struct config_row *row, const struct yaml_node *n, void *target);
void config_read_url(struct config_reader *r, const struct config_row *row, const struct yaml_node *n, void *target);
void config_read_database(struct config_reader *r, const struct config_row *row, const struct yaml_node *n, void *target);
void config_read_secret_files(struct config_reader *r, const struct config_row *row, const struct yaml_node *n, void *target);
void config_read_repositories(struct config_reader *r, const struct config_row *row, const struct yaml_node *n, void *target);
void config_read_providers(struct config_reader *r, const struct config_row *row, const struct yaml_node *n, void *target);
void config_read_own_egress(struct config_reader *r, const struct config_row *row, const struct yaml_node *n, void *target);
void config_read_egress(struct config_reader *r, const struct config_row *row, const struct yaml_node *n, void *target);
void config_read_egress_scopes(struct config_reader *r, const struct config_row *row, const struct yaml_node *n, void *target);
void config_read_roles(struct config_reader *r, const struct config_row *row, const struct yaml_node *n, void *target);
void config_read_layer(struct config_reader *r, const struct config_row *row, const struct yaml_node *n, void *target);
/* ... in config_repo.c. */
void config_read_version(struct config_reader *r, const struct config_row *row, const struct yaml_node *n, void *target);
void config_read_projects(struct config_reader *r, const struct config_row *row, const struct yaml_node *n, void *target);
void config_rule_builtin(struct project_rule *rule);
void config_rule_free(struct project_rule *rule);

/* Printing, config_print.c. */
void config_print_listen(const void *target, struct buf *out, int indent);
void config_print_egress_scopes(const void *target, struct buf *out, int indent);
void config_print_roles(const void *target, struct buf *out, int indent);
void config_print_defaults(const void *target, struct buf *out, int indent);
void config_print_overrides(const void *target, struct buf *out, int indent);

/* Typed access to the field of a row. */
static inline void *config_field(const struct config_row *row, void *target) { return (char *)target + row->offset; }
static inline const void *config_field_const(const struct config_row *row, const void *target) { return (const char *)target + row->offset; }

#endif
