# The figures as SVG:  gnuplot -e "data='DIR'; here='DIR'; out='DIR'; iterations=40000" plots.gp
set datafile separator ","
set encoding utf8
set border 3 lc rgb "#444444" lw 1
set tics nomirror out textcolor rgb "#222222"
set grid ytics lc rgb "#e4e4e4" lw 1
unset key
set title offset 0, -0.3
set xlabel offset 0, 0.4

# Okabe and Ito's colours. Solid: as the paper decodes; dashed: kofn; hollow marks: the authors.
set style line 1 lc rgb "#333333" pt 5 ps 0.7 lw 2
set style line 2 lc rgb "#d55e00" pt 9 ps 0.8 lw 2
set style line 3 lc rgb "#0072b2" pt 7 ps 0.7 lw 2
set style line 4 lc rgb "#009e73" pt 13 ps 0.9 lw 2
set style line 5 lc rgb "#cc79a7" pt 11 ps 0.8 lw 2
set style line 6 lc rgb "#e69f00" pt 15 ps 0.8 lw 2
set style line 21 lc rgb "#333333" pt 6 ps 1.5 lw 1.2
set style line 22 lc rgb "#d55e00" pt 6 ps 1.5 lw 1.2
set style line 23 lc rgb "#0072b2" pt 6 ps 1.5 lw 1.2
set style line 24 lc rgb "#009e73" pt 6 ps 1.5 lw 1.2
set style line 25 lc rgb "#cc79a7" pt 6 ps 1.5 lw 1.2
set style line 26 lc rgb "#e69f00" pt 6 ps 1.5 lw 1.2

fig1 = data . "/fig1.csv"; authors = here . "/authors.csv"; paper = here . "/paper.csv"; runs = data . "/runs.csv"
tuned = system(sprintf("awk -F, '$2 == \"eps_matdot\" { print $3; exit }' '%s'", fig1))
line(figure, family, gamma, decoder) = sprintf("< awk -F, '$1 == \"%s\" && $2 == \"%s\" && (\"%s\" == \"\" || $3 == %s + 0) && $4 == \"%s\"' '%s'", figure, family, gamma, gamma eq "" ? "0" : gamma, decoder, fig1)
marks(figure, family, gamma) = sprintf("< awk -F, '$1 == \"%s\" && $2 == \"%s\" && $3 == %s' '%s'", figure, family, gamma, authors)
at_count(figure, decoder, n) = sprintf("< awk -F, '$1 == \"%s\" && $2 == \"matdot\" && $4 == \"%s\" && $5 == %d' '%s'", figure, decoder, n, fig1)
marks_at(figure, n) = sprintf("< awk -F, '$1 == \"%s\" && $2 == \"matdot\" && $4 == %d' '%s'", figure, n, authors)

HEIGHT = 430.0
place(left, right) = sprintf("set lmargin at screen %f; set rmargin at screen %f; set tmargin at screen %f; set bmargin at screen %f", left, right, 1 - 36 / HEIGHT, 66 / HEIGHT)
begin(name, width) = sprintf("set terminal svg size %d,%d font 'Helvetica,Arial,sans-serif,13' background '#ffffff' dynamic; set output '%s/%s.svg'; set multiplot", width, HEIGHT, out, name)
error_axis = "set logscale y; set format y '10^{%T}'; set ytics 100; unset mytics; set yrange [1e-18:1]; set ylabel '|Ĉ − C|_{max}' offset 0.5"
side_key = "set key at graph 1.06, graph 1 left top Left reverse samplen 2.4 spacing 1.35"

# ---- figure 1a
eval begin("fig1a", 860)
eval error_axis
eval place(0.11, 0.6)
eval side_key
set title "m = 3, P = 6, worst pattern"
set xlabel "N_{succ}"
set xrange [2.8:6.2]; set xtics 3, 1, 6
set arrow 1 from 5, graph 0 to 5, graph 1 nohead lc rgb "#cc0000" lw 1 dt (3, 3)
set label 1 "2m − 1" at 5.05, graph 0.95 tc rgb "#cc0000"
plot line("a", "matdot", "1", "products") using 5:8 with linespoints ls 1 title "MatDot, γ = 1", \
    line("a", "chebyshev", "", "products") using 5:8 with linespoints ls 3 title "Chebyshev", \
    line("a", "matdot", "70000", "products") using 5:8 with linespoints ls 2 title "approximate MatDot, γ = 70000", \
    line("a", "eps_matdot", "", "balanced") using 5:8 with linespoints ls 4 dt (5, 3) title "kofn: eps\\_matdot, γ = " . tuned, \
    marks("a", "matdot", "1") using 4:5 with points ls 21 notitle, \
    marks("a", "chebyshev", "1") using 4:5 with points ls 23 notitle, \
    marks("a", "matdot", "70000") using 4:5 with points ls 22 notitle, \
    NaN with points ls 21 title "the authors' program"
