/* Schemes: what each slot is given in a round, and when a round may leave stragglers behind.
 *
 * The engine (rounds.c) owns what holds for every scheme: jobs and their rows, slots and their
 * lists, time, losses, the due job. A scheme is a const struct of functions beside it, without
 * state of its own. A new scheme is one file and one line in rounds_config.c.
 *
 *     begin -> give        a list for each slot, in order: rows of the jobs of age 0 to T
 *     end   -> conforms    after the deadline: may these stragglers be left behind?
 *
 * Threads    The engine's. No hook blocks, allocates, or fails.
 */
#ifndef KOFN_MASTER_SCHED_SCHEME_H
#define KOFN_MASTER_SCHED_SCHEME_H

#include "master/sched/book.h"
#include "master/sched/forecast.h"
#include "master/sched/rounds.h"

enum { KOFN_ROUND_TASKS_MAX = 1 << 22 }; // mini-tasks of a round, rows of a job

typedef struct kofn_scheme_ops {
    const char *name;
    const char *keys; // of kofn_rounds_keys, that it has: each between blanks
    bool deals;       // the list of a vacant slot is dealt out to the others

    /* See kofn_rounds_settle, which has called kofn_rounds_check. */
    kofn_status (*settle)(kofn_rounds_config *config, size_t need, kofn_error *err);

    void (*count_rows)(const kofn_rounds_config *config, size_t need, size_t *ret_plain,
                       size_t *ret_coded);
    uint64_t (*count_tasks)(const kofn_rounds_config *config, size_t need); // most of one round

    void (*give)(kofn_rounds *r);

    /* NULL: they always may. Asked when the due job is finished. */
    bool (*conforms)(const kofn_rounds *r, size_t stragglers);
} kofn_scheme_ops;

extern const kofn_scheme_ops kofn_scheme_dip, kofn_scheme_idip, kofn_scheme_idip_burst,
    kofn_scheme_polynomial, kofn_scheme_uncoded;

const kofn_scheme_ops *kofn_scheme_get(int scheme); // NULL: none

/* T = W - 1 and what is left open of both: from the other one, or `fallback`. INVALID_ARGUMENT. */
KOFN_MUST_CHECK kofn_status kofn_scheme_settle_delay(kofn_rounds_config *config, int64_t fallback,
                                                     kofn_error *err);

/* ---- what a scheme may ask and do ------------------------------------------------------------ */

const kofn_rounds_config *kofn_rounds_get_config(const kofn_rounds *r);
size_t kofn_rounds_get_need(const kofn_rounds *r);

/* Of the rounds that ended, and of the slot in them. */
const kofn_history *kofn_rounds_get_history(const kofn_rounds *r);
const kofn_burst *kofn_rounds_get_burst(const kofn_rounds *r, size_t slot);

bool kofn_rounds_is_vacant(const kofn_rounds *r, size_t slot);

/* The job of that age (0: born in this round), if it is not finished; else NULL. */
kofn_book *kofn_rounds_find_book(kofn_rounds *r, size_t age);

/* Behind the slot's list: the row of the job that failed in its list of the round before; the next
 * plain row, of which there must be one; the next coded row, or where there is none any more, one
 * that failed. */
void kofn_rounds_give_owed(kofn_rounds *r, kofn_book *book, size_t slot);
void kofn_rounds_give_plain(kofn_rounds *r, kofn_book *book, size_t slot);
void kofn_rounds_give_coded(kofn_rounds *r, kofn_book *book, size_t slot);

#endif
