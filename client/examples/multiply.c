/* The Gram matrix X X^T of random data, on the master that $KOFN_MASTER names, or with the argument
 * --local on workers in this process.
 *
 *     cc multiply.c $(pkg-config --cflags --libs kofn) -o multiply
 */
#include <kofn.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS = 1000, COLS = 64 };

static kofn_status
multiply(kofn_client *client, const double *x, kofn_error *err)
{
    const kofn_matrix a = {.data = x, .dtype = KOFN_F64, .rows = ROWS, .cols = COLS};
    const kofn_matrix b = {
        .data = x, .dtype = KOFN_F64, .rows = ROWS, .cols = COLS, .transposed = true};
    const kofn_product_options options = {.code = {.family = "rkrp", .x = 2, .z = 1, .y = 2},
                                          .timeout_ms = 30000};
    kofn_result *result = NULL;
    kofn_matrix c;
    kofn_status status = kofn_client_multiply(client, &a, &b, &options, &result, err);
    if (status == KOFN_OK)
        status = kofn_result_get_matrix(result, &c, err);
    if (status == KOFN_OK) {
        const kofn_account *account = kofn_result_get_account(result);
        printf("C[0, 0] = %.6f, from %d of %d tasks, in %.3f s\n", *(const double *)c.data,
               (int)account->answers_used, (int)account->code.tasks, account->seconds.call);
    }
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
    double *x = malloc(sizeof *x * ROWS * COLS);
    if (!x)
        return EXIT_FAILURE;
    for (size_t i = 0; i < ROWS * COLS; i++)
        x[i] = (double)rand() / RAND_MAX;

    kofn_status status = kofn_client_open(&options, &client, &error);
    if (status == KOFN_OK)
        status = multiply(client, x, &error);
    if (status != KOFN_OK)
        (void)fprintf(stderr, "%s\n", error.text);
    kofn_client_close(&client);
    free(x);
    return status == KOFN_OK ? EXIT_SUCCESS : EXIT_FAILURE;
}
