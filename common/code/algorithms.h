/* Bilinear algorithms by name: those that ship, those of a directory, and products of both.
 *
 *     strassen, winograd <2,2,2;7>, laderman <3,3,3;23>, strassen_column <2,2,3;11>
 *     classical:X,Z,Y                    every block product by itself
 *     NAME                               of the directory's NAME.yaml, NAME.yml or NAME.json
 *     strassen*classical:1,2,1           a product: the first cuts first
 *
 * A set is what a directory holds, read and proven once. Who has one passes it down: a master to
 * the specs of its jobs, `kofn decode` to that of its manifest. So a job says a name, no file has
 * to travel with it, and no peer can make a daemon open one. What a file says after that is not
 * seen.
 *
 * Threads    Any thread; a set is immutable and counted.
 */
#ifndef KOFN_CODE_ALGORITHMS_H
#define KOFN_CODE_ALGORITHMS_H

#include "common/code/bilinear.h"

enum { KOFN_ALGORITHMS_MAX = 256 }; // of a directory

typedef struct kofn_algorithms kofn_algorithms;

/* All files NAME.yaml, NAME.yml and NAME.json of a directory; others, and hidden ones, are passed
 * over. *ret is the caller's, to kofn_algorithms_destroy(). Errors of kofn_bilinear_load.
 * INVALID_ARGUMENT: a name that nobody could write: letters, digits, '_', '-', '.'. ALREADY_EXISTS:
 * it ships, or two files have it. RESOURCE_EXHAUSTED: too many. */
KOFN_MUST_CHECK kofn_status kofn_algorithms_load(const char *directory, kofn_algorithms **ret,
                                                 kofn_error *err);
kofn_algorithms *kofn_algorithms_ref(kofn_algorithms *set); // accepts NULL
void kofn_algorithms_destroy(kofn_algorithms **set_p);      // lets go of one ref; accepts NULL

/* The algorithm of this name; `set` (may be NULL) beside what ships. *ret is the caller's.
 * INVALID_ARGUMENT: not of that form. NOT_FOUND: no such algorithm, with those that there are.
 * OUT_OF_RANGE: too large. RESOURCE_EXHAUSTED: no memory. */
KOFN_MUST_CHECK kofn_status kofn_algorithms_parse(const kofn_algorithms *set, const char *text,
                                                  kofn_bilinear **ret, kofn_error *err);

/* Its shape, without its numbers: what rules take. Errors likewise, but for memory, which it needs
 * none of. */
KOFN_MUST_CHECK kofn_status kofn_algorithms_measure(const kofn_algorithms *set, const char *text,
                                                    kofn_bilinear_shape *ret, kofn_error *err);

/* For lists: what ships first, then the set's (may be NULL) by name. Names are borrowed. */
size_t kofn_algorithms_count(const kofn_algorithms *set);
const char *kofn_algorithms_get_name(const kofn_algorithms *set, size_t index);
bool kofn_algorithms_is_shipped(const char *name);

#endif
