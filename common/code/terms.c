#include "common/code/terms.h"
#include "common/code/sides.h"

#include <math.h>
#include <stdlib.h>

static const double NOTHING = 0x1p-48; // of a sum that cancels, relative to its terms

/* Row `class` of ret := the sum of the rows of `from` that are of it, times what their other sides
 * are of the class's first. Of rounding nothing is left. dense [2 cols]: zeros. */
static void
add_class(const kofn_sides *by, const kofn_sums *from, size_t class, double *dense, kofn_sums *ret)
{
    const kofn_field *f = by->field;
    double *size = dense + from->cols;
    size_t at = ret->first[class];
    for (size_t i = 0; i < from->rows; i++)
        for (size_t e = from->first[i]; by->class[i] == class && e < from->first[i + 1]; e++) {
            const double term = f->multiply(f, by->factor[i], from->coef[e]);
            dense[from->column[e]] = f->add(f, dense[from->column[e]], term);
            size[from->column[e]] += fabs(term);
        }
    for (size_t c = 0; c < from->cols; c++) {
        if (f->order != 0 ? dense[c] != 0 : fabs(dense[c]) > NOTHING * size[c]) {
            ret->column[at] = c;
            ret->coef[at++] = dense[c];
        }
        dense[c] = size[c] = 0;
    }
    ret->first[class + 1] = at;
}

/* One term for each class of a coordinate, whose other side is the sum of theirs. Terms that come
 * to nothing are left out. */
static kofn_status
factor_out(kofn_terms *terms, size_t coordinate, const kofn_sides *by, kofn_error *err)
{
    const kofn_sums *from = &terms->side[1 - coordinate];
    const size_t classes = by->classes;
    double *dense = calloc(2 * from->cols, sizeof *dense);
    size_t *row = malloc(2 * classes * sizeof *row), *kept = row + classes, left = 0;
    kofn_sums sums = {0}, side[2] = {{0}, {0}};
    bool made =
        dense && row && kofn_sums_alloc(classes, from->cols, from->first[from->rows], &sums);
    terms->steps += classes * (from->rows + from->cols);
    for (size_t c = 0; made && c < classes; c++) {
        add_class(by, from, c, dense, &sums);
        if (sums.first[c + 1] > sums.first[c]) {
            kept[left] = c;
            row[left++] = by->first[c];
        }
    }
    made = made &&
           kofn_sums_copy_rows(&terms->side[coordinate], row, left, by->field, NULL,
                               &side[coordinate]) &&
           kofn_sums_copy_rows(&sums, kept, left, by->field, NULL, &side[1 - coordinate]);
    free(dense);
    free(row);
    free(sums.first);
    for (size_t j = 0; j < 2; j++) {
        kofn_sums *unused = made ? &terms->side[j] : &side[j];
        free(unused->first);
        if (made)
            terms->side[j] = side[j];
    }
    return made ? KOFN_OK
                : kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory for a sum of %zu pairs",
                            classes);
}

/* Until no side comes up twice. */
static kofn_status
factor_all(const kofn_field *f, kofn_terms *terms, kofn_error *err)
{
    for (bool again = true; again;) {
        again = false;
        for (size_t j = 0; j < 2; j++) {
            kofn_sides sides;
            kofn_status status = kofn_sides_init(&sides, f, &terms->side[j], err);
            if (status)
                return status;
            const bool repeats = sides.classes < terms->side[j].rows;
            terms->steps += sides.classes * terms->side[j].rows;
            if (repeats)
                status = factor_out(terms, j, &sides, err);
            kofn_sides_fini(&sides);
            if (status)
                return status;
            again = again || repeats;
        }
    }
    return KOFN_OK;
}

kofn_status
kofn_terms_init(kofn_terms *terms, const kofn_terms_params *params, kofn_error *err)
{
    const kofn_sums *side = params->batch->side;
    const kofn_field *f = params->field;
    kofn_terms made = {.steps = 0};
    kofn_status status = KOFN_OK;
    if (!kofn_sums_copy_rows(&side[0], params->pair, params->count, f, NULL, &made.side[0]) ||
        !kofn_sums_copy_rows(&side[1], params->pair, params->count, f, params->factor,
                             &made.side[1]))
        status = kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory for %zu pairs", params->count);
    if (!status && params->factor)
        status = factor_all(f, &made, err);
    if (status)
        kofn_terms_fini(&made);
    else
        *terms = made;
    return status;
}

void
kofn_terms_fini(kofn_terms *terms)
{
    free(terms->side[0].first);
    free(terms->side[1].first);
    *terms = (kofn_terms){.steps = 0};
}
