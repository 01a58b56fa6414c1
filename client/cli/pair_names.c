#include "client/cli/pair_names.h"

#include "client/cli/pairs.h"
#include "client/cli/signals.h"

#include <czmq.h>
#include <stdlib.h>
#include <string.h>

enum { WAIT_MS = 200 }; // between looks at signals

typedef struct term { // of a pair's side
    size_t pair, block;
} term;

typedef struct side {
    size_t blocks, terms;
    char *name[KOFN_BATCH_TERMS_MAX]; // of each block
    zhashx_t *by_name;                // the place of each among these
    term term[KOFN_BATCH_TERMS_MAX];  // pair after pair
} side;

typedef struct reading {
    cli_pairs list;
    bool sum;
    const kofn_field *field;
    size_t count;
    side side[2];
    double weight[KOFN_PAIRS_MAX]; // of each product in the sum; 1 without one
} reading;

static void
side_init(side *s)
{
    s->by_name = zhashx_new();
    zhashx_set_key_duplicator(s->by_name, NULL); // keys live in `name`
    zhashx_set_key_destructor(s->by_name, NULL);
}

static void
side_fini(side *s)
{
    zhashx_destroy(&s->by_name);
    for (size_t i = 0; i < s->blocks; i++)
        free(s->name[i]);
}

/* ---- words ----------------------------------------------------------------------------------- */

static kofn_status
find_block(side *s, const char *word, size_t length, size_t *ret_block, kofn_error *err)
{
    char *name = strndup(word, length);
    if (!name)
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory for a name");
    char **known = zhashx_lookup(s->by_name, name);
    if (known) {
        free(name);
    } else {
        known = &s->name[s->blocks++];
        *known = name;
        (void)zhashx_insert(s->by_name, name, known);
    }
    *ret_block = (size_t)(known - s->name);
    return KOFN_OK;
}

/* Names between plus signs. */
static kofn_status
add_word(side *s, size_t pair, const char *word, kofn_error *err)
{
    kofn_status status = KOFN_OK;
    for (const char *at = word; at && status == KOFN_OK;) {
        const size_t length = strcspn(at, "+");
        if (length == 0)
            return kofn_fail(err, KOFN_INVALID_ARGUMENT, "'%.60s': want names between plus signs",
                             word);
        if (s->terms == KOFN_BATCH_TERMS_MAX)
            return kofn_fail(err, KOFN_OUT_OF_RANGE, "more than %d names on a side",
                             KOFN_BATCH_TERMS_MAX);
        s->term[s->terms].pair = pair;
        status = find_block(s, at, length, &s->term[s->terms].block, err);
        s->terms++;
        at = at[length] == '+' ? at + length + 1 : NULL;
    }
    return status;
}

static kofn_status
add_pair(reading *r, const cli_pair *pair, kofn_error *err)
{
    if (r->count == KOFN_PAIRS_MAX)
        return kofn_fail(err, KOFN_OUT_OF_RANGE, "more than %d pairs, which is all that fits a job",
                         KOFN_PAIRS_MAX);
    kofn_status status = add_word(&r->side[0], r->count, pair->a, err);
    if (status == KOFN_OK)
        status = add_word(&r->side[1], r->count, pair->b, err);
    double *weight = &r->weight[r->count++];
    *weight = 1;
    if (status == KOFN_OK && r->sum)
        status = cli_pair_read_weight(pair, weight, err);
    return status == KOFN_OK && r->sum ? kofn_batch_check_number(r->field, *weight, err) : status;
}

static kofn_status
read_all(reading *r, const char *path, kofn_error *err)
{
    kofn_status status = cli_pairs_open(path, &r->list, err);
    if (status != KOFN_OK)
        return status;
    while (status == KOFN_OK && !r->list.ended) {
        cli_pair pair;
        if (cli_signals_get())
            return kofn_fail(err, KOFN_CANCELLED, "interrupted");
        status = cli_pairs_next(&r->list, WAIT_MS, &pair, err);
        if (status == KOFN_OK && pair.line)
            status = add_pair(r, &pair, err);
        if (status != KOFN_OK && pair.line)
            return kofn_fail_within(err, "%s:%zu", r->list.name, pair.line);
    }
    if (status == KOFN_OK && r->count == 0)
        return kofn_fail(err, KOFN_INVALID_ARGUMENT, "%s has no pairs", r->list.name);
    return status;
}

/* ---- the batch ------------------------------------------------------------------------------- */

static int
compare_terms(const void *left, const void *right)
{
    const term *a = left, *b = right;
    if (a->pair != b->pair)
        return a->pair < b->pair ? -1 : 1;
    return (a->block > b->block) - (a->block < b->block);
}

/* In ascending order, and what is there several times once. False: no memory. */
static bool
make_sums(side *s, size_t pairs, kofn_sums *ret_sums)
{
    if (!kofn_sums_alloc(pairs, s->blocks, s->terms, ret_sums))
        return false;
    qsort(s->term, s->terms, sizeof *s->term, compare_terms);
    size_t count = 0;
    for (size_t i = 0; i < s->terms; i++) {
        if (i > 0 && compare_terms(&s->term[i - 1], &s->term[i]) == 0) {
            ret_sums->coef[count - 1] += 1;
            continue;
        }
        ret_sums->column[count] = s->term[i].block;
        ret_sums->coef[count++] = 1;
        ret_sums->first[s->term[i].pair + 1] = count;
    }
    return true;
}

static bool
make_weights(const reading *r, kofn_sums *ret_sums)
{
    if (!kofn_sums_alloc(r->sum ? 1 : r->count, r->count, r->count, ret_sums))
        return false;
    for (size_t i = 0, count = 0; i < r->count; i++) {
        ret_sums->column[count] = i;
        ret_sums->coef[count] = r->weight[i];
        count += r->weight[i] != 0;
        ret_sums->first[r->sum ? 1 : i + 1] = count;
    }
    return true;
}

static kofn_status
make_batch(reading *r, kofn_batch **ret_batch, kofn_error *err)
{
    kofn_batch b = {
        .grid = {{.rows = r->side[0].blocks, .cols = 1}, {.rows = r->side[1].blocks, .cols = 1}},
        .out = {.rows = r->sum ? 1 : r->count, .cols = 1},
        .count = r->count};
    kofn_status status;
    if (make_sums(&r->side[0], r->count, &b.side[0]) &&
        make_sums(&r->side[1], r->count, &b.side[1]) && make_weights(r, &b.weights))
        status = kofn_batch_new(&b, r->field, ret_batch, err);
    else
        status = kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory for %zu pairs", r->count);
    free(b.side[0].first);
    free(b.side[1].first);
    free(b.weights.first);
    return status;
}

kofn_status
cli_pair_names_read(const char *path, bool sum, const kofn_field *field, kofn_batch **ret_batch,
                    kofn_error *err)
{
    reading *r = calloc(1, sizeof *r);
    if (!r)
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory for a list of pairs");
    r->sum = sum;
    r->field = field;
    for (size_t s = 0; s < 2; s++)
        side_init(&r->side[s]);
    kofn_status status = read_all(r, path, err);
    if (status == KOFN_OK)
        status = make_batch(r, ret_batch, err);
    cli_pairs_close(&r->list);
    for (size_t s = 0; s < 2; s++)
        side_fini(&r->side[s]);
    free(r);
    return status;
}
