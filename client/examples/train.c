/* Five neural networks learn to read digits, and every matrix product of it is done by kofn.
 *
 *     cc -O2 train.c $(pkg-config --cflags --libs kofn) -lm -o train
 *     ./train --local 4                       no daemons, made-up digits
 *     ./train --local 4 --data mnist          the four IDX files of MNIST, not compressed
 *     ./train --data mnist --csv train.csv    on the master that $KOFN_MASTER names
 *
 * The networks (784-H-H-10, ReLU, softmax and cross entropy) differ in their learning rate. An
 * iteration of stochastic gradient descent is eight products, each of which needs the one before:
 *
 *     forward    Z1 = X W1      Z2 = A1 W2      Z3 = A2 W3        A = ReLU(Z + b)
 *     backward   G3 = A2' D3    D2 = D3 W3'     G2 = A1' D2       D3 = softmax(Z3 + b) - labels,
 *                D1 = D2 W2'    G1 = X' D1                        D2, D1: zero where A is
 *
 * The products go into a stream, in which each is done over several rounds, so that workers that
 * are late in one of them hold up nobody (scheme dip, with a delay of T = 3 rounds). The networks
 * take turns: a product that is done has its network push the next one, while those of the other
 * four are under way. They are in rounds i + 1 to i + 4 then, where i is the product's own, and T +
 * 1 is what they may take.
 */
#include <kofn.h>

#include <getopt.h>
#include <limits.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { NETWORKS = 5, LAYERS = 3, STEPS = 8, SIDE = 28, PIXELS = SIDE * SIDE, CLASSES = 10 };
enum { WIDEST = 65536 }; // rows or columns of what is trained, at most

static const float RATES[NETWORKS] = {0.1F, 0.15F, 0.2F, 0.25F, 0.3F};

/* ---- little helpers -------------------------------------------------------------------------- */

static kofn_error error;

static void
die(const char *what, const char *why)
{
    (void)fprintf(stderr, "train: %s%s%s\n", what, *why ? ": " : "", why);
    exit(EXIT_FAILURE);
}

static void
must(kofn_status status)
{
    if (status != KOFN_OK)
        die(error.text, "");
}

static float *
floats_new(size_t count)
{
    float *at = calloc(count, sizeof *at);
    if (!at)
        die("no memory", "");
    return at;
}

static double
now(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t); // cannot fail for this clock
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Uniform in [0, 1); the same numbers in every run. */
static float
draw(void)
{
    static uint64_t state = 1;
    state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (float)(state >> 40) * 0x1p-24F;
}

/* ---- digits ---------------------------------------------------------------------------------- */

typedef struct digits {
    size_t count;
    float *pixel;   // [count, PIXELS], from 0 to 1
    uint8_t *label; // [count]
} digits;

static digits
digits_new(size_t count)
{
    digits d = {.count = count, .pixel = floats_new(count * PIXELS), .label = malloc(count)};
    if (!d.label)
        die("no memory", "");
    return d;
}

static void
digits_free(digits *d)
{
    free(d->pixel);
    free(d->label);
}

static uint32_t
big_endian(const unsigned char *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

/* An IDX file of bytes, after its header: a magic number with the number of dimensions, then those,
 * of which the first is the count. */
static FILE *
open_idx(const char *folder, const char *name, size_t dimensions, size_t *ret_count)
{
    char path[1024];
    unsigned char head[4 * 4];
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "rb");
    if (!file || fread(head, 4, 1 + dimensions, file) != 1 + dimensions)
        die(path, "cannot be read");
    bool fits = big_endian(head) == 0x800 + dimensions && big_endian(head + 4) > 0;
    for (size_t i = 1; i < dimensions; i++)
        fits = fits && big_endian(head + 4 + 4 * i) == SIDE;
    if (!fits)
        die(path, "is no file of MNIST's digits");
    *ret_count = big_endian(head + 4);
    return file;
}

