#include "client/balance.h"

#include <limits.h>
#include <math.h>

enum {
    LIKE = 2,         // exponents that differ by no more are of one size
    LEAST_F64 = -250, // weights that a batch takes (common/code/batch.c)
    LEAST_F32 = -60,
    LARGE = 1024,   // exponent of a norm that overflows
    ZERO = INT_MIN, // of a block of zeros
};

static int
exponent_of(double norm)
{
    int exponent = LARGE;
    if (norm == 0)
        return ZERO;
    if (isfinite(norm))
        (void)frexp(norm, &exponent);
    return exponent;
}

static bool
is_of_one_size(const int *exponent, size_t count)
{
    int least = INT_MAX, most = ZERO;
    for (size_t i = 0; i < count; i++) {
        if (exponent[i] == ZERO)
            continue;
        least = exponent[i] < least ? exponent[i] : least;
        most = exponent[i] > most ? exponent[i] : most;
    }
    return most == ZERO || most - least <= LIKE;
}

/* Of |X_i| |Y_i|; ZERO: one of them is. */
static int
exponent_of_pair(const kofn_balance_pairs *of, int *const exponent[2], size_t i)
{
    const int x = exponent[0][of->side[0][i]], y = exponent[1][of->side[1][i]];
    return x == ZERO || y == ZERO ? ZERO : x + y;
}

static kofn_status
check_weights(const kofn_balance_pairs *of, const int *weight, kofn_error *err)
{
    const int least = of->dtype == KOFN_F32 ? LEAST_F32 : LEAST_F64;
    for (size_t i = 0; i < of->count; i++)
        if (weight[i] != ZERO && weight[i] < least)
            return kofn_fail(err, KOFN_OUT_OF_RANGE,
                             "|X| |Y| of pair %zu is 2^%d of that of the largest pair, and a batch "
                             "of %s has room for 2^%d: put it into another batch",
                             of->pair[i], weight[i], kofn_dtype_name(of->dtype), least);
    return KOFN_OK;
}

/* Products of zeros weigh as little as any, for what rounding leaves of them. */
static void
fill_zeros(int *weight, size_t count)
{
    int least = 0;
    for (size_t i = 0; i < count; i++)
        if (weight[i] != ZERO && weight[i] < least)
            least = weight[i];
    for (size_t i = 0; i < count; i++)
        if (weight[i] == ZERO)
            weight[i] = least;
}

kofn_status
kofn_balance(const kofn_balance_pairs *of, int *ret_shift[2], int *ret_weight, kofn_error *err)
{
    int most = ZERO;
    bool alike = true;
    for (size_t side = 0; side < 2; side++) {
        for (size_t b = 0; b < of->blocks[side]; b++)
            ret_shift[side][b] = exponent_of(of->norm[side][b]);
        alike = alike && is_of_one_size(ret_shift[side], of->blocks[side]);
    }
    for (size_t i = 0; i < of->count; i++) {
        ret_weight[i] = exponent_of_pair(of, ret_shift, i);
        most = ret_weight[i] > most ? ret_weight[i] : most;
    }
    alike = alike || most == ZERO; // all of them are zero
    const int half = alike ? 0 : (int)ceil(most / 2.0);
    for (size_t i = 0; i < of->count; i++)
        if (alike || ret_weight[i] != ZERO)
            ret_weight[i] = alike ? 0 : ret_weight[i] - 2 * half;
    for (size_t side = 0; side < 2; side++)
        for (size_t b = 0; b < of->blocks[side]; b++) {
            int *shift = &ret_shift[side][b];
            *shift = alike || *shift == ZERO ? 0 : half - *shift;
        }
    const kofn_status status = check_weights(of, ret_weight, err);
    fill_zeros(ret_weight, of->count);
    return status;
}

/* In two steps, as one power alone may overflow. */
void
kofn_balance_scale(const kofn_field *field, const kofn_mat *from, int shift, const kofn_mat *into,
                   double *room)
{
    const double half = ldexp(1, shift / 2), rest = ldexp(1, shift - shift / 2);
    for (size_t row = 0; row < from->rows; row++) {
        field->widen(field, from->cols, kofn_mat_get_row(from, row), room);
        for (size_t i = 0; i < from->cols; i++)
            room[i] = room[i] * half * rest;
        field->narrow(field, from->cols, room, kofn_mat_get_row(into, row));
    }
}
