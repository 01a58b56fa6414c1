/* What the command prints: tables, lines of progress, JSON. */
#include "tests/assert.h"

#include "client/cli/progress.h"
#include "client/cli/report.h"
#include "client/cli/table.h"
#include "client/cli/text.h"
#include "common/base/clock.h"

#include <math.h>
#include <unistd.h>

/* Standard output into `text` while print runs. */
static void
capture(void (*print)(void), char *text, size_t size)
{
    char path[] = "/tmp/kofn-test-report-XXXXXX";
    const int file = mkstemp(path);
    assert_true(file >= 0);
    assert_int_equal(fflush(stdout), 0);
    const int before = dup(STDOUT_FILENO);
    assert_true(before >= 0 && dup2(file, STDOUT_FILENO) >= 0);
    print();
    assert_int_equal(fflush(stdout), 0);
    assert_true(dup2(before, STDOUT_FILENO) >= 0);
    const ssize_t length = pread(file, text, size - 1, 0);
    assert_true(length >= 0);
    text[length] = '\0';
    (void)close(before);
    (void)close(file);
    (void)unlink(path);
}

static void
add_row(cli_table *table, const char *name, int size, const char *note)
{
    cli_table_row(table);
    cli_table_cell(table, "%s", name);
    cli_table_cell(table, "%d", size);
    cli_table_cell(table, "%s", note);
}

static void
print_table(void)
{
    cli_table table;
    cli_table_init(&table, "NAME|>SIZE|NOTE");
    add_row(&table, "a", 12345, "");
    add_row(&table, "l\xc3\xa4nger", 7, "sa|id"); // two bytes, one column
    cli_table_row(&table);
    cli_table_cell(&table, "short");
    cli_table_print(&table);
}

static void
columns_are_as_wide_as_their_cells_and_numbers_stand_right(void **state)
{
    char text[512];
    (void)state;
    capture(print_table, text, sizeof text);
    assert_string_equal(text, "NAME     SIZE  NOTE\n"
                              "a       12345\n"
                              "l\xc3\xa4nger      7  sa|id\n"
                              "short\n");
}

static void
print_odd_account(void)
{
    kofn_account account = {
        .state = "failed", .status = KOFN_ABORTED, .message = "because", .condition = INFINITY};
    cli_print_account(&account);
    cli_print_jobs(&account, 1);
    cli_print_jobs(NULL, 0);
    cli_print_workers(NULL, 0);
}

static void
accounts_without_a_code_are_printed(void **state)
{
    char text[4096];
    (void)state;
    capture(print_odd_account, text, sizeof text);
    assert_non_null(strstr(text, "ABORTED: because"));
}

static void
print_likely_account(void)
{
    kofn_account account = {.state = "running",
                            .enough = 34,
                            .tasks = 35,
                            .likely = true,
                            .replaced = 2,
                            .fresh = 3,
                            .code = {.family = "alloy_local", .tasks = 35}};
    cli_print_account(&account);
    account.likely = false;
    account.fresh = 0;
    cli_print_account(&account);
}

static void
what_most_answers_do_is_not_said_of_any(void **state)
{
    char text[4096];
    (void)state;
    capture(print_likely_account, text, sizeof text);
    char *second = strstr(text + 1, "job ");
    assert_non_null(second);
    assert_non_null(strstr(second, "any 34 suffice"));
    assert_null(strstr(second, "fresh"));
    *second = '\0';
    assert_non_null(strstr(text, "most sets of 34 suffice"));
    assert_null(strstr(text, "any 34"));
    assert_non_null(strstr(text, "fresh        3 tasks beyond the first 35"));
}

/* Everything that a terminal could take for a command. */
static const char hostile[] = "\033[2J\a\r\n\t\x7f"
                              "\xc2\x9b"      // CSI as U+009B
                              "\x9b"          // and as a byte
                              "\xff\xc3x\xc2" // no UTF-8
                              "\xe2\x82\xacok";
