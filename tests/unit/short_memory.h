/* An allocator that runs out at a given call, for tests in which each allocation fails once. Link
 * with ${KOFN_SHORT_MEMORY}: the linker then puts these functions in front of the allocator's, for
 * our code and not for the libraries'. One test program includes this once. */
#ifndef KOFN_TESTS_SHORT_MEMORY_H
#define KOFN_TESTS_SHORT_MEMORY_H

#include <stdbool.h>
#include <stddef.h>

static size_t memory_calls;    // so far; set it to 0 before what is counted
static size_t memory_fails_at; // the number of the call that fails; 0: none does
static bool memory_stays_out;  // nor does any succeed that follows

static inline bool
memory_fails(void)
{
    memory_calls++;
    if (memory_fails_at == 0)
        return false;
    return memory_stays_out ? memory_calls >= memory_fails_at : memory_calls == memory_fails_at;
}

void *__real_malloc(size_t bytes);
void *__real_calloc(size_t count, size_t bytes);
void *__real_realloc(void *at, size_t bytes);
void *__real_reallocarray(void *at, size_t count, size_t bytes);
void *__real_aligned_alloc(size_t alignment, size_t bytes);
void *__wrap_malloc(size_t bytes);
void *__wrap_calloc(size_t count, size_t bytes);
void *__wrap_realloc(void *at, size_t bytes);
void *__wrap_reallocarray(void *at, size_t count, size_t bytes);
void *__wrap_aligned_alloc(size_t alignment, size_t bytes);

void *
__wrap_malloc(size_t bytes)
{
    return memory_fails() ? NULL : __real_malloc(bytes);
}

void *
__wrap_calloc(size_t count, size_t bytes)
{
    return memory_fails() ? NULL : __real_calloc(count, bytes);
}

void *
__wrap_realloc(void *at, size_t bytes)
{
    return memory_fails() ? NULL : __real_realloc(at, bytes);
}

void *
__wrap_reallocarray(void *at, size_t count, size_t bytes)
{
    return memory_fails() ? NULL : __real_reallocarray(at, count, bytes);
}

void *
__wrap_aligned_alloc(size_t alignment, size_t bytes)
{
    return memory_fails() ? NULL : __real_aligned_alloc(alignment, bytes);
}

#endif
