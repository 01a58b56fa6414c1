/* Theorem 3.1: under the (N, W)-arbitrary model the worst-case load of a round is at least
 * L* = 1 / (P - N / W), and DIP (x y = P W - N, lambda = P, T = W - 1) and IDIP meet it.
 *
 *     bench_sequential_worst --out worst.csv [--rounds 100000] [--seed 1]
 *
 * Stragglers return nothing here (they take FOREVER times as long), so a scheme that ever waits is
 * none for the model. A round has a fastest worker, so patterns in which all straggle are left out.
 *
 * Small cases   every pattern of so many rounds. Also every setting of dip (x y up to 2 P W, any
 *               lambda), idip (any N) and polynomial (any S): of those that no pattern makes wait,
 *               the least worst-case load.
 * Large ones    one random pattern of `rounds` rounds (straggler.h).
 */
#include "bench/must.h"
#include "bench/papers/sequential/race.h"
#include "common/code/straggler.h"

#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { ROUNDS_MAX = 16, FOREVER = 1000 };

typedef struct model {
    size_t workers, window, failures, rounds;
} model;

static const model SMALL[] = {
    {2, 2, 1, 8}, {2, 2, 2, 8}, {2, 3, 1, 8}, {2, 3, 2, 8}, {2, 3, 3, 8},
    {3, 2, 1, 6}, {3, 2, 2, 6}, {3, 2, 3, 5}, {3, 2, 4, 5}, {3, 3, 4, 5},
};
static const model LARGE[] = {
    {4, 4, 2, 0},  {4, 4, 6, 0},  {4, 4, 10, 0},  {6, 5, 5, 0},
    {6, 5, 14, 0}, {8, 3, 12, 0}, {12, 8, 40, 0},
};

/* What a setting takes at worst, over the patterns so far. */
typedef struct setting {
    kofn_rounds_config rounds;
    size_t need;
    double load;
    bool waited;
} setting;

typedef struct hunt {
    model model;
    unsigned mask[ROUNDS_MAX]; // who straggles: the pattern that is tried
    setting *settings;
    size_t count, patterns;
} hunt;

static void
draw_mask(void *context, uint64_t round, double *ret_factors)
{
    const hunt *h = context;
    for (size_t j = 0; j < h->model.workers; j++)
        ret_factors[j] = h->mask[round - 1] >> j & 1 ? FOREVER : 1;
}

static void
draw_model(void *context, uint64_t round, double *ret_factors)
{
    kofn_straggler_fill(context, round, ret_factors);
}

static setting
setting_new(const model *m, kofn_scheme scheme, size_t need, size_t free)
{
    setting s = {.need = need, .rounds = {.scheme = (int)scheme, .slots = (int64_t)m->workers}};
    if (scheme != KOFN_SCHEME_POLYNOMIAL)
        s.rounds.delay = (int64_t)m->window - 1;
    if (scheme == KOFN_SCHEME_DIP)
        s.rounds.lambda = (int64_t)free;
    if (scheme == KOFN_SCHEME_IDIP)
        s.rounds.failures = (int64_t)free;
    return s;
}

/* The two of the theorem, and behind them all others. */
static void
list_settings(hunt *h)
{
    const model *m = &h->model;
    const size_t all = m->workers * m->window, need = all - m->failures;
    h->settings = bench_alloc((2 + 2 * all * m->workers + all + m->workers) * sizeof *h->settings);
    h->settings[h->count++] = setting_new(m, KOFN_SCHEME_DIP, need, m->workers);
    h->settings[h->count++] = setting_new(m, KOFN_SCHEME_IDIP, need, m->failures);
    for (size_t beta = 1; beta <= 2 * all; beta++) {
        for (size_t lambda = 1; lambda <= m->workers; lambda++)
            h->settings[h->count++] = setting_new(m, KOFN_SCHEME_DIP, beta, lambda);
    }
    for (size_t n = 0; n < all; n++)
        h->settings[h->count++] = setting_new(m, KOFN_SCHEME_IDIP, all - n, n);
    for (size_t k = 1; k <= m->workers; k++)
        h->settings[h->count++] = setting_new(m, KOFN_SCHEME_POLYNOMIAL, k, 0);
}

static void
take(setting *s, const race_result *r)
{
    s->load = r->load_max > s->load ? r->load_max : s->load;
    s->waited |= r->waited != 0 || r->late != 0;
}

static void
try_pattern(hunt *h)
{
    h->patterns++;
    for (size_t i = 0; i < h->count; i++) {
        if (h->settings[i].waited)
            continue; // none for the model, and one pattern is enough to know
        const race_params params = {.rounds = h->settings[i].rounds,
                                    .need = h->settings[i].need,
                                    .jobs = h->model.rounds,
                                    .draw = draw_mask,
                                    .context = h};
        const race_result r = race_run(&params);
        take(&h->settings[i], &r);
    }
}

