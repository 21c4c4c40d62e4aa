/* Step 9. What stands between the GitHub client and the key agent: signing the App's JWT on the writer thread, which alone talks to the agent, and
 * writing down which tokens were minted. In the daemon. */
#ifndef CMD_APP_SIGN_H
#define CMD_APP_SIGN_H

#include "base/db.h"
#include "github/gh.h"
#include "secrets/agent.h"

struct app_sign;
/* id: of the App, as text. Outlives the client; closed after the database. */
struct app_sign *app_sign_new(struct db *db, struct agent *agent, const char *id);
const struct gh_app *app_sign_app(const struct app_sign *s);
void app_sign_free(struct app_sign *s);

#endif
