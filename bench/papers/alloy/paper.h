/* What the parts of the bench on the alloy paper share: its figures, and codes by their names.
 *
 * Source     Soto, "Random Alloy Codes and the Fundamental Limits of Coded Distributed Tensors".
 * Seeds      Each line of a file that drew anything has its first seed in `first_seed`; trial t has
 *            seed first_seed + t, whatever else is run.
 */
#ifndef KOFN_BENCH_PAPERS_ALLOY_PAPER_H
#define KOFN_BENCH_PAPERS_ALLOY_PAPER_H

#include "common/code/spec.h"

#include <stdio.h>

typedef struct paper_options {
    const char *folder, *only;
    size_t trials; // of each setting; figures that cost more take a share of it
    uint64_t seed;
} paper_options;

/* Room between the first seeds of two settings. */
#define PAPER_SEEDS_A_SETTING 10000000

/* A file each: its header and its lines. */
void figure_decode(FILE *file, const paper_options *o);   // how often rows span
void figure_counts(FILE *file, const paper_options *o);   // Theorem 1's counts
void figure_coefs(FILE *file, const paper_options *o);    // what products of numbers look like
void figure_theorem4(FILE *file, const paper_options *o); // codes that are not to exist
void figure_needed(FILE *file, const paper_options *o);   // answers until a product decodes
void figure_failure(FILE *file, const paper_options *o);  // how often too many workers fail
void figure_crossing(FILE *file, const paper_options *o); // where that is the same for two codes
void figure_recover(FILE *file, const paper_options *o);  // workers for a given odds
void figure_rate(FILE *file, const paper_options *o);     // the same, of larger and larger groups
void figure_lift(FILE *file, const paper_options *o);     // Lemma 1 in doubles

/* Exits with the message of the last failure. */
void paper_must(kofn_status status);
extern kofn_error paper_error;

/* The field of this name, the caller's; a code by what users write, `set` as
 * "draw=product,miss=0.1", with ; for commas of values. Both exit when there is none. */
const kofn_field *paper_field(const char *name);
kofn_code *paper_code(const char *field, const char *family, size_t tasks, const char *set,
                      uint64_t seed);

/* The usual field of q elements: "gf4", "gfp:5", "gf256". */
const char *paper_field_name(size_t q);

#endif
