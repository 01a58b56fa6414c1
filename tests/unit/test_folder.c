/* Coded tasks as files: what `kofn encode` writes, `kofn decode` reads. */
#include "tests/assert.h"

#include "client/cli/folder.h"
#include "common/base/rng.h"
#include "common/linalg/multiply.h"

#include <dirent.h>
#include <float.h>
#include <math.h>
#include <sys/stat.h>
#include <unistd.h>

enum { ROWS = 7, INNER = 5, COLS = 6 };

/* A folder for the tests' files, and in it one for the tasks. */
typedef struct fixture {
    char root[64], tasks[80], a[80], b[80], c[80];
} fixture;

static void
remove_all(const char *path)
{
    DIR *dir = opendir(path);
    if (!dir) {
        (void)unlink(path);
        return;
    }
    for (const struct dirent *entry; (entry = readdir(dir));) {
        char inner[512];
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        (void)snprintf(inner, sizeof inner, "%s/%s", path, entry->d_name);
        remove_all(inner);
    }
    (void)closedir(dir);
    (void)rmdir(path);
}

static int
setup(void **state)
{
    static fixture f;
    (void)snprintf(f.root, sizeof f.root, "/tmp/kofn-test-folder-XXXXXX");
    assert_non_null(mkdtemp(f.root));
    (void)snprintf(f.tasks, sizeof f.tasks, "%s/tasks", f.root);
    (void)snprintf(f.a, sizeof f.a, "%s/a.npy", f.root);
    (void)snprintf(f.b, sizeof f.b, "%s/b.npy", f.root);
    (void)snprintf(f.c, sizeof f.c, "%s/c.npy", f.root);
    *state = &f;
    return 0;
}

static int
teardown(void **state)
{
    const fixture *f = *state;
    remove_all(f->root);
    return 0;
}

static void
write_matrix(const char *path, double *data, size_t rows, size_t cols)
{
    kofn_error error;
    kofn_bands bands;
    const kofn_mat mat = kofn_mat_wrap(data, KOFN_F64, rows, cols);
    assert_ok(kofn_bands_from_mat(&mat, &bands, &error));
    assert_ok(kofn_npy_write(path, &bands, &error));
    kofn_bands_fini(&bands);
}

static void
write_random(const char *path, size_t rows, size_t cols, uint64_t stream)
{
    kofn_rng rng;
    double data[64];
    assert_true(rows * cols <= sizeof data / sizeof data[0]);
    kofn_rng_init(&rng, 11, stream);
    for (size_t i = 0; i < rows * cols; i++)
        data[i] = kofn_rng_normal(&rng);
    write_matrix(path, data, rows, cols);
}

/* path_c := op(path_a) path_b, as numpy would. Returns the largest element. */
static void
multiply_files(const char *path_a, const char *path_b, bool transpose_a, const char *path_c)
{
    kofn_error error;
    kofn_npy a, b;
    double data[256];
    size_t rows, cols;
    kofn_bands bands;
    assert_ok(kofn_npy_read(path_a, &a, &error));
    assert_ok(kofn_npy_read(path_b, &b, &error));
    const kofn_product product = {.a = &a.mat,
                                  .b = &b.mat,
                                  .transpose_a = a.transposed != transpose_a,
                                  .transpose_b = b.transposed};
    assert_ok(kofn_product_shape(&product, &rows, &cols, &error));
    assert_true(rows * cols <= sizeof data / sizeof data[0]);
    const kofn_mat c = kofn_mat_wrap(data, KOFN_F64, rows, cols);
    assert_ok(kofn_bands_from_mat(&c, &bands, &error));
    assert_ok(kofn_multiply(kofn_field_for_dtype(KOFN_F64), &product, &bands, &error));
    kofn_bands_fini(&bands);
    kofn_mat_fini(&a.mat);
    kofn_mat_fini(&b.mat);
    write_matrix(path_c, data, rows, cols);
}

static void
task_path(const fixture *f, size_t task, char file, char *ret_path)
{
    kofn_error error;
    assert_ok(cli_task_path(f->tasks, task, file, ret_path, &error));
}

static void
answer_task(const fixture *f, size_t task)
{
    char a[CLI_PATH_MAX], b[CLI_PATH_MAX], c[CLI_PATH_MAX];
    task_path(f, task, 'a', a);
    task_path(f, task, 'b', b);
    task_path(f, task, 'c', c);
    multiply_files(a, b, false, c);
}

static void
forget_answer(const fixture *f, size_t task)
{
    char c[CLI_PATH_MAX];
    task_path(f, task, 'c', c);
    (void)unlink(c);
}

static cli_encoded
encode(const fixture *f, const char *family, const char *partition, const char *tasks,
       bool transpose_a)
{
    kofn_error error;
    cli_encoded encoded;
    cli_product product = {.count = 2, .path = {f->a, f->b}, .transpose = {transpose_a, false}};
    assert_ok(kofn_code_choice_set(&product.code, "family", family, &error));
    assert_ok(kofn_code_choice_set(&product.code, "partition", partition, &error));
    assert_ok(kofn_code_choice_set(&product.code, "tasks", tasks, &error));
    assert_ok(kofn_code_choice_set(&product.code, "seed", "3", &error));
    assert_ok(cli_product_read(&product, &error));
    assert_ok(cli_folder_encode(f->tasks, &product, NULL, 4, &encoded, &error));
    cli_product_fini(&product);
    return encoded;
}

