kofn_test(map LINKS kofn_base)
