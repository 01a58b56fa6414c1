#include "client/cli/sketch.h"

#include "common/code/sketch.h"

#include <float.h>

enum { KEY_APPROX = 0xc00, KEY_SAMPLES, KEY_SKETCH };

static void
check(struct argp_state *state)
{
    const cli_sketch *sketch = state->input;
    if (sketch->approx > 0 && sketch->samples > 0)
        argp_error(state, "--approx and --samples exclude each other: an error decides how many "
                          "samples it takes");
    if (sketch->name && !kofn_sketch_find(sketch->name))
        argp_error(state, "--sketch '%s': want cr, block_cr or grid_cr", sketch->name);
    if (sketch->name && sketch->approx == 0 && sketch->samples == 0)
        argp_error(state,
                   "--sketch %s: say how large the error may be, --approx E, or how much to "
                   "draw, --samples K",
                   sketch->name);
}

static error_t
parse_sketch(int key, char *arg, struct argp_state *state)
{
    cli_sketch *sketch = state->input;
    switch (key) {
    case KEY_APPROX:
        sketch->approx = cli_parse_real(state, "--approx", arg, DBL_MIN, DBL_MAX);
        return 0;
    case KEY_SAMPLES:
        sketch->samples = (uint64_t)cli_parse_number(state, "--samples", arg, 1, KOFN_SAMPLES_MAX);
        return 0;
    case KEY_SKETCH:
        sketch->name = arg;
        return 0;
    case ARGP_KEY_END:
        check(state);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_option options[] = {
    {NULL, 0, NULL, 0, "Is an estimate good enough? (left out: no, the product itself):", 45},
    {"approx", KEY_APPROX, "E", 0,
     "An estimate, from columns and rows or blocks that are drawn by their norms and sent in the "
     "place of A and B: its error, root of the mean of |C' - C|^2, is at most E |A| |B|",
     45},
    {"samples", KEY_SAMPLES, "K", 0, "The same, from K of them", 45},
    {"sketch", KEY_SKETCH, "NAME", 0,
     "Draw columns and rows (cr, the default), pairs of blocks (block_cr), or pairs for each block "
     "of C (grid_cr); --partition says how these two cut",
     45},
    {0},
};

const struct argp cli_sketch_argp = {.options = options, .parser = parse_sketch};

bool
cli_sketch_is_asked(const cli_sketch *sketch)
{
    return sketch->approx > 0 || sketch->samples > 0;
}

void
cli_sketch_set_options(const cli_sketch *sketch, kofn_product_options *product)
{
    product->approx = sketch->approx;
    product->samples = sketch->samples;
    product->sketch = sketch->name;
}