/* |C - A B| against |A B|: decode's amplification times the rounding of sums of INNER terms. */
static void
assert_decoded(const fixture *f, bool transpose_a, double amplification)
{
    kofn_error error;
    kofn_npy c, want;
    char path[96];
    (void)snprintf(path, sizeof path, "%s/want.npy", f->root);
    multiply_files(f->a, f->b, transpose_a, path);
    assert_ok(kofn_npy_read(f->c, &c, &error));
    assert_ok(kofn_npy_read(path, &want, &error));
    assert_int_equal(c.mat.rows, want.mat.rows);
    assert_int_equal(c.mat.cols, want.mat.cols);
    double difference = 0;
    double size = 0;
    for (size_t i = 0; i < c.mat.rows * c.mat.cols; i++) {
        const double at = ((const double *)c.mat.data)[i];
        const double right = ((const double *)want.mat.data)[i];
        difference = fmax(difference, fabs(at - right));
        size = fmax(size, fabs(right));
    }
    assert_at_most(difference, 10 * INNER * fmax(amplification, 1) * DBL_EPSILON * size);
    kofn_mat_fini(&c.mat);
    kofn_mat_fini(&want.mat);
}

static void
every_subset_of_answers_decodes_or_says_what_is_missing(void **state)
{
    static const struct {
        const char *family, *partition, *tasks;
        size_t n, k;
    } codes[] = {{"rkrp", "2,1,2", "6", 6, 4},
                 {"polynomial", "2,1,2", "6", 6, 4},
                 {"polynomial", "3,1,1", "5", 5, 3}};
    const fixture *f = *state;
    write_random(f->a, ROWS, INNER, 1);
    write_random(f->b, INNER, COLS, 2);
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        remove_all(f->tasks);
        assert_int_equal(
            encode(f, codes[i].family, codes[i].partition, codes[i].tasks, false).threshold,
            codes[i].k);
        for (unsigned subset = 0; subset < 1u << codes[i].n; subset++) {
            kofn_error error;
            cli_decoded decoded;
            for (size_t task = 0; task < codes[i].n; task++)
                if (subset & 1u << task)
                    answer_task(f, task);
            (void)unlink(f->c);
            if ((size_t)__builtin_popcount(subset) >= codes[i].k) {
                assert_ok(
                    cli_folder_decode(f->tasks, f->c, NULL, CLI_DECODE_PROMISED, &decoded, &error));
                assert_int_equal(decoded.used, codes[i].k);
            } else {
                assert_fails(
                    cli_folder_decode(f->tasks, f->c, NULL, CLI_DECODE_PROMISED, &decoded, &error),
                    KOFN_FAILED_PRECONDITION);
                assert_int_not_equal(access(f->c, F_OK), 0);
                assert_int_equal(decoded.wanted_count,
                                 codes[i].k - (size_t)__builtin_popcount(subset));
                for (size_t j = 0; j < decoded.wanted_count; j++)
                    answer_task(f, decoded.wanted[j]);
                cli_decoded_fini(&decoded);
                assert_ok(
                    cli_folder_decode(f->tasks, f->c, NULL, CLI_DECODE_PROMISED, &decoded, &error));
            }
            assert_decoded(f, false, decoded.quality.amplification);
            cli_decoded_fini(&decoded);
            for (size_t task = 0; task < codes[i].n; task++)
                forget_answer(f, task);
        }
    }
}

static void
a_transposed_operand_becomes_pairs_that_are_multiplied_plainly(void **state)
{
    const fixture *f = *state;
    kofn_error error;
    cli_decoded decoded;
    write_random(f->a, INNER, ROWS, 3); // stored transposed
    write_random(f->b, INNER, COLS, 4);
    (void)encode(f, "rkrp", "2,1,3", "8", true);
    for (size_t task = 2; task < 8; task++)
        answer_task(f, task);
    assert_ok(cli_folder_decode(f->tasks, f->c, NULL, CLI_DECODE_PROMISED, &decoded, &error));
    assert_decoded(f, true, decoded.quality.amplification);
    cli_decoded_fini(&decoded);
}

