/* The images: IDX files of MNIST, or a synthetic stand-in for machines without them.
 *
 * Shapes     image [count, features], f32 row-major: pixels over 255, and a final one for the bias,
 *            as the authors' program has it; features is 785 for MNIST. Training and test files are
 *            put together (70,000): cross validation cuts them anew.
 * Threads    Const once loaded: any thread; children of fork() share the memory.
 */
#ifndef KOFN_BENCH_EPS_MNIST_H
#define KOFN_BENCH_EPS_MNIST_H

#include <stddef.h>
#include <stdint.h>

enum { MNIST_CLASSES = 10 };

typedef struct mnist {
    size_t count, features;
    float *image;
    uint8_t *label; // [count], below MNIST_CLASSES
} mnist;

/* From {train,t10k}-{images-idx3,labels-idx1}-ubyte in `folder`. Ends the program with a sentence
 * when a file is missing or is not what its name says. */
mnist mnist_load(const char *folder);

/* Ten prototypes under noise: `count` images of side x side pixels. */
mnist mnist_synthesize(size_t count, size_t side, uint64_t seed);
void mnist_fini(mnist *data);

#endif
