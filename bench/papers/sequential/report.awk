# RESULTS.md from its template and the CSV files: every number of the text is looked up, so that text
# and files cannot disagree. What is not there is an error.
#
#   KEY=VALUE awk -f ../words.awk -f report.awk fig1.csv agree.csv ... RESULTS.in.md
#
# A VALUE is FILE:COLUMN:KEY:KEY..., as fig1:time:a:0.300:dip, the keys being the file's first columns
# (how many: below); or a number. Of a part that was not run ("-") nothing is said.
#   {{VALUE}}  {{VALUE / VALUE}}  {{less VALUE VALUE}}     the last: by how many per cent VALUE is below the other
#   {{VALUE [/ VALUE] OP VALUE [/ VALUE]}}   yes or **no**; OP is < <= > >=
#   {{met FORMULA}}           in how many lines of agree.csv formula and simulation agree, within ERRORS
#                             standard errors; a bound is met by what is not above it
#   {{farthest FORMULA}}      the largest difference in standard errors
#   {{below FIGURE ONE OTHER}}        at how many delta curve ONE of fig1.csv is not above OTHER
#   {{above_at FIGURE ONE OTHER}}     where it is
#   {{same_load FIGURE COLUMN}}       at how many S and delta IDIP with N = S W is not above polynomial: the
#                             bound (expected), or as simulated (time)
#   {{worse_from FIGURE COLUMN}}      of each S, the first delta at which it is
#   {{figure NAME}}  {{worst SMALL}}  {{inner SCHEME}}  tables of fig1.csv, worst.csv and inner.csv
#   {{reduction FILE COLUMN MODEL SCHEME}}   by how many per cent it is below polynomial
#   {{image FILE NAME TITLE ...}}     if there is the CSV file that it is of
#   {{waited MODEL SCHEME}}   in which share of its rounds
#   {{table1 MODEL}}          of table1.csv, beside paper.csv
#   {{curves MODEL}}          loss and accuracy at the end, and how far the schemes differ
#   {{mild SLOWDOWN}}         of mild.csv
#   {{least RATE SLOWDOWN ALONE}}   which scheme takes the least time per job there, by half a per cent or
#                             more; ALONE 1: of those that have one job at a time
#   {{var KEY}}               from the environment

BEGIN {
    ERRORS = 4.5
    keys["fig1"] = 3
    keys["agree"] = 5
    keys["worst"] = 4
    keys["paper"] = 2
    keys["table1"] = 2
    keys["curves"] = 0
    keys["mild"] = 3
    keys["inner"] = 3
    workers["a"] = 4
    window["a"] = 4
    workers["b"] = 6
    window["b"] = 5
}

function value(text, part, file, column, rest) {
    if (text ~ /^-?[0-9.]+(e[+-]?[0-9]+)?$/)
        return text + 0
    split(text, part, ":")
    file = part[1]
    column = part[2]
    rest = substr(text, length(file) + length(column) + 3)
    if ((file, rest, column) in at)
        return at[file, rest, column]
    if (!(file in rows))
        return "-" # a part that was not run
    fail("there is no " text)
}

function show(number) {
    if (number == "-")
        return "-"
    if (number != 0 && (number < 0.001 && number > -0.001 || number >= 100000))
        return sprintf("%.1e", number)
    return number == int(number) ? number "" : sprintf("%.3g", number)
}

# Words first..last as VALUE or VALUE / VALUE.
function term(word, first, last, above, under) {
    above = value(word[first])
    if (last == first)
        return above
    if (last != first + 2 || word[first + 1] != "/")
        fail("what is '" word[first] " " word[first + 1] "'?")
    under = value(word[last])
    return above == "-" || under == "-" ? "-" : above / under
}

function less(one, other) {
    one = value(one)
    other = value(other)
    return one == "-" || other == "-" ? "-" : sprintf("%.0f %%", 100 * (1 - one / other))
}

# By how many standard errors the simulation of that line is off; a bound counts only what is above it.
function distance(row, difference) {
    difference = field["agree", row, "time"] - field["agree", row, "expected"]
    if (difference < 0)
        difference = field["agree", row, "formula"] ~ /bound/ ? 0 : -difference
    difference -= 1e-6 # figures have six decimals
    return difference <= 0 ? 0 : difference / (field["agree", row, "error"] + 1e-9)
}

function met(formula, row, good, all) {
    for (row = 1; row <= rows["agree"]; row++) {
        if (field["agree", row, "formula"] != formula)
            continue
        all++
        good += distance(row) <= ERRORS
    }
    return good + 0 == all ? "all " all : good + 0 " of **" all "**"
}

function farthest(formula, row, most) {
    for (row = 1; row <= rows["agree"]; row++)
        if (field["agree", row, "formula"] == formula && distance(row) > most)
            most = distance(row)
    return sprintf("%.1f", most)
}