/* |C - A B| over |A| |B| */
static double
error_of_decoded(const fixture *f)
{
    kofn_error error;
    kofn_npy npy[3];
    const char *const paths[] = {f->a, f->b, f->c};
    double square[3] = {0}; // of A, B, C - A B
    for (size_t i = 0; i < 3; i++)
        assert_ok(kofn_npy_read(paths[i], &npy[i], &error));
    const double *a = npy[0].mat.data, *b = npy[1].mat.data, *c = npy[2].mat.data;
    for (size_t i = 0; i < ROWS * INNER; i++)
        square[0] += a[i] * a[i];
    for (size_t i = 0; i < INNER * COLS; i++)
        square[1] += b[i] * b[i];
    for (size_t i = 0; i < ROWS; i++)
        for (size_t j = 0; j < COLS; j++) {
            double left = c[i * COLS + j];
            for (size_t k = 0; k < INNER; k++)
                left -= a[i * INNER + k] * b[k * COLS + j];
            square[2] += left * left;
        }
    for (size_t i = 0; i < 3; i++)
        kofn_mat_fini(&npy[i].mat);
    return sqrt(square[2] / (square[0] * square[1]));
}

/* Answers come one by one: with --best each set gives a product and a bound that holds. */
static void
the_best_estimate_keeps_its_bound_at_every_number_of_answers(void **state)
{
    static const struct {
        const char *family, *partition, *tasks;
        size_t n, k;
    } codes[] = {{"rkrp", "2,1,2", "6", 6, 4},
                 {"uncoded", "2,1,2", "4", 4, 4},
                 {"matdot", "1,3,1", "6", 6, 5},
                 {"eps_matdot", "1,3,1", "5", 5, 5}};
    const fixture *f = *state;
    kofn_error error;
    cli_decoded decoded;
    write_random(f->a, ROWS, INNER, 1);
    write_random(f->b, INNER, COLS, 2);
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        remove_all(f->tasks);
        (void)encode(f, codes[i].family, codes[i].partition, codes[i].tasks, false);
        assert_fails(cli_folder_decode(f->tasks, f->c, NULL, CLI_DECODE_BEST, &decoded, &error),
                     KOFN_FAILED_PRECONDITION); // without any
        assert_true(decoded.wanted_count > 0);
        cli_decoded_fini(&decoded);
        for (size_t task = 0; task < codes[i].n; task++) {
            answer_task(f, task);
            assert_ok(cli_folder_decode(f->tasks, f->c, NULL, CLI_DECODE_BEST, &decoded, &error));
            assert_true(decoded.decoded && decoded.wanted_count == 0);
            assert_true(decoded.estimate || task + 1 >= codes[i].k);
            assert_at_most(error_of_decoded(f), decoded.error_bound + INNER * DBL_EPSILON);
            cli_decoded_fini(&decoded);
        }
    }
}

/* Three answers of an epsilon-approximate code are enough for what it promises; with a fourth they
 * tell what the estimate is worth. */
static void
a_promised_estimate_is_made_without_asking(void **state)
{
    const fixture *f = *state;
    kofn_error error;
    cli_decoded decoded;
    write_random(f->a, ROWS, INNER, 1);
    write_random(f->b, INNER, COLS, 2);
    const cli_encoded encoded = encode(f, "eps_matdot", "1,3,1", "5", false);
    assert_int_equal(encoded.enough, 3);
    assert_int_equal(encoded.threshold, 5);
    answer_task(f, 4);
    assert_fails(cli_folder_decode(f->tasks, f->c, NULL, CLI_DECODE_PROMISED, &decoded, &error),
                 KOFN_FAILED_PRECONDITION);
    assert_int_equal(decoded.wanted_count, 2);
    assert_int_equal(decoded.wanted[0], 0);
    assert_int_equal(decoded.wanted[1], 1);
    assert_non_null(strstr(error.text, "--best"));
    cli_decoded_fini(&decoded);

    answer_task(f, 0);
    answer_task(f, 1);
    assert_ok(cli_folder_decode(f->tasks, f->c, NULL, CLI_DECODE_PROMISED, &decoded, &error));
    assert_true(decoded.estimate && decoded.error_estimate == 0); // none to spare
    assert_at_most(decoded.error_bound, 1e-3);
    assert_at_most(error_of_decoded(f), decoded.error_bound);
    cli_decoded_fini(&decoded);

    answer_task(f, 3);
    assert_ok(cli_folder_decode(f->tasks, f->c, NULL, CLI_DECODE_PROMISED, &decoded, &error));
    assert_true(decoded.estimate && decoded.error_estimate > 0);
    assert_at_most(decoded.error_estimate, 1e-2);
    assert_at_most(error_of_decoded(f), decoded.error_bound);
    cli_decoded_fini(&decoded);

    remove_all(f->tasks); // with fewer tasks than the product takes
    (void)encode(f, "eps_matdot", "1,5,1", "6", false);
    assert_fails(cli_folder_decode(f->tasks, f->c, NULL, CLI_DECODE_PROMISED, &decoded, &error),
                 KOFN_FAILED_PRECONDITION);
    assert_int_equal(decoded.wanted_count, 5);
    cli_decoded_fini(&decoded);
}

static void
overwrite(const char *path, const char *bytes, size_t length)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, length, file), length);
    assert_int_equal(fclose(file), 0);
}

static void
write_floats(const char *path, size_t rows, size_t cols)
{
    kofn_error error;
    kofn_bands bands;
    float data[64] = {0};
    const kofn_mat mat = kofn_mat_wrap(data, KOFN_F32, rows, cols);
    assert_true(rows * cols <= sizeof data / sizeof data[0]);
    assert_ok(kofn_bands_from_mat(&mat, &bands, &error));
    assert_ok(kofn_npy_write(path, &bands, &error));
    kofn_bands_fini(&bands);
}

