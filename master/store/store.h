/* The store: records of jobs and operands with their matrices, on disk before anybody is told.
 *
 *     I/O thread   kofn_store_submit(request)  -->  large matrices:  a helper thread writes files
 *                                                          |         of the spool, synced
 *                                                          v
 *                                              -->  the writer: all that waits, in one commit
 *                  request->done(request)      <--  eventfd  <--  one fsync for the whole group
 *
 *     <dir>/jobs.db    SQLite, WAL, synchronous=FULL: records, and matrices up to a size
 *     <dir>/spool/     the larger ones, a file each (spool.h)
 *
 * A record is bytes with an id, an owner, a key, a state and times; what they mean is the master's.
 * A request is one step for everybody who looks later: done as a whole, or not at all.
 *
 * Order      Requests for one id are carried out in the order of their submission. Others overtake.
 * Trust      What is read is checked as a peer's message would be, and against its digest:
 *            DATA_LOSS for that one matrix or record.
 * Full disk  New records are refused when `bytes_max` is reached or less than `spare_bytes` of the
 *            disk are left; ends and products of those that are there may still use these.
 * Cost       A group costs two syncs at most, whatever its size; matrices above
 *            KOFN_STORE_INLINE_MAX bytes one more each, on as many threads as there are helpers.
 *            Measured on 2 cores with a virtual disk, 64 clients, a 1500-byte body and two
 *            operands: 11,100 new records a second of 4 x 4 (52 in a commit, median 3 ms, p99 28;
 *            without syncs 46,700), 2,100 with one client, and 140 to 180 MB/s from 64 KiB a matrix
 *            on, where a row and a file cost the same: hence KOFN_STORE_INLINE_MAX.
 *            Opening checks every page of jobs.db: 8 us a record with two such operands, or what
 *            the disk needs to read it.
 * Threads    Everything is called on one thread (the I/O thread), where it does not block but in
 *            open, load and close. `done` is called there too.
 */
#ifndef KOFN_MASTER_STORE_STORE_H
#define KOFN_MASTER_STORE_STORE_H

#include "common/linalg/mat.h"

enum {
    KOFN_STORE_INLINE_MAX = 64 << 10, // bytes of a matrix that lives in its row
    KOFN_STORE_BODY_MAX = 1 << 20,    // bytes of a record's body
    KOFN_STORE_TEXT_MAX = 128,        // owner and key, with their ends
    KOFN_STORE_SLOTS = 16,            // matrices of a record
    KOFN_STORE_STATE_MAX = 255,
};

typedef enum kofn_store_kind {
    KOFN_STORE_JOB = 1, // numbers are on disk: never renumber
    KOFN_STORE_OPERAND = 2,
} kofn_store_kind;

typedef struct kofn_store_record {
    kofn_store_kind kind;
    uint64_t id; // of one kind or the other, not of both
    char owner[KOFN_STORE_TEXT_MAX], key[KOFN_STORE_TEXT_MAX]; // "": none
    unsigned state;                                            // at most KOFN_STORE_STATE_MAX
    int64_t created_ms, ended_ms, deadline_ms; // Unix time, which outlives a boot; 0: none
    const void *body;                          // borrowed
    size_t body_bytes;
} kofn_store_record;

typedef enum kofn_store_verb {
    KOFN_STORE_PUT,    // a new record, or other contents of one
    KOFN_STORE_REMOVE, // a record and its matrices; fine if it is not there
    KOFN_STORE_FETCH,  // one matrix
} kofn_store_verb;

typedef struct kofn_store_matrix {
    unsigned slot;           // below KOFN_STORE_SLOTS
    const kofn_bands *bands; // complete, borrowed until done
    uint64_t file;           // the store's
    uint8_t digest[32];      // the store's
} kofn_store_matrix;

/* The submitter's, who fills what is above the line and keeps it and what it borrows until done. */
typedef struct kofn_store_request kofn_store_request;
struct kofn_store_request {
    kofn_store_verb verb;
    kofn_store_record record; // REMOVE and FETCH: kind and id
    bool is_new;              // PUT: obeys the limits; fails with ALREADY_EXISTS if it is there
    uint32_t drop;            // PUT: bit i: the matrix in slot i goes
    size_t matrix_count;      // PUT: those that come, in place of what their slots held
    kofn_store_matrix matrices[KOFN_STORE_SLOTS];
    unsigned slot;                             // FETCH
    void (*done)(kofn_store_request *request); // once; may free the request
    void *context;

