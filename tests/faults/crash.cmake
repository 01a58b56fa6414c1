# Masters and workers that are killed, and clients that must not notice.
kofn_test(history SOURCES faults/history.c LINKS kofn_base)
if(TARGET kofn-master AND TARGET kofn-worker AND TARGET kofn-cli)
    foreach(name storm losers frozen overload soak)
        kofn_test(fault_${name} FOLDER faults TIMEOUT 1800
            SOURCES faults/faults.c faults/crowd.c faults/history.c integration/cluster.c integration/raw.c
            LINKS kofn_client kofn_proto kofn_store_failing kofn::zmq kofn::openblas)
        target_compile_definitions(test_fault_${name} PRIVATE KOFN_FAILPOINTS
            KOFN_MASTER_PROGRAM="$<TARGET_FILE:kofn-master>"
            KOFN_MASTER_FAILING_PROGRAM="$<TARGET_FILE:kofn-master-failing>"
            KOFN_WORKER_PROGRAM="$<TARGET_FILE:kofn-worker>"
            KOFN_CLI_PROGRAM="$<TARGET_FILE:kofn-cli>")
        add_dependencies(test_fault_${name} kofn-master kofn-master-failing kofn-worker kofn-cli)
    endforeach()
endif()
