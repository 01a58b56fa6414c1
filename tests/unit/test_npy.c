#include "common/linalg/npy.h"
#include "tests/assert.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static kofn_error error;

/* A directory of its own for each test; everything in it goes at the end. */
static char folder[64];

static int
make_folder(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/kofn-npy-XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static size_t
count_files(void)
{
    DIR *dir = opendir(folder);
    size_t count = 0;
    for (const struct dirent *entry; (entry = readdir(dir));)
        count += entry->d_name[0] != '.';
    closedir(dir);
    return count;
}

static int
remove_folder(void **state)
{
    (void)state;
    DIR *dir = opendir(folder);
    for (const struct dirent *entry; (entry = readdir(dir));)
        (void)unlinkat(dirfd(dir), entry->d_name, 0); // "." and ".." refuse
    closedir(dir);
    return rmdir(folder);
}

static const char *
path_of(const char *name)
{
    static char path[128];
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static void
save_bytes(const char *path, const void *data, size_t length)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(data, 1, length, file), length);
    assert_int_equal(fclose(file), 0);
}

/* A whole .npy image: version, header text, then `elements` bytes 0, 1, 2 ... */
static size_t
make_image(unsigned char *image, int version, const char *dictionary, size_t elements)
{
    const size_t text = strlen(dictionary), first = version == 1 ? 10 : 12;
    memcpy(image, "\x93NUMPY", 6);
    image[6] = (unsigned char)version;
    image[7] = 0;
    image[8] = (unsigned char)(text & 0xff);
    image[9] = (unsigned char)(text >> 8);
    if (version > 1)
        image[10] = image[11] = 0;
    memcpy(image + first, dictionary, text);
    for (size_t i = 0; i < elements; i++)
        image[first + text + i] = (unsigned char)i;
    return first + text + elements;
}

static kofn_status
parse(int version, const char *dictionary, size_t elements, kofn_npy *ret_npy, size_t *ret_offset)
{
    unsigned char image[4096];
    const size_t length = make_image(image, version, dictionary, elements);
    unsigned char *exact = malloc(length); // so that a sanitizer sees a read past the end
    assert_non_null(exact);
    memcpy(exact, image, length);
    kofn_status status = kofn_npy_parse(exact, length, length, ret_npy, ret_offset, &error);
    free(exact);
    return status;
}

#define F8(shape_) "{'descr': '<f8', 'fortran_order': False, 'shape': " shape_ ", }"

static void
headers_of_all_versions_and_spellings_are_read(void **state)
{
    (void)state;
    const char *const dictionaries[] = {
        F8("(2, 3)"),
        F8("(2, 3)") "            \n",
        F8("(2,3,)"),
        F8("(2L, 3L)"),
        "{'shape':(2,3),'descr':'<f8','fortran_order':False}",
        "{\"descr\": \"<f8\", \"fortran_order\": False, \"shape\": (2, 3)}\n",
        "  { 'descr' :\t'<f8' , 'fortran_order' : False , 'shape' : ( 2 , 3 ) , }  ",
    };
    for (size_t i = 0; i < sizeof dictionaries / sizeof dictionaries[0]; i++)
        for (int version = 1; version <= 3; version++) {
            kofn_npy npy;
            size_t offset;
            assert_ok(parse(version, dictionaries[i], 48, &npy, &offset));
            assert_int_equal(npy.mat.dtype, KOFN_F64);
            assert_int_equal(npy.mat.rows, 2);
            assert_int_equal(npy.mat.cols, 3);
            assert_int_equal(npy.mat.stride, 3);
            assert_false(npy.transposed);
            assert_int_equal(offset, (version == 1 ? 10 : 12) + strlen(dictionaries[i]));
        }
}

