# The figures as SVG:  gnuplot -e "data='DIR'; out='DIR'" plots.gp
set datafile separator ","
set datafile missing NaN
set encoding utf8
set border 3 lc rgb "#444444" lw 1
set tics nomirror out textcolor rgb "#222222"
set grid ytics lc rgb "#e4e4e4" lw 1
unset key
set title offset 0, -0.3
set xlabel offset 0, 0.4

# One colour and one shape for each code in all figures (Okabe and Ito's colours, which everybody
# tells apart). Means, which the paper plots, are solid; medians dashed: 10 + the code's number.
set style line 1 lc rgb "#333333" pt 4 ps 0.8 lw 2
set style line 2 lc rgb "#d55e00" pt 8 ps 0.8 lw 2
set style line 3 lc rgb "#0072b2" pt 6 ps 0.8 lw 2
set style line 4 lc rgb "#009e73" pt 12 ps 0.8 lw 2
set style line 5 lc rgb "#cc79a7" pt 10 ps 0.8 lw 2
set style line 11 lc rgb "#333333" lw 1.5 dt (4, 3)
set style line 12 lc rgb "#d55e00" lw 1.5 dt (4, 3)
set style line 13 lc rgb "#0072b2" lw 1.5 dt (4, 3)
set style line 14 lc rgb "#009e73" lw 1.5 dt (4, 3)
set style line 15 lc rgb "#cc79a7" lw 1.5 dt (4, 3)
set style line 20 lc rgb "#888888" lw 2
set style line 21 lc rgb "#888888" lw 1.5 dt (4, 3)
codes = "polynomial orthopoly rkrp rkrp_systematic"
titles = "'Polynomial' 'OrthoPoly' 'RKRP, non-systematic' 'RKRP, systematic'"

# Columns of the CSV files.
X = 1; N = 5; MEDIAN = 12; Q90 = 14; MEAN = 15; CONDITION = 21
file(figure) = data . "/" . figure . ".csv"
only(code, decoder, c) = strcol(7) eq code && strcol(8) eq decoder ? column(c) : NaN

# Two panels side by side over a legend; sizes in pixels.
WIDTH = 940.0; HEIGHT = 460.0; PANEL_TOP = 40; PANEL_BOTTOM = 122; LEGEND = 56
begin(name) = sprintf("set terminal svg size %d,%d font 'Helvetica,Arial,sans-serif,13' background '#ffffff' dynamic; set output '%s/%s.svg'; set multiplot", WIDTH, HEIGHT, out, name)
place(p) = sprintf("set lmargin at screen %f; set rmargin at screen %f; set bmargin at screen %f; set tmargin at screen %f", \
    (p * 0.5 * WIDTH + 76) / WIDTH, ((p + 1) * 0.5 * WIDTH - 14) / WIDTH, PANEL_BOTTOM / HEIGHT, 1 - PANEL_TOP / HEIGHT)
# What legends are drawn in: a panel without anything.
strip = sprintf("unset border; unset tics; unset grid; unset title; unset xlabel; unset ylabel; unset logscale; set xrange [0:1]; set yrange [0:1]; set key center center horizontal samplen 3 spacing 1.3 width 2 maxrows 2; set lmargin at screen 0.03; set rmargin at screen 0.97; set bmargin at screen 0.01; set tmargin at screen %f", LEGEND / HEIGHT)
finish = "unset multiplot; unset key; set border 3 lc rgb '#444444'; set xtics nomirror out; set ytics nomirror out; set grid ytics; set title offset 0, -0.3; set xlabel offset 0, 0.4"
error_axis = "set logscale y; set format y '10^{%T}'; set ytics 100; unset mytics; set ylabel 'relative error |û − u| / |u|' offset 0.5"

plot_errors = "plot for [i=1:4] file(figure) using x:(only(word(codes, i), 'paper', MEAN)) with linespoints ls i, \
    for [i=1:4] file(figure) using x:(only(word(codes, i), 'paper', MEDIAN)) with lines ls 10 + i"
