#include "common/code/points.h"
#include "common/base/map.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* The two outermost nodes are the closest: 1 - cos^2 falls from (3 pi / 2 n)^2 / 2 to a ninth, so
 * they are pi^2 / n^2 apart. Turns i and j are 2 |sin(pi (i + j) / g) sin(pi (i - j) / g)| apart;
 * m / g is 0.38 / m at least from whole numbers, so that is 1.16 / n^2. Two elements near 1 are 2
 * epsilon apart at least. Spread ones are n times farther apart than turns; random ones are drawn
 * until they differ. */
static size_t
count_distinct(const kofn_field *f, kofn_points points)
{
    if (f->order != 0) {
        const double order = points == KOFN_POINTS_CHEBYSHEV ? f->order : f->order - 1;
        return order < (double)SIZE_MAX ? (size_t)order : SIZE_MAX;
    }
    if (points == KOFN_POINTS_RANDOM || points == KOFN_POINTS_SPREAD)
        return 4 * (size_t)KOFN_TASKS_MAX;
    return (size_t)((points == KOFN_POINTS_TURNS ? sqrt(1.16) : M_PI) / sqrt(2 * f->epsilon));
}

kofn_status
kofn_points_check(const char *family, const kofn_family_args *args, kofn_points points, size_t k,
                  kofn_error *err)
{
    const size_t most = count_distinct(args->field, points);
    const bool finite = args->field->order != 0, zero = points == KOFN_POINTS_CHEBYSHEV;
    char fewer[48], larger[KOFN_FIELD_ADVICE_MAX] = "f64";
    if (args->tasks <= most)
        return KOFN_OK;
    if (finite && err) // a search for primes, and plans ask for many codes that cannot be
        kofn_field_advise((double)args->tasks + (zero ? 0 : 1), larger);
    if (k <= most)
        (void)snprintf(fewer, sizeof fewer, "tasks=%zu or fewer", most);
    else // that many tasks would not be enough
        (void)snprintf(fewer, sizeof fewer, "fewer parts");
    return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                     "%s: tasks=%zu, but field %s has only %zu points%s; take %s, or field %s",
                     family, args->tasks, args->field->name, most,
                     finite ? zero ? "" : " beside 0" : " that differ", fewer, larger);
}

size_t
kofn_points_tasks(const kofn_family_args *args, kofn_points points, size_t k, size_t workers)
{
    const size_t tasks = kofn_family_tasks_beyond(k, workers);
    const size_t most = count_distinct(args->field, points);
    return tasks <= most || k > most ? tasks : most;
}

/* Three distances (Sos): of 0 and the first n multiples of 1 / g, without their whole turns,
 * multiple `up` is the smallest beside 0 and multiple `down` the largest, both Fibonacci numbers.
 * The one after multiple i is i + up, where there are so many, else i - down, or both where that
 * one is missing, too. */
size_t
kofn_points_scatter(size_t n, size_t task)
{
    size_t up = 1, down = 1;
    while (up + down <= n)
        *(up <= down ? &up : &down) = up + down;
    if (task >= up)
        return task - up;
    return n - task < down ? task + down - up : task + down;
}

/* To f32 precision, so that points differ there, too. */
static double
draw_point(const kofn_field *f, kofn_rng *rng)
{
    if (f->order != 0)
        return 1 + (double)kofn_rng_below(rng, (uint64_t)f->order - 1);
    const double size = 0.5 + ldexp((double)kofn_rng_below(rng, 3 << 22), -23);
    return kofn_rng_below(rng, 2) ? -size : size;
}

/* One after another from one stream, so that none depends on how many there are. Opposite ones
 * count as equal: in the reals their even powers are. */
static kofn_status
fill_random(kofn_code *code, kofn_error *err)
{
    kofn_map seen;
    kofn_rng rng;
    kofn_map_init(&seen);
    kofn_rng_init(&rng, code->seed, 0);
    const kofn_status status = kofn_map_reserve(&seen, code->tasks, err);
    for (size_t task = 0; !status && task < code->tasks;) {
        const double point = code->point[task] = draw_point(code->field, &rng), size = fabs(point);
        uint64_t key;
        memcpy(&key, &size, sizeof key);
        task += kofn_map_put(&seen, key, code, NULL) == KOFN_OK;
    }
    kofn_map_fini(&seen);
    return status;
}

