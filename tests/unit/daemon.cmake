kofn_test(daemon LINKS kofn_master_core kofn_worker_core)
target_compile_definitions(test_daemon PRIVATE
    KOFN_MASTER_PROGRAM="$<TARGET_FILE:kofn-master>"
    KOFN_WORKER_PROGRAM="$<TARGET_FILE:kofn-worker>")
add_dependencies(test_daemon kofn-master kofn-worker)
kofn_test(supervised)
target_compile_definitions(test_supervised PRIVATE
    KOFN_MASTER_PROGRAM="$<TARGET_FILE:kofn-master>"
    KOFN_WORKER_PROGRAM="$<TARGET_FILE:kofn-worker>")
add_dependencies(test_supervised kofn-master kofn-worker)
