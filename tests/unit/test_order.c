#include "master/sched/order.h"

#include "common/base/rng.h"
#include "tests/assert.h"

#include <math.h>

static kofn_order_node
node_of(uint64_t number, size_t load, double rate)
{
    return (kofn_order_node){.number = number, .load = load, .rate = rate};
}

static void
order_is_by_load_then_rate_then_number(void **state)
{
    (void)state;
    kofn_order order = {0};
    kofn_order_node n[] = {
        node_of(0, 1, 9), node_of(1, 0, 2),        node_of(2, 0, 5),
        node_of(3, 0, 5), node_of(4, 0, INFINITY),
    };
    for (size_t i = 0; i < 5; i++)
        kofn_order_insert(&order, &n[i]);
    static const uint64_t expected[] = {4, 2, 3, 1, 0};
    const kofn_order_node *at = kofn_order_first(&order);
    for (size_t i = 0; i < 5; i++, at = kofn_order_after(&order, at))
        assert_int_equal(at->number, expected[i]);
    assert_null(at);
}

static void
order_of_nobody_has_no_first(void **state)
{
    (void)state;
    kofn_order order = {0};
    assert_null(kofn_order_first(&order));
    kofn_order_node only = node_of(7, 0, 0);
    kofn_order_insert(&order, &only);
    assert_ptr_equal(kofn_order_first(&order), &only);
    assert_null(kofn_order_after(&order, &only));
    kofn_order_remove(&order, &only);
    assert_null(kofn_order_first(&order));
    assert_int_equal(order.count, 0);
}

static int
compare(const void *a, const void *b)
{
    const kofn_order_node *x = *(kofn_order_node *const *)a, *y = *(kofn_order_node *const *)b;
    if (x->load != y->load)
        return x->load < y->load ? -1 : 1;
    if (x->rate != y->rate)
        return x->rate > y->rate ? -1 : 1;
    return x->number < y->number ? -1 : 1;
}

static void
order_agrees_with_sorting_while_nodes_come_and_go(void **state)
{
    (void)state;
    enum { NODES = 300 };
    static kofn_order_node nodes[NODES];
    kofn_order_node *in[NODES];
    kofn_rng rng;
    kofn_rng_init(&rng, test_seed(3), 0);
    kofn_order order = {0};
    bool there[NODES] = {false};
    for (int step = 0; step < 20000; step++) {
        const size_t i = kofn_rng_below(&rng, NODES);
        if (there[i]) {
            kofn_order_remove(&order, &nodes[i]);
        } else {
            nodes[i] = node_of(i, kofn_rng_below(&rng, 3), (double)kofn_rng_below(&rng, 5));
            kofn_order_insert(&order, &nodes[i]);
        }
        there[i] = !there[i];
        if (step % 100)
            continue;
        size_t count = 0;
        for (size_t j = 0; j < NODES; j++)
            if (there[j])
                in[count++] = &nodes[j];
        qsort(in, count, sizeof in[0], compare);
        assert_int_equal(order.count, count);
        const kofn_order_node *at = kofn_order_first(&order);
        for (size_t j = 0; j < count; j++, at = kofn_order_after(&order, at))
            assert_ptr_equal(at, in[j]);
        assert_null(at);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(order_is_by_load_then_rate_then_number),
        cmocka_unit_test(order_of_nobody_has_no_first),
        cmocka_unit_test(order_agrees_with_sorting_while_nodes_come_and_go),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
