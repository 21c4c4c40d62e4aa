/* Every ceiling of the product in one list: name, value, unit, reason. Whoever passes one gets a sentence that names it. */
#ifndef BASE_LIMITS_H
#define BASE_LIMITS_H

/* webhooks/ */
#define LIMIT_WEBHOOK_BYTES (25u * 1024u * 1024u) /* GitHub sends no larger payload */
#define LIMIT_HEADER_BYTES (16u * 1024u)          /* all request headers together */
#define LIMIT_JSON_DEPTH 64u                      /* GitHub's payloads stay below 12 */
#define LIMIT_JSON_VALUES 2000000u                /* values in one document: bounds the memory of a parse */
#define LIMIT_INTAKE_HEADER_MS 10000u             /* a sender must finish its headers */
#define LIMIT_INTAKE_BODY_MS 30000u               /* and its body; GitHub itself gives up after 10 s */
#define LIMIT_INTAKE_CONNECTIONS 4096u            /* open sockets: bounds descriptors */
#define LIMIT_INTAKE_INFLIGHT_BYTES (256u * 1024u * 1024u) /* bodies in memory before 503 is answered */
#define LIMIT_DB_BATCH 256u                       /* requests in one group commit */
#define LIMIT_DB_QUEUE 16384u                     /* requests waiting for the writer */

/* plan/ */
#define LIMIT_CONFIG_BYTES (1u * 1024u * 1024u) /* sluice.yaml, sluice-server.yaml */
#define LIMIT_CONFIG_DEPTH 32u
#define LIMIT_CONFIG_NODES 250000u                /* YAML nodes with aliases resolved: bounds the memory of a parse */
#define LIMIT_CONFIG_ALIASES 64u                  /* YAML aliases: no expansion bombs */
#define LIMIT_CONFIG_ERRORS 100u                  /* of one file that are told; a comment shows fewer */
#define LIMIT_CONFIG_TEXT_BYTES 4096u             /* one text value of a configuration file */
#define LIMIT_PROJECTS 20000u                     /* per repository */
#define LIMIT_RUN_JOBS 1000u                      /* projects in one run */
#define LIMIT_HCL_FILE_BYTES (4u * 1024u * 1024u) /* one *.tf file */
#define LIMIT_TF_NODES 200000u                    /* blocks and attributes of one file: bounds the memory of a look */
#define LIMIT_TOLD 100u                           /* things told of a change of one project; a comment shows fewer */
#define LIMIT_TOLD_TEXT_BYTES 300u                /* of one of them */
#define LIMIT_TOLD_FILES 5000u                    /* changed files that are looked at one by one */
#define LIMIT_TOLD_BYTES (64u * 1024u * 1024u)    /* of all of them together */
#define LIMIT_LOCK_FILE_BYTES (1u * 1024u * 1024u) /* .terraform.lock.hcl */
#define LIMIT_MODULE_DEPTH 64u                    /* local modules calling local modules */
#define LIMIT_DIR_REFERENCES 4096u                /* local modules and paths that one directory names, and modules one project uses */
#define LIMIT_GLOB_BYTES 1024u
#define LIMIT_NAME_BYTES 200u                     /* project, workspace */
#define LIMIT_PATH_BYTES 1024u                    /* a path in the repository */
#define LIMIT_PLAN_JSON_BYTES (256u * 1024u * 1024u)
#define LIMIT_DIFF_BYTES (256u * 1024u)           /* rendered diff of one project, kept in the database */
#define LIMIT_COMMENT_BYTES 65536u                /* GitHub refuses more characters in a comment body */
#define LIMIT_STATUS_DESCRIPTION 140u             /* GitHub refuses more characters */
#define LIMIT_OWNERS_BYTES (3u * 1000u * 1000u)   /* CODEOWNERS: GitHub reads no larger one */
#define LIMIT_OWNERS_RULES 50000                  /* lines of it that mean something */
#define LIMIT_OWNERS_SETS 500                     /* distinct owner sets that one change needs */
#define LIMIT_OWNERS_BAD 20u                      /* lines told that GitHub skips */
#define LIMIT_OWNERS_STEPS 50000000u              /* comparisons of a path with a line */
#define LIMIT_COMMAND_BYTES 4096u                 /* of a comment that are looked at */

/* trees and git */
#define LIMIT_TREE_ENTRIES 200000u
#define LIMIT_TREE_BYTES (1024u * 1024u * 1024u)
#define LIMIT_TREE_DEPTH 64u
#define LIMIT_DIFF_ENTRIES 1000000u               /* entries of trees that comparing two commits, or a first index, looks at */
#define LIMIT_FILE_NAME_BYTES 255u                /* one part of a path: file systems take no longer one */
#define LIMIT_BLOB_BYTES (64u * 1024u * 1024u)
#define LIMIT_PROJECT_ENTRIES 2000u               /* in one project directory: each is one mount of the box */

