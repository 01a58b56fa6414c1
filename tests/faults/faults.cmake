# Faults on purpose, against real daemons: tests/faults/test_fault_NAME.c, one cmocka program each.
# ctest runs them shortened; `tests/faults/run NAME --full` as tests/faults/README.md says.
if(TARGET kofn-master AND TARGET kofn-worker AND TARGET kofn-cli)
    foreach(name proxy flood poison)
        kofn_test(fault_${name} FOLDER faults TIMEOUT 600
            SOURCES faults/faults.c faults/proxy.c integration/cluster.c integration/raw.c
            LINKS kofn_client kofn_proto kofn::zmq kofn::openblas)
        target_compile_definitions(test_fault_${name} PRIVATE
            KOFN_MASTER_PROGRAM="$<TARGET_FILE:kofn-master>"
            KOFN_WORKER_PROGRAM="$<TARGET_FILE:kofn-worker>"
            KOFN_CLI_PROGRAM="$<TARGET_FILE:kofn-cli>")
        add_dependencies(test_fault_${name} kofn-master kofn-worker kofn-cli)
    endforeach()
endif()
