/* A master whose clock stands still between its strokes, as some virtual machines' do: work takes
 * no time by it, and is done all the same. */
#include "tests/unit/master_stage.h"

#define STROKE_NS (250 * KOFN_NS_PER_MS)

int64_t __real_kofn_clock_ns(void);
int64_t __wrap_kofn_clock_ns(void);

int64_t
__wrap_kofn_clock_ns(void)
{
    return __real_kofn_clock_ns() / STROKE_NS * STROKE_NS;
}

static void
a_product_that_takes_no_time_by_the_clock_is_made(void **state)
{
    static const problem halves = {.rows = 6,
                                   .inner = 4,
                                   .cols = 3,
                                   .family = "uncoded",
                                   .x = 2,
                                   .z = 1,
                                   .y = 1,
                                   .tasks = 2,
                                   .policy = "oneshot"};
    stage *s = *state;
    stage_run(s);
    peer *client = open_client(s, KOFN_WINDOW_BYTES), *worker = join_worker(s, "w", 2);
    for (uint64_t call = 1; call < 6; call++) { // most of them within a stroke
        task t;
        send_product(s, client, call, KOFN_METHOD_MULTIPLY, &halves);
        for (size_t i = 0; i < 2; i++) {
            expect_task(worker, &t);
            answer(s, worker, &t);
        }
        expect_product(s, client, call, &halves, NULL);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_product_that_takes_no_time_by_the_clock_is_made,
                                        stage_setup, stage_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
