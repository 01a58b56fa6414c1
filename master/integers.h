/* Jobs over the integers: one product of i32 or i64 matrices is a product over GF(p) for each of a
 * few primes (common/linalg/integers.h), and each of those is a part: a job like any other, with
 * its own code, tasks and answers.
 *
 *     whole   PREPARING   scan: the largest |elements|; the code's parameters, for all parts;
 *                         how many primes; operands modulo each of them
 *             RUNNING     while its parts are
 *             DECODING    numbers from their residues
 *
 *     part    begins with its operands; ends with its residues of the product, which go to the
 *             whole
 *
 * A part that fails fails the whole, and a whole that ends ends its parts. A part is nobody's to
 * find, list or cancel: clients see it in the whole's account.
 *
 * Ownership  Each part is an item (kofn_job.items) of its whole until it has let go of its work, so
 *            the whole's record and the stored operands that it holds outlive what parts do.
 * Memory     The whole is charged for its parts; how many there are is known only when the operands
 *            are, so what a second and further prime take is asked for then.
 * Threads    The I/O thread; coders see the elements.
 */
#ifndef KOFN_MASTER_INTEGERS_H
#define KOFN_MASTER_INTEGERS_H

#include "common/linalg/integers.h"
#include "master/job.h"

typedef struct kofn_part {
    kofn_job *job;        // NULL: not made yet, or over
    kofn_bands residues;  // its product, once it is done
    kofn_msg_job account; // once it is over; without its code
} kofn_part;

struct kofn_parts {
    kofn_dtype dtype; // of the operands
    uint64_t largest[2];
    size_t primes;                                    // 0: not known yet
    size_t left;                                      // parts that are not done
    kofn_bands operands[2][KOFN_INTEGERS_PRIMES_MAX]; // residues, until parts have them
    kofn_part at[KOFN_INTEGERS_PRIMES_MAX];
};

/* Bytes to charge for one prime of a product of so many elements. */
size_t kofn_part_estimate_charge(size_t a, size_t b, size_t c);

/* Operands are complete: find the largest elements, then kofn_job_begin. */
void kofn_job_scan(kofn_job *whole);

/* The code's parameters are known: reduce the operands and begin the parts. */
void kofn_job_split(kofn_job *whole);

/* The part is over: its account is kept, and the whole goes on or ends. */
void kofn_job_end_part(kofn_job *whole, kofn_job *part);

/* The whole is over: so are its parts. */
void kofn_job_end_parts(kofn_job *whole);

/* Let go of elements. */
void kofn_parts_clear(kofn_parts *parts);

/* Add what is known of the parts to the whole's account, and to `times`. RESOURCE_EXHAUSTED. */
KOFN_MUST_CHECK kofn_status kofn_job_describe_parts(const kofn_job *whole, kofn_msg_job *m,
                                                    kofn_job_times *times, kofn_error *err);

#endif
