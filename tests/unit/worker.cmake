kofn_test(worker_config LINKS kofn_worker_core)
kofn_test(inject LINKS kofn_worker_core)
kofn_test(worker LINKS kofn_worker_core kofn::openblas)
