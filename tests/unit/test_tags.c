/* What an answer and a coded block are: everything that they depend on, and nothing else. */
#include "tests/assert.h"

#include "common/code/spec.h"
#include "master/keep.h"
#include "master/root.h"
#include "master/tags.h"

#include <string.h>

enum { ROWS = 4 };

typedef struct scene {
    kofn_master master;
    kofn_operands *operands;
    kofn_operand *operand[2];
    kofn_code *code;
    kofn_job whole, job;
} scene;

static kofn_operand *
store(kofn_operands *operands, uint64_t id)
{
    kofn_error error;
    char name[KOFN_ID_MAX];
    const kofn_kept_operand what = {
        .id = id, .owner = "", .key = "", .dtype = KOFN_F64, .rows = ROWS, .cols = ROWS};
    assert_ok(kofn_operands_restore(operands, &what, &error));
    (void)snprintf(name, sizeof name, "%016" PRIx64, id);
    return kofn_operands_find_kept(operands, name);
}

static int
setup(void **state)
{
    static scene s;
    kofn_error error;
    kofn_code_spec spec = {.part = {2, 1, 2}, .tasks = 4};
    (void)snprintf(spec.family, sizeof spec.family, "uncoded");
    s = (scene){.master.config.memory = 1 << 20};
    assert_ok(kofn_operands_new(&s.master, &s.operands, &error));
    for (uint64_t i = 0; i < 2; i++)
        s.operand[i] = store(s.operands, 7 + i);
    assert_ok(kofn_code_spec_build(&spec, kofn_field_find("f64"), &s.code, &error));
    s.job = (kofn_job){.id = 9, .field = kofn_field_find("f64"), .code = s.code};
    kofn_coding_init(&s.job.coding, s.code, (kofn_shape){ROWS, ROWS, ROWS}, false, false);
    *state = &s;
    return 0;
}

static int
teardown(void **state)
{
    scene *s = *state;
    kofn_code_destroy(&s->code);
    kofn_operands_destroy(&s->operands);
    return 0;
}

static const char *
answer_of(const kofn_job *job, size_t task)
{
    static char tag[2][KOFN_TAG_MAX];
    static size_t turn;
    turn = !turn;
    kofn_tag_answer(job, task, tag[turn]);
    return tag[turn];
}

static const char *
block_of(const kofn_operand *operand, const kofn_coded_key *key)
{
    static char tag[2][KOFN_TAG_MAX];
    static size_t turn;
    turn = !turn;
    kofn_tag_block(operand, key, tag[turn]);
    return tag[turn];
}

/* ---- answers --------------------------------------------------------------------------------- */

static void
an_answer_is_the_same_whoever_asks(void **state)
{
    const scene *s = *state;
    kofn_job later = s->job;
    later.session = 5;
    later.items = 3;
    later.state = KOFN_JOB_RUNNING;
    assert_string_equal(answer_of(&later, 1), answer_of(&s->job, 1));
}

/* Workers keep it under this name from one version to the next. */
static void
an_answer_has_this_name(void **state)
{
    const scene *s = *state;
    assert_string_equal(answer_of(&s->job, 1), "b42f9e0c754f1593db3c8b7fa5b57327");
}

static void
each_task_has_an_answer_of_its_own(void **state)
{
    const scene *s = *state;
    for (size_t i = 0; i < 4; i++)
        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(answer_of(&s->job, i), answer_of(&s->job, j));
}

static void
an_answer_is_of_its_job(void **state)
{
    scene *s = *state;
    kofn_job other = s->job, part = s->job;
    other.id++;
    assert_string_not_equal(answer_of(&other, 1), answer_of(&s->job, 1));
    part.whole = &other; // whose own number is another in every life
    part.id = 77;
    assert_string_equal(answer_of(&part, 1), answer_of(&other, 1));
}

