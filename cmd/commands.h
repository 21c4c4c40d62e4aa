/* The commands of the binary; argv[0] is the command's word. Exit codes: 0 done, 1 the answer is no, 2 usage or configuration, 3 the
 * environment failed. */
#ifndef CMD_COMMANDS_H
#define CMD_COMMANDS_H

#define SLUICE_VERSION "0.1.0"

int cmd_serve(int argc, char **argv);
int cmd_demo(int argc, char **argv);
int cmd_state(int argc, char **argv);
int cmd_sandbox(int argc, char **argv);
int cmd_doctor(int argc, char **argv);
int cmd_canary(int argc, char **argv); /* hidden */
int cmd_setup(int argc, char **argv);
int cmd_audit(int argc, char **argv);
int cmd_print_config(int argc, char **argv);

#endif