static digits
digits_load(const char *folder, const char *images, const char *labels)
{
    size_t count, label_count;
    FILE *image_file = open_idx(folder, images, 3, &count);
    FILE *label_file = open_idx(folder, labels, 1, &label_count);
    digits d = digits_new(count);
    unsigned char byte[PIXELS];
    for (size_t i = 0; i < count; i++) {
        if (fread(byte, 1, PIXELS, image_file) != PIXELS)
            die(images, "ends too soon");
        for (size_t k = 0; k < PIXELS; k++)
            d.pixel[i * PIXELS + k] = (float)byte[k] / 255;
    }
    if (label_count != count || fread(d.label, 1, count, label_file) != count)
        die(labels, "does not fit the images");
    for (size_t i = 0; i < count; i++)
        if (d.label[i] >= CLASSES)
            die(labels, "has labels that are no digits");
    (void)fclose(image_file); // only read
    (void)fclose(label_file);
    return d;
}

/* Ten random pictures, one pixel in five lit more or less, under noise. */
static digits
digits_make_up(size_t count, const float *prototypes)
{
    digits d = digits_new(count);
    for (size_t i = 0; i < count; i++) {
        d.label[i] = (uint8_t)(draw() * CLASSES);
        for (size_t k = 0; k < PIXELS; k++)
            d.pixel[i * PIXELS + k] = 0.2F * draw() + prototypes[d.label[i] * PIXELS + k] * draw();
    }
    return d;
}

/* ---- a network ------------------------------------------------------------------------------- */

typedef struct network {
    size_t width[LAYERS + 1], batch;
    float rate;
    float *w[LAYERS], *g[LAYERS]; // [width[i], width[i + 1]]: weights and their gradient
    float *b[LAYERS];             // [width[i + 1]]
    float *a[LAYERS + 1];         // [batch, width[i]]: a[0] are the images, a[LAYERS] the output
    float *d[LAYERS];             // [batch, width[i + 1]]: how the loss depends on layer i's output
    uint8_t *label;               // [batch]
    size_t step, iteration;       // the next product is that step's
    double loss;                  // of the latest batch
} network;

static void
network_init(network *n, size_t hidden, size_t batch, float rate)
{
    *n = (network){.width = {PIXELS, hidden, hidden, CLASSES}, .batch = batch, .rate = rate};
    n->a[0] = floats_new(batch * PIXELS);
    n->label = malloc(batch);
    if (!n->label)
        die("no memory", "");
    for (size_t i = 0; i < LAYERS; i++) {
        const size_t in = n->width[i], out = n->width[i + 1];
        n->w[i] = floats_new(in * out);
        n->g[i] = floats_new(in * out);
        n->b[i] = floats_new(out);
        n->a[i + 1] = floats_new(batch * out);
        n->d[i] = floats_new(batch * out);
        for (size_t k = 0; k < in * out; k++)
            n->w[i][k] = (2 * draw() - 1) * sqrtf(6 / (float)in);
    }
}

static void
network_fini(network *n)
{
    free(n->a[0]);
    free(n->label);
    for (size_t i = 0; i < LAYERS; i++) {
        free(n->w[i]);
        free(n->g[i]);
        free(n->b[i]);
        free(n->a[i + 1]);
        free(n->d[i]);
    }
}

static kofn_matrix
matrix(const float *data, size_t rows, size_t cols, bool transposed)
{
    return (kofn_matrix){
        .data = data, .dtype = KOFN_F32, .rows = rows, .cols = cols, .transposed = transposed};
}

/* The product that the network needs next: its factors, and where it belongs. */
static float *
next_product(network *n, kofn_matrix *ret_left, kofn_matrix *ret_right)
{
    if (n->step < LAYERS) { // Z = A W
        const size_t i = n->step;
        *ret_left = matrix(n->a[i], n->batch, n->width[i], false);
        *ret_right = matrix(n->w[i], n->width[i], n->width[i + 1], false);
        return n->a[i + 1];
    }
    const size_t back = n->step - LAYERS, i = LAYERS - 1 - back / 2;
    const kofn_matrix d = matrix(n->d[i], n->batch, n->width[i + 1], false);
    if (back % 2 == 0) { // G = A' D
        *ret_left = matrix(n->a[i], n->batch, n->width[i], true);
        *ret_right = d;
        return n->g[i];
    }
    *ret_left = d; // D = D W', of the layer below
    *ret_right = matrix(n->w[i], n->width[i], n->width[i + 1], true);
    return n->d[i - 1];
}

