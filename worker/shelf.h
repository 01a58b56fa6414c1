/* Answers that the master may ask for again: kept from when they are computed until it settles
 * them.
 *
 *     computed -> kept -> sent ... settled          the usual way
 *                   |
 *                   +--- the connection is lost, the master dies --> listed in the next hello
 *                                          recalled: sent once more, under another number
 *                                          settled: of no use to anybody
 *
 * Its elements lie in the frames in which they are sent: keeping an answer copies nothing.
 *
 * Budget     `limit` bytes of elements and KOFN_KEPT_MAX answers: the oldest go first. What goes is
 *            computed again, by somebody, should it be needed.
 * Threads    One thread at a time.
 */
#ifndef KOFN_WORKER_SHELF_H
#define KOFN_WORKER_SHELF_H

#include "common/linalg/mat.h"
#include "proto/limits.h"

#include <sys/queue.h>

enum { KOFN_KEPT_MAX = 1024 }; // with what is computed they fit a hello

typedef struct kofn_answer_name { // of an assignment
    uint64_t epoch, assignment;
} kofn_answer_name;

typedef struct kofn_answer_id {
    kofn_answer_name first;  // as it came
    kofn_answer_name latest; // as it was recalled; else the same
    char job[KOFN_ID_MAX];
    uint64_t task;
    char tag[KOFN_TAG_MAX]; // "": not to be kept
} kofn_answer_id;

bool kofn_answer_is(const kofn_answer_id *id, kofn_answer_name name); // either of them

typedef struct kofn_kept {
    kofn_answer_id id;
    kofn_bands c;
    bool nonfinite;
    int64_t compute_ns;
    bool listed; // in the latest hello
    size_t bytes;
    TAILQ_ENTRY(kofn_kept) of_shelf;
} kofn_kept;

typedef TAILQ_HEAD(kofn_kept_list, kofn_kept) kofn_kept_list;

typedef struct kofn_shelf {
    kofn_kept_list all; // oldest first
    size_t count, bytes, limit;
    uint64_t let_go; // for want of room, so far
} kofn_shelf;

void kofn_shelf_init(kofn_shelf *shelf, size_t limit);
void kofn_shelf_fini(kofn_shelf *shelf);

/* Keep an answer (refs of its bands). NULL: it is too large, or there is no memory. */
kofn_kept *kofn_shelf_add(kofn_shelf *shelf, const kofn_answer_id *id, const kofn_bands *c);
kofn_kept *kofn_shelf_find(const kofn_shelf *shelf, kofn_answer_name name); // NULL: it is not kept
void kofn_shelf_drop(kofn_shelf *shelf, kofn_kept *kept);

/* Let go of the oldest until at most `bytes` are left. */
void kofn_shelf_shrink(kofn_shelf *shelf, size_t bytes);

#endif
