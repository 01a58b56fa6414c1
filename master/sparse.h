/* Sparse operands of a job: C := A B is a batch of the block products that are not zero.
 *
 *     accept       which operands are sparse; a batch of one pair stands for that to come
 *     RECEIVING    job->operands: the operands, of sparse ones their values; then for each sparse
 *                  one its row offsets and its columns
 *     PREPARING    a coder: the lists are gathered and checked, a partition is chosen, the batch
 *                  made; a product of which nothing is left is zero, and done
 *     RUNNING      blocks are encoded from the lists
 *
 * What is on disk is what came: the batch is made anew after a restart.
 *
 * Threads    The I/O thread; what is said to be a coder's, there.
 */
#ifndef KOFN_MASTER_SPARSE_H
#define KOFN_MASTER_SPARSE_H

#include "common/code/nonzero.h"
#include "proto/messages.h"

typedef struct kofn_job kofn_job;

typedef struct kofn_job_sparse { // of a job; zeros: no operand is
    bool is[2];                  // of each operand
    bool uncut;                  // job->batch only stands for the one that is to be made
    size_t elements[2];          // of those that are
    kofn_partition asked, part;  // and how they were cut
    kofn_csr csr[2];             // once they were checked
} kofn_job_sparse;

/* Is any operand sparse? */
bool kofn_sparse_is_any(const kofn_job_sparse *sparse);

/* What the order says of its two operands and of its partition, into job->sparse and, where one is
 * sparse, job->batch; job->field is chosen. INVALID_ARGUMENT: no such format, too many elements. */
KOFN_MUST_CHECK kofn_status kofn_sparse_read(const kofn_msg_matrix *a, const kofn_msg_matrix *b,
                                             const kofn_msg_code *code, kofn_job *job,
                                             kofn_error *err);

/* Nothing else of the protocol has matrices of a format. UNIMPLEMENTED. */
KOFN_MUST_CHECK kofn_status kofn_sparse_refuse(const char *what, const kofn_msg_matrix *matrix,
                                               kofn_error *err);

/* Make the batch that the job waits for, then prepare it; or break it, or finish a product of
 * zeros. */
void kofn_job_cut(kofn_job *job);

/* A coder's: coded blocks of an operand, dense or sparse. Errors of kofn_coding_encode. */
KOFN_MUST_CHECK kofn_status kofn_job_encode(const kofn_job *job, size_t operand, size_t count,
                                            const size_t *tasks, const kofn_bands *blocks,
                                            kofn_error *err);

void kofn_sparse_release(kofn_job_sparse *sparse); // but for the account

#endif
