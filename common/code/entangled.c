/* Why these powers: z consecutive powers of A meet z of B that run the other way, so A_ik B_lj
 * lands at z - 1 + (k - l) + z (i + x j), and k = l for all k at the same place, the middle of 2 z
 * - 1. Groups are z apart: the upper half of one lies on the lower half of the next, but never on a
 * middle.
 *
 *     x, z, y = 2, 3, 1     power   0    1    2    3    4    5    6    7
 *                           i = 0   .    .   C_0   .    .
 *                           i = 1                  .    .   C_1   .    .
 */
#include "common/code/entangled.h"
#include "common/code/points.h"

#include <math.h>

size_t
kofn_entangled_threshold(kofn_partition part)
{
    const size_t products = kofn_partition_products(part);
    return products > SIZE_MAX - part.z ? SIZE_MAX : products + part.z - 1;
}

kofn_status
kofn_entangled_check_inner(const char *family, const kofn_family_args *args, const char *general,
                           kofn_error *err)
{
    const kofn_partition p = args->part;
    if (p.x == 1 && p.y == 1)
        return KOFN_OK;
    return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                     "%s: partition %zu,%zu,%zu cuts rows or columns of the product, which this "
                     "code cannot; take 1,%zu,1, or family %s",
                     family, p.x, p.z, p.y, p.z, general);
}

kofn_status
kofn_entangled_check_tasks(const char *family, const kofn_family_args *args, size_t need,
                           const char *formula, size_t z_fits, kofn_error *err)
{
    const kofn_partition p = args->part;
    if (args->tasks >= need)
        return KOFN_OK;
    if (z_fits == 0)
        return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                         "%s: tasks=%zu, need at least %s = %zu for partition %zu,%zu,%zu; take "
                         "more tasks or fewer parts",
                         family, args->tasks, formula, need, p.x, p.z, p.y);
    return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                     "%s: tasks=%zu, need at least %s = %zu for partition %zu,%zu,%zu; take more "
                     "tasks or partition %zu,%zu,%zu",
                     family, args->tasks, formula, need, p.x, p.z, p.y, p.x, z_fits, p.y);
}

/* On Chebyshev nodes a polynomial is known best by its Chebyshev coefficients, each an average of
 * the answers. The power wanted collects the root of the sum of squares of what each T_j has
 * there: 2^(p - 1) j / h C(h, p), h = (j + p) / 2, for j of p's parity. */
static double
growth_of_power(size_t degree, size_t power)
{
    double coef = power > 0 ? ldexp(1, (int)power - 1) : 1, sum = 0;
    for (size_t j = power; j <= degree; j += 2) {
        sum += coef * coef;
        const double h = (double)(j + power) / 2;
        if (j > 0) // T_0 and T_2 have the same there
            coef *= (double)(j + 2) * h / ((double)j * (h + 1 - (double)power));
    }
    return sqrt(2 * sum);
}

double
kofn_entangled_growth(kofn_partition part)
{
    const size_t coefs = kofn_entangled_threshold(part);
    if (coefs > 200)
        return INFINITY; // 2.28^200 is beyond any arithmetic here
    double worst = 1;
    for (size_t group = 0; group < part.x * part.y; group++)
        worst = fmax(worst, growth_of_power(coefs - 1, part.z - 1 + part.z * group));
    return worst;
}

kofn_partition
kofn_entangled_shrink(kofn_partition part)
{
    if (part.z > 1)
        part.z--;
    else if (part.x >= part.y)
        part.x--;
    else
        part.y--;
    return part;
}

/* Points gamma times smaller have coefficients that count gamma^power times less. */
static double
lose(const kofn_field *f, kofn_partition part, double gamma)
{
    const double power = (double)kofn_partition_products(part) - 1; // the greatest wanted
    return f->epsilon * kofn_entangled_growth(part) * pow(gamma, power);
}

kofn_status
kofn_entangled_judge(const char *family, const kofn_family_args *args, double gamma,
                     double *ret_error, kofn_error *err)
{
    const kofn_partition p = args->part;
    const double error = args->field->order == 0 ? lose(args->field, p, gamma) : 0;
    if (error < 1) {
        *ret_error = error;
        return KOFN_OK;
    }
    kofn_partition fits = kofn_entangled_shrink(p);
    while (lose(args->field, fits, gamma) >= 1)
        fits = kofn_entangled_shrink(fits);
    if (args->parts.count > 0)
        return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                         "%s: %zu pieces make a polynomial of as many coefficients, of which "
                         "rounding in %s leaves no digit; take parts that make %zu, or a family "
                         "that is better conditioned",
                         family, p.x, args->field->name, fits.x);
    return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                     "%s: partition %zu,%zu,%zu makes a polynomial of %zu coefficients, of which "
                     "rounding in %s leaves no digit; take partition %zu,%zu,%zu or a family that "
                     "is better conditioned",
                     family, p.x, p.z, p.y, kofn_entangled_threshold(p), args->field->name, fits.x,
                     fits.z, fits.y);
}

static void
fill_task(kofn_code *code, size_t task, double t)
{
    const kofn_partition p = code->part;
    const kofn_field *f = code->field;
    double *a = code->e[0].at + task * code->e[0].cols;
    double *b = code->e[1].at + task * code->e[1].cols;
    const double column_step = kofn_power(f, t, p.z * p.x);
    double power = 1; // of block (i, k) of A: t^(k + z i), so columns of E_A are in order
    for (size_t i = 0; i < p.x * p.z; i++, power = f->multiply(f, power, t))
        a[i] = power;
    double column = 1; // t^(z x j)
    for (size_t j = 0; j < p.y; j++, column = f->multiply(f, column, column_step)) {
        power = column;
        for (size_t k = p.z; k-- > 0; power = f->multiply(f, power, t))
            b[k * p.y + j] = power;
    }
}

void
kofn_entangled_fill(kofn_code *code)
{
    const kofn_partition p = code->part;
    kofn_code_use_powers(code);
    for (size_t task = 0; task < code->tasks; task++)
        fill_task(code, task, code->point[task]);
    for (size_t i = 0; i < p.x; i++)
        for (size_t j = 0; j < p.y; j++)
            code->power[i * p.y + j] = p.z - 1 + p.z * (i + p.x * j);
}

void
kofn_entangled_fill_scaled(kofn_code *code, double gamma)
{
    kofn_code_use_points(code);
    kofn_points_fill_nodes(code);
    for (size_t task = 0; task < code->tasks && code->field->order == 0; task++)
        code->point[task] /= gamma;
    kofn_entangled_fill(code);
}

size_t
kofn_entangled_default_tasks(const kofn_family_args *args, size_t workers)
{
    return kofn_points_tasks(args, KOFN_POINTS_CHEBYSHEV, kofn_entangled_threshold(args->part),
                             workers);
}

kofn_status
kofn_entangled_fill_whole(const kofn_family_args *args, kofn_code *code, kofn_error *err)
{
    (void)args;
    (void)err; // cannot fail
    kofn_entangled_fill_scaled(code, 1);
    return KOFN_OK;
}
