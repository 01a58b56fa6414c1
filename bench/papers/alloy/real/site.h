/* A master and workers of which some are killed in the middle of each product.
 *
 * The victims never answer: they hold their tasks until SIGKILL, and come back for the next
 * product. The others rest before each answer, so that a product lasts long enough to be in the
 * middle of it.
 *
 * Threads    One.
 */
#ifndef KOFN_ALLOY_SITE_H
#define KOFN_ALLOY_SITE_H

#include "client/kofn.h"

typedef struct site site;

/* A product as the table shows it. */
typedef struct site_product {
    const char *name;
    kofn_matrix a, b;
    const char *field, *family, *partition, *tasks;
    const char *algorithm; // NULL: the family's own
} site_product;

/* With the algorithms of `directory`. Ends the program when daemons do not start. */
site *site_new(const char *directory);
void site_destroy(site **site_p);

/* C, copied to `to` (rows x cols elements, without gaps). The outcome is kept for site_print. */
kofn_status site_multiply(site *s, const site_product *p, void *to);

/* The head of the table; and a row of it: the latest product, and whether it was found right. */
void site_print_head(void);
void site_print(site *s, const char *found);

/* Did every product lose all victims while they held tasks of it? */
bool site_is_proven(const site *s);

#endif
