foreach(name csr cuts batch complex nonzero columns lagrange sketch straggler code outer_code uncoded replication polynomial rkrp
    bilinear algorithms alloy spec decoder estimate
    coding coding_batch freivalds liars odds typical plan_time plan entangled orthopoly eps points inner sides grouping
    locality)
    kofn_test(${name} LINKS kofn_code)
endforeach()

kofn_test(staged LINKS kofn_code -Wl,--wrap=kofn_grouping_search_init -Wl,--wrap=kofn_binomial_below)
kofn_test(families LINKS kofn_code TIMEOUT 400) # all of them over all fields, set by set
kofn_test(code_memory LINKS kofn_code ${KOFN_SHORT_MEMORY})
