kofn_test(scan LINKS kofn_proto)
kofn_test(codec LINKS kofn_proto)
kofn_test(messages LINKS kofn_proto)
kofn_test(block LINKS kofn_proto)
kofn_test(assembler LINKS kofn_proto)
kofn_test(flow LINKS kofn_proto)
kofn_test(proto_memory LINKS kofn_proto
    -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=reallocarray,--wrap=aligned_alloc)
