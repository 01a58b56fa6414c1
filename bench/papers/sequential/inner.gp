# The error of inner codes as SVG:  gnuplot -e "data='DIR'; out='DIR'" inner.gp
set datafile separator ","
set datafile missing "inf"
set encoding utf8
set border 3 lc rgb "#444444" lw 1
set tics nomirror out textcolor rgb "#222222"
set grid ytics lc rgb "#e4e4e4" lw 1
unset key
set title offset 0, -0.3
set xlabel offset 0, 0.4

# A colour and a shape for each code (Okabe and Ito's, which everybody tells apart); what 1 of 100 jobs
# exceeds is solid, medians dashed: 10 + the code's number.
set style line 1 lc rgb "#333333" pt 4 ps 0.8 lw 2
set style line 2 lc rgb "#e69f00" pt 2 ps 0.8 lw 2
set style line 3 lc rgb "#d55e00" pt 8 ps 0.8 lw 2
set style line 4 lc rgb "#009e73" pt 12 ps 0.8 lw 2
set style line 5 lc rgb "#0072b2" pt 6 ps 0.8 lw 2
set style line 6 lc rgb "#cc79a7" pt 10 ps 0.8 lw 2
set style line 11 lc rgb "#333333" lw 1.5 dt (4, 3)
set style line 12 lc rgb "#e69f00" lw 1.5 dt (4, 3)
set style line 13 lc rgb "#d55e00" lw 1.5 dt (4, 3)
set style line 14 lc rgb "#009e73" lw 1.5 dt (4, 3)
set style line 15 lc rgb "#0072b2" lw 1.5 dt (4, 3)
set style line 16 lc rgb "#cc79a7" lw 1.5 dt (4, 3)
set style line 20 lc rgb "#888888" lw 2
set style line 21 lc rgb "#888888" lw 1.5 dt (4, 3)
codes = "polynomial_chebyshev polynomial_random polynomial_spread orthopoly_spread rkrp rkrp_systematic"

SCHEME = 1; CODE = 2; K = 3; MEDIAN = 10; Q99 = 11
file = data . "/inner.csv"
only(scheme, code, c) = strcol(SCHEME) eq scheme && strcol(CODE) eq code ? column(c) : NaN

# Two panels side by side over a legend; sizes in pixels.
WIDTH = 940.0; HEIGHT = 466.0; PANEL_TOP = 40; PANEL_BOTTOM = 128; LEGEND = 64
set terminal svg size WIDTH,HEIGHT font 'Helvetica,Arial,sans-serif,13' background '#ffffff' dynamic
set output out . "/inner.svg"
set multiplot
set logscale xy
set xrange [3.5:28]
set xtics (4, 6, 12, 24)
set yrange [1e-17:1e-2]
set format y "10^{%T}"
set ytics 100
unset mytics
set xlabel "blocks of the product, x y"
do for [p=0:1] {
    set lmargin at screen (p * 0.5 * WIDTH + 76) / WIDTH
    set rmargin at screen ((p + 1) * 0.5 * WIDTH - 14) / WIDTH
    set bmargin at screen PANEL_BOTTOM / HEIGHT
    set tmargin at screen 1 - PANEL_TOP / HEIGHT
    scheme = word("dip idip", p + 1)
    set title word("'DIP: coded rows' 'IDIP: block products, coded rows for what is lost'", p + 1)
    if (p == 0) { set ylabel "relative error |û − u| / |u|" offset 0.5 } else { unset ylabel }
    plot for [i=1:6] file using K:(only(scheme, word(codes, i), Q99)) with linespoints ls i, \
        for [i=1:6] file using K:(only(scheme, word(codes, i), MEDIAN)) with lines ls 10 + i
}
unset border; unset tics; unset grid; unset title; unset xlabel; unset ylabel; unset logscale
set xrange [0:1]; set yrange [0:1]
set key center center horizontal samplen 3 spacing 1.3 width -2 maxrows 2
set lmargin at screen 0.03; set rmargin at screen 0.97
set bmargin at screen 0.01; set tmargin at screen LEGEND / HEIGHT
plot NaN with linespoints ls 1 title "polynomial, nodes", \
    NaN with linespoints ls 2 title "polynomial, random", \
    NaN with linespoints ls 3 title "polynomial, spread", \
    NaN with linespoints ls 4 title "orthopoly, spread", \
    NaN with linespoints ls 5 title "rkrp", \
    NaN with linespoints ls 6 title "rkrp, systematic", \
    NaN with lines ls 20 title "99 % quantile", NaN with lines ls 21 title "median"
unset multiplot
