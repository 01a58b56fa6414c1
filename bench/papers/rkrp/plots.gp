# The figures as SVG. gnuplot -e "data='DIR'; out='DIR'" plots.gp
set datafile separator ","
set datafile missing NaN
set encoding utf8
set border 3 lc rgb "#444444" lw 1
set tics nomirror out textcolor rgb "#222222"
set grid ytics lc rgb "#e4e4e4" lw 1
set logscale y
set format y "10^{%T}"
set ytics 100

# One colour for each code in all figures (Okabe and Ito: told apart by everybody), one shape, too.
set style line 1 lc rgb "#333333" pt 4 ps 0.6 lw 2              # Polynomial
set style line 2 lc rgb "#d55e00" pt 8 ps 0.8 lw 2              # OrthoPoly
set style line 3 lc rgb "#0072b2" pt 6 ps 0.7 lw 2              # RKRP
set style line 4 lc rgb "#009e73" pt 12 ps 0.8 lw 2             # systematic RKRP
set style line 11 lc rgb "#333333" lw 1.5 dt (4, 3)
set style line 12 lc rgb "#d55e00" lw 1.5 dt (4, 3)
set style line 13 lc rgb "#0072b2" lw 1.5 dt (4, 3)
set style line 14 lc rgb "#009e73" lw 1.5 dt (4, 3)
set style line 20 lc rgb "#888888" lw 2
set style line 21 lc rgb "#888888" lw 1.5 dt (4, 3)

# Columns of the CSV files.
MEDIAN = 12; Q10 = 13; Q90 = 14; MEAN = 15; CONDITION = 21; N = 5; X = 1
file(figure) = data . "/" . figure . ".csv"
# Column c of the lines of this code and decoder.
only(code, decoder, c) = strcol(7) eq code && strcol(8) eq decoder ? column(c) : NaN

panel_width = 460; panel_height = 400; legend_height = 56
start(figure, panels) = sprintf("set terminal svg size %d,%d font 'Helvetica,Arial,sans-serif,13' background '#ffffff' dynamic; set output '%s/%s.svg'", panels * panel_width, panel_height + legend_height, out, figure)
bottom = 0.01 + (legend_height + 52.0) / (panel_height + legend_height)
top = 1 - 34.0 / (panel_height + legend_height)
left_of(p, panels) = (p + 72.0 / panel_width) / panels
right_of(p, panels) = (p + 1 - 18.0 / panel_width) / panels

# Legend below the panels, drawn with the last of them.
legend_on = "set key at screen 0.5, screen 0.012 center bottom horizontal maxrows 2 samplen 2.6 spacing 1.15 width 1"

# Panel p of `panels`: means solid, as the paper has them, medians dashed.
do_errors = "plot for [i=1:4] file(figure) using x:(only(word(codes, i), 'paper', MEAN)) with linespoints ls i title word(titles, i), \
    keyentry with lines ls 20 title 'mean', \
    for [i=1:4] file(figure) using x:(only(word(codes, i), 'paper', MEDIAN)) with lines ls 10 + i notitle, \
    keyentry with lines ls 21 title 'median'"
codes = "polynomial orthopoly rkrp rkrp_systematic"
titles = "Polynomial OrthoPoly 'RKRP, non-systematic' 'RKRP, systematic'"

set ylabel "relative error |û − u| / |u|" offset 0.5

# ---- figure 1
eval start("fig1", 2)
set multiplot
set yrange [1e-16:1e8]
x = N
set xrange [0:130]; set xtics 20
set xlabel "workers N (k = 10 m, m = 1 … 10)"
do for [p=0:1] {
    set lmargin at screen left_of(p, 2); set rmargin at screen right_of(p, 2)
    set bmargin at screen bottom; set tmargin at screen top
    figure = word("fig1_10 fig1_20", p + 1)
    set title word("'10 % of the workers straggle' '20 % of the workers straggle'", p + 1)
    if (p == 1) { eval legend_on; set ylabel "" } else { unset key }
    eval do_errors
}
unset multiplot

# ---- figure 2
set ylabel "relative error |û − u| / |u|" offset 0.5
eval start("fig2", 2)
set multiplot
x = X
set xrange [1.5:11.5]; set xtics 1
set xlabel "m = n (k = m n)"
do for [p=0:1] {
    set lmargin at screen left_of(p, 2); set rmargin at screen right_of(p, 2)
    figure = word("fig2_5 fig2_10", p + 1)
    set title word("'5 stragglers' '10 stragglers'", p + 1)
    if (p == 1) { eval legend_on; set ylabel "" } else { unset key }
    eval do_errors
}
unset multiplot

# ---- figure 3
set ylabel "relative error |û − u| / |u|" offset 0.5
eval start("fig3", 1.45)
set multiplot
set xrange [0:21]; set xtics 2
set xlabel "stragglers s (m = n = 10, N = 100 + s)"
set title "k = 100 of 100 + s"
set lmargin at screen left_of(0, 1.45); set rmargin at screen 1 - 0.03
figure = "fig3"
eval legend_on
eval do_errors
unset multiplot

# ---- figure 4: the paper's average of the logarithm, here to base 10: digits lost
set ylabel "mean of log_{10} condition" offset 0.5
unset logscale y
set format y "%g"
set yrange [0:22]; set ytics 4
eval start("fig4", 2)
set multiplot
do for [p=0:1] {
    set lmargin at screen left_of(p, 2); set rmargin at screen right_of(p, 2)
    figure = word("fig2_10 fig3", p + 1)
    set title word("'10 stragglers' 'm = n = 10'", p + 1)
    set xlabel word("'m = n (k = m n)' 'stragglers s'", p + 1)
    if (p == 0) { set xrange [1.5:11.5]; set xtics 1 } else { set xrange [0:21]; set xtics 2 }
    if (p == 1) { eval legend_on; set ylabel "" } else { unset key }
    plot for [i=1:4] file(figure) using X:(only(word(codes, i), 'paper', CONDITION)) \
        with linespoints ls i title word(titles, i)
}
unset multiplot

# ---- kofn beside the paper
set logscale y
set format y "10^{%T}"
set yrange [1e-16:1e-12]; set ytics 10
set ylabel "relative error |û − u| / |u|" offset 0.5
eval start("kofn", 2)
set multiplot
set xrange [1.5:11.5]; set xtics 1
set xlabel "m = n (k = m n)"
pairs = "rkrp rkrp_best rkrp_systematic rkrp_systematic_best"
do for [p=0:1] {
    set lmargin at screen left_of(p, 2); set rmargin at screen right_of(p, 2)
    one = word(pairs, 2 * p + 1); best = word(pairs, 2 * p + 2)
    set title word("'RKRP, non-systematic; 5 stragglers' 'RKRP, systematic; 5 stragglers'", p + 1)
    if (p == 1) { eval legend_on; set ylabel "" } else { unset key }
    plot file("fig2_5") using X:(only(one, 'paper', Q90)) with linespoints ls 3 title "one draw, LAPACK solve", \
        "" using X:(only(best, 'paper', Q90)) with linespoints ls 4 title "best of 16 draws, LAPACK solve", \
        "" using X:(only(best, 'kofn', Q90)) with linespoints ls 5 title "best of 16, kofn's decoder", \
        keyentry with lines ls 20 title "90 % quantile", \
        "" using X:(only(one, 'paper', MEDIAN)) with lines ls 13 notitle, \
        "" using X:(only(best, 'paper', MEDIAN)) with lines ls 14 notitle, \
        "" using X:(only(best, 'kofn', MEDIAN)) with lines ls 15 notitle, \
        keyentry with lines ls 21 title "median"
}
unset multiplot