static void
an_answer_that_is_none_counts_as_missing_and_is_listed(void **state)
{
    const fixture *f = *state;
    kofn_error error;
    cli_decoded decoded;
    char path[CLI_PATH_MAX];
    double wrong[4] = {0};
    write_random(f->a, ROWS, INNER, 1);
    write_random(f->b, INNER, COLS, 2);
    const cli_encoded encoded = encode(f, "polynomial", "2,1,2", "8", false);
    for (size_t task = 0; task < 8; task++)
        answer_task(f, task);
    task_path(f, 0, 'c', path);
    overwrite(path, "no npy at all", 13);
    task_path(f, 1, 'c', path);
    write_matrix(path, wrong, 2, 2);
    task_path(f, 2, 'c', path);
    assert_int_equal(truncate(path, 130), 0);
    task_path(f, 3, 'c', path);
    write_floats(path, encoded.part.rows, encoded.part.cols);
    assert_ok(cli_folder_decode(f->tasks, f->c, NULL, CLI_DECODE_PROMISED, &decoded, &error));
    assert_int_equal(decoded.refused_count, 4);
    assert_int_equal(decoded.answers, 4);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(decoded.refused[i].task, i);
    assert_non_null(strstr(decoded.refused[1].error.text, "[2, 2]"));
    assert_decoded(f, false, decoded.quality.amplification);
    cli_decoded_fini(&decoded);
}

static void
a_nan_in_an_answer_is_said(void **state)
{
    const fixture *f = *state;
    kofn_error error;
    cli_decoded decoded;
    char path[CLI_PATH_MAX];
    double part[12];
    write_random(f->a, ROWS, INNER, 1);
    write_random(f->b, INNER, COLS, 2);
    const cli_encoded encoded = encode(f, "rkrp", "2,1,2", "5", false);
    for (size_t task = 0; task < 4; task++)
        answer_task(f, task);
    for (size_t i = 0; i < 12; i++)
        part[i] = NAN;
    task_path(f, 0, 'c', path);
    write_matrix(path, part, encoded.part.rows, encoded.part.cols);
    assert_ok(cli_folder_decode(f->tasks, f->c, NULL, CLI_DECODE_PROMISED, &decoded, &error));
    assert_true(decoded.nonfinite);
    cli_decoded_fini(&decoded);
}

static void
tasks_of_another_product_are_not_written_over(void **state)
{
    const fixture *f = *state;
    kofn_error error;
    cli_encoded encoded;
    char path[CLI_PATH_MAX];
    write_random(f->a, ROWS, INNER, 1);
    write_random(f->b, INNER, COLS, 2);
    (void)encode(f, "rkrp", "2,1,2", "5", false);
    cli_product product = {.count = 2, .path = {f->a, f->b}};
    assert_ok(cli_product_read(&product, &error));
    assert_fails(cli_folder_encode(f->tasks, &product, NULL, 4, &encoded, &error),
                 KOFN_ALREADY_EXISTS);
    answer_task(f, 0);
    assert_fails(cli_folder_encode(f->tasks, &product, NULL, 4, &encoded, &error),
                 KOFN_ALREADY_EXISTS);
    assert_ok(cli_manifest_path(f->tasks, path, &error));
    assert_int_equal(unlink(path), 0);
    assert_fails(cli_folder_encode(f->tasks, &product, NULL, 4, &encoded, &error),
                 KOFN_ALREADY_EXISTS);
    forget_answer(f, 0);
    assert_ok(
        cli_folder_encode(f->tasks, &product, NULL, 4, &encoded, &error)); // after a half encode
    assert_fails(cli_folder_encode("/nowhere/at/all", &product, NULL, 4, &encoded, &error),
                 KOFN_NOT_FOUND);
    cli_product_fini(&product);
}

static void
a_full_disk_is_an_error_and_no_file(void **state)
{
    const fixture *f = *state;
    kofn_error error;
    cli_decoded decoded;
    write_random(f->a, ROWS, INNER, 1);
    write_random(f->b, INNER, COLS, 2);
    (void)encode(f, "uncoded", "1,1,1", "1", false);
    answer_task(f, 0);
    assert_fails(
        cli_folder_decode(f->tasks, "/dev/full", NULL, CLI_DECODE_PROMISED, &decoded, &error),
        KOFN_RESOURCE_EXHAUSTED);
    cli_decoded_fini(&decoded);
}

static void
operands_that_do_not_match_are_refused(void **state)
{
    const fixture *f = *state;
    kofn_error error;
    cli_product product = {.count = 2, .path = {f->a, f->b}};
    write_random(f->a, ROWS, INNER, 1);
    write_random(f->b, COLS, INNER, 2);
    assert_fails(cli_product_read(&product, &error), KOFN_INVALID_ARGUMENT);
    cli_product_fini(&product);
    product.transpose[1] = true;
    assert_ok(cli_product_read(&product, &error));
    cli_product_fini(&product);
    product.path[1] = "/nowhere.npy";
    assert_fails(cli_product_read(&product, &error), KOFN_NOT_FOUND);
    cli_product_fini(&product);
}

