#include "common/linalg/matrix_market.h"
#include "tests/assert.h"
#include "tests/comma.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static kofn_error error;
static char path[] = "/tmp/kofn-matrix-market-XXXXXX";

enum { PLENTY = 1 << 24 };

static int
make_file(void **state)
{
    (void)state;
    const int fd = mkstemp(path);
    return fd < 0 ? -1 : close(fd);
}

static int
remove_file(void **state)
{
    (void)state;
    return unlink(path);
}

static kofn_status
read_bytes(const char *text, size_t length, size_t most, kofn_matrix_market *ret)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, length, file), length);
    assert_int_equal(fclose(file), 0);
    return kofn_matrix_market_read(path, most, ret, &error);
}

static kofn_status
read_text(const char *text, kofn_matrix_market *ret)
{
    return read_bytes(text, strlen(text), PLENTY, ret);
}

/* The matrix as it is meant, row-major, wherever the file put it. */
static void
assert_matrix(const char *text, size_t rows, size_t cols, const double *want)
{
    kofn_matrix_market m;
    assert_ok(read_text(text, &m));
    double *got = calloc(rows * cols + 1, sizeof *got);
    if (m.sparse) {
        assert_int_equal(m.csr.rows, rows);
        assert_int_equal(m.csr.cols, cols);
        assert_ok(kofn_csr_check("A", &m.csr, &error));
        for (size_t r = 0; r < rows; r++)
            for (size_t i = kofn_csr_get_first(&m.csr, r); i < kofn_csr_get_first(&m.csr, r + 1);
                 i++)
                got[r * cols + kofn_csr_get_column(&m.csr, i)] = ((double *)m.csr.value.data)[i];
    } else {
        assert_int_equal(m.mat.rows, cols);
        assert_int_equal(m.mat.cols, rows);
        for (size_t r = 0; r < rows; r++)
            for (size_t c = 0; c < cols; c++)
                got[r * cols + c] = ((double *)m.mat.data)[c * rows + r];
    }
    for (size_t i = 0; i < rows * cols; i++)
        assert_true(got[i] == want[i]);
    free(got);
    kofn_matrix_market_fini(&m);
}

#define GENERAL "%%MatrixMarket matrix coordinate real general\n"

static void
coordinates_come_in_any_order_with_comments_and_blanks(void **state)
{
    (void)state;
    static const double want[] = {5, 0, 0, 2, 0, 0, 0, 0, 1e-3, 0, 7, 0};
    assert_matrix(GENERAL "3 4 4\n3 3 7\n1 1 5.0\n3 1 +1e-3\n1 4 2", 3, 4, want);
    assert_matrix("%%matrixmarket MATRIX Coordinate Double General\r\n"
                  "% made by hand\r\n%\r\n\r\n  3\t4  4 \r\n"
                  "1 1 5\r\n\r\n% and on\r\n 1 4 2.\r\n3 1 .001\r\n3 3 7E0\r\n\r\n",
                  3, 4, want);
}

static void
entries_of_one_place_are_summed(void **state)
{
    (void)state;
    static const double want[] = {0, 6, 0, 0, 0, 0.5};
    assert_matrix(GENERAL "2 3 5\n1 2 1\n2 3 .25\n1 2 2\n1 2 3\n2 3 .25\n", 2, 3, want);
}

