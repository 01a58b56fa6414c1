#include "common/code/staged.h"
#include "common/code/batch.h"
#include "common/code/binomial.h"
#include "common/code/columns.h"
#include "common/code/inner.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double TAIL = 1.645; // deviations of a normal, exceeded by 1 in 20
static const double ODDS = 0.05;

/* The least n with n q - TAIL sqrt(n p q) >= needed. */
size_t
kofn_staged_count_spare(size_t needed, double rate)
{
    const double p = rate, q = 1 - rate, k = (double)needed;
    const double root = (TAIL * sqrt(p * q) + sqrt(TAIL * TAIL * p * q + 4 * q * k)) / (2 * q);
    return (size_t)ceil(root * root - k);
}

/* ---- the first stage ------------------------------------------------------------------------- */

/* Every row makes up for any other, or there are none but the products. */
static bool
needs_no_rows(const kofn_code *code)
{
    const size_t coded = kofn_code_count_coded(code);
    const size_t plain = kofn_code_first_tasks(code) - coded;
    return coded == 0 || (kofn_code_is_certain(code) && plain == code->threshold);
}

/* A family that has not all plain rows itself, with the products in front (inner.h), and the same
 * number of tasks in all. False: it cannot be had. */
static bool
put_plain_in_front(const kofn_code_spec *spec, const kofn_code *own, kofn_code **ret_code)
{
    const size_t products = kofn_partition_products(own->part);
    if (own->parts.count > 0 || spec->reserve > 0 || spec->tasks <= products ||
        spec->tasks - kofn_code_count_coded(own) >= products)
        return false;
    kofn_code_spec coded = *spec;
    coded.tasks -= products;
    if (kofn_inner_build(&coded, own->field, true, ret_code, NULL) == KOFN_OK)
        return true;
    const char *points =
        own->field->order == 0 ? "spread" : "random"; // others do not mix with plain
    return own->point && kofn_code_spec_set(&coded, "points", points, NULL) == KOFN_OK &&
           kofn_inner_build(&coded, own->field, true, ret_code, NULL) == KOFN_OK;
}

/* Room for so many rows beside the products, all of them zeros. */
static kofn_status
alloc_staged(const char *family, const kofn_field *field, const kofn_batch *batch, size_t room,
             kofn_code **ret_code, kofn_error *err)
{
    const size_t n = batch->count;
    kofn_code *code;
    const kofn_status status = kofn_code_alloc_batch(family, field, batch, n + room, &code, err);
    if (status)
        return status;
    code->reserve = room;
    code->staged = true;
    kofn_code_set_thresholds(code, &(kofn_thresholds){.exact = n, .enough = n});
    *ret_code = code;
    return KOFN_OK;
}

/* The rows of E are there, and those that `from` has its own: *ret_code becomes the code, or it is
 * given up. */
static kofn_status
seal(kofn_code *code, const kofn_code *from, kofn_code **ret_code, kofn_error *err)
{
    const kofn_status status = kofn_columns_fill(code, from, err);
    if (status) {
        kofn_code_destroy(&code);
        return status;
    }
    kofn_code_seal(code);
    *ret_code = code;
    return KOFN_OK;
}