/* ---- finite fields --------------------------------------------------------------------------- */

enum { PRIME = 65537 };

static void
write_words(const char *path, uint32_t *data, size_t rows, size_t cols)
{
    kofn_error error;
    kofn_bands bands;
    const kofn_mat mat = kofn_mat_wrap(data, KOFN_U32, rows, cols);
    assert_ok(kofn_bands_from_mat(&mat, &bands, &error));
    assert_ok(kofn_npy_write(path, &bands, &error));
    kofn_bands_fini(&bands);
}

static void
write_random_words(const char *path, size_t rows, size_t cols, uint64_t stream)
{
    kofn_rng rng;
    uint32_t data[64];
    assert_true(rows * cols <= sizeof data / sizeof data[0]);
    kofn_rng_init(&rng, 12, stream);
    for (size_t i = 0; i < rows * cols; i++)
        data[i] = (uint32_t)(kofn_rng_u64(&rng) % PRIME);
    write_words(path, data, rows, cols);
}

/* c := a b modulo PRIME, by remainders. */
static void
multiply_words(const char *path_a, const char *path_b, uint32_t *ret_c, size_t *ret_rows,
               size_t *ret_cols)
{
    kofn_error error;
    kofn_npy a, b;
    assert_ok(kofn_npy_read(path_a, &a, &error));
    assert_ok(kofn_npy_read(path_b, &b, &error));
    const uint32_t *left = a.mat.data, *right = b.mat.data;
    assert_true(a.mat.rows * b.mat.cols <= 64 && a.mat.cols == b.mat.rows);
    for (size_t i = 0; i < a.mat.rows; i++)
        for (size_t j = 0; j < b.mat.cols; j++) {
            uint64_t sum = 0;
            for (size_t k = 0; k < a.mat.cols; k++)
                sum =
                    (sum + (uint64_t)left[i * a.mat.cols + k] * right[k * b.mat.cols + j]) % PRIME;
            ret_c[i * b.mat.cols + j] = (uint32_t)sum;
        }
    *ret_rows = a.mat.rows;
    *ret_cols = b.mat.cols;
    kofn_mat_fini(&a.mat);
    kofn_mat_fini(&b.mat);
}

static void
answer_words(const fixture *f, size_t task, bool spoil)
{
    char a[CLI_PATH_MAX], b[CLI_PATH_MAX], c[CLI_PATH_MAX];
    uint32_t data[64];
    size_t rows, cols;
    task_path(f, task, 'a', a);
    task_path(f, task, 'b', b);
    task_path(f, task, 'c', c);
    multiply_words(a, b, data, &rows, &cols);
    if (spoil)
        data[rows * cols - 1] = PRIME;
    write_words(c, data, rows, cols);
}

static kofn_status
encode_words(const fixture *f, const char *field, cli_encoded *ret_encoded, kofn_error *err)
{
    kofn_error error;
    cli_product product = {.count = 2, .path = {f->a, f->b}, .field = field};
    assert_ok(kofn_code_choice_set(&product.code, "family", "polynomial", &error));
    assert_ok(kofn_code_choice_set(&product.code, "partition", "2,1,2", &error));
    assert_ok(kofn_code_choice_set(&product.code, "tasks", "6", &error));
    kofn_status status = cli_product_read(&product, err);
    if (status == KOFN_OK)
        status = cli_folder_encode(f->tasks, &product, NULL, 4, ret_encoded, err);
    cli_product_fini(&product);
    return status;
}

static void
a_product_over_a_prime_field_is_exact_and_foreign_answers_are_not_used(void **state)
{
    const fixture *f = *state;
    kofn_error error;
    cli_encoded encoded;
    cli_decoded decoded;
    write_random_words(f->a, ROWS, INNER, 1);
    write_random_words(f->b, INNER, COLS, 2);
    assert_ok(encode_words(f, "gfp:65537", &encoded, &error));
    assert_string_equal(encoded.manifest.field, "gfp:65537");
    assert_int_equal(encoded.threshold, 4);
    for (size_t task = 0; task < 4; task++)
        answer_words(f, task, task == 1);
    assert_fails(cli_folder_decode(f->tasks, f->c, NULL, CLI_DECODE_PROMISED, &decoded, &error),
                 KOFN_FAILED_PRECONDITION);
    assert_int_equal(decoded.refused_count, 1);
    assert_int_equal(decoded.refused[0].task, 1);
    assert_non_null(strstr(decoded.refused[0].error.text, "is 65537, not in field gfp:65537"));
    cli_decoded_fini(&decoded);

    answer_words(f, 5, false);
    assert_ok(cli_folder_decode(f->tasks, f->c, NULL, CLI_DECODE_PROMISED, &decoded, &error));
    assert_int_equal(decoded.used, 4);
    assert_true(decoded.error_bound == 0 && !decoded.nonfinite);
    cli_decoded_fini(&decoded);
    uint32_t want[64];
    size_t rows, cols;
    kofn_npy c;
    multiply_words(f->a, f->b, want, &rows, &cols);
    assert_ok(kofn_npy_read(f->c, &c, &error));
    assert_int_equal(c.mat.dtype, KOFN_U32);
    assert_memory_equal(c.mat.data, want, ROWS * COLS * sizeof want[0]);
    kofn_mat_fini(&c.mat);
}