static void
all_carried_dtypes_are_known(void **state)
{
    (void)state;
    const struct {
        const char *dictionary;
        kofn_dtype dtype;
    } expected[] = {
        {"{'descr': '<f8', 'fortran_order': False, 'shape': (1, 2)}", KOFN_F64},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (1, 2)}", KOFN_F32},
        {"{'descr': '|u1', 'fortran_order': False, 'shape': (1, 2)}", KOFN_U8},
        {"{'descr': '<u4', 'fortran_order': False, 'shape': (1, 2)}", KOFN_U32},
        {"{'descr': '<i4', 'fortran_order': False, 'shape': (1, 2)}", KOFN_I32},
        {"{'descr': '<i8', 'fortran_order': False, 'shape': (1, 2)}", KOFN_I64},
        {"{'descr': '<c8', 'fortran_order': False, 'shape': (1, 2)}", KOFN_C64},
        {"{'descr': '<c16', 'fortran_order': False, 'shape': (1, 2)}", KOFN_C128},
    };
    for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++) {
        kofn_npy npy;
        size_t offset;
        assert_ok(parse(1, expected[i].dictionary, 2 * kofn_dtype_width(expected[i].dtype), &npy,
                        &offset));
        assert_int_equal(npy.mat.dtype, expected[i].dtype);
    }
}

static void
fortran_order_is_the_transpose_and_vectors_are_columns(void **state)
{
    (void)state;
    kofn_npy npy;
    size_t offset;
    assert_ok(
        parse(1, "{'descr': '<f8', 'fortran_order': True, 'shape': (2, 3)}", 48, &npy, &offset));
    assert_true(npy.transposed);
    assert_int_equal(npy.mat.rows, 3);
    assert_int_equal(npy.mat.cols, 2);
    assert_ok(
        parse(1, "{'descr': '<f8', 'fortran_order': True, 'shape': (6,)}", 48, &npy, &offset));
    assert_false(npy.transposed);
    assert_int_equal(npy.mat.rows, 6);
    assert_int_equal(npy.mat.cols, 1);
}

static void
a_dimension_below_0_is_named(void **state)
{
    (void)state;
    kofn_npy npy;
    size_t offset;
    unsigned char file[1024];
    const size_t length = make_image(file, 1, F8("(-5, 5)"), 64);
    assert_fails(kofn_npy_parse(file, length, length, &npy, &offset, &error),
                 KOFN_INVALID_ARGUMENT);
    assert_non_null(strstr(error.text, "below 0"));
}

static void
hostile_headers_are_refused(void **state)
{
    (void)state;
    const char *const dictionaries[] = {
        "",
        "{}",
        "{",
        "}",
        "None",
        "{'descr': '<f8', 'fortran_order': False}",
        "{'descr': '<f8', 'shape': (1, 1)}",
        F8("(1, 1)") "x",
        F8("(1, 1)") F8("(1, 1)"),
        "{'descr': '<f8', 'descr': '<f8', 'fortran_order': False, 'shape': (1, 1)}",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (1, 1), 'more': 1}",
        "{'descr': '<f8', 'fortran_order': 0, 'shape': (1, 1)}",
        "{'descr': '<f8', 'fortran_order': Fal",
        "{'descr': '<f8', 'fortran_order': Tr",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (1, 1)",
        "{'descr': '<f8' 'fortran_order': False, 'shape': (1, 1)}",
        "{'descr': '<f8',, 'fortran_order': False, 'shape': (1, 1)}",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (1, 1}",
        "{'descr: '<f8', 'fortran_order': False, 'shape': (1, 1)}",
        "{'descr': '<f\\x38', 'fortran_order': False, 'shape': (1, 1)}",
        "{'descr': '\x01', 'fortran_order': False, 'shape': (1, 1)}",
        "{'descr': '<f8', 'fortran_order': False, 'shape': '(1, 1)'}",
        F8("1"),
        F8("(1)"),
        F8("()"),
        F8("(,)"),
        F8("(1,,1)"),
        F8("(1 1)"),
        F8("(-1, 1)"),
        F8("(+1, 1)"),
        F8("(1.0, 1)"),
        F8("(0x1, 1)"),
        F8("(1, 1, 1)"),
        F8("(1, 1, 1, 1, 1, 1, 1, 1, 1, 1)"),
        F8("(18446744073709551616, 1)"),
        F8("(18446744073709551615, 1)"),
        F8("(4294967296, 4294967296)"),
        F8("(2305843009213693952, 8)"), // times 8 bytes is 2^67
        F8("(9, 1)"),                   // one element more than there is
    };
    for (size_t i = 0; i < sizeof dictionaries / sizeof dictionaries[0]; i++)
        for (int version = 1; version <= 3; version++) {
            kofn_npy npy = {.transposed = true};
            size_t offset = 77;
            assert_fails(parse(version, dictionaries[i], 64, &npy, &offset), KOFN_INVALID_ARGUMENT);
            assert_true(npy.transposed && offset == 77); // untouched
        }
}

