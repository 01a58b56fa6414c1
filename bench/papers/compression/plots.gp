# The figures as SVG:  gnuplot -e "data='DIR'; out='DIR'" ../panels.gp plots.gp
set style line 7 lc rgb "#56b4e9" pt 2 ps 0.8 lw 2
set style line 8 lc rgb "#e69f00" pt 14 ps 0.8 lw 2

# Lines of a file whose first columns are these.
pick1(name, a) = sprintf("< awk -F, '$1 == \"%s\"' '%s'", a, file(name))
pick2(name, a, b) = sprintf("< awk -F, '$1 == \"%s\" && $2 == \"%s\"' '%s'", a, b, file(name))
pick3(name, a, b, c) = sprintf("< awk -F, '$1 == \"%s\" && $2 == \"%s\" && $3 == \"%s\"' '%s'", a, b, c, file(name))
pick4(name, a, b, c, d) = sprintf("< awk -F, '$1 == \"%s\" && $2 == \"%s\" && $3 == \"%s\" && $4 == \"%s\"' '%s'", a, b, c, d, file(name))

# ---- workers: a sketched product; columns matdot, merged, replicated, curve, locality, exact
schemes = "6 8 9 10 11 5"
scheme_styles = "2 3 4 5 1 6"
scheme_titles = "'MatDot 2k − 1 + s' 'on pairs' 'replicated' 'Theorem 1' 'kofn' 'exact'"
do for [figure in "workers workers_small"] {
    eval begin(figure)
    eval log_axis
    set logscale x; set format xy "%g"; set xlabel "samples k"
    do for [p=0:1] {
        eval place(p)
        matrix = figure eq "workers" ? "digits" : word("digits_coarse flow", p + 1)
        s = figure eq "workers" ? word("1 4", p + 1) : "1"
        set title figure eq "workers" ? "MNIST, 10 × 28 × 10 blocks, s = " . s : word("'MNIST, 4 × 7 × 4 blocks, s = 1' 'flow, 8 × 64 × 8 blocks, s = 1'", p + 1)
        if (figure eq "workers") { set xrange [90:4400]; set xtics (100, 200, 400, 800, 1600, 4000); set yrange [80:10000] }
        if (figure ne "workers") { set xrange [14:220]; set xtics (16, 32, 64, 100, 200); set yrange [10:10000] }
        if (p == 0) { set ylabel "workers" offset 0.5 } else { unset ylabel }
        plot for [i=1:6] pick2("workers", matrix, s) using 3:(column(int(word(schemes, i)))) with linespoints ls int(word(scheme_styles, i))
    }
    eval strip
    plot for [i=1:6] NaN with linespoints ls int(word(scheme_styles, i)) title word(scheme_titles, i)
    eval finish
}

# ---- sparse: workers by how finely the matrices are cut
sparse_columns = "6 7 8 9 4"
eval begin("sparse")
eval log_axis
set logscale x 2; set format xy "%g"; set xlabel "parts in each direction"; set xrange [3.5:37]; set xtics (4, 8, 16, 32)
set yrange [5:60000]
do for [p=0:1] {
    eval place(p)
    s = word("1 4", p + 1)
    set title "flow, all products that are not zero, s = " . s
    if (p == 0) { set ylabel "workers" offset 0.5 } else { unset ylabel }
    plot for [i=1:5] sprintf("< awk -F, '$2 == %s' '%s'", s, file("sparse")) using 1:(column(int(word(sparse_columns, i)))) with linespoints ls int(word(scheme_styles, i + 1))
}
eval strip
plot for [i=2:6] NaN with linespoints ls int(word(scheme_styles, i)) title word(scheme_titles, i)
eval finish

