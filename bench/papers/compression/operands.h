/* Real operands: images of digits, and the operator of a partial differential equation.
 *
 *     digits     C := A B, A [images, pixels] and B^T [images, pixels] of different images, sorted
 *                by digit: inner products of images, as kernels and nearest neighbours need them
 *     flow       C := M^T M, M sparse: normal equations of convection and diffusion
 *
 * Threads    Const once loaded: any thread.
 */
#ifndef KOFN_BENCH_PAPERS_COMPRESSION_OPERANDS_H
#define KOFN_BENCH_PAPERS_COMPRESSION_OPERANDS_H

#include "bench/papers/compression/figures.h"
#include "common/code/sketch.h"
#include "common/linalg/csr.h"

typedef struct operands {
    kofn_bands of[2]; // f64, one band each, as stored
    bool transposed[2];
    kofn_csr csr; // of a flow: what both are
} operands;

/* From the folder or the file that the options name. End the program with a sentence where there is
 * none, or where it is not what it should be. */
operands operands_load_digits(const paper_options *o);
operands operands_load_flow(const paper_options *o);
void operands_fini(operands *o);

/* The norms of all blocks, a [x, z] and b [z, y]; free() both. */
typedef struct block_norms {
    kofn_partition part;
    double *a, *b;
} block_norms;
block_norms operands_measure(const operands *o, kofn_partition part);
void block_norms_fini(block_norms *norms);

/* What a sketch of them is asked for. */
kofn_sketch_args operands_ask(const block_norms *norms, size_t samples, uint64_t seed);

#endif
