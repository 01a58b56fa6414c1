#include "client/cli/terms.h"

#include "common/code/liars.h"

#include <float.h>

enum {
    KEY_POLICY = 0xa00,
    KEY_TIMEOUT,
    KEY_KEY,
    KEY_ACCEPT_ERROR,
    KEY_ACCEPT_EXACT,
    KEY_DEADLINE_BEST,
    KEY_SETTLE,
    KEY_VERIFY,
    KEY_LIARS,
};

static error_t
parse_terms(int key, char *arg, struct argp_state *state)
{
    cli_terms *terms = state->input;
    switch (key) {
    case KEY_POLICY:
        terms->policy = arg;
        return 0;
    case KEY_TIMEOUT:
        terms->timeout_ns = cli_parse_duration(state, "--timeout", arg);
        return 0;
    case KEY_KEY:
        terms->key = arg;
        return 0;
    case KEY_ACCEPT_ERROR:
        terms->accept_error = cli_parse_real(state, "--accept-error", arg, DBL_MIN, DBL_MAX);
        return 0;
    case KEY_ACCEPT_EXACT:
        terms->accept_exact = true;
        return 0;
    case KEY_DEADLINE_BEST:
        terms->deadline_best = true;
        return 0;
    case KEY_SETTLE:
        terms->settle_ns = cli_parse_duration(state, "--settle", arg);
        return 0;
    case KEY_VERIFY:
        terms->verify = arg;
        return 0;
    case KEY_LIARS:
        terms->liars = (uint64_t)cli_parse_number(state, "--liars", arg, 1, KOFN_LIARS_MAX);
        return 0;
    case ARGP_KEY_END:
        if (terms->accept_exact && terms->accept_error > 0)
            argp_error(state, "--accept-error and --accept-exact exclude each other");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_option terms_options[] = {
    {"policy", KEY_POLICY, "NAME", 0,
     "How tasks are spread over workers; `kofn codes` lists them; rateless and two_stage take a "
     "family with fresh rows where the code is left out",
     30},
    {"timeout", KEY_TIMEOUT, "TIME", 0, "Give the job up after this time, like 30s or 5min", 30},
    {"key", KEY_KEY, "TEXT", 0, "Idempotency key: the same one means the same job", 30},
    {NULL, 0, NULL, 0, "What will do (left out: what the code's family promises):", 40},
    {"accept-error", KEY_ACCEPT_ERROR, "E", 0,
     "The first result whose error is at most E, relative to the norms of A and B", 40},
    {"accept-exact", KEY_ACCEPT_EXACT, NULL, 0,
     "The product, also of a code that promises an estimate", 40},
    {"deadline-best", KEY_DEADLINE_BEST, NULL, 0,
     "At the timeout, or when no further answer can come: the best estimate there is, of "
     "real numbers",
     40},
    {"settle", KEY_SETTLE, "TIME", 0,
     "Once an estimate would do, wait so long for the product, like 200ms", 40},
    {NULL, 0, NULL, 0, "Are answers right? (left out: as the master is set):", 50},
    {"verify", KEY_VERIFY, "HOW", 0,
     "freivalds: check each against the operands; parity: find those that are wrong among "
     "more than needed; none",
     50},
    {"liars", KEY_LIARS, "B", 0,
     "With parity: so many workers may lie, each in all of its answers; 2 B answers more are "
     "taken, "
     "and yet more where there are fewer workers than that, which must be more than 2 B",
     50},
    {0},
};

const struct argp cli_terms_argp = {.options = terms_options, .parser = parse_terms};

static kofn_accept_options
accept_of(const cli_terms *terms)
{
    if (terms->accept_exact)
        return (kofn_accept_options){.kind = KOFN_ACCEPT_EXACTLY};
    if (terms->accept_error > 0)
        return (kofn_accept_options){.kind = KOFN_ACCEPT_WITHIN, .error = terms->accept_error};
    return (kofn_accept_options){.kind = KOFN_ACCEPT_PROMISED};
}

kofn_product_options
cli_terms_get_options(const cli_terms *terms, const cli_product *product, cli_progress *progress)
{
    return (kofn_product_options){
        .code = product->code,
        .policy = terms->policy,
        .field = product->field,
        .timeout_ms = (terms->timeout_ns + 999999) / 1000000,
        .key = terms->key,
        .accept = accept_of(terms),
        .deadline_best = terms->deadline_best,
        .settle_ms = (terms->settle_ns + 999999) / 1000000,
        .verify = terms->verify,
        .liars = terms->liars,
        .complex_method = product->complex_method,
        .progress = cli_progress_show,
        .context = progress,
    };
}
