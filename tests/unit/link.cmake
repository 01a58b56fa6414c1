kofn_test(checksum LINKS kofn_link)
kofn_test(link LINKS kofn_link)
kofn_test(certificate LINKS kofn_link)