static void
what_is_not_carried_says_so(void **state)
{
    (void)state;
    const char *const dictionaries[] = {
        "{'descr': '>f8', 'fortran_order': False, 'shape': (1, 1)}",
        "{'descr': '>c16', 'fortran_order': False, 'shape': (1, 1)}",
        "{'descr': '|O', 'fortran_order': False, 'shape': (1, 1)}",
        "{'descr': [('x', '<f8')], 'fortran_order': False, 'shape': (1, 1)}",
    };
    kofn_npy npy;
    size_t offset;
    for (size_t i = 0; i < sizeof dictionaries / sizeof dictionaries[0]; i++)
        assert_fails(parse(1, dictionaries[i], 64, &npy, &offset), KOFN_UNIMPLEMENTED);
    assert_fails(parse(4, F8("(1, 1)"), 64, &npy, &offset), KOFN_UNIMPLEMENTED);
}

static void
a_file_cut_anywhere_is_refused(void **state)
{
    (void)state;
    unsigned char image[512];
    const size_t length = make_image(image, 2, F8("(2, 3)"), 48);
    kofn_npy npy;
    size_t offset;
    for (size_t cut = 0; cut < length; cut++) {
        unsigned char *exact = malloc(cut + 1); // so that a sanitizer sees a read past the end
        memcpy(exact, image, cut);
        assert_fails(kofn_npy_parse(exact, cut, cut, &npy, &offset, &error), KOFN_INVALID_ARGUMENT);
        free(exact);
    }
    assert_ok(kofn_npy_parse(image, length, length, &npy, &offset, &error));
}

static void
a_file_that_goes_on_behind_its_matrix_is_refused(void **state)
{
    (void)state;
    kofn_npy npy;
    size_t offset;
    assert_fails(parse(1, F8("(2, 3)"), 49, &npy, &offset), KOFN_INVALID_ARGUMENT);
    assert_non_null(strstr(error.text, "49 are there"));
    assert_fails(parse(1, F8("(0, 3)"), 8, &npy, &offset), KOFN_INVALID_ARGUMENT);
}

/* As a C string, this descr would be '<f8'. */
static void
a_nul_in_a_text_of_the_header_is_refused(void **state)
{
    (void)state;
    unsigned char image[512];
    const char dictionary[] = "{'descr': '<f8@junk', 'fortran_order': False, 'shape': (1, 1), }";
    const size_t length = make_image(image, 1, dictionary, 8);
    kofn_npy npy;
    size_t offset;
    *(unsigned char *)memchr(image, '@', length) = '\0';
    assert_fails(kofn_npy_parse(image, length, length, &npy, &offset, &error),
                 KOFN_INVALID_ARGUMENT);
}

static void
a_header_beyond_64_kib_is_refused_unread(void **state)
{
    (void)state;
    unsigned char image[12] = "\x93NUMPY\x02";
    image[8] = 1;
    image[10] = 1; // 65537
    kofn_npy npy;
    size_t offset;
    assert_fails(kofn_npy_parse(image, sizeof image, UINT64_MAX, &npy, &offset, &error),
                 KOFN_INVALID_ARGUMENT);
    assert_non_null(strstr(error.text, "65537"));
}