# ---- sketches: errors and bounds
eval begin("sketches")
eval log_axis
set logscale x; set format xy "%g"; set xlabel "samples k"
do for [p=0:1] {
    eval place(p)
    if (p == 0) { set xrange [1.7:640]; set xtics (2, 4, 8, 16, 32, 64, 128, 256, 512); set yrange [0.005:1]; set title "cr (right), block\\_cr (left)"; set ylabel "|C' − C| over |A| |B|" offset 0.5 }
    if (p == 1) { set xrange [90:2700]; set xtics (100, 200, 400, 800, 1600, 2400); set yrange [0.005:1]; set title "grid\\_cr, 10 × 28 × 10 blocks"; unset ylabel }
    names = p == 0 ? "cr block_cr" : "grid_cr"
    plot for [n in names] pick1("sketches", n) using 2:12 with lines ls 2, \
        for [n in names] pick1("sketches", n) using 2:11 with lines ls 3, \
        for [n in names] pick1("sketches", n) using 2:8 with lines ls 4, \
        for [n in names] pick1("sketches", n) using 2:4:5:6 with yerrorbars ls 1
}
eval strip
plot NaN with lines ls 2 title "Lemma 1", NaN with lines ls 3 title "bound by norms, S", NaN with lines ls 4 title "exact rms", NaN with linespoints ls 1 title "mean, 10 to 90 %"
eval finish

# ---- theorems 2 and 3
eval begin("theorems")
set xlabel "γ"; set xrange [0.9:3.1]; set xtics (1.1, 1.5, 2, 3); set yrange [0:1.02]; set ylabel "P(u ≥ v)" offset 0.5
set title "Theorem 2: 4 × 8 × 4 blocks, one pair of each rare, v = 1"
eval place(0)
plot pick4("theorem2", "4;8;4", "skewed", "all", "1") using 5:9 with lines ls 6, \
    pick4("theorem2", "4;8;4", "skewed", "all", "1") using 5:10:11:12 with yerrorlines ls 2, \
    pick4("theorem2", "4;8;4", "skewed", "mended", "1") using 5:9 with lines ls 6, \
    pick4("theorem2", "4;8;4", "skewed", "mended", "1") using 5:10:11:12 with yerrorlines ls 4, \
    pick4("theorem2", "4;8;4", "skewed", "each", "1") using 5:10:11:12 with yerrorlines ls 3
set xlabel "samples over (m + n) q"; set xrange [0:2.05]; set xtics 0.5; set yrange [-0.02:1.02]; set ylabel "P(different pairs have a circle)" offset 0.5
set title "Theorem 3: 10×28×10, 4×8×4, 2×8×2, from the left"
eval place(1)
plot for [g in "2;8;2 4;8;4 10;28;10"] pick1("theorem3", g) using ($2 / 100):7:8:9 with yerrorlines ls 1
eval strip
plot NaN with lines ls 6 title "Theorem 2", NaN with linespoints ls 2 title "k' in all", NaN with linespoints ls 4 title "δ as in the proof", NaN with linespoints ls 3 title "k' a block of C", NaN with linespoints ls 1 title "measured"
eval finish

# ---- circle: the paper's figure 2
eval begin("circle")
set xlabel "s"; set xrange [-0.3:5.3]; set xtics 1; set yrange [0:32]; set ytics 4; set ylabel "workers" offset 0.5
do for [p=0:1] {
    eval place(p)
    if (p == 1) { unset ylabel }
    shape = word("circle two_circles", p + 1)
    set title word("'8 pairs in one circle' '8 pairs in two circles'", p + 1)
    plot pick3("circle", shape, "f64", "curve") using 4:5 with linespoints ls 2, \
        "" using 4:6 with linespoints ls 4, "" using 4:13 with linespoints ls 7, \
        "" using 4:7 with linespoints ls 5, \
        pick3("circle", shape, "f64", "auto") using 4:7 with linespoints ls 1
}
eval strip
plot NaN with linespoints ls 2 title "w = 15 + s", NaN with linespoints ls 4 title "replicated", NaN with linespoints ls 7 title "one grid", \
    NaN with linespoints ls 5 title "Theorem 1: 13 + s", NaN with linespoints ls 1 title "kofn: best groups"
