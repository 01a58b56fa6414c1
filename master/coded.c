#include "master/coded.h"

#include "common/base/map.h"

#include <stdlib.h>
#include <string.h>

struct kofn_coded_entry {
    uint64_t hash;
    kofn_coded_set *set;
    const kofn_field *field; // a ref of it
    kofn_grid grid;          // as stored
    uint64_t maker, user;    // jobs: the one that made it, the last that used it
    kofn_bands block;
    size_t bytes;
    TAILQ_ENTRY(kofn_coded_entry) of_set, of_all;
    double coef[]; // [grid.rows grid.cols], in the order of the stored blocks
};

struct kofn_coded {
    kofn_map by_hash; // two keys of one hash: the first is found, the second is never kept
    TAILQ_HEAD(, kofn_coded_entry) all; // least recently used first
    size_t bytes;
    double *row; // a key's coefficients in the order of the stored blocks
    size_t row_capacity;
};

kofn_status
kofn_coded_new(kofn_coded **ret_coded, kofn_error *err)
{
    kofn_coded *coded = calloc(1, sizeof *coded);
    if (!coded)
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory for a table of coded blocks");
    TAILQ_INIT(&coded->all);
    *ret_coded = coded;
    return KOFN_OK;
}

void
kofn_coded_destroy(kofn_coded **coded_p)
{
    kofn_coded *coded = *coded_p;
    if (!coded)
        return;
    kofn_coded_shrink(coded, 0);
    kofn_map_fini(&coded->by_hash);
    free(coded->row);
    free(coded);
    *coded_p = NULL;
}

void
kofn_coded_set_init(kofn_coded_set *set, uint64_t number)
{
    *set = (kofn_coded_set){.number = number};
    TAILQ_INIT(&set->entries);
}

static void
destroy_entry(kofn_coded_entry *entry)
{
    kofn_bands_fini(&entry->block);
    kofn_field_destroy(&entry->field);
    free(entry);
}

static void
forget(kofn_coded *coded, kofn_coded_entry *entry)
{
    TAILQ_REMOVE(&coded->all, entry, of_all);
    TAILQ_REMOVE(&entry->set->entries, entry, of_set);
    entry->set->count--;
    entry->set->bytes -= entry->bytes;
    coded->bytes -= entry->bytes;
    (void)kofn_map_remove(&coded->by_hash, entry->hash); // it is at hand
    destroy_entry(entry);
}

void
kofn_coded_clear(kofn_coded *coded, kofn_coded_set *set)
{
    while (!TAILQ_EMPTY(&set->entries))
        forget(coded, TAILQ_FIRST(&set->entries));
}

void
kofn_coded_shrink(kofn_coded *coded, size_t limit)
{
    while (coded->bytes > limit)
        forget(coded, TAILQ_FIRST(&coded->all));
}

size_t
kofn_coded_get_bytes(const kofn_coded *coded)
{
    return coded->bytes;
}

/* ---- keys ------------------------------------------------------------------------------------ */

static kofn_grid
stored_grid(const kofn_coded_key *key)
{
    const kofn_grid turned = {.rows = key->grid.cols, .cols = key->grid.rows};
    return key->transposed ? turned : key->grid;
}

static size_t
count_coefs(const kofn_grid *grid)
{
    return grid->rows * grid->cols; // columns of E: far below overflow
}

/* coded->row := the coefficients in the order of the stored blocks. False: no memory. */
static bool
fill_row(kofn_coded *coded, const kofn_coded_key *key)
{
    const size_t count = count_coefs(&key->grid);
    if (count > coded->row_capacity) {
        double *row = realloc(coded->row, count * sizeof *row);
        if (!row)
            return false;
        coded->row = row;
        coded->row_capacity = count;
    }
    const kofn_grid grid = key->grid;
    for (size_t i = 0; i < grid.rows; i++)
        for (size_t j = 0; j < grid.cols; j++)
            coded->row[key->transposed ? j * grid.rows + i : i * grid.cols + j] =
                key->coef[i * grid.cols + j];
    return true;
}

static uint64_t
mix(uint64_t hash, uint64_t word) // a step of splitmix64's finish for each word
{
    hash = (hash ^ word) + 0x9e3779b97f4a7c15u;
    hash = (hash ^ (hash >> 30)) * 0xbf58476d1ce4e5b9u;
    return hash ^ (hash >> 27);
}

