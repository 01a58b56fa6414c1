/* On which terms a job is done, as multiply, outer, submit and batch take them: policy, deadline,
 * what will do, and whether answers are checked. */
#ifndef KOFN_CLI_TERMS_H
#define KOFN_CLI_TERMS_H

#include "client/cli/product.h"
#include "client/cli/progress.h"

typedef struct cli_terms {
    const char *policy, *key;
    int64_t timeout_ns, settle_ns;
    double accept_error; // 0: not given
    bool accept_exact, deadline_best;
    const char *verify;
    uint64_t liars; // 0: not given
} cli_terms;

/* --policy --timeout --key --accept-error --accept-exact --deadline-best --settle --verify --liars;
 * its input is a cli_terms. */
extern const struct argp cli_terms_argp;

/* With the product's code and field, shown by `progress`. */
kofn_product_options cli_terms_get_options(const cli_terms *terms, const cli_product *product,
                                           cli_progress *progress);

#endif
