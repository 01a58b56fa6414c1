/* Algorithms by name: what ships, what a directory holds, and codes over them. */
#include "common/code/algorithms.h"
#include "common/code/decoder.h"
#include "common/code/spec.h"
#include "tests/unit/bilinear_brute.h"

#include <sys/stat.h>
#include <unistd.h>

static kofn_bilinear *
parse_with(const kofn_algorithms *set, const char *text)
{
    kofn_error error;
    kofn_bilinear *f;
    assert_ok(kofn_algorithms_parse(set, text, &f, &error));
    return f;
}

static kofn_bilinear *
parse(const char *text)
{
    return parse_with(NULL, text);
}

/* What is said without the numbers is what they say. */
static void
assert_measured(const kofn_algorithms *set, const char *text)
{
    kofn_error error;
    kofn_bilinear *f = parse_with(set, text);
    const kofn_bilinear_shape s = kofn_bilinear_measure(f);
    kofn_bilinear_shape shape;
    assert_ok(kofn_algorithms_measure(set, text, &shape, &error));
    assert_true(shape.x == s.x && shape.z == s.z && shape.y == s.y && shape.rank == s.rank);
    assert_int_equal(shape.denominator, s.denominator);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(shape.largest[i], s.largest[i]);
    kofn_bilinear_destroy(&f);
}

static void
everything_that_ships_multiplies_matrices(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t x, z, y, rank;
    } all[] = {
        {"strassen", 2, 2, 2, 7},
        {"winograd", 2, 2, 2, 7},
        {"laderman", 3, 3, 3, 23},
        {"strassen_column", 2, 2, 3, 11},
        {"classical:1,1,1", 1, 1, 1, 1},
        {"classical:2,3,4", 2, 3, 4, 24},
        {"strassen*strassen", 4, 4, 4, 49},
        {"strassen*classical:1,2,1", 2, 4, 2, 14},
        {"classical:1,2,1*strassen", 2, 4, 2, 14},
        {"strassen_column*laderman", 6, 6, 9, 253},
        {"winograd*strassen*classical:2,1,1", 8, 4, 4, 98},
    };
    kofn_error error;
    kofn_rng rng;
    kofn_rng_init(&rng, test_seed(7), 0);
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        kofn_bilinear *f = parse(all[i].text);
        assert_true(f->x == all[i].x && f->z == all[i].z && f->y == all[i].y);
        assert_int_equal(f->rank, all[i].rank);
        for (int trial = 0; trial < 20; trial++)
            assert_multiplies(f, &rng);
        if (f->rank < 300)
            assert_ok(kofn_bilinear_check(f, &error));
        kofn_bilinear_destroy(&f);
        assert_null(f);
        assert_measured(NULL, all[i].text);
    }
}

static void
assert_no_algorithm(const char *text, kofn_status status, const char *says)
{
    kofn_error error;
    kofn_bilinear *f = NULL;
    assert_fails(kofn_algorithms_parse(NULL, text, &f, &error), status);
    if (!strstr(error.text, says))
        fail_msg("'%s' does not say '%s'", error.text, says);
    assert_null(f);
    kofn_bilinear_shape shape;
    assert_fails(kofn_algorithms_measure(NULL, text, &shape, &error), status);
    if (!strstr(error.text, says))
        fail_msg("'%s' does not say '%s'", error.text, says);
}

static void
names_that_are_none_are_refused(void **state)
{
    (void)state;
    assert_no_algorithm("strasen", KOFN_NOT_FOUND, "strassen, winograd");
    assert_no_algorithm("", KOFN_NOT_FOUND, "''");
    assert_no_algorithm("strassen*", KOFN_NOT_FOUND, "''");
    assert_no_algorithm("*strassen", KOFN_NOT_FOUND, "''");
    assert_no_algorithm("classical", KOFN_NOT_FOUND, "'classical'");
    assert_no_algorithm("file:/etc/passwd", KOFN_NOT_FOUND, "'file:/etc/passwd'");
    assert_no_algorithm("classical:", KOFN_INVALID_ARGUMENT, "X,Z,Y");
    assert_no_algorithm("classical:2,2", KOFN_INVALID_ARGUMENT, "X,Z,Y");
    assert_no_algorithm("classical:2,2,2,2", KOFN_INVALID_ARGUMENT, "X,Z,Y");
    assert_no_algorithm("classical:2,-2,2", KOFN_INVALID_ARGUMENT, "X,Z,Y");
    assert_no_algorithm("classical:99999,2,2", KOFN_INVALID_ARGUMENT, "X,Z,Y");
    assert_no_algorithm("classical:0,2,2", KOFN_OUT_OF_RANGE, "1 to 64");
    assert_no_algorithm("classical:65,1,1", KOFN_OUT_OF_RANGE, "<65,1,1;65>");
    assert_no_algorithm("classical:64,64,64", KOFN_OUT_OF_RANGE, "products");
    assert_no_algorithm("classical:9,9,9*classical:9,9,9", KOFN_OUT_OF_RANGE, "<81,81,81;531441>");
    assert_no_algorithm("laderman*laderman*laderman*laderman", KOFN_OUT_OF_RANGE, "1 to 64");
    assert_no_algorithm("strassen*strassen*strassen*strassen*strassen*strassen*strassen*s",
                        KOFN_INVALID_ARGUMENT, "longer than 63");
}

