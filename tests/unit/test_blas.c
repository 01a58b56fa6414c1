/* Which kernel OpenBLAS runs, by starting this program anew under other environments: the choice is
 * made when OpenBLAS is loaded. */
#include "tests/assert.h"

#include "common/linalg/blas.h"
#include "common/linalg/multiply.h"

#include <sys/wait.h>
#include <unistd.h>

/* What a start with the argument `report` prints. */
typedef struct report {
    char kernel[64], argument[64];
    int is_forced;
} report;

static void
print_report(const char *argument)
{
    printf("%s\n%s\n%d\n", kofn_blas_kernel(), argument, kofn_blas_is_forced());
}

/* `environment`: arguments for env(1). */
static report
start(const char *environment)
{
    char self[512], command[1024];
    const ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
    assert_true(length > 0);
    self[length] = '\0';
    (void)snprintf(command, sizeof command,
                   "env -u OPENBLAS_CORETYPE -u KOFN_CHOSEN_CORETYPE %s '%s' report 'two words'",
                   environment, self);
    FILE *pipe = popen(command, "r");
    assert_non_null(pipe);
    report r;
    assert_int_equal(fscanf(pipe, "%63[^\n]\n%63[^\n]\n%d", r.kernel, r.argument, &r.is_forced), 3);
    const int how = pclose(pipe);
    assert_true(WIFEXITED(how) && WEXITSTATUS(how) == 0);
    return r;
}

static void
the_users_choice_stands(void **state)
{
    (void)state;
#if !defined(__x86_64__)
    skip(); // kernels have other names
#else
    const report r = start("OPENBLAS_CORETYPE=Nehalem");
    assert_string_equal(r.kernel, "Nehalem");
    assert_true(r.is_forced);
#endif
}

static void
without_a_choice_the_processor_is_put_to_use(void **state)
{
    (void)state;
    const report r = start("");
    assert_false(r.is_forced);
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        assert_true(strcmp(r.kernel, "Prescott") != 0 && strcmp(r.kernel, "Nehalem") != 0 &&
                    strcmp(r.kernel, "Sandybridge") != 0);
#endif
}

static void
arguments_survive_a_second_start(void **state)
{
    (void)state;
    assert_string_equal(start("").argument, "two words");
}

static void
what_we_chose_ourselves_is_not_forced(void **state)
{
    (void)state;
    assert_false(start("OPENBLAS_CORETYPE=Haswell KOFN_CHOSEN_CORETYPE=Haswell").is_forced);
    assert_true(start("OPENBLAS_CORETYPE=Haswell KOFN_CHOSEN_CORETYPE=SkylakeX").is_forced);
    assert_false(start("KOFN_CHOSEN_CORETYPE=none").is_forced);
}

int
main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "report") == 0) {
        kofn_blas_choose_kernel(argv);
        print_report(argv[2]);
        return 0;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_users_choice_stands),
        cmocka_unit_test(without_a_choice_the_processor_is_put_to_use),
        cmocka_unit_test(arguments_survive_a_second_start),
        cmocka_unit_test(what_we_chose_ourselves_is_not_forced),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
