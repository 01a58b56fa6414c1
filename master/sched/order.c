#include "master/sched/order.h"

#include <assert.h>
#include <stdbool.h>

static bool
precedes(const kofn_order_node *a, const kofn_order_node *b)
{
    if (a->load != b->load)
        return a->load < b->load;
    if (a->rate != b->rate)
        return a->rate > b->rate;
    return a->number < b->number;
}

static uint64_t
priority_of(uint64_t number)
{
    number = (number + 1) * UINT64_C(0x9e3779b97f4a7c15);
    number = (number ^ (number >> 32)) * UINT64_C(0xd6e8feb86659fd93);
    return number ^ (number >> 32);
}

/* Cut a tree in two: what precedes `at`, and the rest. */
static void
split(kofn_order_node *tree, const kofn_order_node *at, kofn_order_node **left,
      kofn_order_node **right)
{
    while (tree) {
        if (precedes(tree, at)) {
            *left = tree;
            left = &tree->right;
            tree = tree->right;
        } else {
            *right = tree;
            right = &tree->left;
            tree = tree->left;
        }
    }
    *left = *right = NULL;
}

void
kofn_order_insert(kofn_order *order, kofn_order_node *node)
{
    node->priority = priority_of(node->number);
    kofn_order_node **link = &order->root;
    while (*link && (*link)->priority >= node->priority)
        link = precedes(*link, node) ? &(*link)->right : &(*link)->left;
    split(*link, node, &node->left, &node->right);
    *link = node;
    order->count++;
}

void
kofn_order_remove(kofn_order *order, kofn_order_node *node)
{
    kofn_order_node **link = &order->root;
    while (*link != node) {
        assert(*link); // not in, or its key changed while it was
        link = precedes(*link, node) ? &(*link)->right : &(*link)->left;
    }

    /* Zip what was below it together again, higher priority on top. */
    kofn_order_node *left = node->left, *right = node->right;
    while (left && right) {
        if (left->priority >= right->priority) {
            *link = left;
            link = &left->right;
            left = left->right;
        } else {
            *link = right;
            link = &right->left;
            right = right->left;
        }
    }
    *link = left ? left : right;
    order->count--;
}

kofn_order_node *
kofn_order_first(const kofn_order *order)
{
    kofn_order_node *node = order->root;
    while (node && node->left)
        node = node->left;
    return node;
}

kofn_order_node *
kofn_order_after(const kofn_order *order, const kofn_order_node *node)
{
    kofn_order_node *after = NULL;
    for (kofn_order_node *at = order->root; at;) {
        if (precedes(node, at)) {
            after = at;
            at = at->left;
        } else {
            at = at->right;
        }
    }
    return after;
}