/* runner/ */
#define LIMIT_FRAME_BYTES (1u * 1024u * 1024u)
#define LIMIT_STATE_BYTES (64u * 1024u * 1024u)   /* one managed state */
#define LIMIT_PLAN_BYTES (256u * 1024u * 1024u)   /* one plan file */
#define LIMIT_SUMMARY_BYTES (16u * 1024u * 1024u) /* summary or diff of one job in its exit record */
#define LIMIT_PACKAGE_BYTES (2048u * 1024u * 1024u) /* one provider, unpacked: AWS's has 706 MB */
#define LIMIT_PACKAGE_ZIP_BYTES (1024u * 1024u * 1024u) /* one provider as it is downloaded */
#define LIMIT_PACKAGE_ENTRIES 2000u               /* files and directories in it */
#define LIMIT_MODULES_BYTES (512u * 1024u * 1024u) /* all remote modules of one project */
#define LIMIT_MODULES_ENTRIES 50000u              /* files and directories in them */
#define LIMIT_MODULES_JSON_BYTES (4u * 1024u * 1024u) /* the list of them */
#define LIMIT_MODULES 2000u                       /* entries of that list */
#define LIMIT_FETCH_MS 1200000u                   /* one download, and the wait for somebody else's */
#define LIMIT_FETCHED_DAYS 62                     /* a package or set of modules that no job used so long goes: plans live for 60 at most */
#define LIMIT_FLOATING_MS 300000u                 /* how late a reference that is no version is followed */
#define LIMIT_GRACE_MS 30000u                     /* between SIGINT and SIGKILL of an engine */
#define LIMIT_BATTERY_BYTES 65536u                /* what the canary says from inside the box, and the report made of it */
#define LIMIT_PROC_BYTES (4u * 1024u * 1024u)     /* one list of the kernel's: mounts, processes of a control group */
#define LIMIT_CGROUP_END_MS 5000u                 /* until all of a killed control group is gone */
#define LIMIT_WATCH_PROCESSES 65536u              /* of one tree that is looked at without a control group: twice what `limits.processes` allows */

/* the network of a job (runner/egress.h) */
#define LIMIT_EGRESS_RULES 1000                   /* of one job */
#define LIMIT_EGRESS_CONNECTIONS 256              /* of one job at once ... */
#define LIMIT_EGRESS_CONNECTIONS_ALL 50000        /* ... and in its life: bounds the work that a job can cause outside of its box */
#define LIMIT_EGRESS_HEAD_BYTES 8192              /* CONNECT and its headers */
#define LIMIT_EGRESS_HELLO_BYTES 16384            /* the TLS ClientHello with the heads of its records; today's have below 2,000 */
#define LIMIT_EGRESS_LOG_BYTES (16u * 1024u * 1024u) /* lines of the connection log of one job */
#define EGRESS_BYTES_MAX (2ll * 1024 * 1024 * 1024) /* of one job, both directions together, where nothing else was said */

/* github/ */
#define LIMIT_GITHUB_BODY_BYTES (32u * 1024u * 1024u) /* one API answer */
#define LIMIT_GITHUB_PAGES 40u
#define LIMIT_GITHUB_REQUIRED 500u                /* checks, environments and kinds of rules that one branch may ask for */
#define LIMIT_GITHUB_ENVIRONMENTS 50u             /* that one commit was deployed to: each is one request */
#define LIMIT_GITHUB_COMMITS 250u                 /* of a pull request: GitHub lists no more */
#define LIMIT_GITHUB_TOKEN_BYTES 8192u            /* one installation token; today's have about 520 */
#define LIMIT_CHECK_ANNOTATIONS 50u               /* of a check run in one request: GitHub refuses more ... */
#define LIMIT_CHECK_ACTIONS 3u                    /* ... as with its buttons */
#define LIMIT_GITHUB_CALLS 100u                   /* requests at once: GitHub allows no more */
#define LIMIT_GITHUB_CACHE 512u                   /* answers kept for If-None-Match ... */
#define LIMIT_GITHUB_CACHE_BYTES (8u * 1024u * 1024u) /* ... and all of them together */
#define LIMIT_GITHUB_TRIES 12u                    /* attempts for one effect before it is told and left */
#define LIMIT_WRITES_BURST 5u                     /* content writes at once, then one a second: GitHub allows 80 a minute */
#define LIMIT_OUTBOX_LANES 1024u                  /* installations that are written to side by side */
#define LIMIT_CHECK_TEXT_CHARS 65535u             /* of a check's summary, and of its text: GitHub refuses more ... */
#define LIMIT_CHECK_ANNOTATION_BYTES (64u * 1024u) /* ... as of the message of one annotation */
#define LIMIT_CHECK_ALL_ANNOTATIONS 200u          /* of one check, over all requests: four writes */
#define LIMIT_RUN_EDITS 34u                       /* comment edits of one run: keeps a run of 100 projects at 40 writes */
#define LIMIT_RUN_STATUSES 20u                    /* projects that get a status of their own */

#define LIMIT_TEXT_OF(n) #n
#define LIMIT_TEXT(n) LIMIT_TEXT_OF(n) /* of a ceiling that is a plain number, for sentences */

#endif
