#include "common/code/points.h"

#include <math.h>
#include <stdio.h>

/* The two outermost nodes are the closest: 1 - cos^2 falls from (3 pi / 2 n)^2 / 2 to a ninth, so
 * they are pi^2 / n^2 apart. Two elements near 1 are 2 epsilon apart at least. */
static size_t
count_distinct(const kofn_field *f)
{
    if (f->order != 0)
        return f->order < (double)SIZE_MAX ? (size_t)f->order : SIZE_MAX;
    return (size_t)(M_PI / sqrt(2 * f->epsilon));
}

kofn_status
kofn_points_check(const char *family, const kofn_family_args *args, size_t k, kofn_error *err)
{
    const size_t most = count_distinct(args->field);
    const bool finite = args->field->order != 0;
    char fewer[48], larger[KOFN_FIELD_ADVICE_MAX] = "f64";
    if (args->tasks <= most)
        return KOFN_OK;
    if (finite && err) // a search for primes, and plans ask for many codes that cannot be
        kofn_field_advise((double)args->tasks, larger);
    if (k <= most)
        (void)snprintf(fewer, sizeof fewer, "tasks=%zu or fewer", most);
    else // that many tasks would not be enough
        (void)snprintf(fewer, sizeof fewer, "fewer parts");
    return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                     "%s: tasks=%zu, but field %s has only %zu points%s; take %s, or field %s",
                     family, args->tasks, args->field->name, most, finite ? "" : " that differ",
                     fewer, larger);
}

size_t
kofn_points_tasks(const kofn_family_args *args, size_t k, size_t workers)
{
    const size_t tasks = kofn_family_tasks_beyond(k, workers);
    const size_t most = count_distinct(args->field);
    return tasks <= most || k > most ? tasks : most;
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
