# RESULTS.md from its template and the CSV files: every number of the text is looked up, so that text
# and files cannot disagree. What is not there is an error.
#
#   KEY=VALUE awk -f ../words.awk -f ../values.awk -f report.awk workers.csv sparse.csv ... RESULTS.in.md
#
# Beside the words of values.awk:
#   {{rows FILE START COLUMN...}}            a table's lines: those whose keys start so, - for all; "not run" where there are none
#   {{every FILE START COLUMN OP VALUE}}     does it hold for all such lines? VALUE: a number or a column
#   {{fails FILE START COLUMN OP VALUE}}     for how many it does not, "3 of 96"
#   {{same FILE START COLUMN COLUMN TOLERANCE}}
#   {{apart}}                                means with daemons over simulated ones
#   {{least FILE START COLUMN / COLUMN}}     the least ratio of two columns, and the largest
#   {{most FILE START COLUMN / COLUMN}}

function is_meant(file, start, i) {
    return start == "-" || index(line_key[file, i], start) == 1
}

function cell(file, i, column, key) {
    if (column ~ /^-?[0-9]/)
        return column + 0
    key = file ":" line_key[file, i] ":" column
    if (!(key in at))
        fail("there is no " key)
    return at[key]
}

function show_cell(text) {
    return text ~ /^-?[0-9.]+(e[+-]?[0-9]+)?$/ ? show(text + 0) : is_missing(text) ? "-" : text
}

function rows(word, count, i, c, text) {
    for (i = 1; i <= lines[word[2]]; i++) {
        if (!is_meant(word[2], word[3], i))
            continue
        text = text (text == "" ? "|" : "\n|")
        for (c = 4; c <= count; c++)
            text = text " " show_cell(cell(word[2], i, word[c])) " |"
    }
    return text == "" ? "not run" : text
}

# How many of the lines do not have it; checked[1]: of how many.
function count_fails(word, i, left, right, failing, op) {
    checked[1] = failing = 0
    op = word[5]
    for (i = 1; i <= lines[word[2]]; i++) {
        if (!is_meant(word[2], word[3], i))
            continue
        left = cell(word[2], i, word[4]) + 0
        right = cell(word[2], i, word[6]) + 0
        checked[1]++
        failing += !(op == "<=" && left <= right || op == "<" && left < right ||
            op == ">=" && left >= right || op == ">" && left > right || op == "=" && left == right)
    }
    if (checked[1] == 0)
        fail("no line of " word[2] " starts with " word[3])
    return failing
}

function ratio(word, largest, i, one, best, found) {
    for (i = 1; i <= lines[word[2]]; i++) {
        if (!is_meant(word[2], word[3], i))
            continue
        one = cell(word[2], i, word[4]) / cell(word[2], i, word[6])
        if (!found || (largest ? one > best : one < best))
            best = one
        found = 1
    }
    if (!found)
        fail("no line of " word[2] " starts with " word[3])
    return show(best)
}

# Means with daemons over simulated ones, from the least to the largest.
function apart(i, key, other, times, least, most) {
    for (i = 1; i <= lines["two_stage"]; i++) {
        if (!is_meant("two_stage", "real:", i))
            continue
        key = "two_stage:" line_key["two_stage", i] ":mean"
        other = key
        sub(/:real:/, ":simulated:", other)
        times = value(key) / value(other)
        least = least == "" || times < least ? times : least
        most = times > most ? times : most
    }
    return most == "" ? "not run" : show(least) " to " show(most) " times"
}

# Do two columns agree, relative to the second?
function are_same(word, i, left, right, same) {
    same = 1
    for (i = 1; i <= lines[word[2]]; i++) {
        left = cell(word[2], i, word[4])
        right = cell(word[2], i, word[5])
        if (is_meant(word[2], word[3], i) && (left - right) ^ 2 > (word[6] * right) ^ 2)
            same = 0
    }
    return same
}

function expand(text, word, count, failing) {
    count = split(text, word, " ")
    if (word[1] == "rows")
        return rows(word, count)
    if (word[1] == "every")
        return count_fails(word) == 0 ? "yes" : "**no**"
    if (word[1] == "fails") {
        failing = count_fails(word)
        return failing " of " checked[1]
    }
    if (word[1] == "apart")
        return apart()
    if (word[1] == "same")
        return are_same(word) ? "yes" : "**no**"
    if (word[1] == "least" || word[1] == "most")
        return ratio(word, word[1] == "most")
    return expand_value(word, count)
}

BEGIN {
    keys["forests"] = keys["asked"] = 1
    keys["sparse"] = keys["sketches"] = keys["coded"] = keys["theorem3"] = 2
    keys["workers"] = 3
    keys["liars_real"] = 2
    keys["circle"] = keys["complex"] = keys["liars"] = 4
    keys["theorem2"] = keys["two_stage"] = 5
}
