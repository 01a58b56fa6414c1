/* Every family in the list, through its table alone: a new family is tested by being listed. */
#include "tests/unit/code_brute.h"

#include "common/base/hash.h"
#include "common/code/batch.h"
#include "common/linalg/span.h"

enum { SHAPES = 4, PARTS_MAX = 3, TASKS_MAX = 40 };

static const kofn_shape shapes[SHAPES] = {
    {.rows = 5, .inner = 4, .cols = 7}, // does not divide
    {.rows = 1, .inner = 1, .cols = 1},
    {.rows = 2, .inner = 3, .cols = 2}, // more parts than rows
    {.rows = 6, .inner = 4, .cols = 6},
};

typedef void check_function(const kofn_code *code, const char *what, kofn_rng *rng);

typedef struct checker { // of all codes of a family over a field
    check_function *check;
    kofn_rng rng;
    size_t seen; // codes
    uint64_t mark[1024];
} checker;

/* ---- codes that were seen -------------------------------------------------------------------- */

static uint64_t
mix(uint64_t mark, const void *from, size_t bytes)
{
    return from ? kofn_hash_bytes(mark, from, bytes) : mark;
}

/* Of all that decoders and coding look at. */
static uint64_t
mark_of(const kofn_code *code)
{
    const kofn_sums *t = &code->targets;
    const size_t terms = t->first[t->rows];
    const size_t numbers[] = {
        code->tasks,      code->reserve,  code->threshold,       code->enough,    code->likely,
        code->groups,     code->operands, code->group_threshold, code->estimator, code->out.rows,
        code->point != 0, t->rows,        code->power != 0,      code->out.cols,  t->cols};
    uint64_t mark = mix(KOFN_HASH_START, numbers, sizeof numbers);
    for (size_t o = 0; o < code->operands; o++) {
        const kofn_coefs *e = &code->e[o];
        const size_t grid[] = {code->grid[o].rows, code->grid[o].cols, e->cols};
        mark = mix(mark, grid, sizeof grid);
        mark = mix(mark, e->at, code->tasks * e->cols * sizeof *e->at);
    }
    mark = mix(mark, t->first, (t->rows + 1) * sizeof *t->first);
    mark = mix(mark, t->column, terms * sizeof *t->column);
    mark = mix(mark, t->coef, terms * sizeof *t->coef);
    mark = mix(mark, code->point, code->tasks * sizeof *code->point);
    return mix(mark, code->power, t->rows * sizeof *code->power);
}

/* A value that is the default, or of a parameter that says nothing about this cut, makes a code
 * once more. */
static bool
was_seen(checker *c, const kofn_code *code)
{
    const uint64_t mark = mark_of(code);
    for (size_t i = 0; i < c->seen; i++)
        if (c->mark[i] == mark)
            return true;
    assert_true(c->seen < sizeof c->mark / sizeof c->mark[0]);
    c->mark[c->seen++] = mark;
    return false;
}

/* ---- all codes of a family ------------------------------------------------------------------- */

/* All codes of a family that are cut in one way: n at the default, at the threshold and a bit
 * above. */
static void
check_cut(const kofn_family *family, kofn_family_args args, const char *variant, checker *c)
{
    kofn_error error;
    const size_t standard = family->default_tasks(&args, 1);
    size_t checked = 0;
    for (size_t n = 1; n <= standard + 2 && n <= TASKS_MAX; n++) {
        kofn_thresholds k;
        args.tasks = n;
        if (family->threshold_for(&args, &k, NULL)) {
            assert_int_not_equal(n, standard); // a family accepts its own default
            continue;
        }
        if (n != standard && n != k.exact && n != k.enough && n != standard + 2)
            continue;
        char what[256], cut[KOFN_CUT_TEXT_MAX];
        (void)snprintf(what, sizeof what, "%s %s %s n=%zu %s", family->name, variant,
                       kofn_family_name_cut(&args, cut), n, args.field->name);
        kofn_code *code;
        assert_ok(kofn_family_build(family, &args, &code, &error));
        assert_string_equal(code->family, family->name);
        assert_int_equal(code->threshold, k.exact);
        assert_int_equal(code->likely, k.likely);
        assert_int_equal(code->enough, k.enough);
        assert_int_equal(code->tasks, n);
        if (!was_seen(c, code))
            c->check(code, what, &c->rng);
        kofn_code_destroy(&code);
        checked++;
    }
    assert_true(checked > 0 || standard > TASKS_MAX);
}