/* Z to ReLU(Z + b), or of the last layer to Z + b. */
static void
add_bias(float *z, size_t rows, size_t cols, const float *b, bool relu)
{
    for (size_t r = 0; r < rows; r++) {
        for (size_t c = 0; c < cols; c++) {
            const float sum = z[r * cols + c] + b[c];
            z[r * cols + c] = relu && sum < 0 ? 0 : sum;
        }
    }
}

/* The mean loss of outputs [rows, CLASSES]; *ret_right: how many are right. If `d` is not NULL, how
 * the loss depends on them. */
static double
measure(const float *output, const uint8_t *label, size_t rows, float *d, size_t *ret_right)
{
    double loss = 0;
    *ret_right = 0;
    for (size_t r = 0; r < rows; r++) {
        const float *o = output + r * CLASSES;
        size_t best = 0;
        for (size_t c = 1; c < CLASSES; c++)
            best = o[c] > o[best] ? c : best;
        double sum = 0;
        for (size_t c = 0; c < CLASSES; c++)
            sum += exp((double)(o[c] - o[best]));
        for (size_t c = 0; d && c < CLASSES; c++)
            d[r * CLASSES + c] =
                (float)((exp((double)(o[c] - o[best])) / sum - (c == label[r])) / (double)rows);
        loss += log(sum) - (double)(o[label[r]] - o[best]);
        *ret_right += best == label[r];
    }
    return loss / (double)rows;
}

static void
update_weights(network *n)
{
    for (size_t i = 0; i < LAYERS; i++) {
        const size_t in = n->width[i], out = n->width[i + 1];
        for (size_t k = 0; k < in * out; k++)
            n->w[i][k] -= n->rate * n->g[i][k];
        for (size_t r = 0; r < n->batch; r++) {
            for (size_t c = 0; c < out; c++)
                n->b[i][c] -= n->rate * n->d[i][r * out + c];
        }
    }
}

/* The product of this step is where it belongs: do what is left of the step, and go to the next. */
static void
finish_step(network *n)
{
    const size_t step = n->step++;
    if (step < LAYERS)
        add_bias(n->a[step + 1], n->batch, n->width[step + 1], n->b[step], step + 1 < LAYERS);
    if (step + 1 == LAYERS) {
        size_t right;
        n->loss = measure(n->a[LAYERS], n->label, n->batch, n->d[LAYERS - 1], &right);
    }
    if (step >= LAYERS && (step - LAYERS) % 2 == 1) {
        const size_t i = LAYERS - 2 - (step - LAYERS) / 2; // d[i] has come
        for (size_t k = 0; k < n->batch * n->width[i + 1]; k++)
            n->d[i][k] = n->a[i + 1][k] > 0 ? n->d[i][k] : 0;
    }
    if (n->step == STEPS) {
        update_weights(n);
        n->step = 0;
        n->iteration++;
    }
}

/* ---- training -------------------------------------------------------------------------------- */

typedef struct settings {
    const char *folder, *csv;
    size_t hidden, iterations, batch, every, tests;
    int local;
    kofn_stream_options stream;
    kofn_product_options product; // with a policy: no stream
} settings;

typedef struct training {
    const settings *set;
    kofn_client *client;
    kofn_stream *stream;
    digits train, test;
    network net[NETWORKS];
    size_t *order;                     // of the training images
    size_t under_way, products, tasks; // products that were pushed; done; tasks that those took
    size_t round;                      // in which the latest of them was done
    double start;                      // of the clock, which stands while tests are made
    double encode, decode;             // seconds that the master spent on that, over all products
    FILE *csv;
} training;

/* The images of the network's next iteration: all networks see the same ones. */
static void
take_batch(training *t, network *n)
{
    for (size_t i = 0; i < n->batch; i++) {
        const size_t from = t->order[(n->iteration * n->batch + i) % t->train.count];
        memcpy(n->a[0] + i * PIXELS, t->train.pixel + from * PIXELS, PIXELS * sizeof(float));
        n->label[i] = t->train.label[from];
    }
}

/* Push the network's next product. Its factors stay as they are until the result is here. */
static void
push(training *t, network *n)
{
    kofn_matrix left, right;
    if (n->step == 0)
        take_batch(t, n);
    (void)next_product(n, &left, &right); // where it belongs is asked again when it is there
    t->under_way++;
    if (t->stream) {
        must(kofn_stream_push(t->stream, &left, &right, n, &error));
    } else {
        kofn_call *call;
        must(kofn_client_start(t->client, &left, &right, &t->set->product, &call, &error));
        kofn_call_set_context(call, n);
    }
}

