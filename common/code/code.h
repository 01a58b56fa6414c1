/* A code is data: blocks, one encoding matrix for each operand, and the targets.
 *
 * Three forms: a product C := A B, an outer product C := A_1 (x) ... (x) A_l (outer.h) of two
 * operands and more, and a batch of products of blocks (batch.h).
 *
 * Source     design idea 1; notation as in the random Khatri-Rao-product paper, with x, z, y for
 *            the parts (our E_A, E_B are its P and Q, our n its N).
 * Shapes     E_A [n, x z], E_B [n, z y]; block (i, k) of A is column i z + k, block (k, j) of B is
 *            column k y + j. Row i of G [n, (x z)(z y)] is the Kronecker product of row i of each:
 *            G[i, a (z y) + b] = E_A[i, a] E_B[i, b]. Targets T [x y, (x z)(z y)], sparse: row
 *            i y + j is C_ij = sum_k A_ik B_kj. All f64 coefficients of `field`, E row-major.
 *            Outer products: E_i [n, d_i], operand i in d_i parts. Row i of G [n, d_1 ... d_l] is
 *            the Kronecker product of all of them, the last operand's block fastest. T is the
 *            identity: target t is the piece that column t is the product of.
 *            Batches: grids and T are the batch's, and so C_t = sum T[t, a (blocks of B) + b] A_a
 *            B_b. Where each C_t is one product by a power of two of at most 1, as of operands
 *            whose blocks were brought to one size, T has a 1, and the power is scale[t]:
 *            coefficients, conditions and bounds are then those of the products that are made,
 *            however small some of the C_t are.
 * Threshold  Any `threshold` answers suffice; fewer may, and the decoder says when they do. Where
 *            rows are drawn from a finite field there may be no such number: `likely` then says
 *            that most sets of that many suffice, as all would for coefficients without
 *            coincidences, and nobody but the decoder knows which. Any `enough` answers give an
 *            estimate worth having, which the family's header bounds.
 * Groups     Of some codes, tasks i, i + groups, i + 2 groups, ... make one thing (a product of a
 *            fast algorithm): a few of them give it, and the others are then of no use (groups.h).
 *            Of others groups are unlike each other, and a table says which task is of which. These
 *            have no reserve.
 * Reserve    Where row i does not depend on n there can be more rows than n. The first n are those
 *            that are meant to be sent, and what thresholds, plans and accounts are about; the
 *            others are there to take the places of tasks that were lost or came to nothing.
 *            `tasks` counts all rows, so that tables by task need not know.
 * Threads    Immutable once built: any thread. Counted, since jobs and tasks share it.
 */
#ifndef KOFN_CODE_CODE_H
#define KOFN_CODE_CODE_H

#include "common/code/cuts.h"

enum {
    KOFN_NAME_MAX = 32,            // of families, parameters, policies, with the final NUL
    KOFN_TASKS_MAX = 65536,        // n and the reserve
    KOFN_COLUMNS_MAX = 1 << 20,    // columns of G
    KOFN_CODE_BYTES_MAX = 1 << 28, // of E and of T written out, as the decoder's algebra takes it
    KOFN_CODE_COEFS_MAX = KOFN_CODE_BYTES_MAX / sizeof(double),
};

typedef struct kofn_batch kofn_batch;               // batch.h
typedef struct kofn_columns kofn_columns;           // columns.h
typedef struct kofn_columns_size kofn_columns_size; // columns.h

/* One product's sizes: C [rows, cols] := op(A) [rows, inner] op(B) [inner, cols]. */
typedef struct kofn_shape {
    size_t rows, inner, cols;
} kofn_shape;

typedef struct kofn_coefs {
    size_t rows, cols;
    double *at; // row-major
} kofn_coefs;

/* Sums of columns: row t has coefficient coef[i] at column[i], first[t] <= i < first[t + 1]. In row
 * t columns ascend and coefficients are not zero. T is kept so because it is almost empty: x y z
 * ones in x y rows of x y z^2. */
typedef struct kofn_sums {
    size_t rows, cols;
    size_t *first;  // [rows + 1]; owns the memory of all three
    size_t *column; // [first[rows]]
    double *coef;   // [first[rows]]
} kofn_sums;

/* Room for so many rows and terms, of which first[0] alone is set; free(ret_sums->first). False: no
 * memory. */
bool kofn_sums_alloc(size_t rows, size_t cols, size_t terms, kofn_sums *ret_sums);