#define HARMLESS                                                                                   \
    "?[2J???????"                                                                                  \
    "??x?"                                                                                         \
    "\xe2\x82\xacok"

static void
controls_are_replaced_and_other_characters_kept(void **state)
{
    char text[64];
    (void)state;
    memcpy(text, hostile, sizeof hostile);
    cli_clean(text);
    assert_string_equal(text, HARMLESS);
    text[0] = '\0';
    cli_clean(text);
    assert_string_equal(text, "");
}

static void
print_hostile(void)
{
    kofn_account account = {.status = KOFN_ABORTED, .error_kind = "\033"};
    kofn_worker_info worker = {0};
    const kofn_operand_info operand = {.operand = "\033c"};
    kofn_stream_account stream = {.state = "\033c"};
    kofn_param_info param = {0};
    kofn_family_info family = {.param_count = 1, .params = &param};
    const kofn_code_list list = {
        .family_count = 1, .families = &family, .policy_count = 1, .policies = &param};
    kofn_error error = {.status = KOFN_ABORTED};
    const cli_common common = {0};
    char *const texts[] = {account.message, account.code.family, worker.name,
                           worker.kernel,   param.help,          family.summary,
                           family.source,   error.text,          stream.scheme};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        (void)snprintf(texts[i], 32, "%s", hostile); // the shortest of them
    (void)snprintf(account.job, sizeof account.job, "\033c");
    cli_print_account(&account);
    cli_print_jobs(&account, 1);
    cli_print_workers(&worker, 1);
    cli_print_operands(&operand, 1);
    cli_print_stream(stdout, &stream);
    cli_print_streams(&stream, 1);
    cli_print_codes(&list);
    const int stderr_before = dup(STDERR_FILENO);
    (void)dup2(STDOUT_FILENO, STDERR_FILENO);
    (void)fflush(stdout);
    cli_say(&common, "%s", hostile);
    (void)cli_fail(&common, &error, 3);
    (void)dup2(stderr_before, STDERR_FILENO);
    (void)close(stderr_before);
}

static void
nothing_that_is_printed_for_people_steers_their_terminal(void **state)
{
    char text[8192];
    size_t harmless = 0;
    (void)state;
    capture(print_hostile, text, sizeof text);
    for (const char *at = text; *at; at++)
        if ((unsigned char)*at < 0x20 && *at != '\n')
            fail_msg("control character %d in '%s'", *at, at);
    assert_null(strstr(text, "\xc2\x9b"));
    for (const char *at = text; (at = strstr(at, HARMLESS)); at++)
        harmless++;
    assert_int_equal(harmless, 13); // each text once; the code's, parameter's and stream's twice
}

static void
print_hostile_json(void)
{
    kofn_worker_info worker = {.name = "\033[2J\xc2\x9b\n"};
    assert_int_equal(cli_print_json(cli_json_of_worker(&worker)), 0);
}

static void
a_hostile_text_in_json_is_escaped(void **state)
{
    char text[4096];
    (void)state;
    capture(print_hostile_json, text, sizeof text);
    assert_non_null(strstr(text, "\"\\u001B[2J\\u009B\\n\""));
}

static void
print_a_stream(void)
{
    const kofn_stream_account stream = {
        .stream = "5eed",
        .state = "open",
        .scheme = "idip",
        .slots = 4,
        .delay = 3,
        .failures = 4,
        .window = 4,
        .tolerance = 0.25,
        .code = {.family = "rkrp", .x = 3, .z = 1, .y = 4, .tasks = 15},
        .need = 12,
        .pushed = 10,
        .done = 6,
        .failed = 1,
        .rounds = 8,
        .waited = 2,
        .given = 120,
        .answered = 96,
        .lost = 20,
        .dropped = 4,
        .load_sum = 20,
        .load_max = 5,
        .busy = 1.5,
        .age_ms = 2000,
    };
    cli_print_stream(stdout, &stream);
    cli_print_streams(&stream, 1);
    assert_int_equal(cli_print_json(cli_json_of_stream(&stream)), 0);
}

