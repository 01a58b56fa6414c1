/* What the parts of the bench on the paper on compression-informed coding share: its figures.
 *
 * Source     Rudow, Charalambides, Hero, Rashmi, "Compression-Informed Coded Computing", 2023.
 * Seeds      Each line of a file that drew anything has its first seed in `first_seed`; trial t has
 *            seed first_seed + t, whatever else is run.
 */
#ifndef KOFN_BENCH_PAPERS_COMPRESSION_FIGURES_H
#define KOFN_BENCH_PAPERS_COMPRESSION_FIGURES_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

typedef struct paper_options {
    const char *folder, *only;
    const char *mnist; // folder of its four files; NULL: images are made up
    const char *flow;  // Matrix Market file, from the script `flow`
    size_t trials;     // of each setting; figures that cost more take a share of it
    size_t images;     // of each digit, on either side of the product
    size_t size;       // n of the n x n products that are timed
    uint64_t seed;
} paper_options;

/* Room between the first seeds of two settings. */
#define PAPER_SEEDS_A_SETTING 1000000

/* A file each: its header and its lines. */
void figure_workers(FILE *file, const paper_options *o);  // that a sketched product takes
void figure_sparse(FILE *file, const paper_options *o);   // that a sparse product takes
void figure_sketches(FILE *file, const paper_options *o); // errors, and bounds on them
void figure_coded(FILE *file, const paper_options *o);    // sketches through their codes
void figure_theorem2(FILE *file, const paper_options *o);
void figure_asked(FILE *file, const paper_options *o);    // what Theorem 2 asks for
void figure_theorem3(FILE *file, const paper_options *o); // by trials
void figure_forests(FILE *file, const paper_options *o);  // and by looking at all sets of pairs
void figure_circle(FILE *file, const paper_options *o);   // the paper's Fig. 2
void figure_liars(FILE *file, const paper_options *o);

#endif
