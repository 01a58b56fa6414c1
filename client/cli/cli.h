/* What the commands of kofn share: exit codes, options, and how things are said (text.h).
 *
 * Data goes to standard output (ids, tables, JSON), talk to standard error. With --json a command
 * prints exactly one JSON object or array, also when it fails.
 */
#ifndef KOFN_CLI_CLI_H
#define KOFN_CLI_CLI_H

#include "client/kofn.h"
#include "common/base/keys.h"

#include <argp.h>
#include <jansson.h>

/* Documented in `kofn --help` and kofn(1). What is wrong with a call is CLI_USAGE where the command
 * can see that by itself, from its line and its files, and CLI_REFUSED where it takes a master:
 * what it has (jobs, stored operands, policies, workers), its limits, and what it grants. */
enum cli_exit {
    CLI_OK = 0,
    CLI_USAGE = 2,       // the command line, or an input file
    CLI_FAILED = 3,      // the job, or writing its product
    CLI_CANCELLED = 4,   // or the deadline
    CLI_UNAVAILABLE = 5, // no master answers
    CLI_REFUSED = 6,     // the master does not want it
    CLI_DATA_LOSS = 7,
};

/* What a status that came from a master means for the exit code; and one of the command's own
 * work. */
int cli_exit_of(kofn_status status);
int cli_exit_of_own(kofn_status status);

/* The same of a job that was accepted: what it cannot be done with (it kills workers, say) is its
 * failure, not a refusal. */
int cli_exit_of_job(kofn_status status);

/* Options of every command. */
typedef struct cli_common {
    const char *master;                // endpoint; NULL: the environment's or the default
    int local;                         // workers in this process; 0: none
    const char *algorithms;            // of those; NULL: the environment's or none
    const char *identity, *server_key; // files; NULL: the environment's or none
    int64_t patience_ns;
    int64_t away_ns;  // the command's own: how long to wait for one that went away; 0: by `insists`
    int64_t until_ns; // the command's own: when its small calls are given up; 0: never
    bool ends;        // the command's own: a signal was seen, and does not end them any more
    bool json, quiet;
    bool insists; // the command's own: a master that is away or full is asked until the timeout
} cli_common;

extern const struct argp cli_common_argp;  // --json, --quiet; its input is a cli_common
extern const struct argp cli_connect_argp; // those and --master, --local, --algorithms, --patience

/* argp_parse for "kofn NAME", with "did you mean" for options. Errors and help end the process. */
void cli_parse(const struct argp *argp, int argc, char **argv, void *input);

/* "30s" to nanoseconds; ends the process with usage otherwise. */
int64_t cli_parse_duration(const struct argp_state *state, const char *option, const char *text);

/* A whole number of [min, max]; ends the process with usage otherwise. */
double cli_parse_real(const struct argp_state *state, const char *option, const char *text,
                      double min, double max);
int64_t cli_parse_number(const struct argp_state *state, const char *option, const char *text,
                         int64_t min, int64_t max);

/* A key of a table into its struct; ends the process with usage otherwise. */
void cli_parse_key(const struct argp_state *state, kofn_keys keys, const char *name,
                   const char *text, void *target);

/* Where -o puts a product: an .npy file. Ends the process with usage for standard output, or where
 * it is called like a file of another format. */
const char *cli_parse_output(const struct argp_state *state, const char *path);

/* The NAME of a parameter's "NAME=VALUE", and where its value begins; ends the process with usage
 * otherwise. */
const char *cli_parse_setting(const struct argp_state *state, const char *text,
                              char ret_name[KOFN_CLIENT_NAME_MAX]);

/* ---- saying ---------------------------------------------------------------------------------- */

/* "kofn: <text>" on standard error; nothing with --quiet. */
void cli_say(const cli_common *common, const char *format, ...) KOFN_PRINTF(2, 3);

/* The error on standard error, with --json on standard output as well. Returns exit_code; after a
 * signal, whatever failed was interrupted: CLI_CANCELLED. */
int cli_fail(const cli_common *common, const kofn_error *error, int exit_code);

/* The same, and in JSON what was done until then, which is released. NULL: nothing. */
int cli_fail_with(const cli_common *common, const kofn_error *error, int exit_code, json_t *facts);

/* ASCII: the rest is escaped, so that JSON does not steer a terminal either. */
#define CLI_JSON_FLAGS (JSON_ENSURE_ASCII | JSON_REAL_PRECISION(17))

/* Print and release a JSON value. NULL (out of memory) and a full standard output are failures.
 * Returns the exit code. */
int cli_print_json(json_t *value);

/* Flush standard output; what was printed but could not be written is a failure. */
int cli_finish(int exit_code);

/* ---- clients --------------------------------------------------------------------------------- */

KOFN_MUST_CHECK kofn_status cli_open(const cli_common *common, kofn_client **ret_client,
                                     kofn_error *err);

/* ---- commands: what main's table calls; argv[0] is "kofn NAME" ------------------------------- */

int cli_multiply(int argc, char **argv);
int cli_outer(int argc, char **argv);
int cli_batch(int argc, char **argv);
int cli_submit(int argc, char **argv);
int cli_stream(int argc, char **argv);
int cli_streams(int argc, char **argv);
int cli_wait(int argc, char **argv);
int cli_watch(int argc, char **argv);
int cli_cancel(int argc, char **argv);
int cli_jobs(int argc, char **argv);
int cli_status(int argc, char **argv);
int cli_put(int argc, char **argv);
int cli_drop(int argc, char **argv);
int cli_operands(int argc, char **argv);
int cli_workers(int argc, char **argv);
int cli_codes(int argc, char **argv);
int cli_health(int argc, char **argv);
int cli_plan(int argc, char **argv);
int cli_simulate(int argc, char **argv);
int cli_encode(int argc, char **argv);
int cli_decode(int argc, char **argv);
int cli_algorithm(int argc, char **argv);
int cli_keygen(int argc, char **argv);

#endif