static void
a_stream_is_told_in_lines_in_a_row_and_in_json(void **state)
{
    static const char *const parts[] = {
        "scheme       idip P=4 T=3 N=4 W=4 mu=0.25\n",
        "code         rkrp 3,1,4 n=15, any 12 suffice",
        "jobs         6 done, 1 failed\n",
        "rounds       8 in 1.5s, 2 waited for stragglers\n",
        "load         2.5 mini-tasks a round, 5 at most\n",
        "120 sent, 96 answered, 20 too late or lost, 4 not needed, 0 rescued, 0 mended\n",
        "STREAM  STATE  SCHEME",
        "5eed    open   idip P=4 T=3 N=4 W=4 mu=0.25  rkrp 3,1,4 n=15     3",
        "\"failures\": 4",
        "\"load_sum\": 20",
        "\"grace_ms\": 0",
    };
    char text[8192];
    (void)state;
    capture(print_a_stream, text, sizeof text);
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        if (!strstr(text, parts[i]))
            fail_msg("'%s' is not in:\n%s", parts[i], text);
}

static void
print_account_of_a_batch(void)
{
    const kofn_account account = {.job = "4f2a",
                                  .state = "done",
                                  .pairs = 5,
                                  .rows = 60,
                                  .inner = 7,
                                  .cols = 8,
                                  .code = {.family = "lagrange", .tasks = 11}};
    cli_print_account(&account);
    json_t *object = cli_json_of_account(&account);
    assert_string_equal(json_string_value(json_object_get(object, "form")), "batch");
    assert_int_equal(json_integer_value(json_object_get(object, "pairs")), 5);
    json_decref(object);
}

static void
the_account_of_a_batch_has_its_pairs_and_no_partition(void **state)
{
    char text[4096];
    (void)state;
    capture(print_account_of_a_batch, text, sizeof text);
    assert_non_null(strstr(text, "60 x 8 of 5 pairs"));
    assert_non_null(strstr(text, "lagrange n=11"));
}

static void
print_account_of_integers(void)
{
    const kofn_account account = {
        .job = "aa",
        .field = "integers",
        .code = {.family = "polynomial", .x = 2, .z = 1, .y = 2, .tasks = 6},
        .enough = 8,
        .prime_count = 2,
        .primes = {{.prime = 8388593, .enough = 4, .answers = 4},
                   {.prime = 8388587, .enough = 4, .answers = 1}}};
    cli_print_account(&account);
}

static void
the_account_of_a_product_of_integers_has_its_primes(void **state)
{
    char text[4096];
    (void)state;
    capture(print_account_of_integers, text, sizeof text);
    assert_non_null(strstr(text, "primes       8388593 (4/4), 8388587 (1/4)\n"));
    assert_non_null(strstr(text, "n=6, any 4 suffice for each prime,"));
}

static void
print_absurd_account(void)
{
    kofn_account account = {.job = "aa", .prime_count = KOFN_CLIENT_PRIMES_MAX};
    for (size_t i = 0; i < KOFN_CLIENT_PRIMES_MAX; i++)
        account.primes[i] =
            (kofn_prime_account){.prime = UINT64_MAX, .enough = UINT64_MAX, .answers = UINT64_MAX};
    cli_print_account(&account);
}

static void
primes_beyond_all_sense_are_cut(void **state)
{
    char text[4096];
    (void)state;
    capture(print_absurd_account, text, sizeof text);
    assert_non_null(strstr(text, "primes       18446744073709551615 (18446744073709551615/"));
    assert_non_null(strstr(text, "\npolicy "));
}

static void
print_small_account(void)
{
    kofn_account account = {.job = "aa", .rows = 1797, .inner = 64, .cols = 1797, .field = "f64"};
    account.seconds.decode = 8.66e-5;
    account.seconds.total = 0.0123;
    account.workers = 3;
    account.blocks_reused = 5;
    const kofn_operand_info turned = {.operand = "bb",
                                      .dtype = KOFN_F64,
                                      .rows = 64,
                                      .cols = 1797,
                                      .transposed = true,
                                      .bytes = 920064};
    const kofn_worker_info idle = {.name = "w1"};
    cli_print_account(&account);
    cli_print_jobs(&account, 1);
    cli_print_workers(&idle, 1);
    cli_print_operands(&turned, 1);
}