static void
operands_that_are_not_of_the_field_are_not_encoded(void **state)
{
    static const struct {
        const char *field, *hint;
    } wrong[] = {
        {NULL, "--field gfp:P"},
        {"gfp:65536", "the nearest is 65537"},
        {"gf256", "has elements of u8"},
        {"gfp:5", "gfp:7"}, // points
        {"gfp:32749", "b.npy: element (4, 5) is 40000, not in field gfp:32749"},
    };
    const fixture *f = *state;
    uint32_t a[ROWS * INNER] = {0}, b[INNER * COLS] = {0};
    b[INNER * COLS - 1] = 40000;
    write_words(f->a, a, ROWS, INNER);
    write_words(f->b, b, INNER, COLS);
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        kofn_error error;
        cli_encoded encoded;
        assert_fails(encode_words(f, wrong[i].field, &encoded, &error), KOFN_INVALID_ARGUMENT);
        if (!strstr(error.text, wrong[i].hint))
            fail_msg("'%s' does not say '%s'", error.text, wrong[i].hint);
        assert_int_not_equal(access(f->tasks, F_OK), 0);
    }
}

/* ---- manifests ------------------------------------------------------------------------------- */

/* ---- algorithms ------------------------------------------------------------------------------ */

static void
write_algorithm(const fixture *f, const char *directory, const char *numbers)
{
    char path[CLI_PATH_MAX];
    (void)snprintf(path, sizeof path, "%s/%s", f->root, directory);
    assert_int_equal(mkdir(path, 0700), 0);
    (void)snprintf(path, sizeof path, "%s/%s/sums.yaml", f->root, directory);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fprintf(file, "size: [1, 2, 1]\nproducts:\n%s", numbers) > 0);
    assert_int_equal(fclose(file), 0);
}

static void
tasks_over_an_algorithm_of_a_directory_are_decoded_by_the_same_one_only(void **state)
{
    const fixture *f = *state;
    kofn_error error;
    cli_encoded encoded;
    cli_decoded decoded;
    char good[CLI_PATH_MAX], other[CLI_PATH_MAX];
    cli_product product = {.count = 2, .path = {f->a, f->b}};
    write_random(f->a, 5, 6, 1);
    write_random(f->b, 6, 4, 2);
    write_algorithm(f, "good",
                    "  1: {a: [1, 0], b: [1, 0], c: [1]}\n"
                    "  2: {a: [0, 1], b: [0, 1], c: [1]}\n");
    write_algorithm(f, "other",
                    "  1: {a: [2, 0], b: [1, 0], c: [1/2]}\n"
                    "  2: {a: [0, 1], b: [0, 1], c: [1]}\n");
    (void)snprintf(good, sizeof good, "%s/good", f->root);
    (void)snprintf(other, sizeof other, "%s/other", f->root);
    assert_ok(kofn_code_choice_set(&product.code, "family", "alloy_local", &error));
    assert_ok(kofn_code_choice_set(&product.code, "algorithm", "sums", &error));
    assert_ok(cli_product_read(&product, &error)); // a master might know it
    assert_fails(cli_folder_encode(f->tasks, &product, NULL, 4, &encoded, &error), KOFN_NOT_FOUND);
    assert_fails(cli_folder_encode(f->tasks, &product, "/nowhere", 4, &encoded, &error),
                 KOFN_NOT_FOUND);
    assert_ok(cli_folder_encode(f->tasks, &product, good, 4, &encoded, &error));
    cli_product_fini(&product);
    for (size_t task = 0; task < encoded.manifest.spec.tasks; task++)
        answer_task(f, task);

    assert_fails(cli_folder_decode(f->tasks, f->c, NULL, CLI_DECODE_PROMISED, &decoded, &error),
                 KOFN_NOT_FOUND);
    cli_decoded_fini(&decoded);
    assert_fails(cli_folder_decode(f->tasks, f->c, other, CLI_DECODE_PROMISED, &decoded, &error),
                 KOFN_FAILED_PRECONDITION);
    assert_non_null(strstr(error.text, "sums is not the one that the tasks were made by"));
    cli_decoded_fini(&decoded);
    assert_ok(cli_folder_decode(f->tasks, f->c, good, CLI_DECODE_PROMISED, &decoded, &error));
    assert_decoded(f, false, decoded.quality.amplification);
    cli_decoded_fini(&decoded);

    assert_int_equal(setenv("KOFN_ALGORITHMS", good, 1), 0);
    assert_ok(cli_folder_decode(f->tasks, f->c, NULL, CLI_DECODE_PROMISED, &decoded, &error));
    assert_int_equal(unsetenv("KOFN_ALGORITHMS"), 0);
    cli_decoded_fini(&decoded);
}