# Where one curve is above another: beyond their errors.
function is_above(figure, delta, one, other, a, b, error) {
    a = value("fig1:time:" figure ":" delta ":" one)
    b = value("fig1:time:" figure ":" delta ":" other)
    error = value("fig1:error:" figure ":" delta ":" one) + value("fig1:error:" figure ":" delta ":" other)
    return a > b + ERRORS * error + 2e-6
}

function above_at(figure, one, other, d, list) {
    for (d = 1; d <= deltas; d++)
        if (is_above(figure, delta_at[d], one, other))
            list = list (list == "" ? "" : ", ") delta_at[d] + 0
    return list == "" ? "-" : list
}

function below(figure, one, other, d, good) {
    for (d = 1; d <= deltas; d++)
        good += !is_above(figure, delta_at[d], one, other)
    return good + 0 " of " deltas
}

# IDIP at the load of polynomial: with N = S W.
function is_worse(figure, column, delta, spare, p, w, idip, polynomial, error) {
    p = workers[figure]
    w = window[figure]
    idip = figure ":" delta ":idip_bound:" p * w - spare * w ":" spare * w
    polynomial = figure ":" delta ":polynomial:" p - spare ":" spare
    error = column == "time" ? ERRORS * value("agree:error:" idip) : 0
    return value("agree:" column ":" idip) > value("agree:expected:" polynomial) + error + 2e-6
}

function same_load(figure, column, d, spare, good, all) {
    for (spare = 1; spare < workers[figure]; spare++) {
        for (d = 1; d <= deltas; d++) {
            all++
            good += !is_worse(figure, column, delta_at[d], spare)
        }
    }
    return good + 0 " of " all
}

function worse_from(figure, column, d, spare, list) {
    for (spare = 1; spare < workers[figure]; spare++) {
        for (d = 1; d <= deltas && !is_worse(figure, column, delta_at[d], spare); d++)
            ;
        if (d <= deltas)
            list = list (list == "" ? "" : ", ") delta_at[d] + 0 " (S = " spare ")"
    }
    return list == "" ? "-" : list
}

function curve_cell(figure, delta, curve, beta, free, text) {
    text = sprintf("%.3f", value("fig1:time:" figure ":" delta ":" curve))
    beta = value("fig1:beta:" figure ":" delta ":" curve)
    free = value("fig1:parameter:" figure ":" delta ":" curve)
    if (curve ~ /^dip$/)
        return text " (" beta ", " free ")"
    if (curve == "dip_infinite")
        return text " (" beta ")"
    return curve ~ /uncoded|daemon/ ? text : text " (" free ")"
}

function figure(name, curves, count, c, d, text) {
    count = split("uncoded_formula uncoded polynomial_formula polynomial idip_bound idip idip_daemon dip_infinite dip dip_daemon",
        curves, " ")
    text = "| delta | uncoded | simulated | polynomial (S) | simulated (S) | IDIP, bound (N) | simulated (N) | daemon | DIP, T = ∞ (xy) | finite T, simulated (xy, lambda) | daemon |\n"
    text = text "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |"
    for (d = 1; d <= deltas; d++) {
        text = text "\n| " delta_at[d] + 0 " |"
        for (c = 1; c <= count; c++)
            text = text " " curve_cell(name, delta_at[d], curves[c]) " |"
    }
    return text
}

# Lines of worst.csv, both schemes in one: those of every pattern, or the random ones.
function worst(small, row, text, patterns) {
    text = "| P | W | N | patterns | L* | DIP | IDIP | waited |" (small ? " settings that never wait | their least |" : "")
    text = text "\n| --- | --- | --- | --- | --- | --- | --- | --- |" (small ? " --- | --- |" : "")
    for (row = 1; row <= rows["worst"]; row += 2) {
        if ((field["worst", row, "settings"] > 0) != small)
            continue
        patterns = small ? field["worst", row, "patterns"] " of " field["worst", row, "rounds"] " rounds" : \
            "one of " field["worst", row, "rounds"] " rounds"
        text = text "\n| " field["worst", row, "workers"] " | " field["worst", row, "window"] " | " \
            field["worst", row, "failures"] " | " patterns " | " sprintf("%.4f", field["worst", row, "bound"]) \
            " | " sprintf("%.4f", field["worst", row, "load"]) " | " sprintf("%.4f", field["worst", row + 1, "load"]) \
            " | " (field["worst", row, "waited"] + field["worst", row + 1, "waited"] ? "**yes**" : "never") " |"
        if (small)
            text = text " " field["worst", row, "settings"] " | " sprintf("%.4f", field["worst", row, "least"]) " |"
    }
    return text
}

