/* Prints a seed for the messages' fuzzer: the named message with every field filled in.
 *
 *     fuzz_seed task > tests/fuzz/seeds/message/task
 */
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/messages.h"

#include <string.h>

static const kofn_wire_message *
find(const char *name)
{
    for (size_t i = 0; i < kofn_messages_count(); i++)
        if (strcmp(kofn_messages_at(i)->name, name) == 0)
            return kofn_messages_at(i);
    return NULL;
}

int
main(int argc, char **argv)
{
    const kofn_wire_message *of = argc == 2 ? find(argv[1]) : NULL;
    if (!of) {
        fprintf(stderr, "usage: fuzz_seed MESSAGE, one of the tables of proto/messages.c\n");
        return EXIT_FAILURE;
    }
    kofn_rng rng;
    kofn_wire_buffer packed = {0};
    void *message = malloc(of->struct_size);
    insist(message != NULL);
    kofn_rng_init(&rng, 5, 0);
    fuzz_message_fill(of, &rng, message);
    insist(kofn_message_pack(of, message, &packed, NULL) == KOFN_OK);
    (void)printf("%s\n", of->name);
    const bool written =
        fwrite(packed.at, 1, packed.length, stdout) == packed.length && fflush(stdout) == 0;
    kofn_wire_buffer_fini(&packed);
    kofn_message_clear(of, message);
    free(message);
    return written ? EXIT_SUCCESS : EXIT_FAILURE;
}
