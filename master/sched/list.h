/* Doubly linked lists whose links lie inside their members: no allocation, O(1) removal.
 *
 * A list is a ring through its head. A link that is in no list points at itself, so removal may be
 * repeated and `kofn_link_is_listed` is one comparison.
 */
#ifndef KOFN_MASTER_SCHED_LIST_H
#define KOFN_MASTER_SCHED_LIST_H

#include <stdbool.h>
#include <stddef.h>

typedef struct kofn_link {
    struct kofn_link *prev, *next;
} kofn_link;

/* The struct of `type_` whose member `field_` the link is. */
#define KOFN_OWNER(link_, type_, field_) ((type_ *)((char *)(link_)-offsetof(type_, field_)))

static inline void
kofn_link_init(kofn_link *link) // a list's head as well
{
    link->prev = link->next = link;
}

static inline bool
kofn_link_is_listed(const kofn_link *link) // for a head: the list is not empty
{
    return link->next != link;
}

static inline void
kofn_link_insert_before(kofn_link *where, kofn_link *link) // before the head: last
{
    link->prev = where->prev;
    link->next = where;
    where->prev->next = link;
    where->prev = link;
}

static inline void
kofn_link_remove(kofn_link *link)
{
    link->prev->next = link->next;
    link->next->prev = link->prev;
    kofn_link_init(link);
}

static inline kofn_link *
kofn_list_first(const kofn_link *head) // NULL: empty
{
    return kofn_link_is_listed(head) ? head->next : NULL;
}

static inline kofn_link *
kofn_list_after(const kofn_link *head, const kofn_link *link) // NULL: that was the last
{
    return link->next == head ? NULL : link->next;
}

static inline kofn_link *
kofn_list_take_first(kofn_link *head)
{
    kofn_link *link = kofn_list_first(head);
    if (link)
        kofn_link_remove(link);
    return link;
}

#endif
