# Masters and workers that are killed, and clients that must not notice.
kofn_test(history SOURCES faults/history.c LINKS kofn_base)