/* ---- directories ----------------------------------------------------------------------------- */

#define ONE "size: [1, 1, 1]\nproducts:\n  1: {a: [1], b: [1], c: [1]}\n"
#define HALF                                                                                       \
    "{\"size\": [1, 1, 1], \"products\": {\"p\": {\"a\": [2], \"b\": [1], \"c\": [\"1/2\"]}}}"
#define WRONG "size: [1, 1, 1]\nproducts:\n  1: {a: [1], b: [1], c: [2]}\n"

enum { FILES_MAX = 8 };

typedef struct file {
    const char *name, *text;
} file;

typedef struct directory {
    char path[64];
    char files[FILES_MAX][160];
    size_t count;
} directory;

static void
write_file(directory *d, const char *name, const char *text)
{
    char path[160];
    (void)snprintf(path, sizeof path, "%s/%s", d->path, name);
    memcpy(d->files[d->count++], path, sizeof path);
    FILE *to = fopen(path, "w");
    assert_non_null(to);
    assert_true(fputs(text, to) >= 0);
    assert_int_equal(fclose(to), 0);
}

static directory
make_directory(const file *files, size_t count)
{
    directory d = {.path = "/tmp/kofn-algorithms-XXXXXX"};
    assert_non_null(mkdtemp(d.path));
    for (size_t i = 0; i < count; i++)
        write_file(&d, files[i].name, files[i].text);
    return d;
}

static void
remove_directory(const directory *d)
{
    for (size_t i = 0; i < d->count; i++)
        assert_int_equal(unlink(d->files[i]), 0);
    assert_int_equal(rmdir(d->path), 0);
}

static void
a_directory_is_read_and_its_names_stand_beside_what_ships(void **state)
{
    (void)state;
    static const file files[] = {{"one.yaml", ONE},  {"half.json", HALF},   {"t-1.x.yml", ONE},
                                 {"README", "text"}, {".one.yaml", "text"}, {"one.yaml~", "text"}};
    kofn_error error;
    kofn_algorithms *set;
    kofn_bilinear *f;
    directory d = make_directory(files, 6);
    assert_ok(kofn_algorithms_load(d.path, &set, &error));
    remove_directory(&d); // what is read is read

    const size_t ships = kofn_algorithms_count(NULL);
    assert_int_equal(kofn_algorithms_count(set), ships + 3);
    assert_string_equal(kofn_algorithms_get_name(set, 0), "strassen");
    assert_string_equal(kofn_algorithms_get_name(set, ships), "half");
    assert_string_equal(kofn_algorithms_get_name(set, ships + 1), "one");
    assert_string_equal(kofn_algorithms_get_name(set, ships + 2), "t-1.x");
    assert_true(kofn_algorithms_is_shipped("laderman"));
    assert_false(kofn_algorithms_is_shipped("half"));

    f = parse_with(set, "half*strassen*half");
    assert_true(f->rank == 7 && f->denominator == 4);
    kofn_bilinear_destroy(&f);
    assert_measured(set, "half*strassen*half");
    assert_fails(kofn_algorithms_parse(set, "halve", &f, &error), KOFN_NOT_FOUND);
    assert_non_null(strstr(error.text, "laderman, half, one, t-1.x, classical:X,Z,Y"));
    assert_fails(kofn_algorithms_parse(NULL, "half", &f, &error), KOFN_NOT_FOUND);

    kofn_algorithms *again = kofn_algorithms_ref(set);
    kofn_algorithms_destroy(&set);
    assert_null(set);
    f = parse_with(again, "one");
    kofn_bilinear_destroy(&f);
    kofn_algorithms_destroy(&again);
    assert_null(kofn_algorithms_ref(NULL));
    kofn_algorithms_destroy(&again);
}

