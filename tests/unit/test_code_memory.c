/* Every allocation of this layer and of the ones below fails once: an error like another, after
 * which nothing is lost. */
#include "tests/unit/code_brute.h"
#include "common/code/algorithms.h"
#include "common/code/batch.h"
#include "common/code/inner.h"
#include "common/code/nonzero.h"
#include "common/code/staged.h"
#include "common/code/straggler.h"
#include "common/linalg/matrix_market.h"
#include "common/linalg/multiply.h"
#include "common/linalg/outer.h"
#include "tests/unit/short_memory.h"

#include <unistd.h>

static char sparse_path[64];

typedef kofn_status scene_function(kofn_code *code, kofn_error *err);

/* Run the scene again and again, each time with a later allocation failing, until none fails. */
static void
fail_each(scene_function *scene, kofn_code *code)
{
    for (size_t at = 1;; at++) {
        kofn_error error = {0};
        memory_calls = 0;
        memory_fails_at = at;
        const kofn_status status = scene(code, &error);
        memory_fails_at = 0;
        if (memory_calls < at) {
            assert_int_equal(status, KOFN_OK);
            assert_true(at > 1); // there was something to fail
            return;
        }
        assert_true(status == KOFN_RESOURCE_EXHAUSTED || status == KOFN_OK);
        assert_true(status == KOFN_OK || strlen(error.text) > 0);
    }
}

static kofn_status
build_scene(kofn_code *code, kofn_error *err)
{
    (void)code;
    const kofn_code_spec spec = {
        .family = "rkrp", .part = {.x = 2, .z = 1, .y = 2}, .tasks = 6, .has_seed = true};
    kofn_code *built = NULL;
    const kofn_status status = kofn_code_spec_build(&spec, kofn_field_find("f64"), &built, err);
    assert_int_equal(status == KOFN_OK, built != NULL);
    kofn_code_destroy(&built);
    return status;
}

static kofn_status
inner_scene(kofn_code *code, kofn_error *err)
{
    const kofn_code_spec spec = {.family = "polynomial",
                                 .part = {.x = 2, .z = 1, .y = 2},
                                 .tasks = 6,
                                 .has_seed = true,
                                 .set_count = 1,
                                 .sets = {{.name = "points", .value = "random"}}};
    kofn_code *built = NULL;
    (void)code;
    const kofn_status status = kofn_inner_build(&spec, kofn_field_find("f64"), true, &built, err);
    assert_int_equal(status == KOFN_OK, built != NULL);
    kofn_code_destroy(&built);
    return status;
}

static kofn_status
fill_stages(const kofn_code_spec *spec, kofn_error *err)
{
    static const size_t missing[] = {0, 2};
    kofn_code *first = NULL, *made = NULL;
    kofn_status status = kofn_staged_build(spec, kofn_field_find("f64"), &first, err);
    if (!status)
        status = kofn_staged_fill(spec, first, missing, 2, 0.1, &made, err);
    assert_int_equal(status == KOFN_OK, made != NULL);
    kofn_code_destroy(&first);
    kofn_code_destroy(&made);
    return status;
}

static kofn_status
stages_scene(kofn_code *code, kofn_error *err)
{
    static const size_t block[] = {0, 1, 2};
    (void)code;
    kofn_batch *batch = NULL;
    kofn_status status =
        kofn_batch_new_stacked(3, 3, 3, block, block, NULL, kofn_field_find("f64"), &batch, err);
    if (status)
        return status;
    const kofn_code_spec spec = {
        .family = "lagrange", .tasks = 7, .has_seed = true, .seed = 1, .batch = batch};
    status = fill_stages(&spec, err);
    kofn_batch_destroy(&batch);
    return status;
}

/* A failed add changes nothing and is tried again. */
static kofn_status
add_in_order(kofn_code *code, const size_t *tasks, kofn_error *err)
{
    kofn_decoder *d = NULL;
    kofn_decode_plan plan = {0};
    kofn_status first = kofn_decoder_new(code, 0, &d, err);
    if (first)
        return first;
    for (size_t i = 0; i < 4; i++) {
        kofn_status status = kofn_decoder_add(d, tasks[i], err);
        if (status) {
            first = status;
            assert_int_equal(kofn_decoder_get_count(d), i);
            assert_false(kofn_decoder_has(d, tasks[i]));
            assert_int_equal(kofn_decoder_get_state(d), KOFN_DECODE_NOT_YET);
            status = kofn_decoder_add(d, tasks[i], NULL);
        }
        assert_int_equal(status, KOFN_OK);
    }
    assert_int_not_equal(kofn_decoder_get_state(d), KOFN_DECODE_NOT_YET);
    kofn_status status = kofn_decoder_plan(d, 0x1p-53, &plan, err);
    if (status) {
        first = status;
        assert_null(plan.task);
        status = kofn_decoder_plan(d, 0x1p-53, &plan, NULL);
    }
    assert_int_equal(status, KOFN_OK);
    assert_int_equal(plan.used, 4);
    kofn_decode_plan_fini(&plan);
    kofn_decoder_destroy(&d);
    return first;
}

