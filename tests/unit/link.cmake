kofn_test(link LINKS kofn_link)
