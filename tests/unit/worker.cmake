kofn_test(worker_config LINKS kofn_worker_core)
kofn_test(inject LINKS kofn_worker_core)
kofn_test(compute LINKS kofn_worker_core)
kofn_test(shelf LINKS kofn_worker_core)
kofn_test(block_cache LINKS kofn_worker_core)
kofn_test(worker LINKS kofn_worker_core kofn::openblas)
kofn_test(worker_program LINKS kofn_link)
target_compile_definitions(test_worker_program PRIVATE
    KOFN_WORKER_PROGRAM="$<TARGET_FILE:kofn-worker>")
add_dependencies(test_worker_program kofn-worker)
# Not `worker`: TSan cannot see how libzmq hands memory from thread to thread.
set_property(TEST compute APPEND PROPERTY LABELS tsan)
