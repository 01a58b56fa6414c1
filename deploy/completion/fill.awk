# The completion script, its tables filled from what the programs say of themselves:
#     awk -v programs=DIR -f fill.awk kofn.bash.in
# with DIR as for deploy/man/fill.awk.

function read_program(name, label,    line, f, file, options) {
    file = programs "/" name
    while ((getline line < file) > 0) {
        split(line, f, "\t")
        if (f[1] == "command")
            commands[++command_count] = f[2]
        if (f[1] == "key") {
            keys[label] = keys[label] (keys[label] ? " " : "") f[2] "="
            if (f[3] == "choice")
                choices[label " " f[2]] = words_of(f[4])
            if (f[3] == "boolean")
                choices[label " " f[2]] = "yes no"
        }
        if (f[1] != "option")
            continue
        if (f[3] != "")
            options = options (options ? " " : "") "--" f[3] (f[5] == "required" ? "=" : "")
        if (f[4] != "" && f[3] != "")
            arguments["--" f[3]] = f[4]
        if (f[4] != "" && f[2] != "")
            arguments["-" f[2]] = f[4]
    }
    close(file)
    if (options)
        program_options[label] = options
}

# "error, warning or debug" as words.
function words_of(text) {
    gsub(/, | or /, " ", text)
    return text
}

function read_codes(    line, file) {
    file = programs "/codes"
    while ((getline line < file) > 0) {
        if (line ~ /^[a-z0-9_]+: /)
            codes = codes (codes ? " " : "") substr(line, 1, index(line, ":") - 1)
        if (line ~ /^--policy [a-z]+: /) {
            sub(/^--policy /, "", line)
            policies = policies (policies ? " " : "") substr(line, 1, index(line, ":") - 1)
        }
    }
    close(file)
}

function print_table(table,    label, sorted) {
    sorted = "sort"
    for (label in table)
        printf "    [%s]=\"%s\"\n", label, table[label] | sorted
    close(sorted)
}

function join_commands(    i, text) {
    for (i = 1; i <= command_count; i++)
        text = text (i > 1 ? " " : "") commands[i]
    return text
}

BEGIN {
    read_program("kofn", "kofn")
    read_program("kofn-master", "kofn-master")
    read_program("kofn-worker", "kofn-worker")
    for (i = 1; i <= command_count; i++)
        read_program("kofn." commands[i], "kofn " commands[i])
    read_codes()
}
$0 == "@options@" { fflush(); print_table(program_options); next }
$0 == "@arguments@" { fflush(); print_table(arguments); next }
$0 == "@keys@" { fflush(); print_table(keys); next }
$0 == "@choices@" { fflush(); print_table(choices); next }
{
    gsub(/@codes@/, codes)
    gsub(/@policies@/, policies)
    gsub(/@commands@/, join_commands())
    print
}
