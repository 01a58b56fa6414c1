#include "common/code/cuts.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

const char *
kofn_operand_name(bool outer, size_t index)
{
    static const char *const names[][KOFN_OPERANDS_MAX] = {
        {"A", "B"}, {"A_1", "A_2", "A_3", "A_4", "A_5", "A_6", "A_7", "A_8"}};
    assert(index < (outer ? KOFN_OPERANDS_MAX : 2));
    return names[outer][index];
}

size_t
kofn_cuts_count_pieces(const kofn_cuts *parts)
{
    size_t pieces = 1;
    for (size_t i = 0; i < parts->count; i++)
        if (__builtin_mul_overflow(pieces, parts->of[i], &pieces))
            return SIZE_MAX;
    return pieces;
}

bool
kofn_cuts_are_equal(const kofn_cuts *a, const kofn_cuts *b)
{
    bool equal = a->count == b->count;
    for (size_t i = 0; equal && i < a->count; i++)
        equal = a->of[i] == b->of[i];
    return equal;
}

void
kofn_cuts_format(const kofn_cuts *parts, char text[KOFN_CUTS_TEXT_MAX])
{
    size_t length = 0;
    text[0] = '\0';
    for (size_t i = 0; i < parts->count && length < KOFN_CUTS_TEXT_MAX; i++)
        length += (size_t)snprintf(text + length, KOFN_CUTS_TEXT_MAX - length, "%s%zu",
                                   i > 0 ? "," : "", parts->of[i]);
}

/* A whole number of [0, max] behind blanks, and the blanks behind it. */
static bool
read_number(const char **text, size_t max, size_t *ret_number)
{
    const char *at = *text;
    while (*at == ' ')
        at++;
    if (*at < '0' || *at > '9') // strtoull would take signs
        return false;
    char *end;
    const unsigned long long number = strtoull(at, &end, 10); // ULLONG_MAX where it overflows
    while (*end == ' ')
        end++;
    *text = end;
    *ret_number = (size_t)number;
    return number <= max;
}

kofn_status
kofn_cuts_parse(const char *text, size_t max, kofn_cuts *ret_cuts, kofn_error *err)
{
    kofn_cuts parts = {0};
    const char *at = text;
    while (parts.count < KOFN_OPERANDS_MAX && read_number(&at, max, &parts.of[parts.count])) {
        parts.count++;
        if (*at != ',')
            break;
        at++;
    }
    if (*at != '\0' || parts.count < 2 || at[-1] == ',')
        return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                         "parts '%.60s' are not d1,d2,...: a whole number up to %zu for each of 2 "
                         "to %d operands, 0 for 'choose', like 2,3,1",
                         text, max, KOFN_OPERANDS_MAX);
    *ret_cuts = parts;
    return KOFN_OK;
}

kofn_grid
kofn_cuts_get_grid(const kofn_cuts *parts, const kofn_extents *extents, size_t index)
{
    assert(parts->count == extents->count && index < parts->count);
    const bool upright = extents->rows[index] >= extents->cols[index];
    return (kofn_grid){.rows = upright ? parts->of[index] : 1,
                       .cols = upright ? 1 : parts->of[index]};
}

static size_t
longer_side(const kofn_extents *extents, size_t index)
{
    const size_t rows = extents->rows[index], cols = extents->cols[index];
    return rows > cols ? rows : cols;
}

static size_t
smallest_prime_factor(size_t n)
{
    for (size_t p = 2; p * p <= n; p++)
        if (n % p == 0)
            return p;
    return n;
}

/* Among the operands that are open. SIZE_MAX: no room. */
static size_t
find_largest_blocks(const kofn_cuts *parts, const bool *open, const kofn_extents *extents,
                    size_t factor)
{
    size_t found = SIZE_MAX;
    double most = -1;
    for (size_t i = 0; i < parts->count; i++) {
        const double elements = (double)extents->rows[i] * (double)extents->cols[i];
        const double block = elements / (double)parts->of[i];
        if (open[i] && parts->of[i] <= longer_side(extents, i) / factor && block > most) {
            found = i;
            most = block;
        }
    }
    return found;
}

bool
kofn_cuts_spread(kofn_cuts *parts, const kofn_extents *extents, size_t pieces)
{
    assert(parts->count == extents->count && pieces > 0);
    bool open[KOFN_OPERANDS_MAX];
    kofn_cuts spread = *parts;
    for (size_t i = 0; i < parts->count; i++) {
        open[i] = parts->of[i] == 0;
        spread.of[i] = open[i] ? 1 : parts->of[i];
        if (pieces % spread.of[i] != 0)
            return false;
        pieces /= spread.of[i];
    }
    size_t factor[64], count = 0; // ascending
    for (; pieces > 1; pieces /= factor[count++])
        factor[count] = smallest_prime_factor(pieces);
    while (count-- > 0) {
        const size_t operand = find_largest_blocks(&spread, open, extents, factor[count]);
        if (operand == SIZE_MAX)
            return false;
        spread.of[operand] *= factor[count];
    }
    *parts = spread;
    return true;
}
