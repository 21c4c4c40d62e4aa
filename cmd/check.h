/* `sluice check [--format json] FILE...`: validates configuration files. Reads only; exit 0 fine, 1 errors in a file, 2 usage or unreadable. */
#ifndef CMD_CHECK_H
#define CMD_CHECK_H

int cmd_check(int argc, char **argv); /* argv[0] is "check" */

#endif
