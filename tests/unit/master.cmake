kofn_test(master_config LINKS kofn_master_core)