static void
the_digits_are_read_as_numpy_reads_them(void **state)
{
    (void)state;
    kofn_npy npy;
    assert_ok(kofn_npy_read(KOFN_SOURCE_DIR "/tests/data/digits.npy", &npy, &error));
    assert_int_equal(npy.mat.dtype, KOFN_F64);
    assert_int_equal(npy.mat.rows, 1797);
    assert_int_equal(npy.mat.cols, 64);
    double sum = 0;
    for (size_t i = 0; i < npy.mat.rows; i++)
        for (size_t j = 0; j < npy.mat.cols; j++)
            sum += ((const double *)kofn_mat_get_row(&npy.mat, i))[j];
    assert_true(sum == 561718); // whole numbers: exact
    kofn_mat_fini(&npy.mat);
}

/* rows x cols of i4 0, 1, 2 ... in bands of band_rows, with gaps between rows where asked. */
static void
make_bands(kofn_bands *bands, int32_t *memory, size_t rows, size_t cols, size_t band_rows,
           size_t gap)
{
    kofn_bands_init(bands, KOFN_I32, rows, cols);
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < cols + gap; j++)
            memory[i * (cols + gap) + j] = j < cols ? (int32_t)(i * cols + j) : -1;
    for (size_t row = 0; row < rows; row += band_rows) {
        const size_t left = rows - row;
        kofn_mat mat = kofn_mat_wrap(memory + row * (cols + gap), KOFN_I32,
                                     left < band_rows ? left : band_rows, cols);
        mat.stride = cols + gap;
        assert_ok(kofn_bands_append(bands, &mat, NULL, 0, &error));
    }
}

static void
check_counting(const char *path, size_t rows, size_t cols)
{
    kofn_npy npy;
    assert_ok(kofn_npy_read(path, &npy, &error));
    assert_int_equal(npy.mat.rows, rows);
    assert_int_equal(npy.mat.cols, cols);
    assert_false(npy.transposed);
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < cols; j++)
            assert_int_equal(((const int32_t *)kofn_mat_get_row(&npy.mat, i))[j], i * cols + j);
    kofn_mat_fini(&npy.mat);
}

static void
what_is_written_is_read_back(void **state)
{
    (void)state;
    const size_t shapes[][4] = {// rows, cols, rows a band, gap
                                {1, 1, 1, 0},      {5, 7, 2, 0},       {5, 7, 2, 3},
                                {0, 4, 1, 0},      {4, 0, 1, 0},       {0, 0, 1, 0},
                                {1, 9, 1, 1},      {513, 511, 100, 5}, {600, 500, 7, 0},
                                {600, 500, 600, 1}}; // the last are mapped
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        const size_t rows = shapes[i][0], cols = shapes[i][1], gap = shapes[i][3];
        int32_t *memory = malloc((rows * (cols + gap) + 1) * sizeof *memory);
        kofn_bands bands;
        make_bands(&bands, memory, rows, cols, shapes[i][2], gap);
        assert_ok(kofn_npy_write(path_of("m.npy"), &bands, &error));
        check_counting(path_of("m.npy"), rows, cols);
        struct stat info;
        assert_int_equal(stat(path_of("m.npy"), &info), 0);
        assert_int_equal(((size_t)info.st_size - rows * cols * 4) % 64, 0); // aligned elements
        assert_int_equal(count_files(), 1);
        kofn_bands_fini(&bands);
        free(memory);
    }
}

static void
complex_matrices_are_kept_as_numpy_has_them(void **state)
{
    static const double wide[] = {1, -2, 3, 4, 5, 6};
    static const float narrow[] = {1, -2, 3, 4, 5, 6};
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        const void *elements = i == 0 ? (const void *)wide : narrow;
        const size_t bytes = i == 0 ? sizeof wide : sizeof narrow;
        const kofn_mat m =
            kofn_mat_wrap((void *)(uintptr_t)elements, i == 0 ? KOFN_C128 : KOFN_C64, 1, 3);
        kofn_bands bands;
        kofn_npy npy;
        char head[64];
        assert_ok(kofn_bands_from_mat(&m, &bands, &error));
        assert_ok(kofn_npy_write(path_of("z.npy"), &bands, &error));
        FILE *file = fopen(path_of("z.npy"), "rb");
        assert_non_null(file);
        assert_int_equal(fread(head, 1, sizeof head, file), sizeof head);
        assert_int_equal(fclose(file), 0);
        assert_memory_equal(head + 10, i == 0 ? "{'descr': '<c16'," : "{'descr': '<c8',", 16);
        assert_ok(kofn_npy_read(path_of("z.npy"), &npy, &error));
        assert_int_equal(npy.mat.dtype, m.dtype);
        assert_int_equal(npy.mat.cols, 3);
        assert_memory_equal(npy.mat.data, elements, bytes);
        kofn_mat_fini(&npy.mat);
        kofn_bands_fini(&bands);
    }
}