static kofn_status
coded_first_scene(kofn_code *code, kofn_error *err)
{
    return add_in_order(code, (const size_t[]){5, 4, 0, 2}, err); // the last changes what is left
}

static kofn_status
coded_last_scene(kofn_code *code, kofn_error *err)
{
    return add_in_order(code, (const size_t[]){0, 2, 5, 4}, err); // the last adds to what is left
}

/* What cannot be tried out counts as not enough: the scheduler then replaces a task too many. */
static kofn_status
question_scene(kofn_code *code, kofn_error *err)
{
    kofn_decoder *d = NULL;
    size_t more[16], count = 0;
    kofn_status status = kofn_decoder_new(code, 0, &d, err);
    if (status)
        return status;
    status = kofn_decoder_suggest(d, more, &count, err);
    if (status == KOFN_FAILED_PRECONDITION)
        status = KOFN_OK;
    assert_int_equal(kofn_decoder_get_count(d), 0);
    for (size_t task = 0; task < code->tasks; task++)
        assert_false(kofn_decoder_has(d, task));
    kofn_decoder_destroy(&d);
    return status;
}

static kofn_status
coding_scene(kofn_code *code, kofn_error *err)
{
    double a[6] = {1, 2, 3, 4, 5, 6}, block[4] = {0};
    kofn_mat mats[2] = {kofn_mat_wrap(a, KOFN_F64, 3, 2), kofn_mat_wrap(block, KOFN_F64, 2, 2)};
    kofn_bands stored = {.at = NULL}, coded = {.at = NULL};
    kofn_coding coding;
    const size_t task = 5;
    kofn_coding_init(&coding, code, (kofn_shape){.rows = 3, .inner = 2, .cols = 3}, false, false);
    kofn_status status = kofn_bands_from_mat(&mats[0], &stored, err);
    if (!status)
        status = kofn_bands_from_mat(&mats[1], &coded, err);
    if (!status)
        status = kofn_coding_encode(&coding, 0, &stored, 1, &task, &coded, err);
    kofn_bands_fini(&stored);
    kofn_bands_fini(&coded);
    return status;
}

/* A field with a parameter, and a product over it, which needs room for conversions. */
static kofn_status
finite_scene(kofn_code *code, kofn_error *err)
{
    (void)code;
    uint32_t at[3][4] = {{1, 2, 3, 4}, {5, 6, 7, 8}, {0}};
    kofn_mat mats[3];
    for (int i = 0; i < 3; i++)
        mats[i] = kofn_mat_wrap(at[i], KOFN_U32, 2, 2);
    const kofn_product product = {.a = &mats[0], .b = &mats[1]};
    const kofn_field *f = NULL;
    kofn_bands c = {.at = NULL};
    kofn_status status = kofn_field_new("gfp:11", &f, err);
    if (!status)
        status = kofn_bands_from_mat(&mats[2], &c, err);
    if (!status)
        status = kofn_multiply(f, &product, &c, err);
    if (!status)
        assert_memory_equal(at[2], ((const uint32_t[]){8, 0, 10, 6}), sizeof at[2]);
    kofn_bands_fini(&c);
    kofn_field_destroy(&f);
    return status;
}

static void
decoding_exactly_loses_nothing_either(void **state)
{
    (void)state;
    const test_code t = {.family = "polynomial", .partition = "2,1,2", .tasks = 6};
    kofn_code *code = make_code(&t, "gfp:257", 2);
    fail_each(finite_scene, code);
    fail_each(coded_first_scene, code);
    fail_each(coded_last_scene, code);
    fail_each(question_scene, code);
    kofn_code_destroy(&code);
}