static size_t
count_window(const hunt *h, size_t end)
{
    size_t count = 0;
    for (size_t t = end >= h->model.window ? end - h->model.window : 0; t < end; t++)
        count += (size_t)__builtin_popcount(h->mask[t]);
    return count;
}

/* All patterns that begin with the first `round` rounds of this one. */
static void
try_all(hunt *h, size_t round)
{
    if (round == h->model.rounds) {
        try_pattern(h);
        return;
    }
    const unsigned everybody = (1U << h->model.workers) - 1;
    for (unsigned mask = 0; mask < everybody; mask++) {
        h->mask[round] = mask;
        if (count_window(h, round + 1) <= h->model.failures)
            try_all(h, round + 1);
    }
}

/* Scheme of the theorem, what it does at worst, and the least of all settings (-1: not looked). */
static void
print_line(FILE *out, const model *m, size_t patterns, size_t rounds, const setting *s,
           size_t others, double least)
{
    (void)fprintf(out, "%s,%zu,%zu,%zu,%zu,%zu,%zu,%.6f,%.6f,%d,%zu,%.6f\n",
                  kofn_scheme_name((kofn_scheme)s->rounds.scheme), m->workers, m->window,
                  m->failures, s->need, patterns, rounds,
                  1 / ((double)m->workers - (double)m->failures / (double)m->window), s->load,
                  s->waited, others, least);
}

static void
try_small(FILE *out, const model *m)
{
    hunt h = {.model = *m};
    list_settings(&h);
    try_all(&h, 0);
    double least = INFINITY;
    size_t others = 0;
    for (size_t i = 2; i < h.count; i++) { // the first two are among them
        if (h.settings[i].waited)
            continue;
        others++;
        least = h.settings[i].load < least ? h.settings[i].load : least;
    }
    for (size_t i = 0; i < 2; i++)
        print_line(out, m, h.patterns, m->rounds, &h.settings[i], others, least);
    free(h.settings);
}

static void
try_large(FILE *out, const model *m, size_t rounds, uint64_t seed)
{
    const size_t need = m->workers * m->window - m->failures;
    setting both[] = {setting_new(m, KOFN_SCHEME_DIP, need, m->workers),
                      setting_new(m, KOFN_SCHEME_IDIP, need, m->failures)};
    const kofn_straggler_spec spec = {.model = KOFN_STRAGGLER_ARBITRARY,
                                      .failures = (int64_t)m->failures,
                                      .window = (int64_t)m->window,
                                      .slowdown = FOREVER,
                                      .seed = (int64_t)seed};
    for (size_t i = 0; i < 2; i++) {
        kofn_straggler *pattern;
        must(kofn_straggler_new(&spec, m->workers, &pattern, &error));
        const race_params params = {.rounds = both[i].rounds,
                                    .need = need,
                                    .jobs = rounds,
                                    .draw = draw_model,
                                    .context = pattern};
        const race_result r = race_run(&params);
        take(&both[i], &r);
        print_line(out, m, 1, rounds, &both[i], 0, -1);
        kofn_straggler_destroy(&pattern);
    }
}

int
main(int argc, char **argv)
{
    static const struct option options[] = {{"out", required_argument, NULL, 'o'},
                                            {"rounds", required_argument, NULL, 'r'},
                                            {"seed", required_argument, NULL, 's'},
                                            {NULL, 0, NULL, 0}};
    const char *path = NULL;
    size_t rounds = 100000;
    uint64_t seed = 1;
    int option;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == 'o')
            path = optarg;
        else if (option == 'r')
            rounds = strtoul(optarg, NULL, 10);
        else if (option == 's')
            seed = strtoull(optarg, NULL, 10);
        else
            bench_die("see the head of worst.c for the options");
    }
    FILE *out = path ? fopen(path, "w") : NULL;
    if (!out)
        bench_die("need --out FILE, one that can be written");
    (void)fprintf(out,
                  "scheme,workers,window,failures,need,patterns,rounds,bound,load,waited,settings,"
                  "least\n");
    for (size_t i = 0; i < sizeof SMALL / sizeof SMALL[0]; i++)
        try_small(out, &SMALL[i]);
    for (size_t i = 0; i < sizeof LARGE / sizeof LARGE[0]; i++)
        try_large(out, &LARGE[i], rounds, seed);
    if (fclose(out) != 0)
        bench_die("%s cannot be written", path);
    return 0;
}