#define GOOD                                                                                       \
    "\"kofn\": 1, \"code\": \"rkrp\", \"partition\": [2, 1, 2], \"tasks\": 6, \"seed\": \"7\", "   \
    "\"dtype\": \"f64\", \"rows\": 7, \"inner\": 5, \"cols\": 6"

#define FINITE(field_, dtype_)                                                                     \
    "\"kofn\": 1, \"code\": \"rkrp\", \"partition\": [2, 1, 2], \"tasks\": 6, \"seed\": \"7\", "   \
    "\"field\": \"" field_ "\", \"dtype\": \"" dtype_ "\", \"rows\": 7, \"inner\": 5, "            \
    "\"cols\": 6, \"set\": {}"

#define OF(code_, field_, dtype_)                                                                  \
    "\"code\": \"" code_                                                                           \
    "\", \"partition\": [2, 1, 2], \"tasks\": 6, \"seed\": \"7\", \"field\": \"" field_            \
    "\", \"dtype\": \"" dtype_ "\", \"rows\": 7, \"inner\": 5, \"cols\": 6, \"set\": {}"

static void
a_manifest_that_is_none_or_cannot_be_is_refused(void **state)
{
    static const char *const wrong[] = {
        "",
        "{",
        "[]",
        "null",
        "{}",
        "{" GOOD "}",                // no set
        "{" GOOD ", \"set\": {}} x", // more behind it
        "{" GOOD ", \"set\": []}",
        "{" GOOD ", \"set\": {\"systematic\": 1}}",
        "{" GOOD ", \"set\": {\"systematik\": \"no\"}}",
        "{" GOOD ", \"set\": {\"tasks\": \"9\"}}",
        "{" GOOD ", \"set\": {}, \"rows\": 8}", // twice
        "{\"kofn\": 0, " OF("rkrp", "f64", "f64") "}",
        "{\"kofn\": 3, " OF("rkrp", "f64", "f64") "}",
        "{\"kofn\": 2, " OF("rkrp", "f64", "f64") "}", // no edition
        "{\"kofn\": 1, " OF("auto", "f64", "f64") "}", // of which family?
        "{\"kofn\": 1, \"code\": \"no\", \"partition\": [2, 1, 2], \"tasks\": 6, \"seed\": \"7\", "
        "\"dtype\": \"f64\", \"rows\": 7, \"inner\": 5, \"cols\": 6, \"set\": {}}",
        "{\"kofn\": 1, \"code\": \"rkrp\", \"partition\": [2, 1], \"tasks\": 6, \"seed\": \"7\", "
        "\"dtype\": \"f64\", \"rows\": 7, \"inner\": 5, \"cols\": 6, \"set\": {}}",
        "{\"kofn\": 1, \"code\": \"rkrp\", \"partition\": [0, 1, 2], \"tasks\": 6, \"seed\": "
        "\"7\", "
        "\"dtype\": \"f64\", \"rows\": 7, \"inner\": 5, \"cols\": 6, \"set\": {}}",
        "{\"kofn\": 1, \"code\": \"rkrp\", \"partition\": [2, 1, 2], \"tasks\": 3, \"seed\": "
        "\"7\", "
        "\"dtype\": \"f64\", \"rows\": 7, \"inner\": 5, \"cols\": 6, \"set\": {}}", // n < k
        "{\"kofn\": 1, \"code\": \"rkrp\", \"partition\": [2, 1, 2], \"tasks\": -6, \"seed\": "
        "\"7\", "
        "\"dtype\": \"f64\", \"rows\": 7, \"inner\": 5, \"cols\": 6, \"set\": {}}",
        "{\"kofn\": 1, \"code\": \"rkrp\", \"partition\": [2, 1, 2], \"tasks\": 6, \"seed\": "
        "\"x\", "
        "\"dtype\": \"f64\", \"rows\": 7, \"inner\": 5, \"cols\": 6, \"set\": {}}",
        "{\"kofn\": 1, \"code\": \"rkrp\", \"partition\": [2, 1, 2], \"tasks\": 6, \"seed\": "
        "\"7\", "
        "\"dtype\": \"i64\", \"rows\": 7, \"inner\": 5, \"cols\": 6, \"set\": {}}",
        "{" FINITE("", "u8") "}",        // whose code is no code of gf256
        "{" FINITE("", "u32") "}",       // of which field?
        "{" FINITE("gfp:7", "u8") "}",   // of another dtype
        "{" FINITE("gfp:91", "u32") "}", // no prime
        "{" FINITE("gf8", "u8") "}",     // no field
        "{" FINITE("f64", "f64") ", \"field\": \"f64\"}",
        "{" FINITE("f64", "f64") ", \"x\": 1, \"field\": 1}",
        "{\"kofn\": 1, \"code\": \"rkrp\", \"partition\": [2, 1, 2], \"tasks\": 6, \"seed\": "
        "\"7\", "
        "\"dtype\": \"f64\", \"rows\": 9223372036854775807, \"inner\": 5, \"cols\": 6, \"set\": "
        "{}}",
    };
    cli_manifest manifest;
    kofn_error error;
    (void)state;
    assert_ok(cli_manifest_parse("{" GOOD ", \"set\": {}, \"new\": 1}", NULL, &manifest, &error));
    assert_int_equal(manifest.shape.rows, 7);
    assert_string_equal(manifest.field, "f64"); // older ones do not say
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        error.text[0] = '\0';
        if (cli_manifest_parse(wrong[i], NULL, &manifest, &error) == KOFN_OK)
            fail_msg("taken: %s", wrong[i]);
        assert_true(error.text[0] != '\0');
    }
}