plot_legend = "plot NaN with linespoints ls 1 title word(titles, 1), \
    NaN with linespoints ls 3 title word(titles, 3), \
    NaN with linespoints ls 2 title word(titles, 2), \
    NaN with linespoints ls 4 title word(titles, 4), \
    NaN with lines ls 20 title 'mean', NaN with lines ls 21 title 'median'"

# ---- figure 1
eval begin("fig1")
eval error_axis
set yrange [1e-16:1e8]
x = N
set xrange [0:130]; set xtics 20
set xlabel "workers N"
do for [p=0:1] {
    eval place(p)
    if (p == 1) { unset ylabel }
    figure = word("fig1_10 fig1_20", p + 1)
    set title word("'10 % straggle; n = 10, m = 1 … 10' '20 % straggle; n = 10, m = 1 … 10'", p + 1)
    eval plot_errors
}
eval strip
eval plot_legend
eval finish

# ---- figure 2
eval begin("fig2")
eval error_axis
set yrange [1e-16:1e8]
x = X
set xrange [1.5:11.5]; set xtics 1
set xlabel "m = n"
do for [p=0:1] {
    eval place(p)
    if (p == 1) { unset ylabel }
    figure = word("fig2_5 fig2_10", p + 1)
    set title word("'5 stragglers; N = m n + 5' '10 stragglers; N = m n + 10'", p + 1)
    eval plot_errors
}
eval strip
eval plot_legend
eval finish

# ---- figure 3; without Polynomial on the right, where the others can be told apart
eval begin("fig3")
eval error_axis
figure = "fig3"
set xrange [0:21]; set xtics 2
set xlabel "stragglers s"
set title "m = n = 10; N = 100 + s"
set yrange [1e-16:1e8]
eval place(0)
eval plot_errors
set title "the same, nearer"
unset ylabel
set yrange [1e-16:1e-2]
eval place(1)
eval plot_errors
eval strip
eval plot_legend
eval finish

# ---- figure 4: the paper's average of the logarithm; to base 10, that is decimal digits
eval begin("fig4")
unset logscale y
set format y "%g"
set yrange [0:22]; set ytics 4
set ylabel "mean of log_{10} condition" offset 0.5
do for [p=0:1] {
    eval place(p)
    if (p == 1) { unset ylabel }
    figure = word("fig2_10 fig3", p + 1)
    set title word("'10 stragglers; N = m n + 10' 'm = n = 10; N = 100 + s'", p + 1)
    set xlabel word("'m = n' 'stragglers s'", p + 1)
    if (p == 0) { set xrange [1.5:11.5]; set xtics 1 } else { set xrange [0:21]; set xtics 2 }
    plot for [i=1:4] file(figure) using X:(only(word(codes, i), 'paper', CONDITION)) with linespoints ls i
}
eval strip
plot for [i=1:4] NaN with linespoints ls i title word(titles, i)
eval finish

# ---- kofn beside the paper
eval begin("kofn")
eval error_axis
set yrange [1e-16:1e-12]; set ytics 10
set xrange [1.5:11.5]; set xtics 1
set xlabel "m = n"
do for [p=0:1] {
    eval place(p)
    if (p == 1) { unset ylabel }
    one = word("rkrp rkrp_systematic", p + 1); best = one . "_best"
    set title word(titles, 3 + p) . "; 5 stragglers"
    plot file("fig2_5") using X:(only(one, 'paper', Q90)) with linespoints ls 3 + p, \
        "" using X:(only(best, 'kofn', Q90)) with linespoints ls 5, \
        "" using X:(only(one, 'paper', MEDIAN)) with lines ls 13 + p, \
        "" using X:(only(best, 'kofn', MEDIAN)) with lines ls 15
}
eval strip
plot NaN with linespoints ls 3 title "one draw, LAPACK", \
    NaN with linespoints ls 4 title "one draw, LAPACK", \
    NaN with linespoints ls 5 title "best of 16, kofn", \
    NaN with lines lc rgb "#ffffff" title " ", \
    NaN with lines ls 20 title "90 % quantile", NaN with lines ls 21 title "median"
eval finish
