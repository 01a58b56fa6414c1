/* Coders, the compute threads: the only place of the master that touches matrix elements.
 *
 *     I/O thread   kofn_coders_submit(item)  --->  queue  ---->  a thread: item->run(item)
 *                  item->done(item)          <---  eventfd  <---
 *
 * Items run in the order in which they were submitted, as threads come free. Long ones take turns
 * of their own, before the others, and leave a thread to those: of two threads one, of one that. An
 * item belongs to its submitter, who embeds it in whatever it works on and keeps that alive until
 * `done`.
 *
 * Threads    Everything but `run` is called on the I/O thread. `run` may block by computing only.
 */
#ifndef KOFN_MASTER_CODERS_H
#define KOFN_MASTER_CODERS_H

#include "common/base/status.h"

#include <czmq.h>

typedef struct kofn_coders kofn_coders;
typedef struct kofn_coder_item kofn_coder_item;

struct kofn_coder_item {
    void (*run)(kofn_coder_item *item);  // on a compute thread; touches only what the item owns
    void (*done)(kofn_coder_item *item); // on the I/O thread, once, also when the pool is drained
    bool is_long;                        // may take seconds
    int64_t start_ns, end_ns;            // when it ran; 0 if it did not; set before done
    kofn_coder_item *next;               // the pool's
};

/* `threads` at least 1. What is done is served by `loop`. */
KOFN_MUST_CHECK kofn_status kofn_coders_new(zloop_t *loop, size_t threads, kofn_coders **ret_coders,
                                            kofn_error *err);

/* Waits for what runs, then calls `done` for it and for what was still queued. */
void kofn_coders_destroy(kofn_coders **coders_p);

void kofn_coders_submit(kofn_coders *coders, kofn_coder_item *item);

#endif