static void
numbers_that_a_product_has_no_room_for_are_refused(void **state)
{
    (void)state;
    static const file files[] = {
        {"big.yaml", "size: [1, 1, 1]\nproducts:\n  1: {a: [50000], b: [1], c: [1/50000]}\n"}};
    kofn_error error;
    kofn_algorithms *set;
    kofn_bilinear *f;
    kofn_bilinear_shape shape;
    directory d = make_directory(files, 1);
    assert_ok(kofn_algorithms_load(d.path, &set, &error));
    remove_directory(&d);
    assert_measured(set, "big*strassen");
    assert_fails(kofn_algorithms_parse(set, "big*big", &f, &error), KOFN_OUT_OF_RANGE);
    assert_non_null(strstr(error.text, "more than 32 bits"));
    assert_fails(kofn_algorithms_measure(set, "big*big", &shape, &error), KOFN_OUT_OF_RANGE);
    kofn_algorithms_destroy(&set);
}

static void
names_that_are_too_many_to_say_are_left_out_whole(void **state)
{
    (void)state;
    char names[FILES_MAX][64];
    file files[FILES_MAX];
    kofn_error error;
    kofn_algorithms *set;
    kofn_bilinear *f;
    for (int i = 0; i < FILES_MAX; i++) {
        (void)snprintf(names[i], sizeof names[i],
                       "one-of-a-name-that-is-longer-than-others-%02d.yaml", i);
        files[i] = (file){names[i], ONE};
    }
    directory d = make_directory(files, FILES_MAX);
    assert_ok(kofn_algorithms_load(d.path, &set, &error));
    remove_directory(&d);
    assert_fails(kofn_algorithms_parse(set, "other", &f, &error), KOFN_NOT_FOUND);
    assert_non_null(strstr(error.text, "laderman, one-of-a-name-that-is-longer-than-others-00, "));
    const char *rest = strstr(error.text, ", ..., classical:X,Z,Y and products");
    assert_non_null(rest);
    assert_memory_equal(rest - 10, "-others-", 8); // the last of them is whole
    kofn_algorithms_destroy(&set);
}

static void
an_empty_directory_is_an_empty_set(void **state)
{
    (void)state;
    kofn_error error;
    kofn_algorithms *set;
    directory d = make_directory(NULL, 0);
    assert_ok(kofn_algorithms_load(d.path, &set, &error));
    assert_int_equal(kofn_algorithms_count(set), kofn_algorithms_count(NULL));
    kofn_algorithms_destroy(&set);
    remove_directory(&d);
}

static void
a_directory_with_a_wrong_file_is_refused_with_file_line_and_number(void **state)
{
    (void)state;
    static const struct {
        file files[2];
        kofn_status status;
        const char *says;
    } all[] = {
        {{{"a.yaml", ONE}, {"b.yaml", WRONG}},
         KOFN_INVALID_ARGUMENT,
         "/b.yaml:3:23: products.1.c: number 1 is 2 and would have to be 1: "},
        {{{"a.yaml", ONE}, {"a.json", HALF}}, KOFN_ALREADY_EXISTS, "/a.yaml: another file has"},
        {{{"strassen.yaml", ONE}}, KOFN_ALREADY_EXISTS, "/strassen.yaml: an algorithm 'strassen'"},
        {{{"classical.json", HALF}}, KOFN_ALREADY_EXISTS, "'classical' ships"},
        {{{"a*b.yaml", ONE}}, KOFN_INVALID_ARGUMENT, "/a*b.yaml: the name"},
        {{{"a,b.yaml", ONE}}, KOFN_INVALID_ARGUMENT, "rename the file"},
        {{{"a.yaml", "size: [2, 2]\n"}}, KOFN_INVALID_ARGUMENT, "/a.yaml:1:1: size: '2,2'"},
        {{{"a.yaml", "size: [1, 1, 1]\nproduct: 3\n"}}, KOFN_NOT_FOUND, "/a.yaml:2:1: 'product'"},
        {{{"a.yaml", "{"}}, KOFN_INVALID_ARGUMENT, "/a.yaml:"},
        {{{"a.yaml", ""}}, KOFN_OUT_OF_RANGE, "/a.yaml: "},
        {{{"a23456789a23456789a23456789a23456789a23456789a23456789a234567890.yaml", ONE}},
         KOFN_OUT_OF_RANGE,
         "longer than 63"},
    };
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        kofn_error error;
        kofn_algorithms *set = NULL;
        directory d = make_directory(all[i].files, all[i].files[1].name ? 2 : 1);
        assert_fails(kofn_algorithms_load(d.path, &set, &error), all[i].status);
        if (!strstr(error.text, all[i].says) || !strstr(error.text, d.path))
            fail_msg("'%s' does not say '%s'", error.text, all[i].says);
        assert_null(set);
        remove_directory(&d);
    }
}