static void
numbers_are_written_for_people(void **state)
{
    char text[4096];
    (void)state;
    capture(print_small_account, text, sizeof text);
    assert_non_null(strstr(text, "decode 86.6us, total 12.3ms"));
    assert_non_null(strstr(text, "product      1797 x 64 x 1797, f64\n"));
    assert_non_null(strstr(text, "  1797 x 64 x 1797  "));
    assert_non_null(strstr(text, "workers      3 given a task"));
    assert_non_null(strstr(text, "reused       5 coded blocks"));
    assert_non_null(strstr(text, "bb       1797 x 64  f64    898KiB")); // as products see it
    assert_non_null(strstr(text, "        -     -         -     0ms")); // GFLOP/S, GB/S, SLOWDOWN
}

static void
print_small_plan(void)
{
    kofn_plan_choice choices[] = {
        {.code = {.family = "a", .x = 2, .z = 1, .y = 2, .tasks = 5},
         .policy = "oneshot",
         .threshold = 4,
         .enough = 4,
         .needed = 4,
         .flops = 4.2e9,
         .bytes_in = 1 << 20,
         .amplification = 12.5,
         .error = 1.5e-14,
         .decodable = 0.97741,
         .seconds = 0.25,
         .seconds_late = 1.5,
         .redundant = true,
         .pays = true},
        {.code = {.family = "b\033", .x = 1, .z = 9, .y = 1, .tasks = 9},
         .threshold = 17,
         .enough = 9,
         .needed = 9,
         .amplification = INFINITY,
         .seconds_late = INFINITY},
    };
    const kofn_plan_answer answer = {.count = 2,
                                     .choices = choices,
                                     .verdict = "It pays\033.",
                                     .left_out = 1,
                                     .left_why = "c: too small"};
    cli_print_plan(&answer);
    assert_int_equal(cli_print_json(cli_json_of_plan(&answer)), 0);
}

/* A code over a finite field, planned by odds. */
static void
print_likely_plan(void)
{
    kofn_plan_choice choice = {.code = {.family = "a", .x = 2, .z = 1, .y = 2, .tasks = 9},
                               .policy = "oneshot",
                               .threshold = 4,
                               .enough = 4,
                               .needed = 4,
                               .decodable = 0.9991,
                               .typical = 9,
                               .typical_by = "bound",
                               .likely = true};
    const kofn_plan_answer answer = {.count = 1, .choices = &choice};
    cli_print_plan(&answer);
    assert_int_equal(cli_print_json(cli_json_of_plan(&answer)), 0);
}

static void
a_plan_by_odds_has_the_recovery_threshold_and_how_it_was_found(void **state)
{
    char text[8192];
    (void)state;
    capture(print_likely_plan, text, sizeof text);
    assert_non_null(strstr(text, "DECODES  R  BY "));
    assert_non_null(strstr(text, "a 2,1,2 n=9  oneshot       ~4 "));
    assert_non_null(strstr(text, " 0.9991  9  bound "));
    assert_non_null(strstr(text, "\"typical\": 9"));
    assert_non_null(strstr(text, "\"typical_by\": \"bound\""));
    assert_non_null(strstr(text, "\"likely\": true"));
}

static void
a_plan_begins_with_its_verdict_and_ends_with_what_was_left_out(void **state)
{
    char text[8192];
    (void)state;
    capture(print_small_plan, text, sizeof text);
    assert_ptr_equal(strstr(text, "It pays?.\n"), text);
    assert_non_null(strstr(text, "a 2,1,2 n=5   oneshot        4   4.2G  1MiB   0B    12.5  1.5e-14"
                                 "   0.9774  250ms   1.5s  yes\n"));
    assert_non_null(strstr(text, "b? 1,9,1 n=9            9 (17)")); // an estimate
    assert_non_null(strstr(text, "never  no\n"));
    assert_non_null(strstr(text, "\nLeft out, 1 family: c: too small.\n"));
    assert_non_null(strstr(text, "\"worst_amplification\": 0.0"));
    assert_non_null(strstr(text, "\"amplification\": null")); // JSON has no infinity
    assert_null(strstr(text, "  R  "));
    assert_non_null(strstr(text, "\"typical\": null"));
}

