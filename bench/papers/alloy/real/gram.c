#include "bench/papers/alloy/real/gram.h"

#include "bench/bench.h"
#include "common/linalg/npy.h"

#include <stdlib.h>

static kofn_matrix
view(const int64_t *at, size_t rows, size_t cols, bool transposed)
{
    return (kofn_matrix){
        .data = at, .dtype = KOFN_I64, .rows = rows, .cols = cols, .transposed = transposed};
}

/* The digits' grey levels, 0 to 16, as whole numbers. */
static int64_t *
read_digits(const char *path, size_t *ret_rows, size_t *ret_cols)
{
    kofn_error error;
    kofn_npy npy;
    if (kofn_npy_read(path, &npy, &error) != KOFN_OK)
        bench_die("%s", error.text);
    if (npy.mat.dtype != KOFN_F64 || npy.transposed)
        bench_die("%s holds no rows of f8", path);
    const size_t rows = npy.mat.rows, cols = npy.mat.cols;
    int64_t *x = bench_alloc(rows * cols * sizeof *x);
    for (size_t i = 0; i < rows * cols; i++)
        x[i] = (int64_t)((const double *)npy.mat.data)[i];
    kofn_mat_fini(&npy.mat);
    *ret_rows = rows;
    *ret_cols = cols;
    return x;
}

static int64_t
get(const kofn_matrix *m, size_t row, size_t col)
{
    const int64_t *at = m->data;
    return m->transposed ? at[col * m->cols + row] : at[row * m->cols + col];
}

/* The plain triple loop. False: an element has more than 64 bits. */
static bool
multiply_plainly(const kofn_matrix *a, const kofn_matrix *b, int64_t *to)
{
    const size_t rows = a->transposed ? a->cols : a->rows,
                 inner = a->transposed ? a->rows : a->cols;
    const size_t cols = b->transposed ? b->rows : b->cols;
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < cols; j++) {
            __int128 sum = 0;
            for (size_t k = 0; k < inner; k++)
                sum += (__int128)get(a, i, k) * get(b, k, j);
            if (sum > INT64_MAX || sum < INT64_MIN)
                return false;
            to[i * cols + j] = (int64_t)sum;
        }
    return true;
}

/* to := A B by the site, which must be what three loops say; or must be refused, as they are. */
static bool
run(site *s, site_product *p, int64_t *to)
{
    const size_t rows = p->a.transposed ? p->a.cols : p->a.rows;
    const size_t cols = p->b.transposed ? p->b.rows : p->b.cols;
    int64_t *want = bench_alloc(rows * cols * sizeof *want);
    const bool fits = multiply_plainly(&p->a, &p->b, want);
    p->field = "integers";
    const kofn_status status = site_multiply(s, p, to);
    bool right = fits ? status == KOFN_OK : status == KOFN_OUT_OF_RANGE;
    for (size_t i = 0; right && fits && i < rows * cols; i++)
        right = to[i] == want[i];
    site_print(s, !right ? "WRONG: not what three loops say"
                  : fits ? "equal to three loops"
                         : "refused: more than 64 bits, as three loops say");
    free(want);
    return right;
}

bool
gram_run(site *s, const char *path)
{
    size_t rows, cols;
    int64_t *x = read_digits(path, &rows, &cols);
    int64_t *g = bench_alloc(cols * cols * sizeof *g),
            *square = bench_alloc(cols * cols * sizeof *g);
    int64_t *k = bench_alloc(rows * rows * sizeof *k);
    const kofn_matrix plain = view(x, rows, cols, false), turned = view(x, rows, cols, true);
    const kofn_matrix of_g = view(g, cols, cols, false),
                      of_square = view(square, cols, cols, false);
    site_product products[] = {
        {.name = "Gram G = X^T X",
         .a = turned,
         .b = plain,
         .family = "alloy_local",
         .algorithm = "blocks323"},
        {.name = "Gram K = X X^T",
         .a = plain,
         .b = turned,
         .family = "alloy_global",
         .partition = "2,1,2",
         .tasks = "12"},
        {.name = "G G", .a = of_g, .b = of_g, .family = "alloy_local", .algorithm = "strassen"},
        {.name = "G (G G)",
         .a = of_g,
         .b = of_square,
         .family = "alloy_local",
         .algorithm = "strassen"},
        {.name = "(G G) (G G)",
         .a = of_square,
         .b = of_square,
         .family = "alloy_local",
         .algorithm = "strassen"},
    };
    int64_t *const to[] = {g, k, square, k, k};
    bool right = true;
    for (size_t i = 0; i < sizeof products / sizeof products[0]; i++)
        right = run(s, &products[i], to[i]) && right;
    free(k);
    free(square);
    free(g);
    free(x);
    return right;
}