/* Wait for the next product of the stream, in the order in which they were pushed. */
static kofn_result *
take_from_stream(training *t, network **ret_network)
{
    kofn_stream_product product;
    do
        must(kofn_stream_next(t->stream, -1, &product, &error));
    while (product.index == 0); // a signal
    if (!product.result)
        die(product.error.text, "");
    *ret_network = product.context;
    return product.result;
}

/* The same of products by themselves: whichever is done. */
static kofn_result *
take_any(training *t, network **ret_network)
{
    kofn_call *call;
    kofn_result *result;
    do
        must(kofn_client_next(t->client, -1, &call, &error));
    while (!call); // a signal
    *ret_network = kofn_call_get_context(call);
    must(kofn_call_finish(&call, &result, &error));
    return result;
}

/* Wait for a product, and let its network do what it has to do with it. */
static network *
take_product(training *t)
{
    kofn_matrix left, right;
    network *n;
    kofn_result *result = t->stream ? take_from_stream(t, &n) : take_any(t, &n);
    must(kofn_result_copy(result, next_product(n, &left, &right), 0, &error));
    const kofn_account *account = kofn_result_get_account(result);
    t->encode += account->seconds.encode;
    t->decode += account->seconds.decode;
    t->tasks += account->tasks_sent;
    t->round = account->finished;
    kofn_result_destroy(&result);
    finish_step(n);
    t->under_way--;
    t->products++;
    return n;
}

/* The first `tests` test images through the network. */
static double
test(training *t, const network *n, double *ret_accuracy)
{
    const size_t rows = t->set->tests < t->test.count ? t->set->tests : t->test.count;
    float *in = t->test.pixel, *out = NULL;
    size_t right;
    for (size_t i = 0; i < LAYERS; i++) {
        const kofn_matrix a = matrix(in, rows, n->width[i], false);
        const kofn_matrix w = matrix(n->w[i], n->width[i], n->width[i + 1], false);
        kofn_result *result;
        must(kofn_client_multiply(t->client, &a, &w, NULL, &result, &error));
        out = floats_new(rows * n->width[i + 1]);
        must(kofn_result_copy(result, out, 0, &error));
        kofn_result_destroy(&result);
        add_bias(out, rows, n->width[i + 1], n->b[i], i + 1 < LAYERS);
        if (i > 0)
            free(in);
        in = out;
    }
    const double loss = measure(out, t->test.label, rows, NULL, &right);
    free(out);
    *ret_accuracy = (double)right / (double)rows;
    return loss;
}

/* A line of the CSV file; without a test its last fields are empty. */
static void
write_line(const training *t, const network *n, double at, const char *test_fields)
{
    if (t->csv)
        (void)fprintf(t->csv, "%.6f,%zu,%zu,%d,%zu,%.6f,%s\n", at - t->start, t->round, t->products,
                      (int)(n - t->net) + 1, n->iteration, n->loss, test_fields);
}

/* How far the networks are. The clock stands meanwhile. */
static void
report(training *t)
{
    const double begin = now();
    printf("iteration %zu\n", t->net[0].iteration);
    for (size_t i = 0; i < NETWORKS; i++) {
        char fields[64];
        double accuracy;
        const network *n = &t->net[i];
        const double loss = test(t, n, &accuracy);
        (void)snprintf(fields, sizeof fields, "%.6f,%.4f", loss, accuracy);
        write_line(t, n, begin, fields);
        printf("    rate %.2f    loss %.4f    test loss %.4f    accuracy %.4f\n", (double)n->rate,
               n->loss, loss, accuracy);
    }
    (void)fflush(stdout);
    t->start += now() - begin;
}

/* The networks run free, each as its results come, until all have done so many iterations. */
static void
train_until(training *t, size_t end)
{
    for (size_t i = 0; i < NETWORKS; i++)
        push(t, &t->net[i]);
    while (t->under_way > 0) {
        network *n = take_product(t);
        if (n->step == 0)
            write_line(t, n, now(), ",");
        if (n->iteration < end)
            push(t, n);
    }
}