static void
what_is_known_of_an_error_is_one_phrase(void **state)
{
    static const struct {
        cli_quality quality;
        const char *text;
    } cases[] = {
        {{.error_bound = 2e-15, .condition = 3, .amplification = 2},
         "relative error at most 2e-15"},
        {{.error_bound = 2.1e-15, .error_estimate = 1.4e-16},
         "relative error at most 3e-15, about 1e-16"}, // a bound is never said to be smaller
        {{.error_bound = 9.5e-6, .estimate = true, .used = 3, .threshold = 5},
         "estimate from 3 of 5 answers, relative error at most 1e-05"},
        {{.error_bound = 2e-5, .error_estimate = 3e-7, .estimate = true, .used = 3, .threshold = 5},
         "estimate from 3 of 5 answers, relative error at most 2e-05, about 3e-07"},
        {{.error_bound = 0.25, .estimate = true, .used = 6, .threshold = 5},
         "estimate from 6 answers, relative error at most 3e-01"},
        {{.error_bound = 9e-3, .verify = "parity"}, "relative error at most 9e-03"},
        {{.error_bound = 0.4, .error_estimate = 4e-12, .verify = "parity"},
         "relative error at most 4e-01, about 4e-12, which a lie may hide in: verify by freivalds, "
         "or "
         "take f64 or fewer parts"},
        {{.error_bound = 0.02, .verify = "freivalds"},
         "relative error at most 2e-02, which may be a lie that passed: take f64, or fewer parts"},
        {{.error_bound = 0.02, .verify = ""}, "relative error at most 2e-02"},
        {{.error_bound = 0.2, .verify = "freivalds", .estimate = true, .used = 3, .threshold = 5},
         "estimate from 3 of 5 answers, relative error at most 2e-01"},
        {{.error_bound = 2e-14, .together = true}, "relative error at most 2e-14 of all |A| |B|"},
        {{.error_bound = 0}, "exact"},
        {{.error_bound = INFINITY}, "no bound on its error is known"},
        {{.error_bound = INFINITY,
          .compression = {.method = "cr", .bound = 0.05, .expected = 0.0081, .relative = 0.023}},
         "estimate by cr, off by about 2e-02 of |C| and 8e-03 of |A||B| (5e-02 at most in the "
         "mean)"},
        {{.error_bound = INFINITY, .compression = {.method = "grid_cr", .bound = 0.05}},
         "estimate by grid_cr, off by at most 5e-02 of |A||B| in the mean"}, // without its C
        {{.error_bound = 2e-15, .compression = {.method = "cr"}},            // all of it
         "relative error at most 2e-15"},
        {{.nonfinite = true, .compression = {.method = "cr", .bound = 0.05}},
         "it holds NaN or Inf, which may have spread"},
        // NaN spreads only where blocks are added up
        {{.nonfinite = true, .error_bound = 2e-15, .condition = 3, .amplification = 2},
         "it holds NaN or Inf, which may have spread"},
        {{.nonfinite = true, .error_bound = 2e-15, .condition = 1, .amplification = 1},
         "it holds NaN or Inf"},
        {{.nonfinite = true, .condition = 3, .amplification = 2, .compression = {.method = "3m"}},
         "it holds NaN or Inf, which may have spread; sums of real and imaginary parts may have "
         "overflowed, and --complex=4m makes none"},
        {{.nonfinite = true, .condition = 3, .amplification = 2, .compression = {.method = "4m"}},
         "it holds NaN or Inf, which may have spread"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[CLI_QUALITY_MAX];
        cli_format_quality(&cases[i].quality, text, sizeof text);
        assert_string_equal(text, cases[i].text);
    }
}

/* By what the decode cost, not by the bound: that is of 10,000 floats' sum as well. */
static void
a_product_is_poor_when_its_decode_cost_half_its_digits(void **state)
{
    static const struct {
        kofn_account account;
        bool poor;
    } cases[] = {
        {{.field = "f64", .error_bound = 1e-7, .amplification = 1e8}, true},
        {{.field = "f64", .error_bound = 1e-8, .amplification = 9e7}, false},
        {{.field = "f32", .error_bound = 1e-2, .amplification = 5e3}, true},
        {{.field = "f32", .error_bound = 6e-4, .amplification = 1}, false},
        {{.field = "gfp:251", .error_bound = 0, .amplification = 1e9}, false},
        {{.field = "f64", .nonfinite = true, .error_bound = 1, .amplification = 1e9}, false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const cli_quality quality = cli_quality_of(&cases[i].account);
        assert_int_equal(cli_quality_is_poor(&quality), cases[i].poor);
    }
}

static const kofn_account sketch_account = {.state = "done",
                                            .field = "f64",
                                            .rows = 100,
                                            .inner = 4000,
                                            .cols = 60,
                                            .pairs = 12,
                                            .error_kind = "sketch",
                                            .error_bound = INFINITY,
                                            .error_estimate = 0.023,
                                            .compression = {.method = "grid_cr",
                                                            .samples = 400,
                                                            .elements = 16000,
                                                            .seed = UINT64_MAX,
                                                            .bound = 0.05,
                                                            .lemma = 0.06,
                                                            .expected = 0.0081,
                                                            .relative = 0.023}};

static void
print_sketch(void)
{
    cli_print_account(&sketch_account);
}

static void
print_filled_sketch(void)
{
    kofn_account account = sketch_account;
    account.compression.elements = 691200;
    cli_print_account(&account);
}

static void
more_than_all_is_sent_with_a_reason(void **state)
{
    char text[4096];
    (void)state;
    capture(print_filled_sketch, text, sizeof text);
    assert_non_null(strstr(text, "108% of A and B sent, with the zeros that fill up blocks"));
}

static void
a_sketch_is_never_taken_for_the_product(void **state)
{
    char text[4096];
    (void)state;
    capture(print_sketch, text, sizeof text);
    assert_non_null(strstr(text, "product      100 x 4000 x 60, f64\n"));
    assert_non_null(strstr(text, "sketch       grid_cr, 400 samples, seed 18446744073709551615, "
                                 "2.5% of A and B sent\n"));
    assert_non_null(strstr(text, "accuracy     estimate by grid_cr, off by at most about"));
    json_t *object = cli_json_of_account(&sketch_account);
    assert_non_null(object);
    const json_t *sketch = json_object_get(object, "sketch"),
                 *of = json_object_get(object, "error");
    assert_string_equal(json_string_value(json_object_get(of, "kind")), "sketch");
    assert_true(json_is_null(json_object_get(of, "bound")));
    assert_true(json_real_value(json_object_get(of, "estimate")) == 0.023);
    assert_string_equal(json_string_value(json_object_get(sketch, "method")), "grid_cr");
    assert_string_equal(json_string_value(json_object_get(sketch, "seed")), "18446744073709551615");
    assert_true(json_real_value(json_object_get(sketch, "relative")) == 0.023);
    assert_true(json_real_value(json_object_get(sketch, "of")) == 640000);
    json_decref(object);
}

static void
an_account_in_json_has_all_that_programs_need(void **state)
{
    static const char *const keys[] = {
        "status",        "code",          "partition",    "tasks",  "answers_used", "workers",
        "seconds",       "error",         "condition",    "seed",   "set",          "threshold",
        "nonfinite",     "waited",        "job",          "state",  "enough",       "accept",
        "blocks_reused", "blocks_spared", "answers_held", "primes", "verify",       "refuted",
        "unchecked",     "liars"};
    static const char *const seconds[] = {"encode", "send",  "wait", "decode",
                                          "check",  "total", "call"};
    kofn_account account = {.job = "aa",
                            .code = {.family = "rkrp",
                                     .x = 2,
                                     .z = 1,
                                     .y = 3,
                                     .tasks = 7,
                                     .seed = UINT64_MAX,
                                     .set_count = 1,
                                     .sets = {{.name = "systematic", .value = "no"}}},
                            .error_kind = "rounding",
                            .error_bound = 1e-15,
                            .error_estimate = 1e-16,
                            .accept = {.kind = KOFN_ACCEPT_WITHIN, .error = 1e-6},
                            .condition = NAN};
    (void)state;
    json_t *object = cli_json_of_account(&account);
    assert_non_null(object);
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
        if (!json_object_get(object, keys[i]))
            fail_msg("no key '%s'", keys[i]);
    for (size_t i = 0; i < sizeof seconds / sizeof seconds[0]; i++)
        if (!json_object_get(json_object_get(object, "seconds"), seconds[i]))
            fail_msg("no seconds.%s", seconds[i]);
    assert_string_equal(json_string_value(json_object_get(object, "seed")), "18446744073709551615");
    assert_true(json_is_null(json_object_get(object, "condition"))); // JSON has no NaN
    const json_t *accept = json_object_get(object, "accept"),
                 *error = json_object_get(object, "error");
    assert_string_equal(json_string_value(json_object_get(accept, "kind")), "error");
    assert_true(json_real_value(json_object_get(accept, "error")) == 1e-6);
    assert_true(json_real_value(json_object_get(error, "estimate")) == 1e-16);
    assert_int_equal(json_integer_value(json_array_get(json_object_get(object, "partition"), 2)),
                     3);
    json_decref(object);
}

static void
seconds_are_written_with_about_three_digits(void **state)
{
    static const struct {
        double seconds;
        const char *text;
    } cases[] = {{0, "0ms"},      {8.66e-5, "86.6us"}, {0.0123, "12.3ms"}, {1.5, "1.5s"},
                 {59.4, "59.4s"}, {125, "2m05s"},      {7500, "2h05m"},    {1e9, "long"},
                 {NAN, "long"},   {0.99999, "1s"},     {0.00099999, "1ms"}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[32];
        cli_format_seconds(cases[i].seconds, text, sizeof text);
        assert_string_equal(text, cases[i].text);
    }
}

static void
progress_says_what_is_known_and_no_more(void **state)
{
    const cli_common common = {0};
    cli_progress progress;
    char line[256];
    (void)state;
    cli_progress_init(&progress, &common);
    cli_progress_format(&progress, 0, line, sizeof line);
    assert_string_equal(line, "waiting for the master");

    progress.account = (kofn_account){.state = "sending", .progress = 0.4};
    cli_progress_format(&progress, 0, line, sizeof line);
    assert_string_equal(line, "sending operands: 40%");

    progress.account =
        (kofn_account){.job = "4f2a", .state = "queued", .message = "no worker takes tasks"};
    cli_progress_format(&progress, 0, line, sizeof line);
    assert_string_equal(line, "4f2a queued: no worker takes tasks");
    progress.account.tasks = 6;
    progress.account.enough = 4;
    cli_progress_format(&progress, 0, line, sizeof line);
    assert_string_equal(line, "4f2a queued, 0 of 4 answers: no worker takes tasks");
    progress.account.status = KOFN_INTERNAL; // why it failed is told at the end
    cli_progress_format(&progress, 0, line, sizeof line);
    assert_null(strstr(line, "no worker"));

    progress.account = (kofn_account){.job = "4f2a",
                                      .state = "running",
                                      .tasks = 6,
                                      .tasks_sent = 6,
                                      .answers = 2,
                                      .threshold = 7,
                                      .enough = 4,
                                      .progress = 0.5};
    progress.running_ns = KOFN_NS_PER_S;
    progress.moved_ns = 3 * KOFN_NS_PER_S;
    cli_progress_format(&progress, 3 * KOFN_NS_PER_S, line, sizeof line);
    assert_string_equal(line, "4f2a running: 6 sent, 2 of 4 answers, not decodable, 1/s, ETA 2s");

    cli_progress_format(&progress, 6 * KOFN_NS_PER_S, line, sizeof line); // an answer took 1 s
    assert_non_null(strstr(line, "ETA -"));

    progress.account.accept = (kofn_accept_options){.kind = KOFN_ACCEPT_WITHIN, .error = 1e-6};
    cli_progress_format(&progress, 3 * KOFN_NS_PER_S, line, sizeof line);
    assert_null(strstr(line, "error")); // nothing is reached yet
    progress.account.error_bound = 2.5e-3;
    cli_progress_format(&progress, 3 * KOFN_NS_PER_S, line, sizeof line);
    assert_non_null(strstr(line, "not decodable, error at most 3e-03 (want 1e-06), 1/s"));
}

static void
every_status_has_its_exit_code(void **state)
{
    (void)state;
    assert_int_equal(cli_exit_of(KOFN_OK), 0);
    assert_int_equal(cli_exit_of(KOFN_ABORTED), 3);
    assert_int_equal(cli_exit_of(KOFN_INTERNAL), 3);
    assert_int_equal(cli_exit_of(KOFN_CANCELLED), 4);
    assert_int_equal(cli_exit_of(KOFN_DEADLINE_EXCEEDED), 4);
    assert_int_equal(cli_exit_of(KOFN_UNAVAILABLE), 5);
    assert_int_equal(cli_exit_of(KOFN_INVALID_ARGUMENT), 6);
    assert_int_equal(cli_exit_of(KOFN_FAILED_PRECONDITION), 6);
    assert_int_equal(cli_exit_of_job(KOFN_FAILED_PRECONDITION), 3); // it was accepted
    assert_int_equal(cli_exit_of_job(KOFN_NOT_FOUND), 6);
    assert_int_equal(cli_exit_of(KOFN_RESOURCE_EXHAUSTED), 6);
    assert_int_equal(cli_exit_of(KOFN_PERMISSION_DENIED), 6);
    assert_int_equal(cli_exit_of(KOFN_DATA_LOSS), 7);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(columns_are_as_wide_as_their_cells_and_numbers_stand_right),
        cmocka_unit_test(accounts_without_a_code_are_printed),
        cmocka_unit_test(what_most_answers_do_is_not_said_of_any),
        cmocka_unit_test(controls_are_replaced_and_other_characters_kept),
        cmocka_unit_test(nothing_that_is_printed_for_people_steers_their_terminal),
        cmocka_unit_test(a_hostile_text_in_json_is_escaped),
        cmocka_unit_test(a_stream_is_told_in_lines_in_a_row_and_in_json),
        cmocka_unit_test(numbers_are_written_for_people),
        cmocka_unit_test(a_plan_begins_with_its_verdict_and_ends_with_what_was_left_out),
        cmocka_unit_test(a_plan_by_odds_has_the_recovery_threshold_and_how_it_was_found),
        cmocka_unit_test(what_is_known_of_an_error_is_one_phrase),
        cmocka_unit_test(the_account_of_a_batch_has_its_pairs_and_no_partition),
        cmocka_unit_test(a_product_is_poor_when_its_decode_cost_half_its_digits),
        cmocka_unit_test(the_account_of_a_product_of_integers_has_its_primes),
        cmocka_unit_test(primes_beyond_all_sense_are_cut),
        cmocka_unit_test(a_sketch_is_never_taken_for_the_product),
        cmocka_unit_test(more_than_all_is_sent_with_a_reason),
        cmocka_unit_test(an_account_in_json_has_all_that_programs_need),
        cmocka_unit_test(seconds_are_written_with_about_three_digits),
        cmocka_unit_test(progress_says_what_is_known_and_no_more),
        cmocka_unit_test(every_status_has_its_exit_code),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