/* Estimates, with a second opinion: what was added stays, and so does the plan. */
static kofn_status
estimate_scene(kofn_code *code, kofn_error *err)
{
    kofn_decoder *d = NULL;
    kofn_decode_plan plan = {0}, other = {0};
    kofn_status status = kofn_decoder_new(code, 0, &d, err);
    for (size_t task = 1; task < 6 && !status; task++)
        status = kofn_decoder_add(d, task, err);
    if (!status)
        status = kofn_decoder_estimate(d, 1e-15, &plan, err);
    if (!status)
        status = kofn_decoder_second_opinion(d, 1e-15, &plan, &other, err);
    assert_int_equal(status == KOFN_OK, other.task != NULL);
    if (status == KOFN_FAILED_PRECONDITION) // of a set that has nothing to spare
        status = KOFN_OK;
    kofn_decode_plan_fini(&other);
    kofn_decode_plan_fini(&plan);
    kofn_decoder_destroy(&d);
    return status;
}

static kofn_status
comparison_scene(kofn_code *code, kofn_error *err)
{
    double at[6][4] = {{1, 2, 3, 4}, {5, 6, 7, 8}, {1, 1, 1, 1}, {2, 2, 2, 2}, {0}, {3, 3, 3, 3}};
    double coef[4] = {1, 2, 3, 4}, relative = -1;
    size_t task[2] = {4, 5};
    const kofn_decode_plan plan = {.targets = 4, .used = 1, .task = task, .coef = coef};
    const kofn_decode_plan other = {.targets = 4, .used = 1, .task = task + 1, .coef = coef};
    kofn_bands answers[6] = {{.at = NULL}};
    kofn_coding coding;
    kofn_coding_init(&coding, code, (kofn_shape){.rows = 4, .inner = 2, .cols = 4}, false, false);
    kofn_status status = KOFN_OK;
    for (size_t i = 0; i < 6 && !status; i++) {
        const kofn_mat mat = kofn_mat_wrap(at[i], KOFN_F64, 2, 2);
        status = kofn_bands_from_mat(&mat, &answers[i], err);
    }
    if (!status)
        status = kofn_coding_disagree(&coding, &plan, &other, answers, 2, &relative, err);
    assert_true((relative == -1) == (status != KOFN_OK));
    for (size_t i = 0; i < 6; i++)
        kofn_bands_fini(&answers[i]);
    return status;
}

/* An outer product of three whole to one task, and decoded from it. */
static kofn_status
outer_scene(kofn_code *code, kofn_error *err)
{
    double at[3][2] = {{1, 2}, {3, 4}, {5, 6}}, made[8], decoded[8] = {0}, one = 1;
    const bool transpose[] = {true, false, true};
    const kofn_extents extents = {.count = 3, .rows = {2, 1, 2}, .cols = {1, 2, 1}};
    kofn_mat factor[3],
        mats[] = {kofn_mat_wrap(made, KOFN_F64, 4, 2), kofn_mat_wrap(decoded, KOFN_F64, 4, 2)};
    for (size_t i = 0; i < 3; i++)
        factor[i] = kofn_mat_wrap(at[i], KOFN_F64, 1, 2);
    const kofn_outer product = {.count = 3, .factor = factor, .transpose = transpose};
    kofn_bands bands[2] = {{.at = NULL}};
    const kofn_bands *answers[] = {&bands[0]};
    size_t task = 0;
    kofn_decode_plan plan = {.targets = 1, .used = 1, .task = &task, .coef = &one};
    kofn_coding coding;
    kofn_coding_init_outer(&coding, code, &extents, transpose);
    kofn_status status = kofn_bands_from_mat(&mats[0], &bands[0], err);
    if (!status)
        status = kofn_bands_from_mat(&mats[1], &bands[1], err);
    if (!status)
        status = kofn_outer_multiply(code->field, &product, &bands[0], err);
    if (!status)
        status = kofn_coding_decode(&coding, &plan, answers, kofn_coding_all_rows(&coding),
                                    &bands[1], err);
    if (!status)
        assert_memory_equal(decoded, ((const double[]){15, 20, 18, 24, 30, 40, 36, 48}),
                            sizeof decoded);
    kofn_bands_fini(&bands[0]);
    kofn_bands_fini(&bands[1]);
    return status;
}

static void
outer_products_without_memory_are_an_error(void **state)
{
    (void)state;
    kofn_error error;
    const kofn_cuts parts = {.count = 3, .of = {1, 1, 1}};
    kofn_family_args args = {.field = kofn_field_find("f64"), .tasks = 1};
    kofn_code *code = NULL;
    kofn_family_args_set_parts(&args, &parts);
    assert_ok(kofn_family_build(kofn_family_find("uncoded"), &args, &code, &error));
    fail_each(outer_scene, code);
    kofn_code_destroy(&code);
}