static void
small_and_mapped_files_survive_their_replacement(void **state)
{
    (void)state;
    enum { ROWS = 600, COLS = 500 };
    int32_t *memory = malloc((size_t)ROWS * COLS * sizeof *memory);
    kofn_bands bands, one;
    kofn_npy npy;
    int32_t single;
    make_bands(&bands, memory, ROWS, COLS, ROWS, 0);
    assert_ok(kofn_npy_write(path_of("m.npy"), &bands, &error));
    assert_ok(kofn_npy_read(path_of("m.npy"), &npy, &error)); // 1.2 MB: mapped
    make_bands(&one, &single, 1, 1, 1, 0);
    assert_ok(kofn_npy_write(path_of("m.npy"), &one, &error));
    assert_memory_equal(npy.mat.data, memory, (size_t)ROWS * COLS * sizeof *memory);
    kofn_mat_fini(&npy.mat);
    check_counting(path_of("m.npy"), 1, 1);
    kofn_bands_fini(&one);
    kofn_bands_fini(&bands);
    free(memory);
}

static void
a_full_disk_leaves_the_old_file_and_nothing_else(void **state)
{
    (void)state;
    enum { ROWS = 300, COLS = 300 };
    int32_t *memory = malloc((size_t)ROWS * COLS * sizeof *memory), single;
    kofn_bands large, one;
    make_bands(&large, memory, ROWS, COLS, 10, 0);
    make_bands(&one, &single, 1, 1, 1, 0);
    assert_ok(kofn_npy_write(path_of("m.npy"), &one, &error));

    /* A limit on file sizes stands for the end of a disk: no mount, no rights needed. */
    struct rlimit old, low = {100000, 100000};
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    low.rlim_max = old.rlim_max;
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &low), 0);
    kofn_status status = kofn_npy_write(path_of("m.npy"), &large, &error);
    kofn_status fresh = kofn_npy_write(path_of("n.npy"), &large, &error);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    (void)signal(SIGXFSZ, handler);

    assert_int_equal(status, KOFN_RESOURCE_EXHAUSTED);
    assert_int_equal(fresh, KOFN_RESOURCE_EXHAUSTED);
    assert_int_equal(count_files(), 1);
    check_counting(path_of("m.npy"), 1, 1);
    kofn_bands_fini(&one);
    kofn_bands_fini(&large);
    free(memory);
}

