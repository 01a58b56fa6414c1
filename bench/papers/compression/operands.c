#include "bench/papers/compression/operands.h"

#include "bench/must.h"
#include "bench/papers/compression/coded.h"
#include "bench/papers/eps-approx/mnist.h"
#include "common/code/sketch_elements.h"
#include "common/linalg/matrix_market.h"

#include <stdlib.h>

enum {
    DIGITS = MNIST_CLASSES,
    SIDE = 28,            // of an image
    MADE_UP = 14,         // images for each that is picked: a seventh of them has to do for B
    FLOW_BYTES = 1 << 28, // that a Matrix Market file may take
};

/* Of images first to end - 1 the first `each` of every digit, digit after digit. */
static kofn_bands
pick_images(const mnist *from, size_t first, size_t end, size_t each)
{
    const size_t pixels = from->features - 1; // the last feature is a constant
    kofn_bands picked = coded_new_matrix(KOFN_F64, DIGITS * each, pixels);
    double *row = coded_get_reals(&picked);
    for (unsigned digit = 0; digit < DIGITS; digit++) {
        size_t found = 0;
        for (size_t i = first; i < end && found < each; i++) {
            if (from->label[i] != digit)
                continue;
            for (size_t k = 0; k < pixels; k++)
                row[k] = from->image[i * from->features + k];
            row += pixels;
            found++;
        }
        if (found < each)
            bench_die("digit %u: %zu images, need %zu; take fewer", digit, found, each);
    }
    return picked;
}

operands
operands_load_digits(const paper_options *o)
{
    mnist images = o->mnist ? mnist_load(o->mnist)
                            : mnist_synthesize(DIGITS * MADE_UP * o->images, SIDE, o->seed);
    const size_t cut = images.count / 7 * 6; // MNIST's own, into training and test
    const operands loaded = {.of = {pick_images(&images, 0, cut, o->images),
                                    pick_images(&images, cut, images.count, o->images)},
                             .transposed = {false, true}};
    mnist_fini(&images);
    return loaded;
}

operands
operands_load_flow(const paper_options *o)
{
    static const double one = 1;
    kofn_matrix_market read;
    must(kofn_matrix_market_read(o->flow, FLOW_BYTES, &read, &error));
    if (!read.sparse)
        bench_die("%s is an array file, need a coordinate file", o->flow);
    operands loaded = {.transposed = {true, false}, .csr = read.csr};
    loaded.of[0] = coded_new_matrix(KOFN_F64, read.csr.rows, read.csr.cols);
    must(kofn_csr_combine(kofn_field_find("f64"), &read.csr, (kofn_grid){1, 1}, 1, loaded.of, &one,
                          &error));
    must(kofn_bands_ref(&loaded.of[0], &loaded.of[1], &error));
    return loaded;
}

void
operands_fini(operands *o)
{
    for (size_t i = 0; i < 2; i++)
        kofn_bands_fini(&o->of[i]);
    kofn_csr_fini(&o->csr);
}

block_norms
operands_measure(const operands *o, kofn_partition part)
{
    const kofn_field *f = kofn_field_find("f64");
    const block_norms norms = {.part = part,
                               .a = bench_alloc(part.x * part.z * sizeof(double)),
                               .b = bench_alloc(part.z * part.y * sizeof(double))};
    kofn_sketch_measure(f, &o->of[0], o->transposed[0], (kofn_grid){part.x, part.z}, norms.a);
    kofn_sketch_measure(f, &o->of[1], o->transposed[1], (kofn_grid){part.z, part.y}, norms.b);
    return norms;
}

void
block_norms_fini(block_norms *norms)
{
    free(norms->a);
    free(norms->b);
    *norms = (block_norms){0};
}

kofn_sketch_args
operands_ask(const block_norms *norms, size_t samples, uint64_t seed)
{
    return (kofn_sketch_args){
        .part = norms->part, .a = norms->a, .b = norms->b, .samples = samples, .seed = seed};
}