static bool
accepts(const kofn_family *family, kofn_family_args args)
{
    kofn_thresholds k;
    if (kofn_family_check_form(family, &args, NULL))
        return false;
    args.tasks = family->default_tasks(&args, 1);
    return args.tasks <= TASKS_MAX && !family->threshold_for(&args, &k, NULL);
}

static void
check_partitions(const kofn_family *family, const kofn_field *field, const void *params,
                 const char *variant, checker *c)
{
    const size_t z_most = strcmp(variant, "default") == 0 ? PARTS_MAX : 2;
    for (size_t x = 1; x <= PARTS_MAX; x++)
        for (size_t y = 1; y <= PARTS_MAX; y++)
            for (size_t z = 1; z <= z_most && z * x * y < 9 + (z == 1); z++) {
                const kofn_family_args args = {.field = field,
                                               .part = {.x = x, .z = z, .y = y},
                                               .seed = c->rng.seed,
                                               .params = params};
                if (accepts(family, args))
                    check_cut(family, args, variant, c);
            }
}

/* Value `index` of those at which a parameter is tried: each boolean and choice, small numbers.
 * False: there are no more. */
static bool
get_value(const kofn_key *key, size_t index, char *ret_value, size_t size)
{
    const char *values = key->type == KOFN_KEY_BOOL     ? "yes|no"
                         : key->type == KOFN_KEY_CHOICE ? key->choices
                         : key->type == KOFN_KEY_REAL   ? "2"
                                                        : "1|2|3";
    for (; index > 0 && values; index--) {
        values = strchr(values, '|');
        values += values != NULL;
    }
    if (values)
        (void)snprintf(ret_value, size, "%.*s", (int)strcspn(values, "|"), values);
    return values != NULL;
}

typedef void params_function(const kofn_family *family, const kofn_field *field, const void *params,
                             const char *variant, checker *c);

/* Each parameter at its default, and one by one at other values, where those are in bounds. */
static void
each_params(const kofn_family *family, const kofn_field *field, params_function *check, checker *c)
{
    kofn_error error;
    max_align_t params[KOFN_PARAMS_MAX / sizeof(max_align_t)];
    kofn_keys_set_defaults(family->keys, params);
    check(family, field, params, "default", c);
    if (field->order > 3 && field->order != 256)
        return; // two fields do for all values of all parameters
    for (size_t i = 0; i < family->keys.count; i++) {
        const kofn_key *key = &family->keys.at[i];
        char value[32];
        for (size_t v = 0; get_value(key, v, value, sizeof value); v++) {
            char variant[80];
            (void)snprintf(variant, sizeof variant, "%s=%s", key->name, value);
            kofn_keys_set_defaults(family->keys, params);
            if (kofn_key_parse(key, value, params, &error) == KOFN_OUT_OF_RANGE)
                continue;
            check(family, field, params, variant, c);
        }
    }
}

static void
check_family(const kofn_family *family, const kofn_field *field, checker *c)
{
    c->seen = 0;
    each_params(family, field, check_partitions, c);
}

static void
check_families(const char *field, check_function *check)
{
    checker c = {.check = check};
    const kofn_field *f = new_field(field);
    kofn_rng_init(&c.rng, test_seed(20260131), 0);
    for (size_t i = 0; i < kofn_family_count(); i++)
        check_family(kofn_family_at(i), f, &c);
    kofn_field_destroy(&f);
}

