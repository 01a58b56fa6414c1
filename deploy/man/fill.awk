# A page in scdoc with @-lines, which are answered from what the programs say of themselves:
#     awk -v programs=DIR -f fill.awk PAGE.scd.in
# where DIR has a file for each program or command, what its --describe printed (see
# common/base/options.h), named kofn-master or kofn.multiply.
#
#     @options NAME [HEADING]   its options; only those under HEADING
#     @keys NAME                the keys of its configuration
#     @commands                 each command of kofn: usage, what it does, its own options
#     @version VERSION          (in the page's first line) replaced by -v version

function escape(text) {
    gsub(/[\\*_`]/, "\\\\&", text)
    return text
}

function print_option(letter, name, argument, need, help,    head, value) {
    value = argument == "" ? "" : (need == "optional" ? "[=_" escape(argument) "_]" : "=_" escape(argument) "_")
    head = letter == "" ? "" : "*-" letter "*" (name == "" ? "" : ", ")
    if (name != "")
        head = head "*--" name "*" value
    printf "%s\n\t%s.\n\n", head, escape(help)
}

# Options that many commands share stand in one place of the page.
function is_shared(heading) {
    return heading == "Connection and output:" || heading == "Output:"
}

function print_options(name, wanted, without_shared,    line, f, heading, file) {
    heading = ""
    file = programs "/" name
    while ((getline line < file) > 0) {
        split(line, f, "\t")
        if (f[1] == "group") {
            heading = f[2]
            if (wanted == "" && !(without_shared && is_shared(heading)))
                printf "%s\n\n", escape(heading)
        }
        if (f[1] == "option" && (wanted == "" || heading == wanted) && !(without_shared && is_shared(heading)))
            print_option(f[2], f[3], f[4], f[5], f[6])
    }
    close(file)
}

function print_keys(name,    line, f, file) {
    file = programs "/" name
    while ((getline line < file) > 0) {
        split(line, f, "\t")
        if (f[1] == "key")
            printf "*%s*: %s%s, default %s\n\t%s.\n\n", escape(f[2]), f[3],
                f[4] == "" ? "" : ", " escape(f[4]), f[5] == "" ? "empty" : "_" escape(f[5]) "_", escape(f[6])
    }
    close(file)
}

# A full stop, where the text has none.
function sentence(text) {
    return escape(text) (text ~ /[.!?]$/ ? "" : ".")
}

function print_command(name,    line, f, file, more) {
    file = programs "/kofn." name
    while ((getline line < file) > 0) {
        split(line, f, "\t")
        if (f[1] == "usage")
            printf "## kofn %s\n\n*kofn %s* [_OPTION_...] %s\n\n", name, name, escape(f[2])
        if (f[1] == "about")
            printf "%s\n\n", sentence(f[2])
        if (f[1] == "more")
            printf "%s\n\n", sentence(f[2])
    }
    close(file)
    print_options("kofn." name, "", 1)
}

function print_commands(    line, f, file) {
    file = programs "/kofn"
    while ((getline line < file) > 0) {
        split(line, f, "\t")
        if (f[1] == "command")
            print_command(f[2])
    }
    close(file)
}

/^@options / {
    heading = $0
    sub(/^@options [^ ]+ ?/, "", heading)
    print_options($2, heading, 0)
    next
}
/^@keys / { print_keys($2); next }
/^@commands$/ { print_commands(); next }
{ gsub(/@version@/, version); print }
