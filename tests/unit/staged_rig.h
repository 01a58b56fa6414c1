/* Batches for tests of what is made in two stages, and whether what comes is the product. */
#ifndef KOFN_TESTS_UNIT_STAGED_RIG_H
#define KOFN_TESTS_UNIT_STAGED_RIG_H

#include "common/base/rng.h"
#include "common/code/batch.h"
#include "common/code/decoder.h"
#include "common/code/staged.h"
#include "tests/assert.h"

#include <float.h>
#include <math.h>

/* `count` different pairs of `lefts` and `rights` blocks; all products, or one weighted sum. */
static inline kofn_batch *
draw_batch(kofn_rng *rng, size_t lefts, size_t rights, size_t count, bool sum,
           const kofn_field *field)
{
    enum { MOST = 64 };
    kofn_error error;
    kofn_batch *batch = NULL;
    size_t cell[MOST], left[MOST], right[MOST];
    double weights[MOST];
    assert_in_range(lefts * rights, count, MOST);
    for (size_t i = 0; i < lefts * rights; i++) { // Fisher and Yates
        const size_t at = kofn_rng_below(rng, i + 1);
        cell[i] = cell[at];
        cell[at] = i;
    }
    for (size_t i = 0; i < count; i++) {
        left[i] = cell[i] / rights;
        right[i] = cell[i] % rights;
        weights[i] = 1;
    }
    assert_ok(kofn_batch_new_stacked(lefts, rights, count, left, right, sum ? weights : NULL, field,
                                     &batch, &error));
    return batch;
}

/* What is open is chosen as for a worker. */
static inline kofn_code_spec
complete_batch_spec(const char *family, const kofn_batch *batch, const kofn_field *field)
{
    kofn_error error;
    kofn_code_spec spec = {.has_seed = true, .seed = 7};
    const kofn_code_context context = {.field = field, .workers = 1};
    (void)snprintf(spec.family, sizeof spec.family, "%s", family);
    assert_ok(kofn_code_spec_set_batch(&spec, batch, &error));
    assert_ok(kofn_code_spec_complete(&spec, &context, &error));
    return spec;
}

static inline double
rig_get_target(const kofn_code *code, size_t target, size_t column)
{
    const kofn_sums *t = &code->targets;
    for (size_t i = t->first[target]; i < t->first[target + 1]; i++)
        if (t->column[i] == column)
            return t->coef[i];
    return 0;
}

/* D G = T: in the reals within eps times the products that are added, and 100 for the solution. */
static inline void
assert_decodes(const kofn_decoder *d, const kofn_code *code)
{
    kofn_error error;
    kofn_decode_plan plan;
    const kofn_field *f = code->field;
    assert_ok(kofn_decoder_plan(d, 0, &plan, &error));
    for (size_t t = 0; t < code->targets.rows; t++)
        for (size_t c = 0; c < kofn_code_columns(code); c++) {
            double sum = 0, size = 0;
            for (size_t u = 0; u < plan.used; u++) {
                const double part = f->multiply(f, plan.coef[t * plan.used + u],
                                                kofn_code_get_element(code, plan.task[u], c));
                sum = f->add(f, sum, part);
                size += fabs(part);
            }
            const double target = rig_get_target(code, t, c);
            if (f->order != 0)
                assert_true(sum == target);
            else
                assert_true(fabs(sum - target) <=
                            100 * DBL_EPSILON *
                                (size + plan.quality.amplification * plan.quality.condition));
        }
    kofn_decode_plan_fini(&plan);
}

#endif