static void
sums_are_numbers_that_a_file_may_hold(void **state)
{
    (void)state;
    static const double most[] = {0x1p53}, none[] = {0};
#define INTEGERS "%%MatrixMarket matrix coordinate integer general\n1 1 "
    assert_matrix(INTEGERS "3\n1 1 9007199254740991\n1 1 -1\n1 1 2\n", 1, 1, most);
    static const struct {
        const char *text, *says;
    } wrong[] = {
        {GENERAL "4 5 3\n3 4 1e308\n1 1 7\n3 4 1e308\n",
         "place 3, 4 add up to no finite real number"},
        {INTEGERS "2\n1 1 9007199254740992\n1 1 1\n", "place 1, 1 add up to more than 2^53"},
        {INTEGERS "2\n1 1 -9007199254740992\n1 1 -2\n", "add up to more than 2^53, where"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        kofn_matrix_market m;
        assert_fails(read_text(wrong[i].text, &m), KOFN_INVALID_ARGUMENT);
        assert_non_null(strstr(error.text, wrong[i].says));
    }
    assert_matrix(GENERAL "1 1 2\n1 1 1e308\n1 1 -1e308\n", 1, 1, none);
}

static void
a_point_is_a_point_in_other_locales(void **state)
{
    (void)state;
    static const double want[] = {1.5, -0.25};
    if (!comma_begin())
        skip();
    assert_matrix(GENERAL "1 2 2\n1 1 1.5\n1 2 -2.5e-1\n", 1, 2, want);
    comma_end();
}

static void
a_symmetric_file_lists_its_lower_triangle(void **state)
{
    (void)state;
    static const double symmetric[] = {4, 0, 2, 0, 0, 3, 2, 3, 0};
    static const double skew[] = {0, 0, -2, 0, 0, 3, 2, -3, 0};
    static const double ones[] = {1, 0, 1, 0, 0, 1, 1, 1, 0};
    assert_matrix("%%MatrixMarket matrix coordinate integer symmetric\n3 3 3\n3 1 2\n1 1 4\n3 2 3",
                  3, 3, symmetric);
    assert_matrix("%%MatrixMarket matrix coordinate real skew-symmetric\n3 3 2\n3 1 2\n3 2 -3\n", 3,
                  3, skew);
    assert_matrix("%%MatrixMarket matrix coordinate pattern symmetric\n3 3 3\n3 1\n1 1\n3 2\n", 3,
                  3, ones);
}

static void
array_files_go_by_columns(void **state)
{
    (void)state;
    static const double general[] = {1, 3, 5, 2, 4, 6}, symmetric[] = {1, 2, 2, 3};
    static const double skew[] = {0, -7, 7, 0};
    assert_matrix("%%MatrixMarket matrix array real general\n2 3\n1\n2\n3\n4\n5\n6\n", 2, 3,
                  general);
    assert_matrix("%%MatrixMarket matrix array integer symmetric\n2 2\n1\n2\n3\n", 2, 2, symmetric);
    assert_matrix("%%MatrixMarket matrix array real skew-symmetric\n2 2\n7\n", 2, 2, skew);
}

static void
matrices_without_elements_are_read(void **state)
{
    (void)state;
    static const double none[4] = {0};
    assert_matrix(GENERAL "2 2 0\n", 2, 2, none);
    assert_matrix(GENERAL "0 0 0", 0, 0, none);
    assert_matrix(GENERAL "0 7 0", 0, 7, none);
    assert_matrix("%%MatrixMarket matrix array real general\n0 3\n", 0, 3, none);
    assert_matrix("%%MatrixMarket matrix array real skew-symmetric\n0 0\n", 0, 0, none);
    assert_matrix("%%MatrixMarket matrix array real skew-symmetric\n1 1\n", 1, 1, none);
}

static void
what_is_wrong_is_said_with_its_line(void **state)
{
    (void)state;
    static const struct {
        const char *text, *says;
    } wrong[] = {
        {"", "line 1: no Matrix Market file"},
        {"\n", "line 1: no Matrix Market file"},
        {"1 2 3\n", "line 1: no Matrix Market file"},
        {"%%MatrixMarket matrix coordinate real\n", "line 1: no Matrix Market file"},
        {"%%MatrixMarket matrix coordinate real general more\n", "line 1: no Matrix Market file"},
        {"%%MatrixMarket vector coordinate real general\n", "line 1: no Matrix Market file"},
        {"%%MatrixMarket matrix rows real general\n", "line 1: format 'rows'"},
        {"%%MatrixMarket matrix coordinate half general\n", "line 1: field 'half'"},
        {"%%MatrixMarket matrix coordinate real odd\n", "line 1: symmetry 'odd'"},
        {"%%MatrixMarket matrix array pattern general\n", "line 1: a pattern in an array"},
        {"%%MatrixMarket matrix coordinate pattern skew-symmetric\n", "line 1: a skew-symmetric"},
        {GENERAL, "line 1: need rows, columns and entries"},
        {GENERAL "% c\n\n2 2\n", "line 4: need rows, columns and entries"},
        {GENERAL "2 2 -1\n", "line 2: need rows"},
        {GENERAL "2 2 99999999999999999999\n", "line 2: need rows"},
        {GENERAL "2 2 4\n1 1 1\n", "line 2: promises 4 entries"},
        {GENERAL "2 2 18446744073709551615\n1 1 1\n", "line 2: promises"},
        {"%%MatrixMarket matrix coordinate real symmetric\n2 3 0\n", "line 2: 2 x 3 cannot be"},
        {"%%MatrixMarket matrix array real general\n9999 9999\n1\n", "line 2: promises 99980001"},
        {"%%MatrixMarket matrix array real general\n2 1\n1\n1 2\n", "line 4: need one value"},
        {"%%MatrixMarket matrix array real general\n2 1\n1\n% 2\n", "line 4: the file ends"},
        {"%%MatrixMarket matrix array real general\n1 1\n1\n2\n", "line 4: goes on behind"},
        {GENERAL "2 2 2\n1 1 1\n% nothing\n", "line 4: the file ends before its 2 entries"},
        {GENERAL "2 2 1\n1 1 1\n\n2 2 1\n", "line 5: goes on behind its 1 entries"},
        {GENERAL "2 2 1\n1 1    \n", "line 3: need row, column and value"},
        {GENERAL "2 2 1\n1 1 1 1\n", "line 3: need row, column and value"},
        {GENERAL "2 2 1\n1 -1 1\n", "line 3: need row, column and value"},
        {GENERAL "2 2 1\n1 1.0 1\n", "line 3: need row, column and value"},
        {GENERAL "2 2 1\n0 1 1\n", "line 3: place 0, 1 is outside"},
        {GENERAL "2 2 1\n1 3 1\n", "line 3: place 1, 3 is outside"},
        {GENERAL "2 2 1\n1 1 one\n", "line 3: 'one' is no finite real"},
        {GENERAL "2 2 1\n1 1 nan\n", "line 3: 'nan' is no finite real"},
        {GENERAL "2 2 1\n1 1 0x1\n", "line 3: '0x1' is no finite real"},
        {GENERAL "2 2 1\n1 1 1e999\n", "line 3: '1e999' is no finite real"},
        {"%%MatrixMarket matrix coordinate integer general\n1 1 1\n1 1 1.5\n", "line 3: '1.5' is"},
        {"%%MatrixMarket matrix coordinate integer general\n1 1 1\n1 1 9007199254740994\n",
         "line 3: 9007199254740994 is beyond"},
        {"%%MatrixMarket matrix coordinate pattern general\n1 1 1\n1 1 1\n",
         "line 3: need row and"},
        {"%%MatrixMarket matrix coordinate real symmetric\n2 2 1\n1 2 1\n",
         "line 3: place 1, 2: a "},
        {"%%MatrixMarket matrix coordinate real skew-symmetric\n2 2 1\n1 1 1\n", "line 3: place 1"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        kofn_matrix_market m;
        assert_fails(read_text(wrong[i].text, &m), KOFN_INVALID_ARGUMENT);
        const char *colon = strchr(error.text, ':'); // behind the path
        if (!colon || strncmp(colon + 2, wrong[i].says, strlen(wrong[i].says)) != 0)
            fail_msg("%s: expected '%s...'", error.text, wrong[i].says);
    }
}

static void
complex_files_are_not_carried(void **state)
{
    (void)state;
    kofn_matrix_market m;
    assert_fails(read_text("%%MatrixMarket matrix coordinate complex general\n", &m),
                 KOFN_UNIMPLEMENTED);
    assert_fails(read_text("%%MatrixMarket matrix coordinate real hermitian\n", &m),
                 KOFN_UNIMPLEMENTED);
}

static void
a_header_that_promises_too_much_is_refused_before_memory_is_taken(void **state)
{
    (void)state;
    kofn_matrix_market m;
    static const char *const large[] = {
        GENERAL "2147483647 2147483647 0\n",
        GENERAL "1 2147483647 0\n",
        GENERAL "2147483648 1 0\n",
        GENERAL "1 18446744073709551615 0\n",
    };
    for (size_t i = 0; i < sizeof large / sizeof large[0]; i++)
        assert_fails(read_text(large[i], &m), KOFN_OUT_OF_RANGE);

    /* 3 rows, 2 entries: 4 offsets, 2 x 12 bytes, 4 entries of 16 bytes to sort, 5 counters */
    const char *small = GENERAL "3 4 2\n1 1 1\n2 2 2\n";
    assert_fails(read_bytes(small, strlen(small), 32 + 24 + 64 + 40 - 1, &m), KOFN_OUT_OF_RANGE);
    assert_ok(read_bytes(small, strlen(small), 32 + 24 + 64 + 40, &m));
    kofn_matrix_market_fini(&m);
    const char *array = "%%MatrixMarket matrix array real general\n1 2\n1\n2\n";
    assert_fails(read_bytes(array, strlen(array), 15, &m), KOFN_OUT_OF_RANGE);
    assert_ok(read_bytes(array, strlen(array), 16, &m));
    kofn_matrix_market_fini(&m);
}

static void
long_lines_are_refused_unless_they_are_comments(void **state)
{
    (void)state;
    char text[8192];
    kofn_matrix_market m;
    (void)snprintf(text, sizeof text, "%s%%%03000d\n1 1 1\n1 1 1\n", GENERAL, 0);
    assert_ok(read_text(text, &m));
    kofn_matrix_market_fini(&m);
    (void)snprintf(text, sizeof text, "%s1 1 1\n1 1 %01100d\n", GENERAL, 0);
    assert_fails(read_text(text, &m), KOFN_INVALID_ARGUMENT);
    assert_non_null(strstr(error.text, "line 3: longer than 1024"));
    (void)snprintf(text, sizeof text, "%s1 1 1\n1 1 %01020d\n", GENERAL, 1); // 1024 characters
    assert_ok(read_text(text, &m));
    kofn_matrix_market_fini(&m);
    static const char nul[] = GENERAL "1 1 1\n1 1 1\0 \n";
    assert_fails(read_bytes(nul, sizeof nul - 1, PLENTY, &m), KOFN_INVALID_ARGUMENT);
    assert_non_null(strstr(error.text, "line 3"));
}

static void
what_is_no_file_is_refused(void **state)
{
    (void)state;
    kofn_matrix_market m;
    assert_fails(kofn_matrix_market_read("/nowhere/a.mtx", PLENTY, &m, &error), KOFN_NOT_FOUND);
    assert_fails(kofn_matrix_market_read("/tmp", PLENTY, &m, &error), KOFN_INVALID_ARGUMENT);
    assert_fails(kofn_matrix_market_read("/dev/zero", PLENTY, &m, &error), KOFN_INVALID_ARGUMENT);
    assert_non_null(strstr(error.text, "'/dev/zero' is no regular file"));
    char fifo[sizeof path + 8];
    (void)snprintf(fifo, sizeof fifo, "%s.fifo", path);
    assert_int_equal(mkfifo(fifo, 0600), 0);
    assert_fails(kofn_matrix_market_read(fifo, PLENTY, &m, &error), KOFN_INVALID_ARGUMENT);
    assert_int_equal(unlink(fifo), 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(coordinates_come_in_any_order_with_comments_and_blanks),
        cmocka_unit_test(entries_of_one_place_are_summed),
        cmocka_unit_test(sums_are_numbers_that_a_file_may_hold),
        cmocka_unit_test(a_point_is_a_point_in_other_locales),
        cmocka_unit_test(a_symmetric_file_lists_its_lower_triangle),
        cmocka_unit_test(array_files_go_by_columns),
        cmocka_unit_test(matrices_without_elements_are_read),
        cmocka_unit_test(what_is_wrong_is_said_with_its_line),
        cmocka_unit_test(complex_files_are_not_carried),
        cmocka_unit_test(a_header_that_promises_too_much_is_refused_before_memory_is_taken),
        cmocka_unit_test(long_lines_are_refused_unless_they_are_comments),
        cmocka_unit_test(what_is_no_file_is_refused),
    };
    return cmocka_run_group_tests(tests, make_file, remove_file);
}
