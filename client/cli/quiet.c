#include "client/cli/quiet.h"

#include "common/base/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LOOK_MS = 1000 }; // for the master to say how it is

/* Who is quiet for so long says so, and looks for the reason as often. */
#define QUIET_NS (2 * KOFN_NS_PER_S)

bool
cli_quiet_is(const cli_quiet *q, const kofn_stream *stream)
{
    return stream && kofn_stream_count(stream) > 0 && kofn_clock_ns() - q->moved_ns > QUIET_NS;
}

bool
cli_quiet_is_silent(const cli_quiet *q)
{
    return q->why[0] && q->idle_ns == 0;
}

static bool
find_account(kofn_client *client, const kofn_stream *stream, kofn_stream_account *ret_account)
{
    kofn_stream_account *streams = NULL;
    size_t count = 0;
    bool found = false;
    if (kofn_client_list_streams(client, &streams, &count, NULL) != KOFN_OK)
        return false;
    for (size_t i = 0; i < count && !found; i++)
        if (strcmp(streams[i].stream, kofn_stream_get_account(stream)->stream) == 0) {
            *ret_account = streams[i];
            found = true;
        }
    free(streams);
    return found;
}

/* A stream waits for workers without an end: it is for the client to have enough. Those that do not
 * compute in its field are none. */
static kofn_status
check_workers(cli_quiet *q, kofn_client *client, const kofn_stream *stream,
              const kofn_health *health, kofn_error *err)
{
    char which[KOFN_CLIENT_NAME_MAX + 32] = "";
    kofn_stream_account account;
    const int64_t now = kofn_clock_ns();
    if (health->workers > 0) {
        if (!find_account(client, stream, &account) || account.vacant < account.slots) {
            q->idle_ns = 0;
            return KOFN_OK;
        }
        (void)snprintf(which, sizeof which, " that compute in %s", account.field);
    }
    q->idle_ns = q->idle_ns ? q->idle_ns : now;
    const double seconds = (double)(now - q->idle_ns) / 1e9;
    (void)snprintf(q->why, sizeof q->why, "the master has no workers%s for %.0f s", which, seconds);
    return now - q->idle_ns < q->away_ns
               ? KOFN_OK
               : kofn_fail(err, KOFN_UNAVAILABLE,
                           "the master has had no workers%s for %.1f s; allow more with --away",
                           which, seconds);
}

/* How long a master may be away, the client sees to. */
kofn_status
cli_quiet_look(cli_quiet *q, kofn_client *client, const kofn_stream *stream, kofn_error *err)
{
    kofn_health health;
    kofn_error error;
    if (!cli_quiet_is(q, stream)) {
        q->why[0] = '\0';
        q->idle_ns = 0;
        return KOFN_OK;
    }
    if (kofn_clock_ns() - q->looked_ns < QUIET_NS)
        return KOFN_OK;
    q->why[0] = '\0';
    kofn_status status = kofn_client_check(client, NULL, LOOK_MS, &health, &error);
    q->looked_ns = kofn_clock_ns();
    if (status == KOFN_OK)
        return check_workers(q, client, stream, &health, err);
    if (status == KOFN_UNAVAILABLE || status == KOFN_DEADLINE_EXCEEDED)
        (void)snprintf(q->why, sizeof q->why, "%s",
                       status == KOFN_UNAVAILABLE ? error.text : "the master does not answer");
    return KOFN_OK;
}