# Not every awk reads "inf" as a number.
function show_error(text) {
    return text == "inf" ? "∞" : sprintf("%.0e", text)
}

function inner_cell(row) {
    return show_error(field["inner", row, "median"]) " / " show_error(field["inner", row, "q99"]) \
        (field["inner", row, "refused"] > 0 ? sprintf(", %.3g %% undecodable", \
            100 * field["inner", row, "refused"] / field["inner", row, "jobs"]) : "")
}

# Of one scheme, a line for each code, its sizes side by side.
function inner(scheme, row, text, code) {
    text = "| code | x y = 4 | 6 | 12 | 24 |\n| --- | --- | --- | --- | --- |"
    for (row = 1; row <= rows["inner"]; row++) {
        if (field["inner", row, "scheme"] != scheme)
            continue
        if (field["inner", row, "code"] != code)
            text = text "\n| `" field["inner", row, "code"] "` |"
        code = field["inner", row, "code"]
        text = text " " inner_cell(row) " |"
    }
    return text
}

# Is the theorem's bound met by both, and by no setting beaten?
function worst_holds(row) {
    for (row = 1; row <= rows["worst"]; row++)
        if (field["worst", row, "waited"] > 0 || field["worst", row, "load"] > field["worst", row, "bound"] + 2e-6 ||
            field["worst", row, "settings"] > 0 && (field["worst", row, "load"] < field["worst", row, "bound"] - 2e-6 ||
            field["worst", row, "least"] < field["worst", row, "bound"] - 2e-6))
            return "**no**"
    return "yes"
}

# Times of table 1. What the paper says of a scheme is "-" of those it has not.
function paper(column, model, scheme) {
    return ("paper", model ":" scheme, column) in at ? at["paper", model ":" scheme, column] : "-"
}

function reduction(file, column, model, scheme, one, base) {
    if (!((file, model ":" scheme, column) in at))
        return "-"
    one = at[file, model ":" scheme, column]
    base = value(file ":" column ":" model ":polynomial")
    return sprintf("%.0f %%", 100 * (1 - one / base))
}

function waited(model, scheme, key) {
    key = model ":" scheme
    return ("table1", key, "waited") in at ? \
        sprintf("%.0f %%", 100 * at["table1", key, "waited"] / at["table1", key, "rounds"]) : "-"
}

function table1(model, row, text, scheme) {
    if (!("table1" in rows))
        return "(not run)"
    text = "| scheme | parameters | R, s | simulated, s | less than polynomial | simulated | the paper | load | rounds for a job | that waited | encode, s | decode, s | the paper: R | encode | decode |\n"
    text = text "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |"
    for (row = 1; row <= rows["table1"]; row++) {
        if (field["table1", row, "model"] != model)
            continue
        scheme = field["table1", row, "scheme"]
        text = text "\n| " scheme " | " field["table1", row, "settings"] " | " \
            sprintf("%.4f | %.4f", field["table1", row, "R"], field["table1", row, "predicted"] * ENVIRON["unit"]) \
            " | " reduction("table1", "R", model, scheme) " | " reduction("table1", "predicted", model, scheme) \
            " | " reduction("paper", "R", model, scheme) " | " \
            sprintf("%.3f", field["table1", row, "load"] / field["table1", row, "need"]) " | " \
            sprintf("%.2f | ", field["table1", row, "rounds"] / field["table1", row, "products"]) \
            sprintf("%.0f %%", 100 * field["table1", row, "waited"] / field["table1", row, "rounds"]) \
            sprintf(" | %.4f | %.4f | ", field["table1", row, "encode"], field["table1", row, "decode"]) \
            paper("R", model, scheme) " | " paper("encode", model, scheme) " | " paper("decode", model, scheme) " |"
    }
    return text
}

# The tests of the last iteration: of each scheme the five networks, and when it was there.
function curves(model, row, last, text, scheme, schemes, s, n, at_end, time) {
    for (row = 1; row <= rows["curves"]; row++)
        if (field["curves", row, "model"] == model && field["curves", row, "iteration"] + 0 > last)
            last = field["curves", row, "iteration"] + 0
    for (row = 1; row <= rows["curves"]; row++) {
        if (field["curves", row, "model"] != model || field["curves", row, "iteration"] + 0 != last)
            continue
        scheme = field["curves", row, "scheme"]
        if (!(scheme in time))
            schemes[++n] = scheme
        time[scheme] = field["curves", row, "seconds"]
        at_end[scheme] = at_end[scheme] sprintf(" | %.4f (%.1f %%)", field["curves", row, "test_loss"], \
            100 * field["curves", row, "accuracy"])
    }
    text = "| scheme | s for " last " iterations | rate 0.1 | 0.15 | 0.2 | 0.25 | 0.3 |\n| --- | --- | --- | --- | --- | --- | --- |"
    for (s = 1; s <= n; s++)
        text = text "\n| " schemes[s] " | " sprintf("%.0f", time[schemes[s]]) at_end[schemes[s]] " |"
    return n ? text : "(not run)"
}

