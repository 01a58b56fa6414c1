# What report.awk of alloy/ and compression/ have in common: files as tables, and words that look numbers up.
#
#   KEY=VALUE awk -f words.awk -f values.awk -f alloy/report.awk FILE.csv ... RESULTS.in.md
#
# A VALUE is a number or FILE:KEYS:COLUMN, as decode:2x2:16:nonzero:0:exact; a file's first columns are
# its keys, as many as `keys` of report.awk says.
#   {{VALUE [OP VALUE]...}}        OP is + - * / from left to right; < <= > >= say yes or **no**
#   {{percent VALUE [OP VALUE]...}}
#   {{worst FILE COLUMN [START]}}  the largest size of a column, of lines whose keys start so
#   {{near VALUE VALUE TOLERANCE}} do they differ by no more?
#   {{within NUMBER FILE COLUMN [START]}}   is that no larger than so?
#   {{count FILE COLUMN [START]}}  how many numbers the column has
#   {{var KEY}}                    from the environment

# "-" of a file without lines: that was not run.
function value(text, part) {
    if (text ~ /^-?[0-9.]+(e[+-]?[0-9]+)?$/)
        return text + 0
    if (text in at)
        return at[text]
    split(text, part, ":")
    if (!(part[1] in keys) || lines[part[1]] > 0)
        fail("there is no " text)
    return "-"
}

function is_missing(number) {
    return number == "nan" || number == "-nan" || number == "-"
}

function show(number) {
    if (is_missing(number))
        return "-"
    if (number == "inf")
        return "inf"
    if (number == int(number) && number < 1e15)
        return sprintf("%d", number)
    if (number < 0.001 && number > -0.001 || number >= 100000)
        return sprintf("%.1e", number)
    if (number >= 1000)
        return sprintf("%.0f", number)
    if (number >= 10)
        return sprintf("%.4g", number)
    return number > 0.9995 && number < 1 ? sprintf("%.6g", number) : sprintf("%.3g", number)
}

# Words first..last: VALUE OP VALUE ...
function term(word, first, last, i, result, other) {
    result = value(word[first])
    for (i = first + 1; i < last; i += 2) {
        other = value(word[i + 1])
        if (word[i] == "+")
            result += other
        else if (word[i] == "-")
            result -= other
        else if (word[i] == "*")
            result *= other
        else if (word[i] == "/")
            result /= other
        else
            fail("what is '" word[i] "'?")
    }
    return result
}

function worst(file, column, start, i, number, most) {
    for (i = 1; i <= lines[file]; i++) {
        number = at[file ":" line_key[file, i] ":" column]
        if (index(line_key[file, i], start) != 1 || is_missing(number))
            continue
        number = number < 0 ? -number : number + 0
        if (number > most)
            most = number
    }
    return most
}

function count_numbers(file, column, start, i, found) {
    for (i = 1; i <= lines[file]; i++)
        found += index(line_key[file, i], start) == 1 &&
            !is_missing(at[file ":" line_key[file, i] ":" column])
    return found + 0
}

# What every report may say: what the words above are worth.
function expand_value(word, count, i) {
    if (word[1] == "worst")
        return show(worst(word[2], word[3], count > 3 ? word[4] : "") + 0)
    if (word[1] == "near")
        return near(word[2], word[3], word[4] + 0)
    if (word[1] == "within")
        return worst(word[3], word[4], count > 4 ? word[5] : "") <= word[2] ? "yes" : "**no**"
    if (word[1] == "count")
        return count_numbers(word[2], word[3], count > 3 ? word[4] : "")
    if (word[1] == "percent")
        return sprintf("%.1f", 100 * term(word, 2, count))
    if (word[1] == "var" && word[2] in ENVIRON)
        return ENVIRON[word[2]]
    for (i = 2; i < count; i++)
        if (word[i] ~ /^[<>]=?$/)
            return compare(word, count, i)
    return show(term(word, 1, count))
}

FNR == 1 {
    file = FILENAME
    sub(/.*\//, "", file)
    is_data = sub(/\.csv$/, "", file)
    if (is_data && !(file in keys))
        fail("what is " FILENAME "?")
}
is_data && FNR == 1 {
    split($0, names, ",")
    next
}
is_data {
    count = split($0, field, ",")
    key = field[1]
    for (i = 2; i <= keys[file]; i++)
        key = key ":" field[i]
    for (i = 1; i <= count; i++)
        at[file ":" key ":" names[i]] = field[i]
    line_key[file, ++lines[file]] = key
    next
}
{
    print fill_in($0)
}