static void
check_finite_fields(check_function *check)
{
    for (size_t i = 0; i < FINITE_FIELDS; i++)
        check_families(finite_fields[i], check);
}

static const kofn_cuts outer_parts[] = {
    {.count = 2, .of = {2, 3}},       {.count = 2, .of = {1, 1}},
    {.count = 3, .of = {2, 1, 2}},    {.count = 3, .of = {2, 2, 2}},
    {.count = 4, .of = {1, 2, 1, 3}}, {.count = 8, .of = {1, 1, 2, 1, 1, 1, 2, 1}},
};

/* Every family that makes them, at its defaults. */
static void
check_outer_family(const kofn_family *family, const kofn_field *field, checker *c)
{
    max_align_t params[KOFN_PARAMS_MAX / sizeof(max_align_t)];
    c->seen = 0;
    kofn_keys_set_defaults(family->keys, params);
    for (size_t i = 0; family->outer && i < sizeof outer_parts / sizeof outer_parts[0]; i++) {
        kofn_family_args args = {.field = field, .seed = c->rng.seed, .params = params};
        kofn_family_args_set_parts(&args, &outer_parts[i]);
        if (accepts(family, args))
            check_cut(family, args, "outer", c);
    }
}

static void
check_outer_products(check_function *check)
{
    static const char *const fields[] = {"f64", "gfp:3", "gf16", "gf256", "gfp:65537"};
    checker c = {.check = check};
    kofn_rng_init(&c.rng, test_seed(20260203), 0);
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        const kofn_field *f = new_field(fields[i]);
        for (size_t k = 0; k < kofn_family_count(); k++)
            check_outer_family(kofn_family_at(k), f, &c);
        kofn_field_destroy(&f);
    }
}

/* ---- batches --------------------------------------------------------------------------------- */

/* Digits: coefficients, one letter each, of rows divided by commas; - is -1. Stacked or not does
 * not matter to codes, so blocks of A are on top of each other, those of B side by side. */
typedef struct written_batch {
    size_t blocks[2], targets;
    const char *left, *right, *weights;
} written_batch;

static const written_batch batches[] = {
    {{1, 1}, 1, "1", "1", "1"},             // one pair
    {{2, 2}, 2, "10,01", "10,01", "10,01"}, // two without a relation
    {{3, 3}, 3, "100,010,001", "100,010,001", "100,010,001"},
    {{2, 3}, 3, "10,01,01", "100,010,001", "100,010,001"},            // a block used twice
    {{2, 2}, 4, "10,10,01,01", "10,01,10,01", "1000,0100,0010,0001"}, // a grid
    {{2, 2}, 2, "10,01,11", "10,01,11", "1-0,--1"},                   // 3M
    {{3, 3}, 1, "100,010,001", "100,010,001", "121"},                 // a sum with weights
    {{2, 3}, 1, "10,11", "100,011", "1-"},                            // of pairs of several blocks
    {{3, 3}, 2, "010,001", "001,010", "10,01"},                       // blocks that nobody uses
    {{3, 2}, 3, "100,010,100,001", "10,10,01,01", "1000,0000,0121"},  // a sketch, C_1 zero
};

static double
read_letter(const kofn_field *f, char letter)
{
    double number = 0;
    for (char c = '0'; letter != '-' && c < letter; c++)
        number = f->add(f, number, 1);
    return letter == '-' ? f->negate(f, 1) : number;
}

static kofn_sums
read_sums(const kofn_field *f, const char *text, size_t cols)
{
    kofn_sums sums;
    const size_t rows = (strlen(text) + 1) / (cols + 1);
    assert_true(kofn_sums_alloc(rows, cols, rows * cols, &sums));
    for (size_t i = 0, at = 0; i < rows; i++) {
        for (size_t j = 0; j < cols; j++) {
            const double number = read_letter(f, text[i * (cols + 1) + j]);
            if (number == 0)
                continue;
            sums.column[at] = j;
            sums.coef[at++] = number;
        }
        sums.first[i + 1] = at;
    }
    return sums;
}

