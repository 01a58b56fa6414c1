# RESULTS.md from its template and the CSV files: every number of the text is looked up, so that text
# and files cannot disagree. What is not there is an error.
#
#   KEY=VALUE awk -f ../words.awk -f ../values.awk -f report.awk counts.csv decode.csv ... RESULTS.in.md
#
# Beside the words of values.awk:
#   {{ahead SETTING EPSILON}}      for which p entangled polynomials need fewer workers
#   {{table NAME ...}}             see the functions

# Spans of p, of those in the file.
function ahead(setting, epsilon, i, key, less, before, first, text) {
    for (i = 0; ("recover:" setting ":" epsilon ":" i ":p") in at; i++) {
        key = "recover:" setting ":" epsilon ":" i ":"
        less = at[key "entangled"] + 0 < at[key "alloy"] + 0
        if (less && !before)
            first = at[key "p"]
        if (!less && before)
            text = text (text == "" ? "" : ", ") show(first) " to " show(last_p)
        before = less
        last_p = at[key "p"]
    }
    if (before)
        text = text (text == "" ? "" : ", ") show(first) " to " show(last_p)
    return text == "" ? "none" : text
}

# ---- tables

# Exact where that is known.
function best_known(key) {
    return is_missing(at[key "exact"]) ? at[key "measured"] : at[key "exact"]
}

function table_decode(shape, q, count, i, key, text) {
    count = split("2 3 4 5 16 256 65537", q, " ")
    text = "| q | non-zero vectors | eq. (5), (7) | uniform | the theorem |\n| --- | --- | --- | --- | --- |"
    for (i = 1; i <= count; i++) {
        key = "decode:" shape ":" q[i] ":"
        text = text "\n| " q[i] " | " sprintf("%.6f", best_known(key "nonzero:0:")) " | " \
            sprintf("%.6f", best_known(key "product:0:")) " | " \
            sprintf("%.6f", best_known(key "uniform:0:")) " | " \
            sprintf("%.6f", value(key "product:0:theorem")) " |"
    }
    return text
}

# The share of sets that do not decode, by rows beyond the columns.
function table_more(shape, draw, q, count, i, m, n, more, text) {
    count = split("2 3 4 5 16 256 65537", q, " ")
    m = split("0 1 2 3 4 8", more, " ")
    text = "| q | " value("decode:" shape ":2:" draw ":0:rows") " rows |"
    for (i = 2; i <= m; i++)
        text = text " " more[i] " more |"
    text = text "\n| --- |"
    for (i = 1; i <= m; i++)
        text = text " --- |"
    for (i = 1; i <= count; i++) {
        text = text "\n| " q[i] " |"
        for (n = 1; n <= m; n++)
            text = text " " show(value("decode:" shape ":" q[i] ":" draw ":" more[n] ":miss") + 0) " |"
    }
    return text
}

function table_counts(q, k, text) {
    text = "| q | k = 1: pairs, the paper | k = 2 | k = 3 | k = 4 |\n| --- | --- | --- | --- | --- |"
    for (q = 2; q <= 5; q++) {
        text = text "\n| " q " |"
        for (k = 1; k <= 4; k++)
            text = text " " sprintf("%.0f, %.0f", value("counts:" q ":" k ":pairs"), \
                value("counts:" q ":" k ":theorem")) " |"
    }
    return text
}

function table_coefs(order, q, d, count, i, j, key, text) {
    count = split("2 3 5 16 256 65537", q, " ")
    split("product uniform nonzero", d, " ")
    text = "| q | draw | P(product = 0) q | P(two with a factor in common are 0) q^2 | largest over smallest probability of a row |\n| --- | --- | --- | --- | --- |"
    for (i = 1; i <= count; i++)
        for (j = 1; j <= 3; j++) {
            key = "coefs:" order ":" q[i] ":" d[j] ":"
            text = text "\n| " q[i] " | " d[j] " | " show(value(key "zero") * q[i]) " | " \
                show(value(key "both_zero") * q[i] * q[i]) " | " show(value(key "spread") + 0) " |"
        }
    return text
}

function table_theorem4(i, key, text) {
    text = "| parts | field | code | sets | decode | give the product, bit by bit |\n| --- | --- | --- | --- | --- | --- |"
    for (i = 1; i <= lines["theorem4"]; i++) {
        key = "theorem4:" line_key["theorem4", i] ":"
        text = text "\n| " at[key "cut"] " | " at[key "field"] " | " at[key "family"] " | " at[key "sets"] " | " \
            at[key "decoded"] " | " at[key "equal"] " |"
    }
    return text
}

