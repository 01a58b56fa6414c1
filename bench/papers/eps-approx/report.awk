# RESULTS.md from its template and the CSV files: every number of the text is looked up, so that text
# and files cannot disagree. What is not there is an error.
#
#   iterations=40000 KEY=VALUE awk -f ../words.awk -f report.awk paper.csv authors.csv fig1.csv reuse.csv runs.csv [cluster.csv] RESULTS.in.md
#
# A VALUE is a number or one of
#   fig:FIGURE:FAMILY:GAMMA:DECODER:ANSWERS          error of figure 1, the median over the draws
#   authors:FIGURE:FAMILY:GAMMA:ANSWERS              the same by the authors' program
#   mean:COLUMN:SCENARIO:SCHEME:M:ANSWERS:NODES      accuracy or loss, over the folds; sd: its deviation
#   paper:COLUMN:SCENARIO:SCHEME:M:ANSWERS:NODES
#   reuse:FAMILY:M:ANSWERS:NODES                      what is left of H X^T from the blocks of W X
#   cluster:NAME                                     "-" where there was no such run
# Words in {{ }}:
#   {{VALUE}}  {{VALUE / VALUE}}  {{VALUE [/ VALUE] OP VALUE [/ VALUE]}}   the last as yes or **no**
#   {{near VALUE VALUE TOLERANCE}}   yes or **no**: do they differ by no more?
#   {{between FACTOR FIGURE}}        how many points of the authors' figure are met within a factor
#   {{accuracy COLUMN SCENARIO SCHEME M ANSWERS NODES}}   mean and deviation
#   {{figure_a}}  {{figure_b}}  {{figure_c DECODER}}  {{table SCENARIO HALF}}  {{losses}}  {{sures}}
#   {{met TOLERANCE SCENARIO SCHEME}}   in how many rows the test accuracy is the paper's within that
#   {{tuned}}                        gamma of eps_matdot in figure 1
#   {{folds}}                        that have all runs, and are what means are of
#   {{var KEY}}                      from the environment

function value(text, part, kind) {
    if (text ~ /^-?[0-9.]+(e[+-]?[0-9]+)?$/)
        return text + 0
    if (!(text in at)) {
        if (text ~ /^(mean|sd|cluster):/)
            return "-" # a cell that has not been run
        fail("there is no " text)
    }
    return at[text]
}

function show(number) {
    if (number == "-")
        return "-"
    if (number != 0 && (number < 0.01 && number > -0.01 || number >= 100000))
        return sprintf("%.1e", number)
    return number == int(number) ? number : sprintf("%.3g", number)
}

function percent(number) {
    return number == "-" ? "-" : sprintf("%.2f", number)
}

function term(word, first, last) {
    if (last == first)
        return value(word[first])
    if (last != first + 2 || word[first + 1] != "/")
        fail("what is '" word[first] " " word[first + 1] "'?")
    return value(word[first]) / value(word[last])
}

function accuracy(cell) {
    if (value("mean:" cell) == "-")
        return "-"
    return sprintf("%.2f ± %.2f", value("mean:" cell), value("sd:" cell))
}

function paper_accuracy(cell, half) {
    return sprintf("%.2f ± %.2f", value("paper:" half ":" cell), value("paper:" half "_sd:" cell))
}

function ratio_is_within(one, other, factor) {
    return one <= other * factor && other <= one * factor
}

# The points of a figure that the authors' program made, and ours beside them.
function between(factor, figure, i, key, good, all) {
    for (i = 1; i <= points; i++) {
        split(point[i], key, ":")
        if (key[2] != figure)
            continue
        all++
        good += ratio_is_within(at[point[i]], value("fig:" figure ":" key[3] ":" key[4] ":" \
            (figure == "a" ? "products" : "powers") ":" key[5]), factor)
    }
    return good " of " all
}

function error_row(title, figure, family, gamma, decoder, n, text) {
    text = "| " title " |"
    for (n = 3; n <= 6; n++)
        text = text " " show(value("fig:" figure ":" family ":" gamma ":" decoder ":" n)) " |"
    return text "\n"
}

function authors_row(title, figure, family, gamma, n, text) {
    text = "| " title " |"
    for (n = 3; n <= 6; n++)
        text = text " " show(value("authors:" figure ":" family ":" gamma ":" n)) " |"
    return text "\n"
}

