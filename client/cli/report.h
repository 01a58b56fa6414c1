/* Accounts, workers and codes as JSON for programs and as lines and tables for people.
 *
 * Ownership  json_t * are new references; NULL when there is no memory.
 */
#ifndef KOFN_CLI_REPORT_H
#define KOFN_CLI_REPORT_H

#include "client/cli/cli.h"

#include <stdio.h>

/* code, partition, tasks, seed, set: what must be named to get the same code again. Seeds are
 * texts: JSON's numbers end at 2^53 for many readers. */
json_t *cli_json_of_code(const kofn_code_choice *code);
json_t *cli_json_of_account(const kofn_account *account);
json_t *cli_json_of_stream(const kofn_stream_account *stream);
json_t *cli_json_of_health(const kofn_health *health);
json_t *cli_json_of_operand(const kofn_operand_info *operand);
json_t *cli_json_of_worker(const kofn_worker_info *worker);
json_t *cli_json_of_codes(const kofn_code_list *list);
json_t *cli_json_of_plan(const kofn_plan_answer *answer);

/* cli_fail for a job that has a record: with --json the object is the job's account. `job` may
 * be "". */
int cli_fail_job(const cli_common *common, kofn_client *client, const char *job,
                 const kofn_error *error, int exit_code);

/* What became of a product that was written there, for people. */
void cli_say_product(const cli_common *common, const char *where, const kofn_account *account);

/* The id of a job that was handed over, or why it was not. Returns the exit code. */
int cli_print_submitted(const cli_common *common, kofn_status status, const char *job,
                        const kofn_error *error);

/* "rkrp 2,1,2 n=6" */
void cli_format_code(const kofn_code_choice *code, char *ret_text, size_t size);

/* "idip P=4 T=3 N=4 W=4 mu=0.25" */
void cli_format_scheme(const kofn_stream_account *stream, char *ret_text, size_t size);

/* "1000 x 200 x 3000", "4000 x 90 outer". */
void cli_format_product(const kofn_account *account, char *ret_text, size_t size);

enum { CLI_QUALITY_MAX = 192 };

/* What is known of a product's error, as the end of a sentence: "relative error at most 2e-14", or
 * "estimate from 3 of 5 answers, relative error at most 2e-05, about 3e-07"; of a sketch "estimate
 * by cr, off by about 2e-02 of |C| and 8e-03 of |A||B| (5e-02 at most in the mean)"; of a product
 * that was verified that a lie which matters may have passed, and what to do; or that it holds NaN
 * or Inf, where no number says anything, and whether a decode may have spread them. The five are
 * what the product takes. */
typedef struct cli_quality {
    bool nonfinite;
    bool estimate;
    uint64_t used, threshold; // of an estimate
    double error_bound;       // relative to |A| |B|; 0: exact
    bool together;            // those are of all blocks of a batch
    double error_estimate;    // relative to |C|; 0: not known
    double condition, amplification;
    double epsilon;     // unit roundoff of its arithmetic
    const char *verify; // borrowed of the account; NULL or "": it was not
    kofn_compression compression;
} cli_quality;

cli_quality cli_quality_of(const kofn_account *account); // which is to outlive it

/* Decoding made the rounding of its answers grow so much that more than half of its digits are
 * lost. A long sum of floats, whose bound is large of itself, is not. */
bool cli_quality_is_poor(const cli_quality *quality);
void cli_format_quality(const cli_quality *quality, char *ret_text, size_t size);

/* The account on standard output, a name and a value a line. */
void cli_print_account(const kofn_account *account);

void cli_print_stream(FILE *to, const kofn_stream_account *stream);
void cli_print_streams(const kofn_stream_account *streams, size_t count);
void cli_print_jobs(const kofn_account *jobs, size_t count);
void cli_print_operands(const kofn_operand_info *operands, size_t count);
void cli_print_workers(const kofn_worker_info *workers, size_t count);
void cli_print_codes(const kofn_code_list *list);

/* The verdict, the table, and a line on what was left out. */
void cli_print_plan(const kofn_plan_answer *answer);

/* What is to be typed for a row of a plan, behind its table with a line that says for `which`, or
 * as `command` of its object, which is handed back; may be NULL. */
void cli_print_command(const char *which, const char *command);
json_t *cli_json_with_command(json_t *plan, const char *command);

#endif
