/* A cluster with keys, and people around it.
 *
 *     keys/   master; w0 and w1, workers; alice and bob, clients; boss, an admin: those that may
 *     out/    mallory, a client; w9, a worker; other, a master: those that nobody listed
 *
 * Certificates are named by path in the cluster's folder: "keys/alice.key".
 */
#ifndef KOFN_TESTS_INTEGRATION_KEYRING_H
#define KOFN_TESTS_INTEGRATION_KEYRING_H

#include "tests/integration/cluster.h"
#include "tests/integration/raw.h"

enum { REVOKED_WITHIN_S = 5, SHORT_MS = 700 };

#define KEYRING_MASTER "keys:\n  own: keys/master.key\n  allowed: keys\n"

/* No keys in the environment: the setup of each test. */
int keyring_setup(void **state);

cluster *keyring_new(void **state);       // nothing runs yet
cluster *keyring_new_ready(void **state); // master, w0, and boss as the cluster's client
void keyring_start_worker(cluster *c, size_t number, const char *more_yaml);

void keyring_make(cluster *c, const char *folder, const char *name, const char *role);
void keyring_remove(cluster *c, const char *path);
void keyring_move(cluster *c, const char *from, const char *to); // with its secret
void keyring_copy(cluster *c, const char *from, const char *to); // NAME.key alone

/* Put these words in the place of those, in the file as it is. */
void keyring_edit(cluster *c, const char *path, const char *old, const char *fresh);

/* "public-key" or "secret-key" of a file. */
void keyring_read(cluster *c, const char *path, const char *which, char ret_key[41]);

/* Have `kofn` and the cluster's client be this one. */
void keyring_use(cluster *c, const char *own, const char *master);

/* ---- as somebody ----------------------------------------------------------------------------- */

/* The cluster's master as this one's, who is somebody who may: closed with kofn_client_close. */
kofn_client *keyring_open(cluster *c, const char *own);

/* A health check as somebody (NULL: without keys) with this master's certificate: its status. */
kofn_status keyring_call(cluster *c, const char *own, const char *master, kofn_error *err);

/* Until a call as this one comes to that; no longer than revoking may take. */
void keyring_await_status(cluster *c, const char *own, kofn_status wanted);

/* A DEALER with anybody's key, and the routing id that it likes (NULL: none). */
void keyring_open_raw(cluster *c, raw_peer *peer, const char *own, const char *routing_id,
                      const char *endpoint, bool delimited);

void keyring_say_hello(raw_peer *peer, const char *name);
bool keyring_hears_something(raw_peer *peer); // within SHORT_MS

/* A small product that nobody has computed yet. */
void keyring_submit(kofn_client *client, const char *key, char ret_job[KOFN_CLIENT_JOB_MAX]);

/* The product of a submitted job, of the caller; without it after PATIENCE_S the test fails, and
 * says that it waited `for_what`. */
kofn_result *keyring_await_product(kofn_client *client, const char *job, const char *for_what);

void keyring_await_master_log(cluster *c, const char *text);
void keyring_await_log(cluster *c, const char *file, const char *text);

double keyring_now_s(void);
void keyring_wait_a_moment(void);

#endif