static void
train(training *t)
{
    if (t->csv)
        (void)fprintf(t->csv, "seconds,round,products,network,iteration,loss,test_loss,accuracy\n");
    if (!t->set->product.policy)
        must(kofn_client_open_stream(t->client, &t->set->stream, &t->stream, &error));
    t->start = now();
    while (t->net[0].iteration < t->set->iterations) {
        const size_t next = t->net[0].iteration + t->set->every;
        train_until(t, next < t->set->iterations ? next : t->set->iterations);
        report(t);
    }
    const double seconds = now() - t->start;
    const double count = (double)t->products;
    printf("%zu products in %.2f s: %.5f s each; encode %.5f s, decode %.5f s\n", t->products,
           seconds, seconds / count, t->encode / count, t->decode / count);
    printf("%.2f tasks sent for each product\n", (double)t->tasks / count);
    if (!t->stream)
        return;
    kofn_stream_account account;
    must(kofn_stream_close(&t->stream, &account, &error));
    printf("%s: %llu rounds, %.2f mini-tasks of %llu in each, %llu rounds waited for stragglers "
           "(tolerance %g, rescue %g)\n",
           account.scheme, (unsigned long long)account.rounds,
           (double)account.load_sum / (double)account.rounds, (unsigned long long)account.need,
           (unsigned long long)account.waited, account.tolerance, account.rescue);
}

/* ---- the command line ------------------------------------------------------------------------ */

static const char USAGE[] =
    "usage: train [OPTION ...]\n"
    "Five neural networks learn to read digits; every matrix product of it is done by kofn.\n"
    "Without --local, by the master that $KOFN_MASTER names. What they reach is printed from test\n"
    "to test, and at the end what a product took.\n\n"
    "  --data DIR          the four IDX files of MNIST; made-up digits otherwise\n"
    "  --local N           without daemons: N workers in this process\n"
    "  --hidden H          neurons in each hidden layer (128)\n"
    "  --iterations N      of each network (100)\n"
    "  --batch N           images in an iteration (1024)\n"
    "  --test-every N      iterations from one test to the next (25)\n"
    "  --tests N           images in a test (1000)\n"
    "  --csv FILE          seconds, round, products, network, iteration, loss, test loss and "
    "accuracy\n"
    "  --scheme NAME       dip, idip, idip_burst, polynomial or uncoded\n"
    "  --policy NAME       no stream: each product by itself, oneshot or speculative\n"
    "  --set KEY=VALUE     delay, lambda, tolerance, failures, window, burst, slots, rescue; and "
    "of the\n"
    "                      inner code: family, partition or a parameter\n"
    "  --help              this\n";

static void
die_of(const char *option, const char *text, const char *wanted)
{
    (void)fprintf(stderr, "train: %s '%s': want %s\n", option, text, wanted);
    exit(EXIT_FAILURE);
}

static double
parse_number(const char *option, const char *text)
{
    char *end;
    const double number = strtod(text, &end);
    if (end == text || *end != '\0')
        die_of(option, text, "a number");
    return number;
}

static size_t
parse_count(const char *option, const char *text, unsigned long most)
{
    char *end, wanted[64];
    const unsigned long count = strtoul(text, &end, 10);
    (void)snprintf(wanted, sizeof wanted, "a whole number from 1 to %lu", most);
    if (*text == '-' || *end != '\0' || count == 0 || count > most)
        die_of(option, text, wanted);
    return count;
}

/* A number of the stream, or of its code. */
static void
parse_setting(kofn_stream_options *stream, char *text)
{
    const struct {
        const char *name;
        uint64_t *count;
        double *number;
    } known[] = {
        {"slots", &stream->slots, NULL},         {"delay", &stream->delay, NULL},
        {"lambda", &stream->lambda, NULL},       {"failures", &stream->failures, NULL},
        {"window", &stream->window, NULL},       {"burst", &stream->burst, NULL},
        {"tolerance", NULL, &stream->tolerance}, {"rescue", NULL, &stream->rescue},
    };
    char *value = strchr(text, '=');
    if (!value)
        die_of("--set", text, "KEY=VALUE");
    *value++ = '\0';
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (strcmp(text, known[i].name) != 0)
            continue;
        if (known[i].count)
            *known[i].count = parse_count(text, value, INT_MAX);
        else
            *known[i].number = kofn_stream_number(parse_number(text, value));
        return;
    }
    must(kofn_code_choice_set(&stream->code, text, value, &error));
}

