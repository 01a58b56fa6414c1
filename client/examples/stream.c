/* Products that come one after another, on the master that $KOFN_MASTER names, or with the argument
 * --local on workers in this process. They share rounds: what a late worker did not do of one
 * product is done beside later ones.
 *
 *     cc stream.c $(pkg-config --cflags --libs kofn) -o stream
 */
#include <kofn.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SIZE = 300, COUNT = 20 };

static void
show(const kofn_stream_product *product)
{
    if (!product->result) {
        printf("%d: %s\n", (int)product->index, product->error.text);
        return;
    }
    const kofn_account *account = kofn_result_get_account(product->result);
    printf("%d: rounds %d to %d\n", (int)product->index, (int)account->born,
           (int)account->finished);
}

/* As many at once as may be, all of X X^T. */
static kofn_status
push_and_take(kofn_stream *stream, const kofn_matrix *x, kofn_error *err)
{
    kofn_matrix turned = *x;
    kofn_stream_product product;
    kofn_status status = KOFN_OK;
    size_t pushed = 0, taken = 0;
    turned.transposed = true;
    while (status == KOFN_OK && taken < COUNT) {
        if (pushed < COUNT && kofn_stream_count(stream) < kofn_stream_get_limit(stream)) {
            status = kofn_stream_push(stream, x, &turned, NULL, err);
            pushed++;
            continue;
        }
        status = kofn_stream_next(stream, -1, &product, err);
        if (status != KOFN_OK || product.index == 0) // nothing yet: a signal came
            continue;
        taken++;
        show(&product);
        kofn_result_destroy(&product.result);
    }
    return status;
}

static kofn_status
run(kofn_client *client, const double *x, kofn_error *err)
{
    const kofn_matrix a = {.data = x, .dtype = KOFN_F64, .rows = SIZE, .cols = SIZE};
    const kofn_stream_options options = {.scheme = "dip", .code = {.x = 2, .z = 1, .y = 2}};
    kofn_stream *stream = NULL;
    kofn_stream_account account;
    kofn_status status = kofn_client_open_stream(client, &options, &stream, err);
    if (status == KOFN_OK)
        status = push_and_take(stream, &a, err);
    if (status == KOFN_OK)
        status = kofn_stream_close(&stream, &account, err);
    if (status == KOFN_OK)
        printf("%d rounds in %.3f s, %d waited for stragglers\n", (int)account.rounds, account.busy,
               (int)account.waited);
    kofn_stream_abandon(&stream);
    return status;
}

int
main(int argc, char **argv)
{
    const bool local = argc > 1 && strcmp(argv[1], "--local") == 0;
    const kofn_client_options options = {.local_workers = local ? KOFN_CLIENT_LOCAL_CORES : 0};
    kofn_client *client = NULL;
    kofn_error error;
    double *x = malloc(sizeof *x * SIZE * SIZE);
    if (!x)
        return EXIT_FAILURE;
    for (size_t i = 0; i < (size_t)SIZE * SIZE; i++)
        x[i] = (double)rand() / RAND_MAX;

    kofn_status status = kofn_client_open(&options, &client, &error);
    if (status == KOFN_OK)
        status = run(client, x, &error);
    if (status != KOFN_OK)
        (void)fprintf(stderr, "%s\n", error.text);
    kofn_client_close(&client);
    free(x);
    return status == KOFN_OK ? EXIT_SUCCESS : EXIT_FAILURE;
}
