#include "common/base/options.h"

#include <limits.h>
#include <stdarg.h>
#include <string.h>

bool
kofn_options_wanted(int argc, char **argv)
{
    return argc == 2 && strcmp(argv[1], "--describe") == 0;
}

static void
print_field(FILE *out, const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++)
        (void)putc(text[i] == '\t' || text[i] == '\n' ? ' ' : text[i], out);
}

void
kofn_options_print(FILE *out, const char *kind, ...)
{
    va_list fields;
    (void)fputs(kind, out); // whoever gives the stream asks it for errors, once, at the end
    va_start(fields, kind);
    for (const char *field; (field = va_arg(fields, const char *));) {
        (void)putc('\t', out);
        print_field(out, field, strlen(field));
    }
    va_end(fields);
    (void)putc('\n', out);
}

/* argp's doc is two texts: in front of the options and, after a vertical tab, behind them. */
static void
print_doc(FILE *out, const char *doc)
{
    const size_t about = strcspn(doc, "\v");
    (void)fputs("about\t", out);
    print_field(out, doc, about);
    (void)putc('\n', out);
    if (doc[about] && doc[about + 1])
        kofn_options_print(out, "more", doc + about + 1, NULL);
}

static void
print_option(FILE *out, const struct argp_option *option)
{
    const bool is_letter = option->key > ' ' && option->key < 0x7f;
    const char letter[2] = {is_letter ? (char)option->key : '\0', '\0'};
    const char *need = !option->arg                            ? "none"
                       : (option->flags & OPTION_ARG_OPTIONAL) ? "optional"
                                                               : "required";
    kofn_options_print(out, "option", letter, option->name ? option->name : "",
                       option->arg ? option->arg : "", need, option->doc ? option->doc : "", NULL);
}

static bool
is_end(const struct argp_option *option)
{
    return !option->name && !option->key && !option->doc;
}

/* argp's rule: an option without a number belongs to the group of the one before it, a heading
 * without one begins the next. */
static int
group_of(const struct argp_option *option, int before)
{
    if (option->group)
        return option->group;
    return option->name || option->key ? before : before + 1;
}

/* Prints one group; returns the number of the next, INT_MAX behind the last. */
static int
print_group(FILE *out, const struct argp_option *options, int wanted)
{
    int group = 0, next = INT_MAX;
    for (const struct argp_option *o = options; !is_end(o); o++) {
        group = group_of(o, group);
        if (group > wanted && group < next)
            next = group;
        if (group != wanted || (o->flags & OPTION_HIDDEN))
            continue;
        if (o->name || o->key)
            print_option(out, o);
        else
            kofn_options_print(out, "group", o->doc, NULL);
    }
    return next;
}

static void
print_options(FILE *out, const struct argp *argp)
{
    for (int group = 0; argp->options && group != INT_MAX;)
        group = print_group(out, argp->options, group);
    for (const struct argp_child *child = argp->children; child && child->argp; child++) {
        if (child->header)
            kofn_options_print(out, "group", child->header, NULL);
        print_options(out, child->argp);
    }
}

void
kofn_options_describe(const struct argp *argp, FILE *out)
{
    kofn_options_print(out, "usage", argp->args_doc ? argp->args_doc : "", NULL);
    if (argp->doc)
        print_doc(out, argp->doc);
    print_options(out, argp);
}

void
kofn_options_describe_keys(const char *prefix, kofn_keys keys, FILE *out)
{
    for (size_t i = 0; i < keys.count; i++) {
        const kofn_key *key = &keys.at[i];
        char name[128], bounds[128];
        (void)snprintf(name, sizeof name, "%s%s", prefix, key->name);
        kofn_key_format_bounds(key, bounds, sizeof bounds);
        kofn_options_print(out, "key", name, kofn_key_type_name(key->type), bounds,
                           key->fallback ? key->fallback : "", key->help, NULL);
    }
}