kofn_status
kofn_staged_build(const kofn_code_spec *spec, const kofn_field *field, kofn_code **ret_code,
                  kofn_error *err)
{
    kofn_code *own;
    kofn_status status = kofn_code_spec_build(spec, field, &own, err);
    if (status)
        return status;
    if (!spec->batch && put_plain_in_front(spec, own, ret_code)) {
        kofn_code_destroy(&own);
        return KOFN_OK;
    }
    if (!spec->batch || needs_no_rows(own)) {
        *ret_code = own;
        return KOFN_OK;
    }
    const kofn_batch *batch = spec->batch;
    const size_t most = kofn_code_most_batch_tasks(batch, field);
    const size_t fits = most > batch->count ? most - batch->count : 0;
    /* Some of a sum's pairs can take more rows than all of it does. Two for each always do. */
    const size_t wanted = spec->tasks > 2 * batch->count ? spec->tasks : 2 * batch->count;
    kofn_code *code;
    status = alloc_staged(own->family, field, batch, wanted < fits ? wanted : fits, &code, err);
    kofn_code_destroy(&own);
    if (status)
        return status;
    for (size_t o = 0; o < 2; o++) {
        const kofn_sums *side = &batch->side[o];
        for (size_t pair = 0; pair < batch->count; pair++)
            for (size_t i = side->first[pair]; i < side->first[pair + 1]; i++)
                code->e[o].at[pair * side->cols + side->column[i]] = side->coef[i];
    }
    code->seed = spec->seed;
    return seal(code, NULL, ret_code, err);
}

/* ---- the second ------------------------------------------------------------------------------ */

/* These rows of `from`, or all with NULL, but those that are left without a term: of the terms
 * those whose columns `to` has another number for, as there; or all, with NULL. */
static kofn_status
pick_rows(const kofn_sums *from, const size_t *rows, size_t count, const size_t *to, size_t cols,
          kofn_sums *ret, kofn_error *err)
{
    if (!kofn_sums_alloc(count, cols, from->first[from->rows], ret))
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory for %zu pairs", count);
    size_t used = 0, kept = 0;
    for (size_t r = 0; r < count; r++) {
        const size_t row = rows ? rows[r] : r;
        for (size_t i = from->first[row]; i < from->first[row + 1]; i++) {
            const size_t column = to ? to[from->column[i]] : from->column[i];
            if (column == SIZE_MAX)
                continue;
            ret->column[used] = column;
            ret->coef[used++] = from->coef[i];
        }
        if (used > ret->first[kept])
            ret->first[++kept] = used;
    }
    ret->rows = kept;
    return KOFN_OK;
}

/* The batch of these pairs alone, and of what is wanted of them. */
static kofn_status
make_part(const kofn_batch *batch, const kofn_field *field, const size_t *pairs, size_t count,
          kofn_batch **ret_part, kofn_error *err)
{
    kofn_batch part = {.grid = {batch->grid[0], batch->grid[1]}, .count = count};
    size_t *to = malloc(batch->count * sizeof *to);
    kofn_status status = KOFN_OK;
    if (!to)
        status = kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory for %zu pairs", batch->count);
    for (size_t i = 0; i < batch->count && to; i++)
        to[i] = SIZE_MAX;
    for (size_t i = 0; i < count && to; i++)
        to[pairs[i]] = i;
    for (size_t o = 0; o < 2 && !status; o++)
        status =
            pick_rows(&batch->side[o], pairs, count, NULL, batch->side[o].cols, &part.side[o], err);
    if (!status)
        status =
            pick_rows(&batch->weights, NULL, batch->weights.rows, to, count, &part.weights, err);
    part.out = (kofn_grid){.rows = part.weights.rows, .cols = 1};
    if (!status)
        status = kofn_batch_new(&part, field, ret_part, err);
    free(part.side[0].first);
    free(part.side[1].first);
    free(part.weights.first);
    free(to);
    return status;
}

static size_t
count_blank(const kofn_code *code)
{
    size_t count = 0;
    for (size_t task = kofn_code_first_tasks(code); task < code->tasks; task++)
        count += kofn_code_is_blank(code, task);
    return count;
}

/* Are so many tasks as many as are wanted: too few of them come with probability ODDS at most, or
 * the family makes no code of so many? Then *ret_made is false. */
static bool
is_enough(const kofn_code_spec *spec, const kofn_field *field, size_t tasks, double rate,
          bool *ret_made)
{
    kofn_code_spec asked = *spec;
    kofn_thresholds k;
    asked.tasks = tasks;
    *ret_made = kofn_code_spec_thresholds(&asked, field, &k, NULL) == KOFN_OK;
    return !*ret_made || kofn_binomial_below(tasks, k.exact, rate) <= ODDS;
}

