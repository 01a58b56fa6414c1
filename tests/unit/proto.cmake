kofn_test(scan LINKS kofn_proto)
kofn_test(codec LINKS kofn_proto)
kofn_test(messages LINKS kofn_proto)
