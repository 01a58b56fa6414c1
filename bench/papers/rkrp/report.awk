# RESULTS.md from its template and the CSV files: every number of the text is looked up, so that text
# and files cannot disagree. What is not there is an error.
#
#   KEY=VALUE awk -f ../words.awk -f report.awk fig1_10.csv ... RESULTS.in.md
#
# A VALUE is COLUMN:FIGURE:X:CODE:DECODER, as mean:fig1_10:9:orthopoly:paper, or a number.
#   {{VALUE}}                        the value
#   {{VALUE / VALUE}}                a ratio, as a power of ten from 10^3
#   {{VALUE [/ VALUE] OP VALUE [/ VALUE]}}   yes or **no**; OP is < <= > >=
#   {{table COLUMN FIGURE DECODER}}  one row for each x
#   {{order COLUMN FIGURE}}          for how many x systematic <= non-systematic < OrthoPoly < Polynomial
#   {{order_fails COLUMN FIGURE}}    where it does not hold
#   {{from COLUMN FIGURE CODE CODE}} from which x on the first code's column is above the second's
#   {{sum COLUMN FIGURE CODE DECODER}}
#   {{var KEY}}                      from the environment

function lookup(name, figure, x, code, decoder) {
    if (!((figure, x, code, decoder, name) in at))
        fail("there is no " name " of " figure " x=" x " " code " " decoder)
    return at[figure, x, code, decoder, name]
}

function value(text, part) {
    if (text ~ /^[0-9.e+-]+$/)
        return text + 0
    if (split(text, part, ":") != 5)
        fail("'" text "' is no value")
    return lookup(part[1], part[2], part[3], part[4], part[5])
}

function show(number) {
    if (number == "nan")
        return "-"
    if (number ~ /e[+-]/)
        return sprintf("%.1e", number)
    return number ~ /\./ ? sprintf("%.1f", number) : number
}

function show_ratio(ratio) {
    if (ratio >= 1000 || ratio <= 0.001)
        return sprintf("10^%.1f", log(ratio) / log(10))
    return ratio >= 10 ? sprintf("%.0f", ratio) : sprintf("%.1f", ratio)
}

# Words first..last as VALUE or VALUE / VALUE.
function term(word, first, last) {
    if (last == first)
        return value(word[first]) + 0
    if (last != first + 2 || word[first + 1] != "/")
        fail("what is '" word[first] " " word[first + 1] "'?")
    return value(word[first]) / value(word[last])
}

function in_order(column, figure, x, p, o, n, s) {
    p = lookup(column, figure, x, "polynomial", "paper") + 0
    o = lookup(column, figure, x, "orthopoly", "paper") + 0
    n = lookup(column, figure, x, "rkrp", "paper") + 0
    s = lookup(column, figure, x, "rkrp_systematic", "paper") + 0
    return s <= n && n < o && o < p
}

function order(column, figure, i, good) {
    for (i = 1; i <= xs[figure]; i++)
        good += in_order(column, figure, x_at[figure, i])
    return good + 0 " of " xs[figure]
}

function order_fails(column, figure, i, list) {
    for (i = 1; i <= xs[figure]; i++)
        if (!in_order(column, figure, x_at[figure, i]))
            list = list (list == "" ? "" : ", ") x_at[figure, i]
    return list == "" ? "-" : list
}

function from(column, figure, one, other, i) {
    for (i = xs[figure]; i > 0; i--)
        if (lookup(column, figure, x_at[figure, i], one, "paper") + 0 <= \
            lookup(column, figure, x_at[figure, i], other, "paper") + 0)
            break
    return i == xs[figure] ? "nowhere" : x_at[figure, i + 1]
}

function sum(column, figure, code, decoder, i, total) {
    for (i = 1; i <= xs[figure]; i++)
        total += lookup(column, figure, x_at[figure, i], code, decoder)
    return total
}

function table(column, figure, decoder, codes, count, c, i, x, text) {
    count = split("polynomial orthopoly rkrp rkrp_systematic rkrp_best rkrp_systematic_best", codes, " ")
    text = "| k | N | s |"
    for (c = 1; c <= count; c++)
        text = text " " codes[c] " |"
    text = text "\n| --- | --- | --- |"
    for (c = 1; c <= count; c++)
        text = text " --- |"
    for (i = 1; i <= xs[figure]; i++) {
        x = x_at[figure, i]
        text = text "\n| " lookup("k", figure, x, "rkrp", decoder) " | " \
            lookup("N", figure, x, "rkrp", decoder) " | " lookup("s", figure, x, "rkrp", decoder) " |"
        for (c = 1; c <= count; c++)
            text = text " " show(lookup(column, figure, x, codes[c], decoder)) " |"
    }
    return text
}

function expand(text, word, count, i) {
    count = split(text, word, " ")
    if (word[1] == "table")
        return table(word[2], word[3], word[4])
    if (word[1] == "order")
        return order(word[2], word[3])
    if (word[1] == "order_fails")
        return order_fails(word[2], word[3])
    if (word[1] == "from")
        return from(word[2], word[3], word[4], word[5])
    if (word[1] == "sum")
        return sum(word[2], word[3], word[4], word[5])
    if (word[1] == "var" && word[2] in ENVIRON)
        return ENVIRON[word[2]]
    if (count == 1)
        return show(value(word[1]))
    for (i = 2; i < count; i++)
        if (word[i] ~ /^[<>]=?$/)
            return compare(word, count, i)
    return show_ratio(term(word, 1, count))
}

FNR == 1 {
    figure = FILENAME
    sub(/.*\//, "", figure)
    is_data = sub(/\.csv$/, "", figure)
}
is_data && FNR == 1 {
    split($0, names, ",")
    next
}
is_data {
    count = split($0, field, ",")
    for (i = 1; i <= count; i++)
        at[figure, field[1], field[7], field[8], names[i]] = field[i]
    if (!((figure, field[1]) in seen)) {
        seen[figure, field[1]] = 1
        x_at[figure, ++xs[figure]] = field[1]
    }
    next
}
{
    print fill_in($0)
}
