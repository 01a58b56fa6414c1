# Real daemons over real sockets. Built only where there are all of them.
if(TARGET kofn-master AND TARGET kofn-worker AND TARGET kofn-cli)
    # What starts daemons and what harms them, for tests here and in faults/, and for benchmarks.
    kofn_layer(kofn_cluster
        SOURCES integration/cluster.c integration/raw.c integration/keyring.c integration/curve.c
                faults/faults.c faults/proxy.c faults/crowd.c faults/history.c
        LINKS kofn_client kofn_proto kofn::zmq kofn::sodium kofn::openblas kofn::cmocka m)
    target_compile_definitions(kofn_cluster PRIVATE KOFN_README="${CMAKE_SOURCE_DIR}/README.md" PUBLIC
        KOFN_MASTER_PROGRAM="$<TARGET_FILE:kofn-master>"
        KOFN_MASTER_FAILING_PROGRAM="$<TARGET_FILE:kofn-master-failing>"
        KOFN_WORKER_PROGRAM="$<TARGET_FILE:kofn-worker>"
        KOFN_CLI_PROGRAM="$<TARGET_FILE:kofn-cli>")
    add_dependencies(kofn_cluster kofn-master kofn-master-failing kofn-worker kofn-cli)

    foreach(name cluster jobs stragglers accept protocol workers keepers input operands fields integers rateless trials outer batch sparse approx complex
            store stuck stream stream_cli stream_cuts keys denied liars two_stage)
        kofn_test(live_${name} FOLDER integration TIMEOUT 300 LINKS kofn_cluster)
    endforeach()
endif()