function figure_a(text) {
    text = "| N_succ | 3 | 4 | 5 | 6 |\n| --- | --- | --- | --- | --- |\n"
    text = text authors_row("MatDot, gamma 1: authors' program", "a", "matdot", 1)
    text = text error_row("the same, here", "a", "matdot", 1, "products")
    text = text authors_row("Chebyshev: authors' program", "a", "chebyshev", 1)
    text = text error_row("the same, here", "a", "chebyshev", 1, "products")
    text = text authors_row("approximate MatDot, gamma 70000: authors' program", "a", "matdot", 70000)
    text = text error_row("the same, here", "a", "matdot", 70000, "products")
    text = text error_row("gamma 70000, decoder of the theorem", "a", "matdot", 70000, "theorem")
    text = text error_row("gamma 70000, kofn's balanced decoder", "a", "matdot", 70000, "balanced")
    text = text error_row("kofn's orthomatdot, balanced", "a", "orthomatdot", at["gamma:orthomatdot"],
        "balanced")
    return text error_row("**kofn's eps_matdot, gamma " show(tuned) ", balanced**", "a", "eps_matdot",
        tuned, "balanced")
}

function figure_rows(figure, gammas, decoder, g, count, i, text) {
    count = split(gammas, g, " ")
    for (i = 1; i <= count; i++) {
        if (decoder == "authors")
            text = text authors_row(g[i], figure, "matdot", g[i])
        else
            text = text error_row(g[i], figure, "matdot", g[i], decoder)
    }
    return text
}

function figure_c(decoder, text) {
    text = "| gamma | N_succ = 3 | 4 | 5 | 6 |\n| --- | --- | --- | --- | --- |\n"
    return text figure_rows("c", "1 400 1000 5000 10000 70000", decoder)
}

# The least error over gamma, and where it is.
function figure_b(n, d, names, count, i, key, best, text, where) {
    count = split("powers theorem balanced", names, " ")
    text = "| decoder | N_succ = 3 | 4 | 5 | 6 |\n| --- | --- | --- | --- | --- |\n"
    for (d = 1; d <= count; d++) {
        text = text "| " names[d] " |"
        for (n = 3; n <= 6; n++) {
            best = ""
            for (i = 1; i <= gammas; i++) {
                key = "fig:b:matdot:" gamma_at[i] ":" names[d] ":" n
                if ((key in at) && (best == "" || at[key] < best)) {
                    best = at[key]
                    where = gamma_at[i]
                }
            }
            text = text " " show(best) " at " sprintf("%.0f", where) " |"
        }
        text = text "\n"
    }
    return text
}

# Rows whose test accuracy differs from the paper's by at most `tolerance`, of those that were run.
function met(tolerance, scenario, scheme, i, cell, run, good) {
    for (i = 1; i <= 6; i++) {
        cell = scenario ":" scheme ":" row[i]
        if (value("mean:test_top:" cell) == "-")
            continue
        run++
        good += near("mean:test_top:" cell, "paper:test:" cell, tolerance) == "yes"
    }
    return good + 0 " of " run + 0
}

function row_name(row, part) {
    split(row, part, ":")
    return "(" part[1] "," part[2] "," part[3] ")"
}

function table(scenario, half, i, text, cell) {
    text = "| (m, N_succ, P) | approx. MatDot: paper | here | Chebyshev: paper | here | kofn, balanced |\n" \
        "| --- | --- | --- | --- | --- | --- |\n"
    for (i = 1; i <= 6; i++) {
        cell = scenario ":approx-matdot:" row[i]
        text = text "| " row_name(row[i]) " | " paper_accuracy(cell, half) " | " accuracy(half "_top:" cell)
        cell = scenario ":chebyshev:" row[i]
        text = text " | " paper_accuracy(cell, half) " | " accuracy(half "_top:" cell)
        cell = scenario ":balanced:" row[i]
        text = text " | " accuracy(half "_top:" cell) " |\n"
    }
    return text
}

function sures(i, text) {
    text = "| (m, N_succ, P) | worst: approx. MatDot | Chebyshev | balanced | random: approx. MatDot | Chebyshev | balanced |\n" \
        "| --- | --- | --- | --- | --- | --- | --- |\n"
    for (i = 1; i <= 6; i++)
        text = text "| " row_name(row[i]) " | " accuracy("test_sure:worst:approx-matdot:" row[i]) " | " \
            accuracy("test_sure:worst:chebyshev:" row[i]) " | " \
            accuracy("test_sure:worst:balanced:" row[i]) " | " \
            accuracy("test_sure:random:approx-matdot:" row[i]) " | " \
            accuracy("test_sure:random:chebyshev:" row[i]) " | " \
            accuracy("test_sure:random:balanced:" row[i]) " |\n"
    return text
}

# sqrt(loss / m): the expected |C^ - C|_F / |C|_F for operands of independent elements.
function relative(scenario, scheme, cell, loss, part) {
    loss = value("mean:loss:" scenario ":" scheme ":" cell)
    split(cell, part, ":")
    return loss == "-" ? "-" : show(sqrt(loss / part[1]))
}

