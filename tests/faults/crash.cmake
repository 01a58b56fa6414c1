# Masters and workers that are killed, and clients that must not notice.
kofn_test(history SOURCES faults/history.c LINKS kofn_base)
if(TARGET kofn_cluster)
    foreach(name storm losers frozen overload soak)
        kofn_test(fault_${name} FOLDER faults TIMEOUT 1800 LINKS kofn_cluster kofn_store_failing)
        target_compile_definitions(test_fault_${name} PRIVATE KOFN_FAILPOINTS)
    endforeach()
endif()