function table_needed(setting, first, last, m, text, key) {
    text = "| answers | any field large enough | gf256 | measured | gfp:65537 | measured | entangled polynomial | replicated |\n| --- | --- | --- | --- | --- | --- | --- | --- |"
    for (m = first; m <= last; m++) {
        key = "needed:" setting ":"
        text = text "\n| " m " | " show(value(key "alloy:" m ":share") + 0) " | " \
            show(value(key "alloy_gf256:" m ":share") + 0) " | " \
            show(value(key "alloy_gf256:" m ":measured") + 0) " | " \
            show(value(key "alloy_gfp65537:" m ":share") + 0) " | " \
            show(value(key "alloy_gfp65537:" m ":measured") + 0) " | " \
            show(value(key "entangled:" m ":share") + 0) " | " \
            show(value(key "replicated:" m ":share") + 0) " |"
    }
    return text
}

function crossing(key) {
    if (is_missing(at[key]))
        return "never"
    return at[key] + 0 == 1 ? "all p" : "p < " show(at[key] + 0)
}

function table_crossing(setting, each, key, text) {
    text = "| tasks a product | tasks | ahead, any field large enough | failing there | ahead, gf256 | alloy fails at p = 0, gf256 | gfp:65537 |\n| --- | --- | --- | --- | --- | --- | --- |"
    for (each = 5; each <= 10; each++) {
        key = "crossing:" setting ":" each ":"
        text = text "\n| " each " | " value(key "alloy:tasks") " | " crossing(key "alloy:crossing") \
            " | " show(at[key "alloy:failure"]) " | " crossing(key "alloy_gf256:crossing") " | " \
            show(at[key "alloy_gf256:floor"] + 0) " | " show(at[key "alloy_gfp65537:floor"] + 0) " |"
    }
    return text
}

function table_recover(setting, epsilon, i, key, text) {
    text = "| p | local alloy, any field large enough | gf256 | entangled polynomial | replicated |\n| --- | --- | --- | --- | --- |"
    for (i = 0; ("recover:" setting ":" epsilon ":" i ":p") in at; i += 3) {
        key = "recover:" setting ":" epsilon ":" i ":"
        text = text "\n| " show(at[key "p"] + 0) " | " at[key "alloy"] " | " at[key "alloy_gf256"] \
            " | " at[key "entangled"] " | " at[key "replicated"] " |"
    }
    return text
}

function table_rate(p, count, i, side, key, text) {
    count = split("0.01 0.1 0.3 0.5 0.7", p, " ")
    text = "| strips a product |"
    for (i = 1; i <= count; i++)
        text = text " p = " p[i] " |"
    text = text "\n| --- |"
    for (i = 1; i <= count; i++)
        text = text " --- |"
    for (side = 2; side <= 64; side *= 2) {
        text = text "\n| " side * side " |"
        for (i = 1; i <= count; i++) {
            key = "rate:" p[i] ":" side * side ":"
            text = text " " show(value(key "ratio") + 0) ", " show(value(key "entangled_ratio") + 0) " |"
        }
    }
    text = text "\n| 1 / (1 - p) |"
    for (i = 1; i <= count; i++)
        text = text " " show(value("rate:" p[i] ":4:limit") + 0) " |"
    return text
}

function table_lift(k, i, key, text) {
    text = "| rows | sets that do not decode | median | 90 % | 99 % |\n| --- | --- | --- | --- | --- |"
    for (i = 1; i <= lines["lift"]; i++) {
        key = "lift:" line_key["lift", i] ":"
        if (at[key "k"] + 0 == k)
            text = text "\n| " at[key "code"] " | " show(at[key "singular"] + 0) " | " \
                show(at[key "median"]) " | " show(at[key "q90"]) " | " show(at[key "q99"]) " |"
    }
    return text
}

function table(word) {
    if (word[2] == "decode")
        return table_decode(word[3])
    if (word[2] == "more")
        return table_more(word[3], word[4])
    if (word[2] == "counts")
        return table_counts()
    if (word[2] == "coefs")
        return table_coefs(word[3])
    if (word[2] == "theorem4")
        return table_theorem4()
    if (word[2] == "needed")
        return table_needed(word[3], word[4] + 0, word[5] + 0)
    if (word[2] == "crossing")
        return table_crossing(word[3])
    if (word[2] == "recover")
        return table_recover(word[3], word[4])
    if (word[2] == "rate")
        return table_rate()
    if (word[2] == "lift")
        return table_lift(word[3] + 0)
    fail("there is no table '" word[2] "'")
}

function expand(text, word, count) {
    count = split(text, word, " ")
    if (word[1] == "table")
        return table(word)
    if (word[1] == "ahead")
        return ahead(word[2], word[3])
    return expand_value(word, count)
}

BEGIN {
    keys["counts"] = keys["rate"] = keys["lift"] = 2
    keys["coefs"] = keys["theorem4"] = keys["needed"] = keys["crossing"] = keys["recover"] = 3
    keys["decode"] = keys["failure"] = 4
}
