/* A product that may be estimated, as multiply and submit take it. */
#ifndef KOFN_CLI_SKETCH_H
#define KOFN_CLI_SKETCH_H

#include "client/cli/cli.h"

typedef struct cli_sketch {
    double approx;    // 0: not given
    uint64_t samples; // likewise
    const char *name;
} cli_sketch;

/* --approx --samples --sketch; its input is a cli_sketch. */
extern const struct argp cli_sketch_argp;

bool cli_sketch_is_asked(const cli_sketch *sketch);
void cli_sketch_set_options(const cli_sketch *sketch, kofn_product_options *options);

#endif
