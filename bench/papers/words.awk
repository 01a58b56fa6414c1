# What every report.awk here does with a template: words in {{ }} are looked up and replaced, by `expand`
# of the one that comes behind this file, where `term` and `value` say what a word is worth.
#
#   awk -f words.awk -f rkrp/report.awk FILE.csv ... RESULTS.in.md

function fail(text) {
    print "report.awk: " text >"/dev/stderr"
    failed = 1
    exit 1
}

# "-" is the value of what was not run.
function compare(word, count, op, left, right) {
    left = term(word, 1, op - 1)
    right = term(word, op + 1, count)
    if (left == "-" || right == "-")
        return "not run"
    return word[op] == "<" && left < right || word[op] == "<=" && left <= right ||
        word[op] == ">" && left > right || word[op] == ">=" && left >= right ? "yes" : "**no**"
}

function near(one, other, tolerance, distance) {
    if (value(one) == "-")
        return "not run"
    distance = value(one) - value(other)
    return (distance < 0 ? -distance : distance) <= tolerance ? "yes" : "**no**"
}

function fill_in(text, line) {
    while (match(text, /\{\{[^}]*\}\}/)) {
        line = line substr(text, 1, RSTART - 1) expand(substr(text, RSTART + 2, RLENGTH - 4))
        text = substr(text, RSTART + RLENGTH)
    }
    return line text
}

END {
    if (failed)
        exit 1
}