static uint64_t
hash_key(const kofn_coded *coded, const kofn_coded_set *set, const kofn_coded_key *key)
{
    const kofn_grid grid = stored_grid(key);
    uint64_t hash = mix(mix(set->number, grid.rows), grid.cols);
    for (const char *c = key->field->name; *c; c++) // two tables of one name are one field
        hash = mix(hash, (unsigned char)*c);
    for (size_t i = 0; i < count_coefs(&grid); i++) {
        uint64_t bits;
        memcpy(&bits, &coded->row[i], sizeof bits);
        hash = mix(hash, bits);
    }
    return hash;
}

static bool
is_of(const kofn_coded *coded, const kofn_coded_entry *entry, const kofn_coded_set *set,
      const kofn_coded_key *key)
{
    const kofn_grid grid = stored_grid(key);
    return entry->set == set && strcmp(entry->field->name, key->field->name) == 0 &&
           entry->grid.rows == grid.rows && entry->grid.cols == grid.cols &&
           memcmp(entry->coef, coded->row, count_coefs(&grid) * sizeof entry->coef[0]) == 0;
}

/* ---- find and keep --------------------------------------------------------------------------- */

const kofn_bands *
kofn_coded_find(kofn_coded *coded, const kofn_coded_set *set, const kofn_coded_key *key,
                uint64_t job, bool *ret_others)
{
    if (set->count == 0 || !fill_row(coded, key))
        return NULL;
    kofn_coded_entry *entry = kofn_map_find(&coded->by_hash, hash_key(coded, set, key));
    if (!entry || !is_of(coded, entry, set, key))
        return NULL;
    entry->user = job;
    TAILQ_REMOVE(&coded->all, entry, of_all);
    TAILQ_INSERT_TAIL(&coded->all, entry, of_all);
    *ret_others = entry->maker != job;
    return &entry->block;
}

/* Room for `bytes` more under the limit, from blocks that others than `job` used last. */
static bool
make_room(kofn_coded *coded, size_t bytes, size_t limit, uint64_t job)
{
    if (bytes > limit)
        return false;
    while (coded->bytes > limit - bytes) {
        kofn_coded_entry *oldest = TAILQ_FIRST(&coded->all);
        if (oldest->user == job)
            return false;
        forget(coded, oldest);
    }
    return true;
}

static kofn_coded_entry *
new_entry(const kofn_coded *coded, const kofn_coded_key *key, const kofn_bands *block)
{
    const kofn_grid grid = stored_grid(key);
    const size_t count = count_coefs(&grid);
    kofn_coded_entry *entry = malloc(sizeof *entry + count * sizeof entry->coef[0]);
    if (!entry)
        return NULL;
    *entry = (kofn_coded_entry){.field = kofn_field_ref(key->field), .grid = grid};
    memcpy(entry->coef, coded->row, count * sizeof entry->coef[0]);
    if (kofn_bands_ref(block, &entry->block, NULL) == KOFN_OK)
        return entry;
    destroy_entry(entry);
    return NULL;
}

void
kofn_coded_keep(kofn_coded *coded, kofn_coded_set *set, const kofn_coded_key *key, uint64_t job,
                const kofn_bands *block, size_t limit)
{
    const size_t bytes = sizeof(kofn_coded_entry) + count_coefs(&key->grid) * sizeof(double) +
                         block->rows * block->cols * kofn_dtype_width(block->dtype);
    if (!fill_row(coded, key))
        return;
    const uint64_t hash = hash_key(coded, set, key);
    if (kofn_map_find(&coded->by_hash, hash) || !make_room(coded, bytes, limit, job))
        return;
    kofn_coded_entry *entry = new_entry(coded, key, block);
    if (!entry)
        return;
    entry->hash = hash;
    entry->set = set;
    entry->maker = entry->user = job;
    entry->bytes = bytes;
    if (kofn_map_put(&coded->by_hash, hash, entry, NULL) != KOFN_OK) {
        destroy_entry(entry);
        return;
    }
    TAILQ_INSERT_TAIL(&coded->all, entry, of_all);
    TAILQ_INSERT_TAIL(&set->entries, entry, of_set);
    set->count++;
    set->bytes += bytes;
    coded->bytes += bytes;
}