/* Row i is column[i] alone, or with NULL column i: the identity. As above. */
bool kofn_sums_alloc_single(size_t rows, size_t cols, const size_t *column, kofn_sums *ret_sums);

/* Rows row[i] of `from`, i < count, times factor[i], or with NULL as they are. As above. */
bool kofn_sums_copy_rows(const kofn_sums *from, const size_t *row, size_t count,
                         const kofn_field *field, const double *factor, kofn_sums *ret_sums);

/* How an estimate is made from answers that do not span the targets. */
typedef enum kofn_estimator {
    KOFN_ESTIMATE_BALANCED,      // least squares that weighs what is missed against rounding
    KOFN_ESTIMATE_INTERPOLATION, // coefficients of the polynomial through all: needs `power`
} kofn_estimator;

/* Groups of their own sizes. Group g has to give rows first[g] to first[g + 1] - 1 of `gives`, and
 * that is all that is wanted of it. */
typedef struct kofn_group_table {
    size_t *of;        // [tasks] the group; owns the memory of all
    size_t *threshold; // [groups] answers that give it, whichever they are
    size_t *first;     // [groups + 1]
    kofn_sums gives;   // [.., columns of G]
} kofn_group_table;

typedef struct kofn_code {
    char family[KOFN_NAME_MAX];
    const kofn_field *field; // a ref of it
    kofn_partition part; // of outer products and batches x is the number of targets, z and y are 1
    kofn_cuts parts;     // of an outer product; count 0: there are none
    size_t pairs;        // of a batch; 0: it is none
    size_t tasks;        // rows: n and the reserve
    size_t reserve;      // of them, the last so many
    size_t threshold;    // k; may be above n where `enough` is not
    size_t enough;       // answers that give the promised estimate; k: none promised
    bool likely;         // k answers suffice probably, whichever they are
    bool staged;         // rows of the reserve are zeros, or made for what a job misses (staged.h)
    size_t groups;       // 0: there are none
    size_t group_threshold;          // answers that give a group's product, as `threshold` says it
    kofn_group_table *table;         // of groups; NULL: task i is of group i mod groups
    kofn_estimator estimator;        // how the family wants estimates made
    uint64_t seed;                   // of whatever was drawn
    uint64_t draw;                   // which of the seed's draws was kept: names the rows for good
    double chosen_condition;         // of that draw, as the family says; 0: nothing was drawn
    size_t operands;                 // 2, or those of an outer product
    kofn_coefs e[KOFN_OPERANDS_MAX]; // [n, blocks of that operand]
    kofn_grid grid[KOFN_OPERANDS_MAX]; // how each operand is cut; blocks count row by row. Of an
                                       // outer product the direction is kofn_coding's to choose
    kofn_grid out;                     // how the product is cut: its blocks are the targets
    kofn_sums targets;                 // [out.rows out.cols, columns of G]
    double *scale;         // [targets] what plans multiply each of them by; NULL: nothing
    kofn_columns *columns; // of a batch of many blocks: G's columns in short; NULL: each by itself
    size_t *plain[KOFN_OPERANDS_MAX]; // [n]: kofn_code_plain_block, once sealed
    double *point;                    // [n] where the task evaluates; NULL: no polynomials
    size_t *power; // [targets] the power of t whose coefficient in A(t) B(t) is the target; NULL:
                   // not sums of powers
} kofn_code;

/* Block products of the plain product, x z y, and blocks of the result, x y; SIZE_MAX where that
 * overflows, which is above every limit. */
size_t kofn_partition_products(kofn_partition part);
size_t kofn_partition_outputs(kofn_partition part);

/* a b, or SIZE_MAX where that overflows: for sizes that are compared with a limit next. */
size_t kofn_size_multiply(size_t a, size_t b);

/* A zeroed code for C := A B over `part` with n tasks, targets filled in. Its maker fills e[] and
 * the thresholds and then seals it. OUT_OF_RANGE: above the limits. RESOURCE_EXHAUSTED: no
 * memory. */
KOFN_MUST_CHECK kofn_status kofn_code_alloc(const char *family, const kofn_field *field,
                                            kofn_partition part, size_t tasks, kofn_code **ret_code,
                                            kofn_error *err);

/* The same for an outer product, parts.count at least 2. */
KOFN_MUST_CHECK kofn_status kofn_code_alloc_outer(const char *family, const kofn_field *field,
                                                  const kofn_cuts *parts, size_t tasks,
                                                  kofn_code **ret_code, kofn_error *err);

