/* The database file: how it is opened, and what brings older ones up to date.
 *
 * The version is SQLite's user_version, which is the number of migration steps that were taken.
 * A step is never changed once it was released; new ones are added behind it.
 *
 * Threads    The connection is not shared: one thread at a time.
 */
#ifndef KOFN_MASTER_STORE_SCHEMA_H
#define KOFN_MASTER_STORE_SCHEMA_H

#include "common/base/status.h"

#include <sqlite3.h>

/* The database of this path, made if it is not there, of today's schema, locked for this process.
 * FAILED_PRECONDITION: it is in use, of a newer schema, or not a database of ours. DATA_LOSS: it is
 * damaged. */
KOFN_MUST_CHECK kofn_status kofn_schema_open(const char *path, bool sync, sqlite3 **ret_db,
                                             kofn_error *err);

/* All steps that the database has not seen, in one transaction. */
KOFN_MUST_CHECK kofn_status kofn_schema_migrate(sqlite3 *db, const char *const *steps,
                                                size_t step_count, kofn_error *err);

/* What SQLite's last failure on the connection means: "jobs.db: cannot <what>: <why>". */
kofn_status kofn_schema_fail(sqlite3 *db, const char *what, kofn_error *err);

#endif