/* Turns in units of 2^-64, where multiples of the golden ratio's inverse lose their whole turns by
 * themselves. */
static double
golden_turn(size_t task)
{
    const uint64_t turn = ((uint64_t)task + 1) * UINT64_C(0x9e3779b97f4a7c15);
    return ldexp((double)turn, -64);
}

/* As field_real.c does it: libraries differ in the last bit of what is no sum or product. */
static double
round_point(double point)
{
    return ldexp(nearbyint(ldexp(point, 40)), -40);
}

static double
find_point(const kofn_field *f, kofn_points points, size_t task)
{
    if (f->order != 0)
        return (double)task + 1;
    if (points == KOFN_POINTS_TURNS)
        return round_point(cos(2 * M_PI * golden_turn(task)));
    const double size = round_point(exp2(2 * golden_turn(task) - 1));
    return task % 2 ? size : -size;
}

void
kofn_points_fill_nodes(kofn_code *code)
{
    const kofn_field *f = code->field;
    const size_t n = code->tasks;
    for (size_t place = 0, task = n; place < n; place++) {
        task = f->order == 0 ? kofn_points_scatter(n, task) : place;
        code->point[task] = f->point(f, place, n);
    }
}

kofn_status
kofn_points_fill(kofn_code *code, kofn_points points, kofn_error *err)
{
    if (points == KOFN_POINTS_RANDOM)
        return fill_random(code, err);
    if (points == KOFN_POINTS_CHEBYSHEV)
        kofn_points_fill_nodes(code);
    for (size_t task = 0; task < code->tasks && points != KOFN_POINTS_CHEBYSHEV; task++)
        code->point[task] = find_point(code->field, points, task);
    return KOFN_OK;
}

kofn_status
kofn_points_check_real(const char *family, const kofn_family_args *args, const char *instead,
                       kofn_error *err)
{
    if (args->field->order == 0)
        return KOFN_OK;
    return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                     "%s: field %s is finite, and this code is made of real numbers; take family "
                     "%s",
                     family, args->field->name, instead);
}

void
kofn_scaled_multiply(const kofn_field *f, kofn_scaled *p, double by)
{
    int exponent = 0;
    p->number = f->multiply(f, p->number, by);
    if (f->order != 0)
        return;
    p->number = frexp(p->number, &exponent);
    p->exponent += exponent;
}

void
kofn_scaled_multiply_difference(const kofn_field *f, kofn_scaled *p, double a, double b)
{
    kofn_scaled_multiply(f, p, f->add(f, a, f->negate(f, b)));
}

void
kofn_points_weigh(const kofn_field *f, const double *beta, size_t count, kofn_scaled *ret_weight)
{
    for (size_t i = 0; i < count; i++) {
        kofn_scaled all = {.number = 1};
        for (size_t j = 0; j < count; j++)
            if (j != i)
                kofn_scaled_multiply_difference(f, &all, beta[i], beta[j]);
        ret_weight[i] =
            (kofn_scaled){.number = f->invert(f, all.number), .exponent = -all.exponent};
    }
}

double
kofn_power(const kofn_field *f, double t, size_t power)
{
    double result = 1;
    for (size_t i = 0; i < power; i++)
        result = f->multiply(f, result, t);
    return result;
}

double
kofn_chebyshev(double t, size_t degree)
{
    double before = t, now = 1; // T_-1 = T_1
    for (size_t i = 0; i < degree; i++) {
        const double next = 2 * t * now - before;
        before = now;
        now = next;
    }
    return now;
}

void
kofn_fill_chebyshev(double t, size_t count, double *ret_row)
{
    double before = t, now = 1;
    for (size_t i = 0; i < count; i++) {
        ret_row[i] = now;
        const double next = 2 * t * now - before;
        before = now;
        now = next;
    }
}