static void
what_is_no_directory_is_refused(void **state)
{
    (void)state;
    kofn_error error;
    kofn_algorithms *set = NULL;
    assert_fails(kofn_algorithms_load("/nowhere/at all", &set, &error), KOFN_NOT_FOUND);
    assert_non_null(strstr(error.text, "/nowhere/at all cannot be read"));
    directory d = make_directory(NULL, 0);
    char path[160];
    (void)snprintf(path, sizeof path, "%s/a.yaml", d.path);
    assert_int_equal(mkdir(path, 0700), 0);
    assert_true(kofn_algorithms_load(d.path, &set, &error) != KOFN_OK); // a directory in it
    assert_int_equal(rmdir(path), 0);
    remove_directory(&d);
    assert_null(set);
}

/* ---- codes ----------------------------------------------------------------------------------- */

static void
the_example_multiplies_and_is_a_code_of_its_own(void **state)
{
    (void)state;
    static const char *const fields[] = {"f64", "gf256", "gfp:65537", "gfp:2147483647"};
    kofn_error error;
    kofn_rng rng;
    kofn_algorithms *set;
    kofn_rng_init(&rng, test_seed(5), 0);
    assert_ok(kofn_algorithms_load(KOFN_SOURCE_DIR "/config/algorithms", &set, &error));
    kofn_bilinear *f = parse_with(set, "blocks323");
    assert_true(f->x == 3 && f->z == 2 && f->y == 3 && f->rank == 15 && f->denominator == 1);
    for (int trial = 0; trial < 20; trial++)
        assert_multiplies(f, &rng);
    kofn_bilinear_destroy(&f);

    kofn_code_spec spec = {.family = "alloy_local", .has_seed = true, .seed = 1};
    kofn_code_spec unknown;
    assert_ok(kofn_code_spec_set(&spec, "algorithm", "blocks323", &error));
    assert_string_equal(kofn_code_spec_get_algorithm(&spec), "blocks323");
    unknown = spec;
    spec.algorithms = set;
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        const kofn_field *field;
        kofn_code *code;
        kofn_decoder *decoder;
        kofn_code_spec done = spec;
        assert_ok(kofn_field_new(fields[i], &field, &error));
        const kofn_code_context context = {
            .field = field, .rows = 60, .inner = 40, .cols = 60, .workers = 75};
        assert_fails(kofn_code_spec_check(&unknown, field, &error), KOFN_NOT_FOUND);
        assert_ok(kofn_code_spec_complete(&done, &context, &error));
        assert_true(done.part.x == 6 && done.part.z == 2 && done.part.y == 6);
        assert_int_equal(done.tasks % 15, 0);
        assert_ok(kofn_code_spec_build(&done, field, &code, &error));
        assert_int_equal(code->groups, 15);
        assert_ok(kofn_decoder_new(code, 0, &decoder, &error));
        for (size_t task = 0; task < code->tasks; task++)
            assert_ok(kofn_decoder_add(decoder, task, &error));
        assert_int_equal(kofn_decoder_get_state(decoder), KOFN_DECODE_EXACT);
        kofn_decoder_destroy(&decoder);
        kofn_code_destroy(&code);
        kofn_field_destroy(&field);
    }
    kofn_algorithms_destroy(&set);
}

static void
a_field_without_the_denominator_is_refused(void **state)
{
    (void)state;
    static const file files[] = {{"half.json", HALF}};
    kofn_error error;
    kofn_algorithms *set;
    directory d = make_directory(files, 1);
    assert_ok(kofn_algorithms_load(d.path, &set, &error));
    remove_directory(&d);
    kofn_code_spec spec = {.family = "alloy_local", .part = {1, 1, 1}, .tasks = 2};
    assert_ok(kofn_code_spec_set(&spec, "algorithm", "half", &error));
    spec.algorithms = set;
    assert_fails(kofn_code_spec_check(&spec, kofn_field_find("gf256"), &error),
                 KOFN_INVALID_ARGUMENT);
    assert_non_null(strstr(error.text, "half divides by 2, which is zero in field gf256"));
    assert_ok(kofn_code_spec_check(&spec, kofn_field_find("f64"), &error));
    kofn_algorithms_destroy(&set);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everything_that_ships_multiplies_matrices),
        cmocka_unit_test(names_that_are_none_are_refused),
        cmocka_unit_test(a_directory_is_read_and_its_names_stand_beside_what_ships),
        cmocka_unit_test(numbers_that_a_product_has_no_room_for_are_refused),
        cmocka_unit_test(names_that_are_too_many_to_say_are_left_out_whole),
        cmocka_unit_test(an_empty_directory_is_an_empty_set),
        cmocka_unit_test(a_directory_with_a_wrong_file_is_refused_with_file_line_and_number),
        cmocka_unit_test(what_is_no_directory_is_refused),
        cmocka_unit_test(the_example_multiplies_and_is_a_code_of_its_own),
        cmocka_unit_test(a_field_without_the_denominator_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
