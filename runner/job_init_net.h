/* Step 7. The network of the box, as far as it is made inside. Part of sluice-job-init. */
#ifndef RUNNER_JOB_INIT_NET_H
#define RUNNER_JOB_INIT_NET_H

/* Opens EGRESS_ADDRESS:EGRESS_PORT and sends the listening socket to the egress proxy over JOB_NET_FD. Ends the process when that fails: without
 * the network that it was promised a job would only be confusing. */
void give_listener_away(void);

#endif
