#include "bench/papers/eps-approx/mnist.h"

#include "bench/bench.h"
#include "common/base/rng.h"

#include <stdio.h>
#include <stdlib.h>

enum { MAGIC_IMAGES = 0x803, MAGIC_LABELS = 0x801, PATH_SIZE = 1024 };

static FILE *
open_idx(const char *folder, const char *name, uint32_t magic, size_t count, uint32_t *ret_numbers)
{
    char path[PATH_SIZE];
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "rb");
    if (!file)
        bench_die("%s cannot be opened; bench/papers/eps-approx/fetch gets it", path);
    unsigned char head[4 * 4];
    if (fread(head, 4, count, file) != count)
        bench_die("%s ends in its header", path);
    for (size_t i = 0; i < count; i++)
        ret_numbers[i] = (uint32_t)head[4 * i] << 24 | (uint32_t)head[4 * i + 1] << 16 |
                         (uint32_t)head[4 * i + 2] << 8 | head[4 * i + 3];
    if (ret_numbers[0] != magic)
        bench_die("%s begins with %08x, need %08x", path, ret_numbers[0], magic);
    return file;
}

static void
load_part(const char *folder, const char *part, size_t count, mnist *data)
{
    enum { PIXELS = 28 * 28 };
    char name[64];
    uint32_t numbers[4];
    (void)snprintf(name, sizeof name, "%s-images-idx3-ubyte", part);
    FILE *images = open_idx(folder, name, MAGIC_IMAGES, 4, numbers);
    if (numbers[1] != count || numbers[2] * numbers[3] != PIXELS)
        bench_die("%s/%s holds %u images of %u x %u, need %zu of 28 x 28", folder, name, numbers[1],
                  numbers[2], numbers[3], count);
    (void)snprintf(name, sizeof name, "%s-labels-idx1-ubyte", part);
    FILE *labels = open_idx(folder, name, MAGIC_LABELS, 2, numbers);

    unsigned char pixel[PIXELS];
    for (size_t i = 0; i < count; i++) {
        const size_t at = data->count + i;
        float *row = data->image + at * data->features;
        if (fread(pixel, 1, PIXELS, images) != PIXELS ||
            fread(data->label + at, 1, 1, labels) != 1 || data->label[at] >= MNIST_CLASSES)
            bench_die("the %s files of %s end or are damaged at image %zu", part, folder, i);
        for (size_t k = 0; k < PIXELS; k++)
            row[k] = (float)pixel[k] / 255;
        row[PIXELS] = 1;
    }
    data->count += count;
    (void)fclose(images); // only read
    (void)fclose(labels);
}

static mnist
make_empty(size_t room, size_t features)
{
    return (mnist){.features = features,
                   .image = bench_alloc(room * features * sizeof(float)),
                   .label = bench_alloc(room)};
}

mnist
mnist_load(const char *folder)
{
    mnist data = make_empty(70000, 28 * 28 + 1);
    load_part(folder, "train", 60000, &data);
    load_part(folder, "t10k", 10000, &data);
    return data;
}

mnist
mnist_synthesize(size_t count, size_t side, uint64_t seed)
{
    const size_t pixels = side * side;
    mnist data = make_empty(count, pixels + 1);
    double *prototype = bench_matrix_new(MNIST_CLASSES, pixels, seed);
    kofn_rng rng;
    kofn_rng_init(&rng, seed, 1);
    data.count = count;
    for (size_t i = 0; i < count; i++) {
        float *row = data.image + i * data.features;
        data.label[i] = (uint8_t)kofn_rng_below(&rng, MNIST_CLASSES);
        for (size_t k = 0; k < pixels; k++)
            row[k] = (float)(0.5 * prototype[data.label[i] * pixels + k] + kofn_rng_unit(&rng));
        row[pixels] = 1;
    }
    free(prototype);
    return data;
}

void
mnist_fini(mnist *data)
{
    free(data->image);
    free(data->label);
    *data = (mnist){0};
}
