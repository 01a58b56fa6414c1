# The figures as SVG:  gnuplot -e "data='DIR'; out='DIR'; trained=1" plots.gp
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
    (p * 0.5 * WIDTH + 76) / WIDTH, ((p + 1) * 0.5 * WIDTH - 14) / WIDTH, PANEL_BOTTOM / HEIGHT, 1 - PANEL_TOP / HEIGHT)
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
    if (p == 0) { set ylabel "time of a job, of one worker’s" offset 1.5 } else { unset ylabel }
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

# ---- figure 2: what the networks have learnt, and how far the rounds are, against time
schemes(model) = "uncoded polynomial dip " . (model eq "iid" ? "idip" : "idip_burst") . " plan uncoded_many"
styles = "1 2 4 3 5 6"
MODEL = 1; SCHEME = 2; SECONDS = 3; PRODUCTS = 5; NETWORK = 6; LOSS = 9
curves = data . "/curves.csv"
if (trained) {
    train(model, scheme, c) = strcol(MODEL) eq model && strcol(SCHEME) eq scheme && column(NETWORK) == 1 ? column(c) : NaN
    do for [f=1:2] {
        eval begin(word("fig2_loss fig2_time", f))
        do for [p=0:1] {
            eval place(p)
            model = word("iid fritchman", p + 1)
            set title word("'i.i.d. stragglers' 'Fritchman'", p + 1)
            set xrange [0:*]; set xtics auto
            if (f == 1) {
                set xlabel "time, s"; set logscale y; set yrange [*:*]; set format y "%g"
                if (p == 0) { set ylabel "test loss, network 1" offset 0.3 } else { unset ylabel }
                plot for [i=1:6 - p] curves using (train(model, word(schemes(model), i), SECONDS)):(column(LOSS)) with linespoints ls int(word(styles, i))
            } else {
                set xlabel "jobs"; unset logscale; set format y "%g"; set yrange [0:*]
                if (p == 0) { set ylabel "time, s" offset 0.3 } else { unset ylabel }
                plot for [i=1:6 - p] curves using (train(model, word(schemes(model), i), PRODUCTS)):(column(SECONDS)) with linespoints ls int(word(styles, i))
            }
        }
        eval strip
        plot NaN with linespoints ls 1 title "uncoded", NaN with linespoints ls 2 title "polynomial", \
            NaN with linespoints ls 4 title "DIP", NaN with linespoints ls 3 title "IDIP; bursty IDIP", \
            NaN with linespoints ls 5 title "the planner’s choice", NaN with linespoints ls 6 title "uncoded, no rounds"
        eval finish
    }
}

# ---- mild stragglers
mild = data . "/mild.csv"
RATE = 1; SLOWDOWN = 2; NAME = 3; COST = 6
pick(slowdown, scheme) = column(SLOWDOWN) == slowdown && strcol(NAME) eq scheme ? column(COST) : NaN
eval begin("mild")
do for [p=0:1] {
    eval place(p)
    slowdown = word("1.5 5", p + 1) + 0
    set title sprintf("slow tasks take %g times as long", slowdown)
    set xlabel "share of slow tasks"
    set logscale x; set xrange [0.001:0.35]; set xtics ("0.1 %%" 0.001, "0.5 %%" 0.005, "2 %%" 0.02, "8 %%" 0.08, "30 %%" 0.3)
    if (p == 0) { set ylabel "time of a job, of an undisturbed one" offset 0.3 } else { unset ylabel }
    set yrange [1:(p == 0 ? 1.6 : 2.6)]
    plot mild using RATE:(pick(slowdown, "uncoded")) with linespoints ls 1, \
        "" using RATE:(pick(slowdown, "speculative")) with linespoints ls 6, \
        "" using RATE:(pick(slowdown, "polynomial")) with linespoints ls 2, \
        "" using RATE:(pick(slowdown, "idip")) with linespoints ls 3, \
        "" using RATE:(pick(slowdown, "dip")) with linespoints ls 4, \
        "" using RATE:(pick(slowdown, "uncoded_many")) with linespoints ls 1 dt (4, 3), \
        "" using RATE:(pick(slowdown, "polynomial_many")) with linespoints ls 2 dt (4, 3)
}
eval strip
set key samplen 2 width 0
plot NaN with linespoints ls 1 title "uncoded", NaN with linespoints ls 6 title "speculative", \
    NaN with linespoints ls 2 title "polynomial", NaN with linespoints ls 3 title "IDIP", \
    NaN with linespoints ls 4 title "DIP", \
    NaN with lines ls 1 dt (4, 3) title "uncoded, 5 jobs", NaN with lines ls 2 dt (4, 3) title "polynomial, 5 jobs"
eval finish
