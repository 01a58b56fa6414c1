# Real daemons over real sockets. Built only where there are all of them.
if(TARGET kofn-master AND TARGET kofn-worker AND TARGET kofn-cli)
    foreach(name cluster jobs stragglers accept protocol workers keepers input operands fields integers rateless outer batch
            store stuck stream)
        kofn_test(live_${name} FOLDER integration TIMEOUT 300
            SOURCES integration/cluster.c integration/raw.c
            LINKS kofn_client kofn_proto kofn::zmq kofn::openblas)
        target_compile_definitions(test_live_${name} PRIVATE
            KOFN_MASTER_PROGRAM="$<TARGET_FILE:kofn-master>"
            KOFN_MASTER_FAILING_PROGRAM="$<TARGET_FILE:kofn-master-failing>"
            KOFN_WORKER_PROGRAM="$<TARGET_FILE:kofn-worker>"
            KOFN_CLI_PROGRAM="$<TARGET_FILE:kofn-cli>")
        add_dependencies(test_live_${name} kofn-master kofn-master-failing kofn-worker kofn-cli)
    endforeach()
    # Like those above, with a proxy for what networks do.
    foreach(name stream_cli stream_cuts)
        kofn_test(live_${name} FOLDER integration TIMEOUT 300
            SOURCES integration/cluster.c integration/raw.c faults/proxy.c
            LINKS kofn_client kofn_proto kofn::zmq kofn::openblas)
        target_compile_definitions(test_live_${name} PRIVATE
            KOFN_MASTER_PROGRAM="$<TARGET_FILE:kofn-master>"
            KOFN_MASTER_FAILING_PROGRAM="$<TARGET_FILE:kofn-master-failing>"
            KOFN_WORKER_PROGRAM="$<TARGET_FILE:kofn-worker>"
            KOFN_CLI_PROGRAM="$<TARGET_FILE:kofn-cli>")
        add_dependencies(test_live_${name} kofn-master kofn-master-failing kofn-worker kofn-cli)
    endforeach()
    foreach(name keys denied)
        kofn_test(live_${name} FOLDER integration TIMEOUT 300
            SOURCES integration/cluster.c integration/raw.c integration/keyring.c
                integration/curve.c
            LINKS kofn_client kofn_proto kofn::zmq kofn::sodium kofn::openblas)
        target_compile_definitions(test_live_${name} PRIVATE
            KOFN_MASTER_PROGRAM="$<TARGET_FILE:kofn-master>"
            KOFN_MASTER_FAILING_PROGRAM="$<TARGET_FILE:kofn-master-failing>"
            KOFN_WORKER_PROGRAM="$<TARGET_FILE:kofn-worker>"
            KOFN_CLI_PROGRAM="$<TARGET_FILE:kofn-cli>")
        add_dependencies(test_live_${name} kofn-master kofn-master-failing kofn-worker kofn-cli)
    endforeach()
endif()
