/* What programs tell the build of their options and keys. */
#include "common/base/options.h"

#include "tests/assert.h"

#include <stdlib.h>
#include <string.h>

static const struct argp_option child_options[] = {
    {"json", 0x100, NULL, 0, "Print JSON", 90},
    {"quiet", 'q', NULL, 0, "Say nothing", 90},
    {0},
};
static const struct argp child_argp = {.options = child_options};
static const struct argp_child children[] = {{&child_argp, 0, "Output:", 80}, {0}};

static char *
describe(const struct argp *argp)
{
    char *text = NULL;
    size_t length;
    FILE *out = open_memstream(&text, &length);
    assert_non_null(out);
    kofn_options_describe(argp, out);
    assert_int_equal(fclose(out), 0);
    return text;
}

static void
assert_described(const struct argp *argp, const char *wanted)
{
    char *text = describe(argp);
    assert_string_equal(text, wanted);
    free(text);
}

static void
an_option_has_letter_name_argument_and_need(void **state)
{
    (void)state;
    const struct argp_option options[] = {
        {"output", 'o', "FILE", 0, "Where to", 0},
        {"local", 0x100, "P", OPTION_ARG_OPTIONAL, "Here", 0},
        {"plain", 0x101, NULL, 0, NULL, 0},
        {NULL, 'x', NULL, 0, "Letter alone", 0},
        {0},
    };
    assert_described(&(struct argp){.options = options},
                     "usage\t\n"
                     "option\to\toutput\tFILE\trequired\tWhere to\n"
                     "option\t\tlocal\tP\toptional\tHere\n"
                     "option\t\tplain\t\tnone\t\n"
                     "option\tx\t\t\tnone\tLetter alone\n");
}

static void
groups_come_in_the_order_of_their_numbers_below_their_headings(void **state)
{
    (void)state;
    const struct argp_option options[] = {
        {NULL, 0, NULL, 0, "Second:", 20},
        {"late", 0x100, NULL, 0, "b", 20},
        {"early", 0x101, NULL, 0, "a", 10},
        {"too", 0x102, NULL, 0, "c", 0}, // 10, as before it
        {0},
    };
    assert_described(&(struct argp){.options = options}, "usage\t\n"
                                                         "option\t\tearly\t\tnone\ta\n"
                                                         "option\t\ttoo\t\tnone\tc\n"
                                                         "group\tSecond:\n"
                                                         "option\t\tlate\t\tnone\tb\n");
}

static void
children_come_last_below_their_header(void **state)
{
    (void)state;
    const struct argp_option options[] = {{"all", 'a', NULL, 0, "All", 1}, {0}};
    const struct argp argp = {.options = options, .children = children, .args_doc = "FILE"};
    assert_described(&argp, "usage\tFILE\n"
                            "option\ta\tall\t\tnone\tAll\n"
                            "group\tOutput:\n"
                            "option\t\tjson\t\tnone\tPrint JSON\n"
                            "option\tq\tquiet\t\tnone\tSay nothing\n");
}

static void
a_doc_is_parted_at_its_vertical_tab(void **state)
{
    (void)state;
    assert_described(&(struct argp){.doc = "Before.\vBehind."},
                     "usage\t\nabout\tBefore.\nmore\tBehind.\n");
    assert_described(&(struct argp){.doc = "Before.\v"}, "usage\t\nabout\tBefore.\n");
    assert_described(&(struct argp){.doc = "Before."}, "usage\t\nabout\tBefore.\n");
}

static void
tabs_line_ends_and_hidden_options_do_not_break_the_form(void **state)
{
    (void)state;
    const struct argp_option options[] = {
        {"secret", 0x100, NULL, OPTION_HIDDEN, "Hidden", 0},
        {"open", 0x101, NULL, 0, "One\tor\ntwo", 0},
        {0},
    };
    assert_described(&(struct argp){.options = options, .doc = "A\nb."},
                     "usage\t\nabout\tA b.\noption\t\topen\t\tnone\tOne or two\n");
}

static void
keys_have_type_bounds_and_default(void **state)
{
    (void)state;
    const kofn_key keys[] = {
        {.name = "threads", .type = KOFN_KEY_INT, .min = 1, .max = 8, .fallback = "2", .help = "T"},
        {.name = "name", .type = KOFN_KEY_BOOL, .help = "N"},
    };
    char *text = NULL;
    size_t length;
    FILE *out = open_memstream(&text, &length);
    assert_non_null(out);
    kofn_options_describe_keys("blas.", (kofn_keys){keys, 2}, out);
    assert_int_equal(fclose(out), 0);
    assert_string_equal(text, "key\tblas.threads\tinteger\t1 to 8\t2\tT\n"
                              "key\tblas.name\tboolean\t\t\tN\n");
    free(text);
}

static void
only_describe_alone_asks(void **state)
{
    (void)state;
    char *alone[] = {"kofn", "--describe", NULL}, *more[] = {"kofn", "--describe", "x", NULL};
    assert_true(kofn_options_wanted(2, alone));
    assert_false(kofn_options_wanted(3, more));
    assert_false(kofn_options_wanted(1, alone));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_option_has_letter_name_argument_and_need),
        cmocka_unit_test(groups_come_in_the_order_of_their_numbers_below_their_headings),
        cmocka_unit_test(children_come_last_below_their_header),
        cmocka_unit_test(a_doc_is_parted_at_its_vertical_tab),
        cmocka_unit_test(tabs_line_ends_and_hidden_options_do_not_break_the_form),
        cmocka_unit_test(keys_have_type_bounds_and_default),
        cmocka_unit_test(only_describe_alone_asks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