/* The first number of tasks from `least`, which is made, to `room` that is enough: more and more
 * are added until it is, and of the last ones half until the first is left. A family that searches
 * for its threshold is then asked some tens of times and not thousands. */
static size_t
find_enough(const kofn_code_spec *spec, const kofn_field *field, size_t least, size_t room,
            double rate)
{
    size_t few = least, many = least;
    bool made;
    for (size_t more = 1; !is_enough(spec, field, many, rate, &made); more *= 2) {
        few = many;
        many = room - few < more ? room : few + more;
        if (few == room)
            return room;
    }
    bool last = made;
    while (many - few > 1) {
        const size_t half = few + (many - few) / 2;
        if (is_enough(spec, field, half, rate, &made)) {
            many = half;
            last = made;
        } else {
            few = half;
        }
    }
    return last ? many : few;
}

/* Complete a spec without tasks: with as many as the odds ask for, where there is room. */
static kofn_status
choose_tasks(kofn_code_spec *spec, const kofn_field *field, double rate, size_t room,
             kofn_error *err)
{
    const kofn_code_context context = {.field = field, .workers = 1};
    kofn_status status = kofn_code_spec_complete(spec, &context, err);
    if (spec->tasks > room)
        spec->tasks = room;
    if (!status) // if that is too few, the family says so
        status = kofn_code_spec_check(spec, field, err);
    if (!status)
        spec->tasks = find_enough(spec, field, spec->tasks, room, rate);
    return status;
}

/* The family's code for these pairs alone. */
static kofn_status
build_part(const kofn_code_spec *spec, const kofn_field *field, const kofn_batch *part, double rate,
           size_t room, kofn_code **ret_code, kofn_error *err)
{
    kofn_code_spec alone = *spec;
    alone.batch = part;
    alone.tasks = alone.reserve = 0;
    kofn_status status = KOFN_OK;
    if (kofn_keys_find(kofn_family_find(spec->family)->keys, "systematic"))
        status = kofn_code_spec_set(&alone, "systematic", "no", err); // they are out already
    if (!status)
        status = choose_tasks(&alone, field, rate, room, err);
    return status ? status : kofn_code_spec_build(&alone, field, ret_code, err);
}

/* A copy of `from` with the rows of `part` where it has none. */
static kofn_status
join(const kofn_code *from, const kofn_batch *batch, const kofn_code *part, kofn_code **ret_code,
     kofn_error *err)
{
    kofn_code *code;
    const kofn_status status =
        alloc_staged(from->family, from->field, batch, from->reserve, &code, err);
    if (status)
        return status;
    size_t next = 0;
    for (size_t task = 0; task < code->tasks; task++) {
        const bool made =
            next < part->tasks && task >= batch->count && kofn_code_is_blank(from, task);
        for (size_t o = 0; o < 2; o++)
            memcpy(code->e[o].at + task * code->e[o].cols,
                   made ? kofn_code_get_row(part, o, next) : kofn_code_get_row(from, o, task),
                   code->e[o].cols * sizeof(double));
        next += made;
    }
    code->seed = from->seed;
    return seal(code, from, ret_code, err);
}

kofn_status
kofn_staged_fill(const kofn_code_spec *spec, const kofn_code *from, const size_t *products,
                 size_t count, double rate, kofn_code **ret_code, kofn_error *err)
{
    kofn_batch *part = NULL;
    kofn_code *rows = NULL;
    kofn_status status = make_part(spec->batch, from->field, products, count, &part, err);
    if (!status)
        status = build_part(spec, from->field, part, rate, count_blank(from), &rows, err);
    if (!status)
        status = join(from, spec->batch, rows, ret_code, err);
    kofn_code_destroy(&rows);
    kofn_batch_destroy(&part);
    return status;
}