eval finish

# ---- liars: what defences cost
liars(field, defence) = sprintf("< awk -F, '$1 == \"%s\" && $2 == $3 && $4 == \"%s\"' '%s'", field, defence, file("liars"))
fields = "f64 gf256 gfp:2147483647"
eval begin("liars")
set xlabel "b, liars"; set xrange [0.8:2.2]; set xtics 1; set yrange [0:*]; set ytics autofreq
do for [p=0:1] {
    eval place(p)
    set title word("'master: encode, check, decode' 'all work, with the workers’ products'", p + 1)
    if (p == 0) { set ylabel "time over that of no defence" offset 0.5 } else { unset ylabel }
    plot for [f=1:3] liars(word(fields, f), "freivalds") using 2:(column(11 + p)) with linespoints ls 2 + f, \
        for [f=1:3] liars(word(fields, f), "parity") using 2:(column(11 + p)) with linespoints ls 2 + f dt (4, 3)
}
eval strip
plot for [f=1:3] NaN with linespoints ls 2 + f title word(fields, f), NaN with lines ls 1 title "Freivalds", NaN with lines ls 1 dt (4, 3) title "parity"
eval finish

# ---- complex: time and error by method
methods = system(sprintf("awk -F, 'NR > 1 && !seen[$1]++ { print $1 }' '%s'", file("complex")))
if (words(methods) > 0) {
eval begin("complex")
set logscale x 2; set format x "%g"; set xlabel "n of square products"; set xtics 2; set xrange [*:*]
do for [p=0:1] {
    eval place(p)
    if (p == 0) { set yrange [0:*]; set ylabel "time over zgemm's" offset 0.5; set title "time" }
    if (p == 1) { eval log_axis; set yrange [*:*]; set ylabel "|C' − C| over |C|" offset 0.5; set title "error" }
    plot for [i=1:words(methods)] sprintf("< awk -F, '$1 == \"%s\" && $2 == $3 && $3 == $4' '%s'", word(methods, i), file("complex")) using 4:(column(5 + p)) with linespoints ls i
}
eval strip
plot for [i=1:words(methods)] NaN with linespoints ls i title word(methods, i)
eval finish
}

# ---- two stages: simulated lines, daemons as marks; columns mean, 99 %, load
stage_schemes = "uncoded speculative replication lagrange locality two_stage_lagrange two_stage"
stage_titles = "'uncoded' 'speculative' 'replication' 'lagrange' 'locality' 'two stages, lagrange' 'two stages'"
staged(how, scheme) = sprintf("< awk -F, '$1 == \"%s\" && $3 == 5 && $4 == \"batch\" && $5 == \"%s\"' '%s'", how, scheme, file("two_stage"))
eval begin("two_stage")
unset logscale; set format xy "%g"; set xtics autofreq; set ytics autofreq
set xlabel "δ, probability that a task is slow (5 times)"; set xrange [0:0.42]
do for [p=0:1] {
    eval place(p)
    if (p == 0) { set yrange [0.9:*]; set ylabel "mean time of a job, in tasks" offset 0.5; set title "8 pairs on 4 + 4 blocks, 16 workers" }
    if (p == 1) { set yrange [0.9:*]; set ylabel "tasks sent, of 8" offset 0.5; set title "what it costs" }
    plot for [i=1:7] staged("simulated", word(stage_schemes, i)) using 2:(column(7 + 4 * p)) with lines ls i, \
        for [i in "2 5 7"] staged("real", word(stage_schemes, int(i))) using 2:(column(7 + 4 * p)) with points ls int(i)
}
eval strip
set key maxrows 3 spacing 1.0
plot for [i=1:7] NaN with linespoints ls i title word(stage_titles, i)
eval finish
