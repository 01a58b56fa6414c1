# What the figures of alloy/ and compression/ have in common:  gnuplot -e "data='DIR'; out='DIR'" panels.gp alloy/plots.gp
set datafile separator ","
set datafile missing NaN
set encoding utf8
set border 3 lc rgb "#444444" lw 1
set tics nomirror out textcolor rgb "#222222"
set grid ytics lc rgb "#e4e4e4" lw 1
unset key
set title offset 0, -0.3
set xlabel offset 0, 0.4

# Okabe and Ito's colours, which everybody tells apart.
set style line 1 lc rgb "#333333" pt 4 ps 0.8 lw 2
set style line 2 lc rgb "#d55e00" pt 8 ps 0.8 lw 2
set style line 3 lc rgb "#0072b2" pt 6 ps 0.8 lw 2
set style line 4 lc rgb "#009e73" pt 12 ps 0.8 lw 2
set style line 5 lc rgb "#cc79a7" pt 10 ps 0.8 lw 2
set style line 6 lc rgb "#888888" pt 1 ps 0.8 lw 2 dt (4, 3)

file(name) = data . "/" . name . ".csv"

# Two panels side by side over a legend; sizes in pixels.
WIDTH = 940.0; HEIGHT = 460.0; PANEL_TOP = 40; PANEL_BOTTOM = 122; LEGEND = 56
begin(name) = sprintf("set terminal svg size %d,%d font 'Helvetica,Arial,sans-serif,13' background '#ffffff' dynamic; set output '%s/%s.svg'; set multiplot", WIDTH, HEIGHT, out, name)
place(p) = sprintf("set lmargin at screen %f; set rmargin at screen %f; set bmargin at screen %f; set tmargin at screen %f", \
    (p * 0.5 * WIDTH + 76) / WIDTH, ((p + 1) * 0.5 * WIDTH - 14) / WIDTH, PANEL_BOTTOM / HEIGHT, 1 - PANEL_TOP / HEIGHT)
# What legends are drawn in: a panel without anything.
strip = sprintf("unset border; unset tics; unset grid; unset title; unset xlabel; unset ylabel; unset logscale; set xrange [0:1]; set yrange [0:1]; set key center center horizontal samplen 3 spacing 1.3 width 2 maxrows 2; set lmargin at screen 0.03; set rmargin at screen 0.97; set bmargin at screen 0.01; set tmargin at screen %f", LEGEND / HEIGHT)
finish = "unset multiplot; unset key; set border 3 lc rgb '#444444'; set xtics nomirror out; set ytics nomirror out; set grid ytics; set title offset 0, -0.3; set xlabel offset 0, 0.4; set format xy '%g'; set xtics autofreq; set ytics autofreq"
log_axis = "set logscale y; set format y '10^{%T}'; unset mytics"
