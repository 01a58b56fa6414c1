/* A product of complex matrices as a batch of three pairs of real ones, on the master that
 * $KOFN_MASTER names, or with the argument --local on workers in this process:
 *
 *     P0 = Re A Re B     P1 = Im A Im B     P2 = (Re A + Im A) (Re B + Im B)
 *     Re C = P0 - P1     Im C = P2 - P0 - P1
 *
 * The third pair is the sum of the others in both coordinates. Since that is said, its matrices do
 * not travel, and a code needs fewer answers.
 *
 *     cc batch.c $(pkg-config --cflags --libs kofn) -o batch
 */
#include <kofn.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SIZE = 200, ELEMENTS = SIZE * SIZE };

static kofn_matrix
square(const double *at)
{
    return (kofn_matrix){.data = at, .dtype = KOFN_F64, .rows = SIZE, .cols = SIZE};
}

/* re, im, and then their sum. */
static void
fill(double *parts)
{
    for (size_t i = 0; i < 2 * ELEMENTS; i++)
        parts[i] = (double)rand() / RAND_MAX;
    for (size_t i = 0; i < ELEMENTS; i++)
        parts[2 * ELEMENTS + i] = parts[i] + parts[ELEMENTS + i];
}

static kofn_status
multiply(kofn_client *client, const double *a, const double *b, double *products, kofn_error *err)
{
    static const size_t of[] = {0, 1};
    static const double scale[] = {1, 1};
    const kofn_dependency depends = {.pair = 2, .count = 2, .of = of, .scale = scale};
    const kofn_matrix x[] = {square(a), square(a + ELEMENTS), square(a + 2 * ELEMENTS)};
    const kofn_matrix y[] = {square(b), square(b + ELEMENTS), square(b + 2 * ELEMENTS)};
    const kofn_pairs pairs = {
        .count = 3, .x = x, .y = y, .dependency_count = 1, .dependencies = &depends};
    const kofn_product_options options = {.code = {.family = "locality"}};
    kofn_result *result = NULL;
    kofn_status status = kofn_client_batch(client, &pairs, &options, &result, err);
    if (status != KOFN_OK)
        return status;
    const kofn_account *account = kofn_result_get_account(result);
    printf("%s: %d tasks, %d answers used\n", account->code.family, (int)account->tasks,
           (int)account->answers_used);
    status = kofn_result_copy(result, products, 0, err); // P1 is SIZE rows below P0
    kofn_result_destroy(&result);
    return status;
}

int
main(int argc, char **argv)
{
    const bool local = argc > 1 && strcmp(argv[1], "--local") == 0;
    const kofn_client_options options = {.local_workers = local ? KOFN_CLIENT_LOCAL_CORES : 0};
    kofn_client *client = NULL;
    kofn_error error;
    double *at = malloc(9 * ELEMENTS * sizeof *at);
    if (!at)
        return EXIT_FAILURE;
    double *a = at, *b = at + 3 * ELEMENTS, *p = at + 6 * ELEMENTS;
    fill(a);
    fill(b);

    kofn_status status = kofn_client_open(&options, &client, &error);
    if (status == KOFN_OK)
        status = multiply(client, a, b, p, &error);
    if (status == KOFN_OK)
        printf("C[0, 0] = %.6f %+.6fi\n", p[0] - p[ELEMENTS], p[2 * ELEMENTS] - p[0] - p[ELEMENTS]);
    else
        (void)fprintf(stderr, "%s\n", error.text);
    kofn_client_close(&client);
    free(at);
    return status == KOFN_OK ? EXIT_SUCCESS : EXIT_FAILURE;
}
