#include "common/linalg/blas.h"

#include <cblas.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CHOSEN "KOFN_CHOSEN_CORETYPE" // tells our choice from the user's after the second start

#if defined(__x86_64__)

/* The kernels of any OpenBLAS that use AVX2 or better. */
static const char *const modern[] = {"Haswell", "Zen", "SkylakeX", "Cooperlake", "Sapphirerapids"};

static const char *
find_better_kernel(void)
{
    const char *now = openblas_get_corename();
    for (size_t i = 0; i < sizeof modern / sizeof modern[0]; i++)
        if (strcmp(now, modern[i]) == 0)
            return NULL;
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl"))
        return "SkylakeX";
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        return "Haswell";
    return NULL;
}

#else

static const char *
find_better_kernel(void)
{
    return NULL;
}

#endif

void
kofn_blas_choose_kernel(char **argv)
{
    const char *kernel = getenv("OPENBLAS_CORETYPE") ? NULL : find_better_kernel();
    if (kernel && setenv("OPENBLAS_CORETYPE", kernel, 0) == 0 && setenv(CHOSEN, kernel, 1) == 0)
        (void)execv("/proc/self/exe", argv); // without /proc we go on, slowly
}

bool
kofn_blas_is_forced(void)
{
    const char *kernel = getenv("OPENBLAS_CORETYPE"), *chosen = getenv(CHOSEN);
    return kernel && !(chosen && strcmp(kernel, chosen) == 0);
}