function mild_key(rate, slowdown, scheme) {
    return "mild:time:" rate ":" slowdown ":" scheme
}

# How long a task is of which so many are slow: between 0.6 s (8 %) and 1.8 s (0.5 %), on a line of
# logarithms.
function task_length(rate) {
    return rate < 0.005 || rate > 0.08 ? "" : sprintf("%.1f", 0.6 * exp(log(rate / 0.08) * log(3) / log(0.005 / 0.08)))
}

function least(rate, slowdown, only_alone, count, names, i, best) {
    count = split(only_alone ? "uncoded speculative polynomial" : \
        "uncoded uncoded_many speculative speculative_many polynomial polynomial_many idip dip", names, " ")
    for (i = 1; i <= count; i++)
        if (best == "" || value(mild_key(rate, slowdown, names[i])) < value(mild_key(rate, slowdown, best)) * 0.995)
            best = names[i]
    return best
}

function mild(slowdown, row, text, rate, names, count, i) {
    count = split("uncoded speculative polynomial idip dip uncoded_many speculative_many polynomial_many", names, " ")
    text = "| slow tasks | task, s | uncoded | speculative | polynomial | idip | dip | uncoded, many | speculative, many | polynomial, many | least, one job at a time | least |\n"
    text = text "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |"
    for (row = 1; row <= rows["mild"]; row++) {
        if (field["mild", row, "slowdown"] != slowdown || field["mild", row, "scheme"] != "uncoded")
            continue
        rate = field["mild", row, "rate"]
        text = text "\n| " 100 * rate " % | " task_length(rate) " |"
        for (i = 1; i <= count; i++)
            text = text sprintf(" %.2f |", value(mild_key(rate, slowdown, names[i])))
        text = text " " least(rate, slowdown, 1) " | " least(rate, slowdown, 0) " |"
    }
    return text
}

# An image, where what it shows was run.
function image(part, name, count, word, title, i) {
    if (!(part in rows))
        return "(not run)"
    for (i = 4; i <= count; i++)
        title = title (i > 4 ? " " : "") word[i]
    return "![" title "](" name ")"
}

function expand(text, word, count, i) {
    count = split(text, word, " ")
    if (word[1] == "met")
        return met(word[2])
    if (word[1] == "farthest")
        return farthest(word[2])
    if (word[1] == "below")
        return below(word[2], word[3], word[4])
    if (word[1] == "above_at")
        return above_at(word[2], word[3], word[4])
    if (word[1] == "same_load")
        return same_load(word[2], word[3])
    if (word[1] == "worse_from")
        return worse_from(word[2], word[3])
    if (word[1] == "less")
        return less(word[2], word[3])
    if (word[1] == "figure")
        return figure(word[2])
    if (word[1] == "worst")
        return worst(word[2])
    if (word[1] == "waited")
        return waited(word[2], word[3])
    if (word[1] == "image")
        return image(word[2], word[3], count, word)
    if (word[1] == "table1")
        return table1(word[2])
    if (word[1] == "curves")
        return curves(word[2])
    if (word[1] == "reduction")
        return reduction(word[2], word[3], word[4], word[5])
    if (word[1] == "mild")
        return mild(word[2])
    if (word[1] == "least")
        return least(word[2], word[3], word[4])
    if (word[1] == "inner")
        return inner(word[2])
    if (word[1] == "worst_holds")
        return worst_holds()
    if (word[1] == "var" && word[2] in ENVIRON)
        return ENVIRON[word[2]]
    if (count == 1)
        return show(value(word[1]))
    for (i = 2; i < count; i++)
        if (word[i] ~ /^[<>]=?$/)
            return compare(word, count, i)
    return show(term(word, 1, count))
}

FNR == 1 {
    file = FILENAME
    sub(/.*\//, "", file)
    is_data = sub(/\.csv$/, "", file)
}
is_data && FNR == 1 {
    split($0, names, ",")
    rows[file] = 0
    next
}
is_data {
    count = split($0, cell, ",")
    row = ++rows[file]
    key = keys[file] ? cell[1] : row
    for (i = 2; i <= keys[file]; i++)
        key = key ":" cell[i]
    for (i = 1; i <= count; i++) {
        at[file, key, names[i]] = cell[i]
        field[file, row, names[i]] = cell[i]
    }
    if (file == "fig1" && !(cell[2] in seen)) {
        seen[cell[2]] = 1
        delta_at[++deltas] = cell[2]
    }
    next
}
{
    print fill_in($0)
}