static kofn_batch *
read_batch(const kofn_field *f, const written_batch *w)
{
    kofn_error error;
    kofn_batch from = {.grid = {{w->blocks[0], 1}, {1, w->blocks[1]}}, .out = {w->targets, 1}};
    from.side[0] = read_sums(f, w->left, w->blocks[0]);
    from.side[1] = read_sums(f, w->right, w->blocks[1]);
    from.count = from.side[0].rows;
    from.weights = read_sums(f, w->weights, from.count);
    kofn_batch *batch;
    assert_ok(kofn_batch_new(&from, f, &batch, &error));
    free(from.side[0].first);
    free(from.side[1].first);
    free(from.weights.first);
    return batch;
}

static void
check_batches_with(const kofn_family *family, const kofn_field *field, const void *params,
                   const char *variant, checker *c)
{
    for (size_t i = 0; i < sizeof batches / sizeof batches[0]; i++) {
        kofn_batch *batch = read_batch(field, &batches[i]);
        kofn_family_args args = {.field = field, .seed = c->rng.seed, .params = params};
        kofn_family_args_set_batch(&args, batch);
        char what[96];
        (void)snprintf(what, sizeof what, "%s batch %zu", variant, i);
        if (accepts(family, args))
            check_cut(family, args, what, c);
        kofn_batch_destroy(&batch);
    }
}

static void
check_batches(check_function *check)
{
    static const char *const fields[] = {"f64", "f32", "gfp:3", "gf16", "gf256", "gfp:65537"};
    checker c = {.check = check};
    kofn_rng_init(&c.rng, test_seed(20261122), 0);
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        const kofn_field *f = new_field(fields[i]);
        for (size_t k = 0; k < kofn_family_count(); k++)
            if (kofn_family_at(k)->batches) {
                c.seen = 0;
                each_params(kofn_family_at(k), f, check_batches_with, &c);
            }
        kofn_field_destroy(&f);
    }
}

/* ---- thresholds ------------------------------------------------------------------------------ */

/* A set of `size` tasks: number `index` of a random sequence. */
static size_t
draw_set(size_t n, size_t size, kofn_rng *rng, size_t *tasks)
{
    for (size_t i = 0; i < n; i++)
        tasks[i] = i;
    shuffle(rng, tasks, n);
    return size;
}

static void
check_threshold(const kofn_code *code, const char *what, kofn_rng *rng)
{
    const size_t n = code->tasks, k = code->threshold;
    size_t tasks[64];
    bool tight = false;
    if (k > n) { // an estimate is all that there will be
        assert_in_range(code->enough, 1, n);
        return;
    }
    if (code->likely && code->field->order > 0 && code->field->order < 1e6)
        return; // nothing is promised of any one set: test_alloy counts them
    if (n > 12) {
        for (int i = 0; i < 100; i++)
            if (!brute_suffices(code, tasks, draw_set(n, k, rng, tasks)))
                fail_msg("%s: a set of k=%zu tasks does not suffice", what, k);
        return;
    }
    for (uint64_t mask = 0; mask < (uint64_t)1 << n; mask++) {
        const size_t count = list_mask(mask, tasks);
        if (count == k && !brute_suffices(code, tasks, count))
            fail_msg("%s: tasks %#" PRIx64 " do not suffice, but they are k=%zu", what, mask, k);
        if (count == k - 1 && !tight)
            tight = !brute_suffices(code, tasks, count);
    }
    const bool alone = code->pairs == code->e[0].cols && code->pairs == code->e[1].cols;
    if (!tight && (code->pairs == 0 || alone)) // what pairs have in common may save answers
        fail_msg("%s: every set of k - 1 tasks suffices, k=%zu", what, k);
}

static void
any_threshold_tasks_suffice_and_fewer_may_not(void **state)
{
    (void)state;
    check_families("f64", check_threshold);
    check_finite_fields(check_threshold);
}

