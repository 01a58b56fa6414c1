/* A coded job in one process: what the master and its workers do, step by step, so that a step can
 * be timed, an answer lost, or made wrong.
 *
 * Threads    One.
 */
#ifndef KOFN_BENCH_PAPERS_COMPRESSION_CODED_H
#define KOFN_BENCH_PAPERS_COMPRESSION_CODED_H

#include "common/base/rng.h"
#include "common/code/batch.h"
#include "common/code/coding.h"

/* A matrix of zeros, one band; kofn_bands_fini. Its elements, of reals and of any. */
kofn_bands coded_new_matrix(kofn_dtype dtype, size_t rows, size_t cols);
double *coded_get_reals(const kofn_bands *matrix);
void coded_fill(const kofn_field *field, const kofn_bands *matrix, kofn_rng *rng);

/* |found - expected|_F over |expected|_F; of elements of finite fields 0 where all are equal, else
 * 1. */
double coded_compare(const kofn_bands *found, const kofn_bands *expected);

/* A code by what users write of it. */
typedef struct coded_wish {
    const char *family;
    const char *key, *value; // one thing more: "partition", "2,1,2"; NULL: nothing
    const kofn_batch *batch; // NULL: a product
    size_t tasks;
} coded_wish;
kofn_code *coded_new_code(const kofn_field *field, const coded_wish *wish);

typedef struct coded_job {
    kofn_code *code;
    kofn_coding coding;
    kofn_bands operand[2];              // as stored
    kofn_bands *block[2], *answer, out; // [tasks] each; and C
} coded_job;

/* `operand` is kept by refs, `code` likewise; batch as the code's, NULL where it is one of a
 * product. */
coded_job coded_start(kofn_code *code, const kofn_batch *batch, const kofn_bands *operand,
                      const bool *transposed);
void coded_end(coded_job *job);

void coded_encode(coded_job *job, size_t count); // the first so many tasks, in one pass
void coded_multiply(coded_job *job, size_t task);

/* job->out from the answers of these tasks; false: they do not suffice. */
bool coded_decode(coded_job *job, const size_t *tasks, size_t count);

/* tasks [count] := 0 to count - 1 in an order that is drawn. */
void coded_shuffle(kofn_rng *rng, size_t count, size_t *tasks);

#endif