/* A batch, its shape and a code of it. */
static kofn_status
make_batch_code(const char *family, size_t pairs, const double *weights, kofn_error *err)
{
    const kofn_field *f = kofn_field_find("f64");
    const kofn_extents operands = {.count = 2, .rows = {pairs, pairs}, .cols = {1, 1}};
    size_t blocks[40];
    kofn_batch *batch = NULL;
    kofn_shape shape;
    kofn_code *code = NULL;
    for (size_t i = 0; i < pairs; i++)
        blocks[i] = i;
    kofn_code_spec spec = {.tasks = 2 * pairs + 2, .has_seed = true};
    kofn_status status =
        kofn_batch_new_stacked(pairs, pairs, pairs, blocks, blocks, weights, f, &batch, err);
    assert_int_equal(status == KOFN_OK, batch != NULL);
    if (!status)
        status = kofn_batch_get_shape(batch, &operands, &shape, err);
    if (!status)
        status = kofn_code_spec_set_batch(&spec, batch, err);
    if (!status)
        status = kofn_code_spec_set(&spec, "family", family, err);
    if (!status)
        status = kofn_code_spec_build(&spec, f, &code, err);
    assert_int_equal(status == KOFN_OK, code != NULL);
    kofn_code_destroy(&code);
    kofn_batch_destroy(&batch);
    return status;
}

static kofn_status
batch_scene(kofn_code *code, kofn_error *err)
{
    (void)code;
    const double weights[] = {3, 2, 0.5};
    kofn_status status = make_batch_code("lagrange", 40, NULL, err); // in few columns
    if (!status)
        status = make_batch_code("lagrange", 2, NULL, err);
    if (!status)
        status = make_batch_code("rkrp", 2, NULL, err);
    return status ? status : make_batch_code("matdot", 3, weights, err);
}

/* A code of these pairs in which groups are curves, grids and factored sums, and with too many
 * pairs to try all partitions. */
static kofn_status
make_groups(const char *field, size_t pairs, const size_t *left, const size_t *right,
            const double *weights, size_t tasks, kofn_error *err)
{
    const kofn_field *f = kofn_field_find(field);
    kofn_code_spec spec = {.family = "locality", .tasks = tasks, .has_seed = true};
    kofn_batch *batch = NULL;
    kofn_code *code = NULL;
    kofn_status status = kofn_batch_new_stacked(8, 8, pairs, left, right, weights, f, &batch, err);
    if (!status)
        status = kofn_code_spec_set_batch(&spec, batch, err);
    if (!status)
        status = kofn_code_spec_build(&spec, f, &code, err);
    assert_int_equal(status == KOFN_OK, code != NULL);
    kofn_code_destroy(&code);
    kofn_batch_destroy(&batch);
    return status;
}

static kofn_status
locality_scene(kofn_code *code, kofn_error *err)
{
    (void)code;
    static const size_t left[] = {0, 0, 1, 1, 2, 3, 4, 4, 5, 5, 6, 6, 7, 7, 2, 3},
                        right[] = {0, 1, 0, 1, 2, 3, 4, 5, 4, 5, 6, 7, 6, 7, 3, 2};
    static const double weights[] = {1, 1, 1, 1, 2};
    kofn_status status = make_groups("f64", 6, left, right, NULL, 9, err);
    if (!status)
        status = make_groups("gf256", 6, left, right, NULL, 9, err);
    if (!status)
        status = make_groups("f64", 5, left, right, weights, 5, err);
    if (!status)
        status = make_groups("f64", 8, left, right, NULL, 17, err);
    return status ? status : make_groups("f64", 16, left, right, NULL, 26, err);
}

static void
groups_of_pairs_without_memory_are_an_error(void **state)
{
    (void)state;
    fail_each(locality_scene, NULL);
}

static void
batches_without_memory_are_an_error(void **state)
{
    (void)state;
    fail_each(batch_scene, NULL);
}

static kofn_status
algorithms_scene(kofn_code *code, kofn_error *err)
{
    (void)code;
    kofn_algorithms *set = NULL;
    kofn_bilinear *f = NULL;
    kofn_status status = kofn_algorithms_load(KOFN_SOURCE_DIR "/config/algorithms", &set, err);
    assert_int_equal(status == KOFN_OK, set != NULL);
    if (!status)
        status = kofn_algorithms_parse(set, "blocks323*strassen", &f, err);
    assert_int_equal(status == KOFN_OK, f != NULL);
    kofn_bilinear_destroy(&f);
    kofn_algorithms_destroy(&set);
    return status;
}

