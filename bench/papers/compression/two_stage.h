/* Two stages against one, and against copies, under i.i.d. stragglers: what the simulation and the
 * measurement of real daemons have in common.
 *
 * Workload   `batch`: the paper's figure 2, eight pairs on four left and four right matrices in one
 *            circle, each in two of them. `product`: one product of 2 x 4 blocks.
 * Machine    16 workers; a task is a block product, which takes the unit of time, and alpha of it
 *            with probability delta, each task by itself. One job after another.
 * Late       is under both policies what takes 1.5 times the median.
 * Load       Tasks that were sent, in times of those that a job takes without a code.
 * Source     Rudow, Charalambides, Hero, Rashmi, "Compression-Informed Coded Computing", sec. IV.
 */
#ifndef KOFN_BENCH_COMPRESSION_TWO_STAGE_H
#define KOFN_BENCH_COMPRESSION_TWO_STAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

enum {
    TWO_STAGE_WORKERS = 16,
    TWO_STAGE_PAIRS = 8, // and blocks of the product
    TWO_STAGE_BLOCKS = 4,
    TWO_STAGE_TASK_MS = 50,
};

#define TWO_STAGE_LATE 1.5

typedef struct two_stage_scheme {
    const char *workload, *name;
    const char *family, *policy;
    size_t tasks; // 0: left to the policy
    bool is_real; // measured with daemons, too
} two_stage_scheme;

extern const two_stage_scheme two_stage_schemes[];
extern const size_t two_stage_scheme_count;

bool two_stage_is_batch(const two_stage_scheme *scheme);

typedef struct two_stage_point {
    double delta, alpha;
} two_stage_point;

/* "iid:delta=0.1,slowdown=5,seed=1" */
void two_stage_name_model(const two_stage_point *point, unsigned long seed, char ret_text[64]);

typedef struct two_stage_jobs {
    size_t count;
    double *time, *load; // [count]
} two_stage_jobs;

two_stage_jobs two_stage_jobs_new(size_t count);
void two_stage_jobs_fini(two_stage_jobs *jobs);

/* Lines of two_stage.csv: mean and 99th percentile of the time, mean load, and the standard error
 * of each. The times are sorted. */
void two_stage_print_header(FILE *out);
void two_stage_print(FILE *out, const char *how, const two_stage_point *point,
                     const two_stage_scheme *scheme, two_stage_jobs *jobs);

#endif
