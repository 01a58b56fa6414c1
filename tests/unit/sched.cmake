kofn_test(map LINKS kofn_base)
kofn_test(sched LINKS kofn_sched)