/* The same for a batch (batch.h), which is not kept: its grids, and its sums as targets. Errors of
 * kofn_batch_make_targets, too. */
KOFN_MUST_CHECK kofn_status kofn_code_alloc_batch(const char *family, const kofn_field *field,
                                                  const kofn_batch *batch, size_t tasks,
                                                  kofn_code **ret_code, kofn_error *err);

/* Code made of polynomials: room for points, and for powers where targets are coefficients. All
 * zero so far; to be called before sealing. */
void kofn_code_use_points(kofn_code *code);
void kofn_code_use_powers(kofn_code *code);

/* Groups of which *table_p says all; it becomes the code's. */
void kofn_code_take_groups(kofn_code *code, size_t groups, kofn_group_table **table_p);
void kofn_group_table_destroy(kofn_group_table **table_p); // accepts NULL and half-built ones

/* The last step of making: e[] stays as it is, and the plain rows are noted. Everybody asks for
 * them with each task and each answer, and a scan of a row costs up to 10 us. */
void kofn_code_seal(kofn_code *code);

kofn_code *kofn_code_ref(kofn_code *code);
void kofn_code_destroy(kofn_code **code_p); // lets go of one ref

size_t kofn_code_first_tasks(const kofn_code *code); // n: without the reserve

/* Any `threshold` of all its tasks suffice. Not where that is only likely, nor for groups with a
 * reserve: fresh rows of one group do nothing for another; nor for a reserve that was made for some
 * of the products. */
bool kofn_code_is_certain(const kofn_code *code);

/* Of a code with groups: which one task is of, how many answers give it, and its first task from
 * `task` on, or SIZE_MAX. */
size_t kofn_code_get_group(const kofn_code *code, size_t task);
size_t kofn_code_get_group_threshold(const kofn_code *code, size_t group);
size_t kofn_code_next_of_group(const kofn_code *code, size_t group, size_t task);

/* Is row `task` of both codes the same, in all of E? They have the same numbers. */
bool kofn_code_has_row_of(const kofn_code *code, const kofn_code *other, size_t task);

/* Is it a row of zeros: none, so far (staged.h)? */
bool kofn_code_is_blank(const kofn_code *code, size_t task);

/* Coefficients that count against the limit: of E, that has so many blocks in all, of T written
 * out, and of mixtures. */
size_t kofn_code_count_coefs(size_t tasks, size_t blocks, size_t targets,
                             const kofn_columns_size *columns);

/* The most tasks that a code over this partition, or of this batch, can have; 0: none. */
size_t kofn_code_most_tasks(kofn_partition part);
size_t kofn_code_most_batch_tasks(const kofn_batch *batch, const kofn_field *field);

/* Columns of G as fill_row, get_element, plain_column and the targets have them: products of
 * blocks, or of a batch of many blocks some of these and mixtures of the others (columns.h). */
size_t kofn_code_columns(const kofn_code *code);

/* The product of single blocks that a column is: G's columns count them row by row. SIZE_MAX: a
 * mixture. And the other way round; SIZE_MAX: it is part of mixtures only. */
size_t kofn_code_get_product(const kofn_code *code, size_t column);
size_t kofn_code_find_column(const kofn_code *code, size_t product);

const double *kofn_code_get_row(const kofn_code *code, size_t operand, size_t task); // of E

/* Row `task` of G into ret_row [columns]; and the Kronecker product of the rows of operands `first`
 * and later alone, in single blocks always. */
void kofn_code_fill_row(const kofn_code *code, size_t task, double *ret_row);
void kofn_code_fill_row_from(const kofn_code *code, size_t first, size_t task, double *ret_row);

double kofn_code_get_element(const kofn_code *code, size_t task, size_t column); // of G

/* All of a sealed code. The one column of G that `task` is a plain copy of (its answer is that
 * block product), or SIZE_MAX. */
size_t kofn_code_plain_column(const kofn_code *code, size_t task);
size_t kofn_code_count_coded(const kofn_code *code); // of the first n tasks, those that have none

/* The block that task's factor of `operand` is a plain copy of, or SIZE_MAX when arithmetic is
 * needed: systematic tasks are sent without any. */
size_t kofn_code_plain_block(const kofn_code *code, size_t operand, size_t task);

#endif
