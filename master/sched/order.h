/* Free workers in the order in which they get tasks: least loaded, fastest, lowest number.
 *
 * Source     A treap (Aragon and Seidel, 1989): a search tree by key that is a heap by priority.
 *            Priorities are hashed from the worker's number, so the same calls give the same tree.
 * Cost       insert, remove, after: O(log P) expected. No allocation: nodes lie in the workers.
 */
#ifndef KOFN_MASTER_SCHED_ORDER_H
#define KOFN_MASTER_SCHED_ORDER_H

#include <stddef.h>
#include <stdint.h>

typedef struct kofn_order_node {
    size_t load;     // fewer first
    double rate;     // then faster; INFINITY: not measured yet, so tried before others; below 0:
                     // nor any more
    uint64_t number; // then lower; unique
    uint64_t priority;
    struct kofn_order_node *left, *right;
} kofn_order_node;

typedef struct kofn_order {
    kofn_order_node *root;
    size_t count;
} kofn_order;

/* The key (load, rate, number) is the caller's to set, and must not change while it is in. */
void kofn_order_insert(kofn_order *order, kofn_order_node *node);
void kofn_order_remove(kofn_order *order, kofn_order_node *node);

kofn_order_node *kofn_order_first(const kofn_order *order); // NULL: empty
kofn_order_node *kofn_order_after(const kofn_order *order, const kofn_order_node *node);

#endif