function losses(i, text) {
    text = "| (m, N_succ, P) | worst: approx. MatDot | Chebyshev | balanced | all patterns: approx. MatDot | Chebyshev | balanced | gamma: approx. | balanced |\n" \
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |\n"
    for (i = 1; i <= 6; i++)
        text = text "| " row_name(row[i]) " | " relative("worst", "approx-matdot", row[i]) " | " \
            relative("worst", "chebyshev", row[i]) " | " relative("worst", "balanced", row[i]) " | " \
            relative("random", "approx-matdot", row[i]) " | " relative("random", "chebyshev", row[i]) \
            " | " relative("random", "balanced", row[i]) " | " \
            show(value("mean:gamma:worst:approx-matdot:" row[i])) " | " \
            show(value("mean:gamma:worst:balanced:" row[i])) " |\n"
    return text
}

function expand(text, word, count, i) {
    count = split(text, word, " ")
    if (word[1] == "figure_a")
        return figure_a()
    if (word[1] == "figure_b")
        return figure_b()
    if (word[1] == "figure_c")
        return figure_c(word[2])
    if (word[1] == "table")
        return table(word[2], word[3])
    if (word[1] == "sures")
        return sures()
    if (word[1] == "losses")
        return losses()
    if (word[1] == "between")
        return between(word[2], word[3])
    if (word[1] == "met")
        return met(word[2], word[3], word[4])
    if (word[1] == "near")
        return near(word[2], word[3], word[4])
    if (word[1] == "accuracy")
        return accuracy(word[2] ":" word[3] ":" word[4] ":" word[5] ":" word[6] ":" word[7])
    if (word[1] == "percent")
        return percent(value(word[2]))
    if (word[1] == "var" && word[2] in ENVIRON)
        return ENVIRON[word[2]]
    if (word[1] == "tuned")
        return show(tuned)
    if (word[1] == "folds")
        return folds + 0
    for (i = 2; i < count; i++)
        if (word[i] ~ /^[<>]=?$/)
            return compare(word, count, i)
    return show(term(word, 1, count))
}

function read_paper(cell) {
    cell = field[1] ":" field[2] ":" field[3] ":" field[4] ":" field[5]
    at["paper:train:" cell] = field[6]
    at["paper:train_sd:" cell] = field[7]
    at["paper:test:" cell] = field[8]
    at["paper:test_sd:" cell] = field[9]
}

function read_authors(key) {
    key = "authors:" field[1] ":" field[2] ":" field[3] ":" field[4]
    at[key] = field[5]
    point[++points] = key
}

function read_fig1() {
    at["fig:" field[1] ":" field[2] ":" field[3] ":" field[4] ":" field[5]] = field[8]
    if (field[2] == "eps_matdot")
        tuned = field[3]
    at["gamma:" field[2]] = field[3]
    if (field[1] == "b" && field[4] == "powers" && field[5] == 3)
        gamma_at[++gammas] = field[3]
}

# Only runs of the asked length count: a file may hold shorter ones, too.
function read_run(cell, i) {
    if (field[7] != ENVIRON["iterations"])
        return
    cell = field[5] ":" field[1] ":" field[2] ":" field[3] ":" field[4]
    for (i = 9; i <= count; i++) {
        keys[names[i] ":" cell] = 1
        run_at[field[6], names[i] ":" cell] = field[i]
    }
    if (++lines[field[6]] > most_lines)
        most_lines = lines[field[6]]
}

# Folds that have every run, so that means are over the same folds. Deviations are the population's,
# as the authors' program computes them.
function finish_runs(fold, key, sum, squares, variance) {
    for (fold in lines)
        folds += lines[fold] == most_lines
    for (key in keys) {
        sum = squares = 0
        for (fold in lines) {
            if (lines[fold] < most_lines)
                continue
            sum += run_at[fold, key]
            squares += run_at[fold, key] ^ 2
        }
        at["mean:" key] = sum / folds
        variance = squares / folds - (sum / folds) ^ 2
        at["sd:" key] = variance > 0 ? sqrt(variance) : 0
    }
}

BEGIN {
    split("5:5:7 5:6:8 5:7:9 5:8:10 5:9:11 20:20:22", row, " ")
}
FNR == 1 {
    name = FILENAME
    sub(/.*\//, "", name)
    is_data = sub(/\.csv$/, "", name)
    if (!is_data)
        finish_runs()
}
is_data && FNR == 1 {
    split($0, names, ",")
    next
}
is_data {
    count = split($0, field, ",")
    if (name == "paper")
        read_paper()
    else if (name == "authors")
        read_authors()
    else if (name == "fig1")
        read_fig1()
    else if (name == "runs")
        read_run()
    else if (name == "reuse")
        at["reuse:" field[1] ":" field[3] ":" field[4] ":" field[5]] = field[6]
    else if (name == "cluster")
        at["cluster:" field[1]] = field[2]
    else
        fail("what is " FILENAME "?")
    next
}
{
    line = fill_in($0)
    sub(/\n$/, "", line) # of tables
    print line
}