static void
a_link_stays_and_rights_stay_when_a_file_is_replaced(void **state)
{
    (void)state;
    int32_t memory[6];
    char target[128];
    kofn_bands bands;
    make_bands(&bands, memory, 2, 3, 2, 0);
    strcpy(target, path_of("target.npy"));
    save_bytes(target, "old", 3);
    assert_int_equal(chmod(target, 0640), 0);
    assert_int_equal(symlink("target.npy", path_of("link.npy")), 0);
    assert_ok(kofn_npy_write(path_of("link.npy"), &bands, &error));

    struct stat info;
    assert_int_equal(lstat(path_of("link.npy"), &info), 0);
    assert_true(S_ISLNK(info.st_mode));
    assert_int_equal(stat(target, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0640);
    check_counting(target, 2, 3);
    kofn_bands_fini(&bands);
}

/* A pipe of our own stands for all that is no regular file: with a real device, as root, a failure
 * of this test would cost the machine its /dev/null. */
static void
pipes_and_devices_are_written_to_and_not_replaced(void **state)
{
    (void)state;
    int32_t memory[6];
    unsigned char image[256];
    kofn_bands bands;
    make_bands(&bands, memory, 2, 3, 2, 0);
    assert_int_equal(mkfifo(path_of("pipe.npy"), 0600), 0);
    const int end =
        open(path_of("pipe.npy"), O_RDONLY | O_NONBLOCK); // what follows fits its buffer
    assert_true(end >= 0);
    assert_ok(kofn_npy_write(path_of("pipe.npy"), &bands, &error));

    struct stat info;
    assert_int_equal(stat(path_of("pipe.npy"), &info), 0);
    assert_true(S_ISFIFO(info.st_mode));
    assert_int_equal(count_files(), 1);
    const ssize_t got = read(end, image, sizeof image);
    assert_true(got > 24);
    kofn_npy npy;
    size_t offset;
    assert_ok(kofn_npy_parse(image, (size_t)got, (uint64_t)got, &npy, &offset, &error));
    assert_int_equal(offset + sizeof memory, got);
    assert_memory_equal(image + offset, memory, sizeof memory);
    assert_int_equal(close(end), 0);
    kofn_bands_fini(&bands);
}

static void
files_that_cannot_be_opened_say_why(void **state)
{
    (void)state;
    int32_t memory[6];
    kofn_bands bands;
    kofn_npy npy;
    make_bands(&bands, memory, 2, 3, 2, 0);
    assert_fails(kofn_npy_read(path_of("none.npy"), &npy, &error), KOFN_NOT_FOUND);
    assert_non_null(strstr(error.text, "none.npy"));
    assert_fails(kofn_npy_read(folder, &npy, &error), KOFN_INVALID_ARGUMENT);
    assert_fails(kofn_npy_write(folder, &bands, &error), KOFN_INVALID_ARGUMENT);
    assert_fails(kofn_npy_write(path_of("none/m.npy"), &bands, &error), KOFN_NOT_FOUND);
    assert_int_equal(mkfifo(path_of("fifo"), 0600), 0);
    assert_fails(kofn_npy_read(path_of("fifo"), &npy, &error), KOFN_INVALID_ARGUMENT);
    save_bytes(path_of("text.npy"), "1,2,3\n", 6);
    assert_fails(kofn_npy_read(path_of("text.npy"), &npy, &error), KOFN_INVALID_ARGUMENT);
    assert_non_null(strstr(error.text, "text.npy"));
    assert_int_equal(kofn_npy_read(path_of("text.npy"), &npy, NULL), KOFN_INVALID_ARGUMENT);
    save_bytes(path_of("empty.npy"), "", 0);
    assert_fails(kofn_npy_read(path_of("empty.npy"), &npy, &error), KOFN_INVALID_ARGUMENT);
    if (geteuid() != 0) { // root may read everything
        assert_int_equal(chmod(path_of("text.npy"), 0), 0);
        assert_fails(kofn_npy_read(path_of("text.npy"), &npy, &error), KOFN_PERMISSION_DENIED);
    }
    kofn_bands_fini(&bands);
}

static void
a_matrix_that_lacks_rows_is_not_written(void **state)
{
    (void)state;
    kofn_bands bands;
    kofn_bands_init(&bands, KOFN_F64, 3, 3);
    assert_fails(kofn_npy_write(path_of("m.npy"), &bands, &error), KOFN_INVALID_ARGUMENT);
    kofn_bands_init(&bands, KOFN_DTYPE_NONE, 0, 0);
    assert_fails(kofn_npy_write(path_of("m.npy"), &bands, &error), KOFN_INVALID_ARGUMENT);
    assert_int_equal(count_files(), 0);
}

/* More than wait for the disk together. */
static void
of_many_files_each_is_written_or_says_why_not(void **state)
{
    (void)state;
    enum { COUNT = 150, FOLDER = 3, LACKING = 70, NOWHERE = 149, TWICE = 20 };
    static kofn_npy_file files[COUNT];
    static char paths[COUNT][128];
    int32_t small[6], large[20];
    kofn_bands usual, other, lacking;
    make_bands(&usual, small, 2, 3, 2, 0);
    make_bands(&other, large, 4, 5, 4, 0);
    kofn_bands_init(&lacking, KOFN_F64, 3, 3);
    for (size_t i = 0; i < COUNT; i++) {
        char name[32];
        (void)snprintf(name, sizeof name, i == NOWHERE ? "none/%zu.npy" : "%zu.npy", i);
        strcpy(paths[i], path_of(name));
        files[i] = (kofn_npy_file){.path = paths[i], .bands = i == LACKING ? &lacking : &usual};
    }
    files[TWICE + 1] = (kofn_npy_file){.path = paths[TWICE], .bands = &other}; // the last one stays
    assert_int_equal(mkdir(paths[FOLDER], 0700), 0);
    kofn_npy_write_all(files, COUNT);
    assert_int_equal(rmdir(paths[FOLDER]), 0);

    for (size_t i = 0; i < COUNT; i++) {
        const kofn_status want = i == FOLDER || i == LACKING ? KOFN_INVALID_ARGUMENT
                                 : i == NOWHERE              ? KOFN_NOT_FOUND
                                                             : KOFN_OK;
        assert_int_equal(files[i].error.status, want);
        if (want == KOFN_OK && i != TWICE && i != TWICE + 1)
            check_counting(paths[i], 2, 3);
        else if (want != KOFN_OK)
            assert_non_null(strstr(files[i].error.text, paths[i]));
    }
    check_counting(paths[TWICE], 4, 5);
    assert_int_equal(count_files(), COUNT - 4);
    kofn_bands_fini(&usual);
    kofn_bands_fini(&other);
}

static void
elements_at_odd_offsets_are_used_where_they_are(void **state)
{
    (void)state;
    static unsigned char image[600];
    const size_t length = make_image(image, 1, F8("(2, 3)"), 48);
    const size_t offset = length - 48;
    for (size_t i = 0; i < 6; i++) {
        const double value = (double)i + 0.5;
        memcpy(image + offset + i * sizeof value, &value, sizeof value);
    }
    save_bytes(path_of("odd.npy"), image, length);
    kofn_npy npy;
    assert_ok(kofn_npy_read(path_of("odd.npy"), &npy, &error));
    assert_memory_equal(npy.mat.data, image + offset, 48);
    kofn_mat_fini(&npy.mat);
}

int
main(void)
{
#define in_folder(test_) cmocka_unit_test_setup_teardown(test_, make_folder, remove_folder)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(headers_of_all_versions_and_spellings_are_read),
        cmocka_unit_test(all_carried_dtypes_are_known),
        cmocka_unit_test(fortran_order_is_the_transpose_and_vectors_are_columns),
        cmocka_unit_test(a_dimension_below_0_is_named),
        cmocka_unit_test(hostile_headers_are_refused),
        cmocka_unit_test(what_is_not_carried_says_so),
        cmocka_unit_test(a_file_cut_anywhere_is_refused),
        cmocka_unit_test(a_file_that_goes_on_behind_its_matrix_is_refused),
        cmocka_unit_test(a_nul_in_a_text_of_the_header_is_refused),
        cmocka_unit_test(a_header_beyond_64_kib_is_refused_unread),
        cmocka_unit_test(the_digits_are_read_as_numpy_reads_them),
        in_folder(what_is_written_is_read_back),
        in_folder(complex_matrices_are_kept_as_numpy_has_them),
        in_folder(small_and_mapped_files_survive_their_replacement),
        in_folder(a_full_disk_leaves_the_old_file_and_nothing_else),
        in_folder(a_link_stays_and_rights_stay_when_a_file_is_replaced),
        in_folder(pipes_and_devices_are_written_to_and_not_replaced),
        in_folder(files_that_cannot_be_opened_say_why),
        in_folder(a_matrix_that_lacks_rows_is_not_written),
        in_folder(of_many_files_each_is_written_or_says_why_not),
        in_folder(elements_at_odd_offsets_are_used_where_they_are),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