static kofn_status
straggler_scene(kofn_code *code, kofn_error *err)
{
    (void)code;
    static const char *const models[] = {"iid", "arbitrary", "trace:file=%s"};
    char path[] = "/tmp/kofn-trace-XXXXXX", text[64];
    const int file = mkstemp(path);
    assert_true(file >= 0);
    assert_int_equal(write(file, "0 1 1\n", 6), 6);
    assert_int_equal(close(file), 0);
    kofn_status status = KOFN_OK;
    for (size_t i = 0; i < 3 && status == KOFN_OK; i++) {
        kofn_straggler_spec spec;
        kofn_straggler *model = NULL;
        (void)snprintf(text, sizeof text, models[i], path);
        assert_int_equal(kofn_straggler_parse(text, &spec, err), KOFN_OK);
        status = kofn_straggler_new(&spec, 3, &model, err);
        assert_int_equal(status == KOFN_OK, model != NULL);
        kofn_straggler_destroy(&model);
    }
    assert_int_equal(unlink(path), 0);
    return status;
}

/* A file, the batch of its square, and its dense twin. */
static kofn_status
sparse_scene(kofn_code *code, kofn_error *err)
{
    (void)code;
    const kofn_field *f = kofn_field_find("f64");
    const kofn_shape shape = {2, 2, 2};
    const double one = 1;
    double dense[4];
    kofn_matrix_market read;
    kofn_nonzero_choice choice = {0};
    kofn_bands bands = {0};
    kofn_status status = kofn_matrix_market_read(sparse_path, 1 << 20, &read, err);
    if (status)
        return status;
    const kofn_nonzero_operand operands[] = {{.csr = &read.csr}, {.csr = &read.csr}};
    const kofn_mat mat = kofn_mat_wrap(dense, KOFN_F64, 2, 2);
    status = kofn_nonzero_choose(operands, &shape, (kofn_partition){2, 2, 2}, 2, f, &choice, err);
    assert_int_equal(status == KOFN_OK, choice.batch != NULL);
    if (!status)
        status = kofn_bands_from_mat(&mat, &bands, err);
    if (!status)
        status = kofn_csr_combine(f, &read.csr, (kofn_grid){1, 1}, 1, &bands, &one, err);
    if (!status)
        assert_true(dense[0] == 3 && dense[1] == 0 && dense[2] == 0 && dense[3] == 4);
    kofn_bands_fini(&bands);
    kofn_batch_destroy(&choice.batch);
    kofn_matrix_market_fini(&read);
    return status;
}

static void
sparse_operands_without_memory_are_an_error(void **state)
{
    (void)state;
    FILE *file = tmpfile();
    assert_non_null(file);
    (void)fprintf(file, "%%%%MatrixMarket matrix coordinate real general\n2 2 2\n2 2 4\n1 1 3\n");
    assert_int_equal(fflush(file), 0);
    (void)snprintf(sparse_path, sizeof sparse_path, "/proc/self/fd/%d", fileno(file));
    fail_each(sparse_scene, NULL);
    assert_int_equal(fclose(file), 0);
}

static void
running_out_of_memory_is_an_error_and_loses_nothing(void **state)
{
    (void)state;
    const test_code t = {.family = "rkrp", .partition = "2,1,2", .tasks = 6};
    kofn_code *code = make_code(&t, "f64", 2);
    fail_each(build_scene, code);
    fail_each(inner_scene, code);
    fail_each(stages_scene, code);
    fail_each(coded_first_scene, code);
    fail_each(coded_last_scene, code);
    fail_each(question_scene, code);
    fail_each(coding_scene, code);
    fail_each(comparison_scene, code);
    fail_each(algorithms_scene, code);
    fail_each(straggler_scene, code);
    kofn_code_destroy(&code);
    static const test_code estimated[] = {
        {.family = "rkrp", .partition = "3,1,2", .tasks = 8},
        {.family = "eps_matdot", .partition = "1,4,1", .tasks = 6},
        {.family = "eps_matdot", .partition = "1,4,1", .tasks = 6, .set = "decoder=interpolation"},
    };
    for (size_t i = 0; i < 3; i++) {
        code = make_code(&estimated[i], "f64", 2);
        fail_each(estimate_scene, code);
        kofn_code_destroy(&code);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(running_out_of_memory_is_an_error_and_loses_nothing),
        cmocka_unit_test(decoding_exactly_loses_nothing_either),
        cmocka_unit_test(outer_products_without_memory_are_an_error),
        cmocka_unit_test(batches_without_memory_are_an_error),
        cmocka_unit_test(groups_of_pairs_without_memory_are_an_error),
        cmocka_unit_test(sparse_operands_without_memory_are_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