unset multiplot
unset arrow 1; unset label 1

# ---- figure 1b
eval begin("fig1b", 940)
eval error_axis
set xlabel "γ"
set logscale x; set xrange [1:6e5]; set xtics 1, 10; set format x "10^{%T}"
eval place(0.095, 0.435)
unset key
set title "authors' decoder (○ their program)"
plot for [n=3:6] at_count("b", "powers", n) using 3:8 with lines ls n - 2, \
    for [n=3:6] marks_at("b", n) using 3:5 with points ls n + 18
eval place(0.485, 0.825)
unset ylabel; set format y ""
set key at graph 1.05, graph 1 left top Left reverse samplen 2.4 spacing 1.35
set title "kofn's balanced decoder (dotted: the theorem's)"
plot for [n=3:6] at_count("b", "balanced", n) using 3:8 with lines ls n - 2 title sprintf("N_{succ} = %d", n), \
    for [n=3:6] at_count("b", "theorem", n) using 3:8 with lines ls n - 2 lw 1.2 dt (1, 3) notitle
unset multiplot

# ---- figure 1c
gammas = "1 400 1000 5000 10000 70000"
eval begin("fig1c", 940)
unset logscale x
eval error_axis
set xlabel "N_{succ}"; set format x "%g"
set xrange [2.8:6.2]; set xtics 3, 1, 6
set arrow 1 from 5, graph 0 to 5, graph 1 nohead lc rgb "#cc0000" lw 1 dt (3, 3)
eval place(0.095, 0.435)
unset key
set title "authors' decoder (○ their program)"
plot for [i=1:6] line("c", "matdot", word(gammas, i), "powers") using 5:8 with linespoints ls i, \
    for [i=1:6] marks("c", "matdot", word(gammas, i)) using 4:5 with points ls 20 + i
eval place(0.485, 0.825)
unset ylabel; set format y ""
set key at graph 1.05, graph 1 left top Left reverse samplen 2.4 spacing 1.35
set title "kofn's balanced decoder"
plot for [i=1:6] line("c", "matdot", word(gammas, i), "balanced") using 5:8 with linespoints ls i title "γ = " . word(gammas, i)
unset multiplot
unset arrow 1

if (system("test -e '" . runs . "' && echo yes") ne "yes") exit

# ---- tables I and II
cells = "5,5 5,6 5,7 5,8 5,9 20,20"
position = "function at(m, a) { return m == 20 ? 6 : a - 4 }"
ours(scenario, scheme) = sprintf("< awk -F, '%s $1 == \"%s\" && $5 == \"%s\" && $7 == %d { p = at($2, $3); n[p]++; s[p] += $14; q[p] += $14 * $14 } END { for (p = 1; p <= 6; p++) if (n[p]) { m = s[p] / n[p]; v = q[p] / n[p] - m * m; print p \",\" m \",\" (v > 0 ? sqrt(v) : 0) } }' '%s'", position, scheme, scenario, iterations, runs)
theirs(scenario, scheme) = sprintf("< awk -F, '%s $1 == \"%s\" && $2 == \"%s\" { print at($3, $4) \",\" $8 \",\" $9 }' '%s'", position, scenario, scheme, paper)
eval begin("tables", 1040)
unset logscale y
set format y "%g"; set yrange [0:100]; set ytics 20
set ylabel "test accuracy, %"; set xlabel "(m, N_{succ}, P)" offset 0, 0
set xrange [0.5:6.5]
set xtics ("(5,5,7)" 1, "(5,6,8)" 2, "(5,7,9)" 3, "(5,8,10)" 4, "(5,9,11)" 5, "(20,20,22)" 6) font ",11"
schemes = "approx-matdot chebyshev balanced"
titles = "'approximate MatDot' 'Chebyshev' 'kofn, balanced'"
style(i) = word("2 3 4", i) + 0
do for [p=0:1] {
    scenario = word("worst random", p + 1)
    if (p == 0) { eval place(0.07, 0.425); unset key }
    if (p == 1) { eval place(0.45, 0.805); unset ylabel; set format y ""; set key at graph 1.05, graph 1 left top Left reverse samplen 1.5 spacing 1.35 }
    set title word("'Table I: worst-case losses' 'Table II: random losses'", p + 1)
    plot for [i=1:3] ours(scenario, word(schemes, i)) using ($1 + 0.2 * (i - 2)):2:3 with yerrorbars ls style(i) title word(titles, i), \
        for [i=1:2] theirs(scenario, word(schemes, i)) using ($1 + 0.2 * (i - 2)):2 with points ls 20 + style(i) notitle, \
        NaN with points ls 21 title "the paper"
}
unset multiplot