static void
an_answer_is_of_its_field_and_form(void **state)
{
    scene *s = *state;
    kofn_job field = s->job, outer = s->job, rows = s->job, inner = s->job, cols = s->job;
    field.field = kofn_field_find("f32");
    outer.outer = true;
    rows.coding.part.rows++;
    inner.coding.part.inner++;
    cols.coding.part.cols++;
    const kofn_job *const others[] = {&field, &outer, &rows, &inner, &cols};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        assert_string_not_equal(answer_of(others[i], 1), answer_of(&s->job, 1));
}

static void
an_answer_is_of_its_operands(void **state)
{
    scene *s = *state;
    for (size_t o = 0; o < 2; o++) {
        kofn_job stored = s->job, other = s->job, turned = s->job, cut = s->job;
        stored.stored[o] = s->operand[0];
        other.stored[o] = s->operand[1];
        turned.transposed[o] = true;
        cut.coding.grid[o] = (kofn_grid){cut.coding.grid[o].cols, cut.coding.grid[o].rows};
        const kofn_job *const others[] = {&stored, &other, &turned, &cut};
        for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
            assert_string_not_equal(answer_of(others[i], 1), answer_of(&s->job, 1));
        assert_string_not_equal(answer_of(&other, 1), answer_of(&stored, 1));
    }
}

/* ---- blocks ---------------------------------------------------------------------------------- */

static const double coef[6] = {1, 2, 3, 4, 5, 6};

static kofn_coded_key
key_of(size_t rows, size_t cols)
{
    return (kofn_coded_key){.field = kofn_field_find("f64"), .grid = {rows, cols}, .coef = coef};
}

static void
a_block_has_this_name(void **state)
{
    const scene *s = *state;
    const kofn_coded_key key = key_of(2, 3);
    assert_string_equal(block_of(s->operand[0], &key), "8b11bec030c817093ce3e72a25779f8d");
}

static void
a_block_is_of_its_operand_field_cut_and_coefficients(void **state)
{
    const scene *s = *state;
    static const double last[6] = {1, 2, 3, 4, 5, 7}, negative_zero[1] = {-0.0}, zero[1] = {0.0};
    const kofn_coded_key key = key_of(2, 3);
    kofn_coded_key field = key, cut = key_of(3, 2), row = key_of(1, 6), coefs = key;
    field.field = kofn_field_find("f32");
    coefs.coef = last;
    const kofn_coded_key *const others[] = {&field, &cut, &row, &coefs};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        assert_string_not_equal(block_of(s->operand[0], others[i]), block_of(s->operand[0], &key));
    assert_string_not_equal(block_of(s->operand[1], &key), block_of(s->operand[0], &key));

    kofn_coded_key one = key_of(1, 1), other = key_of(1, 1); // bit by bit, as coded.h has it
    one.coef = zero;
    other.coef = negative_zero;
    assert_string_not_equal(block_of(s->operand[0], &one), block_of(s->operand[0], &other));
}

/* The drawing of coded.h: cut 3 x 2 as it is stored, used transposed as 2 x 3. */
static void
a_transposed_operand_has_the_blocks_of_the_stored_one(void **state)
{
    const scene *s = *state;
    static const double as_stored[6] = {1, 4, 2, 5, 3, 6};
    kofn_coded_key turned = key_of(2, 3), plain = key_of(3, 2);
    turned.transposed = true;
    plain.coef = as_stored;
    assert_string_equal(block_of(s->operand[0], &turned), block_of(s->operand[0], &plain));
}

#define SCENE(name_) cmocka_unit_test_setup_teardown(name_, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        SCENE(an_answer_is_the_same_whoever_asks),
        SCENE(an_answer_has_this_name),
        SCENE(each_task_has_an_answer_of_its_own),
        SCENE(an_answer_is_of_its_job),
        SCENE(an_answer_is_of_its_field_and_form),
        SCENE(an_answer_is_of_its_operands),
        SCENE(a_block_has_this_name),
        SCENE(a_block_is_of_its_operand_field_cut_and_coefficients),
        SCENE(a_transposed_operand_has_the_blocks_of_the_stored_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