static void
any_threshold_tasks_of_batches_suffice(void **state)
{
    (void)state;
    check_batches(check_threshold);
}

static void
any_threshold_tasks_of_outer_products_suffice(void **state)
{
    (void)state;
    check_outer_products(check_threshold);
}

/* From set to set. With 5 every task, every shape and each estimate still gets its turn. */
enum { SETS_STEP = TEST_AMOUNT(1, 5) };

/* Codes of random rows are many, with large n where fields are small, and have test_alloy
 * besides. */
static size_t
count_sets(const kofn_code *code)
{
    const size_t masks = count_masks(code->tasks);
    return code->likely && code->tasks >= 10 ? masks / 40 : masks;
}

/* ---- verdicts -------------------------------------------------------------------------------- */

static void
check_verdicts(const kofn_code *code, const char *what, kofn_rng *rng)
{
    kofn_error error;
    if (code->enough < code->threshold)
        return; // at points so small, rounding decides what is covered: test_eps
    size_t tasks[64];
    kofn_decoder *empty;
    assert_ok(kofn_decoder_new((kofn_code *)code, 0, &empty, &error));
    for (size_t i = 0; i < count_sets(code); i += SETS_STEP) {
        const uint64_t mask = get_mask(code->tasks, i, rng);
        const size_t count = list_mask(mask, tasks);
        shuffle(rng, tasks, count);
        kofn_decoder *d;
        assert_ok(kofn_decoder_new((kofn_code *)code, 0, &d, &error));
        for (size_t t = 0; t < count; t++)
            assert_ok(kofn_decoder_add(d, tasks[t], &error));
        const bool enough = kofn_decoder_get_state(d) != KOFN_DECODE_NOT_YET;
        const bool suffices = brute_suffices(code, tasks, count);
        if (enough != suffices)
            fail_msg("%s: tasks %#" PRIx64 " %s, says the decoder", what, mask,
                     enough ? "suffice" : "do not suffice");
        assert_int_equal(enough, kofn_decoder_get_missing(d) == 0);
        assert_int_equal(enough, kofn_decoder_would_suffice(empty, tasks, count));
        kofn_decoder_destroy(&d);
    }
    assert_int_equal(kofn_decoder_get_count(empty), 0);
    kofn_decoder_destroy(&empty);
}

static void
verdicts_agree_with_brute_force(void **state)
{
    (void)state;
    check_families("f64", check_verdicts);
    check_finite_fields(check_verdicts);
}

static void
verdicts_on_outer_products_agree_with_brute_force(void **state)
{
    (void)state;
    check_outer_products(check_verdicts);
}

static void
verdicts_on_batches_agree_with_brute_force(void **state)
{
    (void)state;
    check_batches(check_verdicts);
}

/* ---- products -------------------------------------------------------------------------------- */

typedef struct trial {
    kofn_coding coding;
    kofn_bands a, b;
    kofn_bands exact; // of a batch: C
    kofn_bands blocks[2][TASKS_MAX], answers[TASKS_MAX];
} trial;

/* An element of C by what the targets say: sums of products of single blocks of shape `block`. */
static double
add_products(const trial *t, kofn_shape block, size_t row, size_t col)
{
    const kofn_code *code = t->coding.code;
    const kofn_field *f = code->field;
    const kofn_sums *targets = &code->targets;
    const size_t target = row / block.rows * code->out.cols + col / block.cols;
    long double real = 0;
    double finite = 0;
    for (size_t i = targets->first[target]; i < targets->first[target + 1]; i++) {
        const size_t a = targets->column[i] / code->e[1].cols,
                     b = targets->column[i] % code->e[1].cols;
        for (size_t k = 0; k < block.inner; k++) {
            const double left = element_get(only_mat(&t->a), a * block.rows + row % block.rows, k);
            const double right = element_get(only_mat(&t->b), k, b * block.cols + col % block.cols);
            real += (long double)targets->coef[i] * left * right;
            if (f->order != 0)
                finite = f->add(f, finite,
                                f->multiply(f, targets->coef[i], f->multiply(f, left, right)));
        }
    }
    return f->order == 0 ? (double)real : finite;
}

