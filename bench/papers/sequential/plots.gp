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

# A colour for each scheme in all figures (Okabe and Ito's, which everybody tells apart); formulas are
# lines, simulations points.
set style line 1 lc rgb "#333333" pt 4 ps 0.6 lw 2
set style line 2 lc rgb "#d55e00" pt 8 ps 0.6 lw 2
set style line 3 lc rgb "#0072b2" pt 6 ps 0.6 lw 2
set style line 4 lc rgb "#009e73" pt 12 ps 0.6 lw 2
set style line 5 lc rgb "#cc79a7" pt 10 ps 0.6 lw 2
set style line 6 lc rgb "#e69f00" pt 2 ps 0.6 lw 2
set style line 13 lc rgb "#0072b2" lw 2 dt (4, 3)
set style line 14 lc rgb "#009e73" lw 2 dt (4, 3)

# Two panels side by side over a legend; sizes in pixels.
WIDTH = 940.0; HEIGHT = 460.0; PANEL_TOP = 40; PANEL_BOTTOM = 122; LEGEND = 56
begin(name) = sprintf("set terminal svg size %d,%d font 'Helvetica,Arial,sans-serif,13' background '#ffffff' dynamic; set output '%s/%s.svg'; set multiplot", WIDTH, HEIGHT, out, name)
place(p) = sprintf("set lmargin at screen %f; set rmargin at screen %f; set bmargin at screen %f; set tmargin at screen %f", \
    (p * 0.5 * WIDTH + 72) / WIDTH, ((p + 1) * 0.5 * WIDTH - 14) / WIDTH, PANEL_BOTTOM / HEIGHT, 1 - PANEL_TOP / HEIGHT)
# What legends are drawn in: a panel without anything.
strip = sprintf("unset border; unset tics; unset grid; unset title; unset xlabel; unset ylabel; unset logscale; set xrange [0:1]; set yrange [0:1]; set key center center horizontal samplen 3 spacing 1.3 width 2 maxrows 2; set lmargin at screen 0.03; set rmargin at screen 0.97; set bmargin at screen 0.01; set tmargin at screen %f", LEGEND / HEIGHT)
finish = "unset multiplot; unset key; set border 3 lc rgb '#444444'; set xtics nomirror out; set ytics nomirror out; set grid ytics; set title offset 0, -0.3; set xlabel offset 0, 0.4"

# ---- figure 1
FIGURE = 1; DELTA = 2; CURVE = 3; TIME = 6
fig1 = data . "/fig1.csv"
only(figure, curve) = strcol(FIGURE) eq figure && strcol(CURVE) eq curve ? column(TIME) : NaN
eval begin("fig1")
set xrange [0:1]; set xtics 0.2
set xlabel "probability of straggling δ"
do for [p=0:1] {
    eval place(p)
    f = word("a b", p + 1)
    set title word("'α = 5, P = 4, T = W − 1 = 3' 'α = 10, P = 6, T = W − 1 = 4'", p + 1)
    if (p == 0) { set ylabel "time of a job, of one worker’s" offset 0.3 } else { unset ylabel }
    set yrange [0:*]
    plot fig1 using DELTA:(only(f, "uncoded_formula")) with lines ls 1, \
        "" using DELTA:(only(f, "polynomial_formula")) with lines ls 2, \
        "" using DELTA:(only(f, "idip_bound")) with lines ls 13, \
        "" using DELTA:(only(f, "dip_infinite")) with lines ls 14, \
        "" using DELTA:(only(f, "uncoded")) with points ls 1, \
        "" using DELTA:(only(f, "polynomial")) with points ls 2, \
        "" using DELTA:(only(f, "idip")) with linespoints ls 3, \
        "" using DELTA:(only(f, "dip")) with linespoints ls 4
}
eval strip
plot NaN with linespoints ls 1 title "uncoded", \
    NaN with lines ls 13 title "IDIP, bound", \
    NaN with linespoints ls 2 title "polynomial", \
    NaN with linespoints ls 3 title "IDIP, simulated", \
    NaN with lines ls 14 title "DIP, T = ∞", \
    NaN with linespoints ls 4 title "DIP, T finite, simulated"
eval finish