static settings
parse(int argc, char **argv)
{
    static const struct option options[] = {{"data", required_argument, NULL, 'd'},
                                            {"local", required_argument, NULL, 'l'},
                                            {"hidden", required_argument, NULL, 'h'},
                                            {"iterations", required_argument, NULL, 'i'},
                                            {"batch", required_argument, NULL, 'b'},
                                            {"test-every", required_argument, NULL, 'e'},
                                            {"tests", required_argument, NULL, 't'},
                                            {"csv", required_argument, NULL, 'c'},
                                            {"set", required_argument, NULL, 's'},
                                            {"scheme", required_argument, NULL, 'm'},
                                            {"policy", required_argument, NULL, 'p'},
                                            {"help", no_argument, NULL, 'u'},
                                            {NULL, 0, NULL, 0}};
    settings s = {.hidden = 128,
                  .iterations = 100,
                  .batch = 1024,
                  .every = 25,
                  .tests = 1000,
                  .stream = {.field = "f32", .limit = NETWORKS}};
    int option;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (option) {
        case 'd':
            s.folder = optarg;
            break;
        case 'l':
            s.local = (int)parse_count("--local", optarg, 1024);
            break;
        case 'h':
            s.hidden = parse_count("--hidden", optarg, WIDEST);
            break;
        case 'i':
            s.iterations = parse_count("--iterations", optarg, INT_MAX);
            break;
        case 'b':
            s.batch = parse_count("--batch", optarg, WIDEST);
            break;
        case 'e':
            s.every = parse_count("--test-every", optarg, INT_MAX);
            break;
        case 't':
            s.tests = parse_count("--tests", optarg, INT_MAX);
            break;
        case 'c':
            s.csv = optarg;
            break;
        case 'm':
            s.stream.scheme = optarg;
            break;
        case 'p':
            s.product.policy = optarg;
            break;
        case 's':
            parse_setting(&s.stream, optarg);
            break;
        case 'u':
            (void)fputs(USAGE, stdout);
            exit(EXIT_SUCCESS);
        default: // getopt has said what is wrong
            (void)fputs("train: --help lists the options\n", stderr);
            exit(EXIT_FAILURE);
        }
    }
    if (optind < argc)
        die_of("argument", argv[optind], "options alone");
    s.product.code = s.stream.code;
    return s;
}

static void
load_digits(training *t)
{
    const char *folder = t->set->folder;
    if (folder) {
        t->train = digits_load(folder, "train-images-idx3-ubyte", "train-labels-idx1-ubyte");
        t->test = digits_load(folder, "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte");
    } else {
        float *prototypes = floats_new(CLASSES * PIXELS);
        for (size_t i = 0; i < (size_t)CLASSES * PIXELS; i++)
            prototypes[i] = draw() < 0.2F ? 0.8F : 0;
        t->train = digits_make_up(2000, prototypes);
        t->test = digits_make_up(1000, prototypes);
        free(prototypes);
    }
    t->order = calloc(t->train.count, sizeof *t->order);
    if (!t->order)
        die("no memory", "");
    for (size_t i = 0; i < t->train.count; i++) { // a random order, by insertion
        const size_t at = (size_t)(draw() * (float)(i + 1)) % (i + 1);
        t->order[i] = t->order[at];
        t->order[at] = i;
    }
}

int
main(int argc, char **argv)
{
    const settings set = parse(argc, argv);
    const kofn_client_options options = {.local_workers = set.local};
    training t = {.set = &set};
    load_digits(&t);
    for (size_t i = 0; i < NETWORKS; i++)
        network_init(&t.net[i], set.hidden, set.batch, RATES[i]);
    must(kofn_client_open(&options, &t.client, &error));
    if (set.csv && !(t.csv = fopen(set.csv, "w")))
        die(set.csv, "cannot be written");

    train(&t);

    if (t.csv && fclose(t.csv) != 0)
        die(set.csv, "cannot be written");
    kofn_client_close(&t.client);
    for (size_t i = 0; i < NETWORKS; i++)
        network_fini(&t.net[i]);
    digits_free(&t.train);
    digits_free(&t.test);
    free(t.order);
    return EXIT_SUCCESS;
}
