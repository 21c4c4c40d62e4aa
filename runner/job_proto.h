/* Step 7. What runner and sluice-job-init say to each other, over two pipes that cross the sandbox boundary. Frames as in base/frame.h: u32
 * little-endian length, then one byte of type, one byte of id, then the payload.
 *
 * The runner leads: it asks for one step at a time and decides from the answer. Nothing that comes back is trusted; the runner counts
 * bytes itself. */
#ifndef RUNNER_JOB_PROTO_H
#define RUNNER_JOB_PROTO_H

enum {
	JOB_CONTROL_FD = 3, /* read by job-init */
	JOB_RESULT_FD = 4,  /* written by job-init */
	JOB_NET_FD = 5,     /* UNIX socket: job-init sends its listening socket for the egress proxy there, before anything else; or /dev/null */
	JOB_CONTROL_FRAME_MAX = 64 * 1024,
	JOB_ARGS_MAX = 256, /* of one step */
	JOB_CHUNK = 64 * 1024, /* largest payload of a result frame */
	JOB_WATCH_MS = 500,
	JOB_FULL_MS = 100, /* how often the job's file system is looked at while a step runs */
};

/* To job-init. */
enum job_ask {
	JOB_ASK_RUN = 'R',    /* id: step; payload: arguments, each ended by NUL; the first is the program */
	JOB_ASK_EXPORT = 'E', /* id: export; payload: u64 ceiling in bytes, path */
	JOB_ASK_WATCH = 'W',  /* the same; from now on the file is exported whenever it changed while a step runs; an empty path ends it */
	JOB_ASK_CANCEL = 'C', /* payload: u32 grace in ms; SIGINT to the running step now, SIGKILL to all of it after the grace */
};

/* From job-init. */
enum job_tell {
	JOB_TELL_READY = 'H', /* once, first: the box stands; one byte, the walls that hold: enum job_wall */
	JOB_TELL_OUT = 'o',   /* id: step; bytes of its stdout */
	JOB_TELL_ERR = 'e',   /* bytes of its stderr */
	JOB_TELL_ENDED = 'x', /* u32 wait status, u64 peak resident bytes of one process of it; nothing of the step is left running */
	JOB_TELL_FULL = 'F',  /* id: step; one byte, enum job_full: there is no room left of that */
	JOB_TELL_BEGIN = 'b', /* id: export; forget what came of it before */
	JOB_TELL_DATA = 'd',
	JOB_TELL_FINISH = 'f', /* one byte, enum job_export_end */
};

enum job_wall { JOB_WALL_SECCOMP = 1, JOB_WALL_LANDLOCK = 2 /* as much of it as the kernel knows */ };

enum job_full { JOB_FULL_FILES = 1, JOB_FULL_BYTES = 2, JOB_FULL_PROCESSES = 3 };

/* Arguments of sluice-job-init inside: strict or compat, net or no-net, processes, bytes of data of one process (0: no ceiling), the
 * program that may be started. */
#define JOB_ARG_STRICT "strict"
#define JOB_ARG_COMPAT "compat"
#define JOB_ARG_NET "net"
#define JOB_ARG_NO_NET "no-net"

enum job_export_end { JOB_EXPORT_DONE = 0, JOB_EXPORT_MISSING = 1, JOB_EXPORT_TOO_LARGE = 2, JOB_EXPORT_UNREADABLE = 3 };

#endif
