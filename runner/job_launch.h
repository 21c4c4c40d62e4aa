/* Step 7. The outer role of sluice-job-init, `sluice-job-init launch`: started by the job runner outside the box, with an empty environment and
 * the descriptors of enum box_fd. It builds what bubblewrap cannot: a file system of the job's own with a ceiling of bytes AND of files, a
 * user of the job's own where it starts as root, and a mount namespace in which what goes into the box has neutral names. Then it becomes
 * bubblewrap, which takes LAUNCH_ROOT as the box's root: a bind is made here in a tenth of the time that bubblewrap needs for one, since it reads
 * the whole table of mounts after each. It reads orders from LAUNCH_FD, each KEY=VALUE and a NUL:
 *
 *   parent=PID    who started us: when that is not our parent any more, nothing is started
 *   bwrap=PATH    what to become
 *   uid=N         started as root: the user and group to become; not given: a user namespace with the own user in it
 *   nested=N      user namespaces that bubblewrap makes: there can be no more
 *   size=BYTES, inodes=N    of the job's file system, mounted on LAUNCH_DIR, with work/, tmp/, home/ and shm/ in it
 *   dir=NAME, link=NAME:TARGET, file=NAME:FD   made in LAUNCH_DIR, parents too; a file gets what the descriptor holds
 *   bind=NAME:PATH          appears as LAUNCH_DIR/NAME; with everything mounted below it
 *   arg=TEXT      the program inside, then its arguments
 *
 * Errors are one line on stderr; the exit status is then LAUNCH_FAILED. */
#ifndef RUNNER_JOB_LAUNCH_H
#define RUNNER_JOB_LAUNCH_H

/* Descriptors on the way: the first three arrive at the program inside, bubblewrap reads the others. */
enum box_fd {
	BOX_FD_CONTROL = 3, /* JOB_CONTROL_FD */
	BOX_FD_RESULT,      /* JOB_RESULT_FD */
	BOX_FD_NET,         /* JOB_NET_FD */
	BOX_FD_ARGS,        /* bubblewrap's --args */
	BOX_FD_RC,
	BOX_FD_PASSWD,
	BOX_FD_STATE,
	BOX_FD_PLAN,
	BOX_FD_LAUNCH,
	BOX_FD_END
};

#define LAUNCH_DIR "/tmp"
#define LAUNCH_ROOT "root" /* below LAUNCH_DIR: what the box sees, read-only */
#define LAUNCH_PROGRAM "/job-init" /* where the box has sluice-job-init */
enum { LAUNCH_FAILED = 126, LAUNCH_ORDERS_MAX = 64 * 1024 };

int launch_main(void);

#endif