    /* Result. FETCH: NOT_FOUND: no such matrix; DATA_LOSS: it is not what was stored. PUT:
     * RESOURCE_EXHAUSTED: limit, disk or memory. Nothing has changed then. */
    kofn_error error;
    kofn_mat fetched; // FETCH, if OK: the submitter's

    kofn_store_request *next, *follower; // the store's
    uint64_t reserved;                   // the store's
};

typedef struct kofn_store_params {
    const char *folder; // made if it is not there; its parent is not
    bool sync;          // false: what was stored survives the process, not the machine
    uint64_t bytes_max; // of bodies and matrices; 0: no limit
    uint64_t spare_bytes;
    size_t helpers;                  // threads, at least 1
    kofn_pool *pool;                 // for what is fetched; outlives the store
    void (*starting)(void *context); // called now and then while open works; NULL: nobody
    void *context;
} kofn_store_params;

/* What open met that should not be. Somebody has to be told. */
typedef struct kofn_store_findings {
    char aside[64];              // jobs.db was damaged, and has this name now; "": it was not
    uint64_t records, matrices;  // that could be read of it
    uint64_t spoilt;             // rows that could not, or places of them
    uint64_t commits;            // whole ones in its log that damage has cut off
    uint64_t files, files_bytes; // that no record names: in spool/lost now
} kofn_store_findings;

typedef struct kofn_store kofn_store;

/* Also brings an older schema up to date, removes what a crash left half done, and makes the best
 * of what is damaged: a new jobs.db of the rows that can be read. FAILED_PRECONDITION: another
 * process has it open, a newer kofn wrote it, or it is no store. Otherwise what the system says. */
KOFN_MUST_CHECK kofn_status kofn_store_open(const kofn_store_params *params, kofn_store **ret_store,
                                            kofn_error *err);

/* Carries out what was submitted, and what is submitted by `done` meanwhile, before it ends. */
void kofn_store_close(kofn_store **store_p);

void kofn_store_get_findings(const kofn_store *store, kofn_store_findings *ret_findings);

/* Called for each record, oldest first. `broken` is NULL, or why there is nothing but kind and id.
 * What the record borrows is gone afterwards. A failure ends the walk and becomes its result. */
typedef kofn_status (*kofn_store_visit)(void *context, const kofn_store_record *record,
                                        const kofn_error *broken, kofn_error *err);

/* Walk over all records of a kind (0: of any); before the first submit. Those of the other are
 * neither read nor checked. DATA_LOSS: jobs.db cannot be read any further. */
KOFN_MUST_CHECK kofn_status kofn_store_load(kofn_store *store, unsigned kind,
                                            kofn_store_visit visit, void *context, kofn_error *err);

/* Takes over nothing but the request, which comes back through `done`, not before the return. */
void kofn_store_submit(kofn_store *store, kofn_store_request *request);

/* Readable while requests are done; then call serve, which calls `done` for each. */
int kofn_store_get_fd(const kofn_store *store);
void kofn_store_serve(kofn_store *store);

/* Would a new record with so many bytes be taken now? For refusing before an upload.
 * RESOURCE_EXHAUSTED: what, and how much. */
KOFN_MUST_CHECK kofn_status kofn_store_check_room(kofn_store *store, uint64_t bytes,
                                                  kofn_error *err);

typedef struct kofn_store_totals {
    uint64_t bytes;            // stored
    uint64_t commits, written; // groups, and the requests in them
    size_t waiting;            // submitted and not done
} kofn_store_totals;

/* Grows with each bit of work done: bytes of files written and read, rows, steps. While something
 * is out it stands still only where the disk does. */
uint64_t kofn_store_get_progress(const kofn_store *store);

void kofn_store_get_totals(kofn_store *store, kofn_store_totals *ret_totals);

#endif