/* What was orthopoly's task 1 is its task 3 by now, and an answer to one is none to the other. */
static void
tasks_of_another_edition_of_their_family_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        kofn_status status;
    } cases[] = {
        {"{\"kofn\": 1, " OF("orthopoly", "f64", "f64") "}", KOFN_FAILED_PRECONDITION},
        {"{\"kofn\": 1, \"edition\": 1, " OF("polynomial", "f64", "f64") "}",
         KOFN_FAILED_PRECONDITION},
        {"{\"kofn\": 2, \"edition\": 0, " OF("orthopoly", "f64", "f64") "}",
         KOFN_FAILED_PRECONDITION},
        {"{\"kofn\": 2, \"edition\": 2, " OF("orthopoly", "f64", "f64") "}",
         KOFN_FAILED_PRECONDITION},
        {"{\"kofn\": 2, \"edition\": 1, " OF("rkrp", "f64", "f64") "}", KOFN_FAILED_PRECONDITION},
        {"{\"kofn\": 2, \"edition\": 1, " OF("orthopoly", "f64", "f64") "}", KOFN_OK},
        {"{\"kofn\": 2, \"edition\": 0, " OF("rkrp", "f64", "f64") "}", KOFN_OK},
        {"{\"kofn\": 1, " OF("polynomial", "gf256", "u8") "}", KOFN_OK}, // in the order that it had
    };
    kofn_error error;
    cli_manifest manifest;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const kofn_status status = cli_manifest_parse(cases[i].text, NULL, &manifest, &error);
        if (status != cases[i].status)
            fail_msg("%s: %s", cases[i].text, status ? error.text : "taken");
        if (status)
            assert_non_null(strstr(error.text, "encode anew"));
    }
}

static void
a_manifest_that_is_too_large_or_missing_is_refused(void **state)
{
    const fixture *f = *state;
    kofn_error error;
    cli_manifest manifest;
    cli_decoded decoded;
    char path[CLI_PATH_MAX];
    static const char good[] = "{" GOOD ", \"set\": {}}";
    assert_fails(cli_manifest_load(f->tasks, NULL, &manifest, &error), KOFN_NOT_FOUND);
    assert_fails(cli_folder_decode(f->tasks, f->c, NULL, CLI_DECODE_PROMISED, &decoded, &error),
                 KOFN_NOT_FOUND);
    cli_decoded_fini(&decoded);

    assert_int_equal(mkdir(f->tasks, 0700), 0);
    assert_ok(cli_manifest_path(f->tasks, path, &error));
    char *blanks = malloc(CLI_MANIFEST_BYTES_MAX + 1);
    assert_non_null(blanks);
    memset(blanks, ' ', CLI_MANIFEST_BYTES_MAX + 1);
    memcpy(blanks, good, strlen(good)); // and would be one
    overwrite(path, blanks, CLI_MANIFEST_BYTES_MAX + 1);
    free(blanks);
    assert_fails(cli_manifest_load(f->tasks, NULL, &manifest, &error), KOFN_INVALID_ARGUMENT);
}

int
main(void)
{
#define TEST(name_) cmocka_unit_test_setup_teardown(name_, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(every_subset_of_answers_decodes_or_says_what_is_missing),
        TEST(a_transposed_operand_becomes_pairs_that_are_multiplied_plainly),
        TEST(an_answer_that_is_none_counts_as_missing_and_is_listed),
        TEST(the_best_estimate_keeps_its_bound_at_every_number_of_answers),
        TEST(a_promised_estimate_is_made_without_asking),
        TEST(a_nan_in_an_answer_is_said),
        TEST(tasks_of_another_product_are_not_written_over),
        TEST(a_full_disk_is_an_error_and_no_file),
        TEST(operands_that_do_not_match_are_refused),
        TEST(tasks_over_an_algorithm_of_a_directory_are_decoded_by_the_same_one_only),
        TEST(a_product_over_a_prime_field_is_exact_and_foreign_answers_are_not_used),
        TEST(operands_that_are_not_of_the_field_are_not_encoded),
        TEST(a_manifest_that_is_none_or_cannot_be_is_refused),
        TEST(tasks_of_another_edition_of_their_family_are_refused),
        TEST(a_manifest_that_is_too_large_or_missing_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