/* Blocks of A on top of each other and those of B side by side, each of shape `block`. */
static void
start_batch(trial *t, const kofn_code *code, kofn_shape block, kofn_rng *rng)
{
    const kofn_dtype exact = code->field->order == 0 ? KOFN_F64 : code->field->dtype;
    const kofn_extents operands = {
        .count = 2,
        .rows = {block.rows * code->grid[0].rows, block.inner},
        .cols = {block.inner, block.cols * code->grid[1].cols},
    };
    const kofn_shape shape = {block.rows * code->out.rows, block.inner,
                              block.cols * code->out.cols};
    kofn_coding_init_batch(&t->coding, code, shape, &operands, (bool[]){false, false});
    t->a = new_matrix(code->field->dtype, operands.rows[0], operands.cols[0]);
    t->b = new_matrix(code->field->dtype, operands.rows[1], operands.cols[1]);
    t->exact = new_matrix(exact, shape.rows, shape.cols);
    fill_drawn(code->field, &t->a, rng);
    fill_drawn(code->field, &t->b, rng);
    for (size_t i = 0; i < shape.rows; i++)
        for (size_t j = 0; j < shape.cols; j++)
            element_set(only_mat(&t->exact), i, j, add_products(t, block, i, j));
}

static void
start_product(trial *t, const kofn_code *code, kofn_shape shape, kofn_rng *rng)
{
    kofn_coding_init(&t->coding, code, shape, false, false);
    t->a = new_matrix(code->field->dtype, shape.rows, shape.inner);
    t->b = new_matrix(code->field->dtype, shape.inner, shape.cols);
    fill_drawn(code->field, &t->a, rng);
    fill_drawn(code->field, &t->b, rng);
}

static void
start_trial(trial *t, const kofn_code *code, kofn_shape shape, kofn_rng *rng)
{
    kofn_error error;
    const kofn_dtype dtype = code->field->dtype;
    size_t tasks[TASKS_MAX];
    if (code->pairs > 0)
        start_batch(t, code, shape, rng);
    else
        start_product(t, code, shape, rng);
    for (size_t o = 0; o < 2; o++) {
        size_t rows, cols;
        kofn_coding_block_shape(&t->coding, o, &rows, &cols);
        for (size_t i = 0; i < code->tasks; i++) {
            tasks[i] = i;
            t->blocks[o][i] = new_matrix(dtype, rows, cols);
        }
        assert_ok(kofn_coding_encode(&t->coding, o, o ? &t->b : &t->a, code->tasks, tasks,
                                     t->blocks[o], &error));
    }
    for (size_t i = 0; i < code->tasks; i++) {
        t->answers[i] = new_matrix(dtype, t->coding.part.rows, t->coding.part.cols);
        naive_multiply_over(code->field, &t->blocks[0][i], false, &t->blocks[1][i], false,
                            &t->answers[i]);
    }
}

static void
end_trial(trial *t)
{
    for (size_t i = 0; i < t->coding.code->tasks; i++) {
        free_matrix(&t->blocks[0][i]);
        free_matrix(&t->blocks[1][i]);
        free_matrix(&t->answers[i]);
    }
    free_matrix(&t->a);
    free_matrix(&t->b);
    free_matrix(&t->exact);
}

/* |C' - C|_F, or the elements that are wrong. */
static double
measure_residual(const trial *t, const kofn_bands *c)
{
    const kofn_field *f = t->coding.code->field;
    if (t->coding.code->pairs == 0)
        return f->order == 0 ? residual_of(&t->a, false, &t->b, false, c)
                             : (double)count_wrong(f, &t->a, false, &t->b, false, c);
    double sum = 0;
    for (size_t i = 0; i < c->rows; i++)
        for (size_t j = 0; j < c->cols; j++) {
            const double off =
                element_get(only_mat(c), i, j) - element_get(only_mat(&t->exact), i, j);
            sum += f->order == 0 ? off * off : off != 0;
        }
    return f->order == 0 ? sqrt(sum) : sum;
}

