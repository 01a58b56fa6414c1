# The figures as SVG:  gnuplot -e "data='DIR'; out='DIR'" ../panels.gp plots.gp
# Lines: exact; marks: measured.

# ---- decode: four rows of 2 x 2; three numbers of rows
draws = "nonzero product uniform"
draw_titles = "'vectors uniform but not zero' 'eq. (5)' 'uniform numbers'"
decode(shape, draw, more) = sprintf("< awk -F, '$1 == \"%s\" && $3 == \"%s\" && $4 == %d' '%s'", shape, draw, more, file("decode"))
eval begin("decode")
set logscale x 2; set format x "%g"; set xtics (2, 3, "" 4, 5, 16, 256, 65537)
set xlabel "q"; set xrange [1.8:90000]
set yrange [0:1.02]; set ylabel "P(decodes)" offset 0.5
eval place(0)
set title "4 rows of 2 × 2 (lines: exact; marks: measured)"
plot decode("2x2", "product", 0) using 2:12 with lines ls 6, \
    for [i=1:3] decode("2x2", word(draws, i), 0) using 2:6 with lines ls 1 + i, \
    for [i=1:3] decode("2x2", word(draws, i), 0) using 2:10 with points ls 1 + i
set yrange [0.8:2.8]; set ytics 0.4; set ylabel "q (1 − P)" offset 0.5
set title "what is missing, in units of 1 / q (exact)"
eval place(1)
plot decode("2x2", "product", 0) using 2:($2 * (1 - $12)) with lines ls 6, \
    for [i=1:3] decode("2x2", word(draws, i), 0) using 2:($2 * $7) with lines ls 1 + i
eval strip
plot for [i=1:3] NaN with linespoints ls 1 + i title word(draw_titles, i), NaN with lines ls 6 title "Theorem 1"
eval finish

# ---- shapes: those that Theorem 4 rules out
shapes = "2x2 3x2 3x3 2x2x2"
shape_titles = "'2 × 2' '3 × 2' '3 × 3' '2 × 2 × 2'"
eval begin("shapes")
unset logscale
set logscale x 2; set xtics (2, 3, "" 4, 5, 16, 256, 65537)
set xlabel "q"; set xrange [1.8:90000]; set yrange [-0.02:1.02]; set ylabel "P(decodes), measured" offset 0.5
do for [p=0:1] {
    eval place(p)
    if (p == 1) { unset ylabel }
    draw = word("nonzero product", p + 1)
    set title word("'as many rows as columns, not zero' 'the same, eq. (5) and (7)'", p + 1)
    plot for [i=1:4] decode(word(shapes, i), draw, 0) using 2:10 with linespoints ls i, \
        decode("3x2", "product", 0) using 2:12 with lines ls 6
}
eval strip
plot for [i=1:4] NaN with linespoints ls i title word(shape_titles, i), NaN with lines ls 6 title "Theorem 4, all but 2 × 2"
eval finish

# ---- needed: answers until 35 tasks decode
schemes = "alloy alloy_gf256 entangled replicated uncoded"
scheme_titles = "'local alloy' 'local alloy, GF(2^{8})' 'entangled polynomial' 'replicated algorithm' 'uncoded algorithm'"
needed(setting, scheme) = sprintf("< awk -F, '$1 == \"%s\" && $2 == \"%s\"' '%s'", setting, scheme, file("needed"))
eval begin("needed")
unset logscale; set format x "%g"; set xtics autofreq
set yrange [-0.02:1.02]; set ylabel "share of sets that decode" offset 0.5; set xlabel "answers"
do for [p=0:1] {
    eval place(p)
    setting = word("strassen strassen2", p + 1)
    if (p == 0) { set xrange [27:35]; set xtics 1; set title "Strassen, 7 × 5 tasks (line: formula; marks: decoder)" }
    if (p == 1) { set xrange [195:294]; set xtics 20; unset ylabel; set title "Strassen squared, 49 × 6 tasks" }
    plot for [i=1:2] needed(setting, word(schemes, i)) using 3:5 with lines ls i, \
        needed(setting, "entangled") using 3:5 with steps ls 3, \
        needed(setting, "replicated") using 3:5 with lines ls 4, \
        needed(setting, "alloy_gf256") using 3:7 with points ls 2
}
eval strip
plot for [i=1:4] NaN with linespoints ls i title word(scheme_titles, i)
eval finish

# ---- failure: how often a product fails
failure(setting, tasks, scheme) = sprintf("< awk -F, '$1 == \"%s\" && $2 == %d && $3 == \"%s\"' '%s'", setting, tasks, scheme, file("failure"))
# measured only where enough trials fail for that to mean something
firm(found, trials) = found * trials >= 50 ? found : NaN
panel = "plot for [i=1:5] failure(setting, tasks, word(schemes, i)) using 5:6 with lines ls i"
marks = ", for [i=2:4:2] failure(setting, tasks, word(schemes, i)) using 5:(firm($7, $9)) with points ls i"
do for [figure in "failure failure_large"] {
    eval begin(figure)
    eval log_axis
    set logscale x; set format x "10^{%T}"; set xtics 10
    set xrange [1e-4:0.5]; set yrange [1e-9:1]; set ytics 100
    set xlabel "p, failure of a worker"; set ylabel "P(the product fails)" offset 0.5
    do for [p=0:1] {
        eval place(p)
        if (p == 1) { unset ylabel }
        setting = figure eq "failure" ? "strassen" : word("laderman strassen2", p + 1)
        tasks = figure eq "failure" ? word("35 56", p + 1) + 0 : word("115 294", p + 1) + 0
        set title figure eq "failure" ? sprintf("Strassen, %d tasks", tasks) : word("'Laderman, 115 tasks' 'Strassen squared, 294 tasks'", p + 1)
        eval panel . (figure eq "failure" ? marks : "")
    }
    eval strip
    plot for [i=1:5] NaN with linespoints ls i title word(scheme_titles, i)
    eval finish
}

# ---- recover: workers for odds of a thousand to one
recover(setting) = sprintf("< awk -F, '$1 == \"%s\" && $2 == \"1e-03\"' '%s'", setting, file("recover"))
rate(p) = sprintf("< awk -F, '$1 == %g && $5 > 0' '%s'", p, file("rate"))
eval begin("recover")
unset logscale; set logscale x; set format x "10^{%T}"; set xtics 10
set xrange [1e-4:0.5]; set yrange [0:120]; set ytics 20
set xlabel "p, failure of a worker"; set ylabel "workers, R(p, 10^{-3})" offset 0.5
set title "Strassen, 2 × 2 strips a product"
eval place(0)
plot recover("strassen") using 4:5 with lines ls 1, "" using 4:6 with lines ls 2, "" using 4:8 with lines ls 3, \
    "" using 4:9 with lines ls 4
set title "workers over products; from below p = 0.01, 0.1, 0.3"
set logscale x 4; set format x "%g"; set xtics (4, 16, 64, 256, 1024, 4096); set xrange [3.5:4700]
set yrange [1:4]; set ytics 0.5; set xlabel "strips a product"; set ylabel "" offset 0.5
eval place(1)
plot for [p in "0.01 0.1 0.3"] rate(p + 0) using 2:5 with lines ls 1, \
    for [p in "0.01 0.1 0.3"] rate(p + 0) using 2:6 with lines ls 3, \
    for [p in "0.01 0.1 0.3"] rate(p + 0) using 2:7 with lines ls 6 dt (1, 3)
eval strip
plot for [i=1:4] NaN with lines ls i title word(scheme_titles, i), NaN with lines ls 6 dt (1, 3) title "1 / (1 − p)"
eval finish
