/* Quarantine: workers that answered wrongly, who get nothing until their time is over.
 *
 * Who comes again is known by its key, and where links have none by its name. With keys a name is
 * only what somebody says, and nobody is to have another one barred by it. Without keys that cannot
 * be helped: whoever reaches the port may lie as w1 and have every w1 barred, or come again as w2;
 * and a name that is made of a process id is another with each process.
 *
 * Cost       A look at all that are in it.
 * Threads    The I/O thread.
 */
#ifndef KOFN_MASTER_QUARANTINE_H
#define KOFN_MASTER_QUARANTINE_H

#include "master/asker.h"
#include "proto/messages.h"

typedef struct kofn_giver { // of an answer
    uint64_t number;        // of its connection
    char name[KOFN_NAME_MAX * 2];
    char key[KOFN_CURVE_TEXT]; // "": no keys
} kofn_giver;

typedef struct kofn_quarantined {
    kofn_giver who;
    int64_t until_ns;
} kofn_quarantined;

enum { KOFN_QUARANTINED_MAX = 4096 }; // beyond, whose time is over first goes

typedef struct kofn_quarantine { // a zeroed one is empty
    kofn_quarantined *at;
    size_t count, capacity;
} kofn_quarantine;

void kofn_quarantine_fini(kofn_quarantine *quarantine);

/* Are they one, as far as anybody knows? */
bool kofn_giver_is(const kofn_giver *a, const kofn_giver *b);

/* One number for those that are one; others have it by chance at most, or because somebody sought a
 * name that has it. */
uint64_t kofn_giver_hash(const kofn_giver *giver);

/* Until then, or longer if it was in it for longer. False: no memory to remember it. */
bool kofn_quarantine_add(kofn_quarantine *quarantine, const kofn_giver *who, int64_t until_ns);

/* Until when it is in quarantine; 0: it is not, at now_ns. Those whose time is over are
 * forgotten. */
int64_t kofn_quarantine_get_until(kofn_quarantine *quarantine, const kofn_giver *who,
                                  int64_t now_ns);

/* Names "w3,w7" to which those in `more` are added, each once, as far as there is room for
 * `size`. */
void kofn_names_add(char *names, size_t size, const char *more);

#endif