/* What the plan says, and what the reference product is off by itself, being computed in double. */
static double
bound_of(const trial *t, const kofn_decode_plan *plan)
{
    const double reference = 2 * (double)(t->coding.shape.inner + 8) * 0x1p-53;
    return (plan->truncation + plan->rounding + reference) * norm_of(&t->a) * norm_of(&t->b);
}

static void
decode_trial(trial *t, const kofn_decode_plan *plan, const char *what, uint64_t mask)
{
    kofn_error error;
    const kofn_bands *answers[TASKS_MAX];
    for (size_t u = 0; u < plan->used; u++) {
        assert_true(mask >> plan->task[u] & 1);
        answers[u] = &t->answers[plan->task[u]];
    }
    kofn_bands c = new_matrix(t->a.dtype, t->coding.shape.rows, t->coding.shape.cols);
    assert_ok(kofn_coding_decode(&t->coding, plan, answers, kofn_coding_all_rows(&t->coding), &c,
                                 &error));
    const kofn_field *f = t->coding.code->field;
    const double residual = measure_residual(t, &c);
    if (!(residual <= (f->order == 0 ? bound_of(t, plan) : 0)))
        fail_msg("%s: tasks %#" PRIx64 ": |C' - C| = %.3e > %.3e, amplification %.3e%s", what, mask,
                 residual, bound_of(t, plan), plan->quality.amplification,
                 plan->estimate ? ", an estimate" : "");
    free_matrix(&c);
}

/* The product, where the set decodes, and the estimate of every third set. */
static void
check_trial(trial *t, const kofn_decoder *d, bool estimate, const char *what, uint64_t mask)
{
    kofn_error error;
    kofn_decode_plan plan;
    const double noise = kofn_coding_get_noise(&t->coding);
    if (kofn_decoder_get_state(d) != KOFN_DECODE_NOT_YET) {
        assert_ok(kofn_decoder_plan(d, noise, &plan, &error));
        decode_trial(t, &plan, what, mask);
        kofn_decode_plan_fini(&plan);
    }
    if (estimate && kofn_decoder_get_count(d) > 0 && t->coding.code->field->order == 0) {
        assert_ok(kofn_decoder_estimate(d, noise, &plan, &error));
        decode_trial(t, &plan, what, mask);
        kofn_decode_plan_fini(&plan);
    }
}

static void
check_products(const kofn_code *code, const char *what, kofn_rng *rng)
{
    kofn_error error;
    trial *trials = calloc(SHAPES, sizeof *trials);
    size_t tasks[64];
    for (size_t s = 0; s < SHAPES; s++)
        start_trial(&trials[s], code, shapes[s], rng);
    for (size_t i = 0; i < count_sets(code); i += SETS_STEP) {
        const uint64_t mask = get_mask(code->tasks, i, rng);
        const size_t count = list_mask(mask, tasks);
        shuffle(rng, tasks, count);
        kofn_decoder *d;
        assert_ok(kofn_decoder_new((kofn_code *)code, 0, &d, &error));
        for (size_t t = 0; t < count; t++)
            assert_ok(kofn_decoder_add(d, tasks[t], &error));
        check_trial(&trials[i % SHAPES], d, i % 3 == 0, what, mask);
        kofn_decoder_destroy(&d);
    }
    for (size_t s = 0; s < SHAPES; s++)
        end_trial(&trials[s]);
    free(trials);
}

static void
products_keep_their_bounds_from_every_set_in_f64(void **state)
{
    (void)state;
    check_families("f64", check_products);
}

static void
products_keep_their_bounds_from_every_set_in_f32(void **state)
{
    (void)state;
    check_families("f32", check_products);
}

static void
products_are_exact_from_every_set_in_finite_fields(void **state)
{
    (void)state;
    check_finite_fields(check_products);
}

static void
batches_keep_their_bounds_from_every_set(void **state)
{
    (void)state;
    check_batches(check_products);
}

/* ---- tables ---------------------------------------------------------------------------------- */

static void
tables_describe_themselves(void **state)
{
    (void)state;
    for (size_t i = 0; i < kofn_family_count(); i++) {
        const kofn_family *family = kofn_family_at(i);
        assert_ptr_equal(kofn_family_find(family->name), family);
        assert_true(strlen(family->name) > 0 && strlen(family->name) < KOFN_NAME_MAX);
        assert_true(strlen(family->summary) > 0 && strlen(family->threshold) > 0);
        assert_true(strlen(family->encoding) > 0 && strlen(family->communication) > 0);
        assert_true(strlen(family->storage) > 0 && strlen(family->source) > 0);
        assert_true(family->params_size <= KOFN_PARAMS_MAX);
        assert_int_equal(family->params_size > 0, family->keys.count > 0);
        max_align_t params[KOFN_PARAMS_MAX / sizeof(max_align_t)];
        kofn_keys_set_defaults(family->keys, params); // asserts that defaults parse
        for (size_t k = 0; k < family->keys.count; k++) {
            const kofn_key *key = &family->keys.at[k];
            assert_true(key->offset + key->size <= family->params_size);
            assert_true(strlen(key->help) > 0 && strlen(key->name) < KOFN_NAME_MAX);
        }
    }
    assert_null(kofn_family_find("no such family"));
}

/* Row i of a rateless family is the same whatever n is; what names the draw is pinned by asking for
 * one draw only. */
static void
rows_of_rateless_families_do_not_depend_on_n(void **state)
{
    (void)state;
    kofn_error error;
    for (size_t i = 0; i < kofn_family_count(); i++) {
        const kofn_family *family = kofn_family_at(i);
        if (!family->rateless)
            continue;
        max_align_t params[KOFN_PARAMS_MAX / sizeof(max_align_t)];
        kofn_keys_set_defaults(family->keys, params);
        const kofn_key *draws = kofn_keys_find(family->keys, "draws");
        if (draws)
            assert_ok(kofn_key_parse(draws, "1", params, &error));
        kofn_family_args args = {.field = kofn_field_find("f64"), .seed = 5, .params = params};
        if (family->cut)
            family->cut(&args, &args.part);
        else
            args.part = (kofn_partition){.x = 2, .z = 1, .y = 3};
        kofn_code *few, *many;
        const size_t tasks = args.tasks = family->default_tasks(&args, 1);
        assert_ok(kofn_family_build(family, &args, &few, &error));
        args.tasks = tasks + 5;
        assert_ok(kofn_family_build(family, &args, &many, &error));
        for (size_t o = 0; o < 2; o++)
            assert_memory_equal(few->e[o].at, many->e[o].at,
                                tasks * few->e[o].cols * sizeof(double));
        kofn_code_destroy(&few);
        kofn_code_destroy(&many);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tables_describe_themselves),
        cmocka_unit_test(rows_of_rateless_families_do_not_depend_on_n),
        cmocka_unit_test(any_threshold_tasks_suffice_and_fewer_may_not),
        cmocka_unit_test(any_threshold_tasks_of_outer_products_suffice),
        cmocka_unit_test(any_threshold_tasks_of_batches_suffice),
        cmocka_unit_test(verdicts_agree_with_brute_force),
        cmocka_unit_test(verdicts_on_outer_products_agree_with_brute_force),
        cmocka_unit_test(verdicts_on_batches_agree_with_brute_force),
        cmocka_unit_test(products_keep_their_bounds_from_every_set_in_f64),
        cmocka_unit_test(products_keep_their_bounds_from_every_set_in_f32),
        cmocka_unit_test(products_are_exact_from_every_set_in_finite_fields),
        cmocka_unit_test(batches_keep_their_bounds_from_every_set),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
