/* Lists of products, from files and from programs that write them as they go on. */
#include "tests/assert.h"

#include "client/cli/pairs.h"
#include "common/base/rng.h"

#include <fcntl.h>
#include <unistd.h>

typedef struct pipe_fixture {
    cli_pairs pairs;
    int out;
} pipe_fixture;

static void
begin(pipe_fixture *f)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    memset(&f->pairs, 0, sizeof f->pairs);
    f->pairs.name = "list";
    f->pairs.file = ends[0];
    f->out = ends[1];
}

static void
say_bytes(pipe_fixture *f, const char *bytes, size_t length)
{
    assert_int_equal(write(f->out, bytes, length), (ssize_t)length);
}

static void
say(pipe_fixture *f, const char *text)
{
    say_bytes(f, text, strlen(text));
}

static void
hang_up(pipe_fixture *f)
{
    if (f->out >= 0)
        (void)close(f->out);
    f->out = -1;
}

static void
end(pipe_fixture *f)
{
    hang_up(f);
    cli_pairs_close(&f->pairs);
}

static void
assert_pair(pipe_fixture *f, size_t line, const char *a, const char *b, const char *c)
{
    kofn_error error;
    cli_pair pair;
    assert_ok(cli_pairs_next(&f->pairs, 10000, &pair, &error));
    assert_int_equal(pair.line, line);
    assert_string_equal(pair.a, a);
    assert_string_equal(pair.b, b);
    if (c)
        assert_string_equal(pair.c, c);
    else
        assert_null(pair.c);
}

static void
assert_bad(pipe_fixture *f, size_t line, const char *text)
{
    kofn_error error;
    cli_pair pair;
    assert_fails(cli_pairs_next(&f->pairs, 10000, &pair, &error), KOFN_INVALID_ARGUMENT);
    assert_int_equal(pair.line, line);
    if (!strstr(error.text, text))
        fail_msg("'%s' is not in: %s", text, error.text);
}

static void
assert_end(pipe_fixture *f)
{
    kofn_error error;
    cli_pair pair;
    assert_ok(cli_pairs_next(&f->pairs, 10000, &pair, &error));
    assert_int_equal(pair.line, 0);
    assert_true(f->pairs.ended);
}

static void
lines_have_two_words_or_three(void **state)
{
    pipe_fixture f;
    (void)state;
    begin(&f);
    say(&f, "a.npy b.npy\n\n# talk\n  a2 \t b2\tc2.npy \r\n   # more talk\n@id b3 #c\n");
    hang_up(&f);
    assert_pair(&f, 1, "a.npy", "b.npy", NULL);
    assert_pair(&f, 4, "a2", "b2", "c2.npy");
    assert_pair(&f, 6, "@id", "b3", "#c");
    assert_end(&f);
    assert_end(&f);
    end(&f);
}

static void
a_last_line_without_its_end_is_one(void **state)
{
    pipe_fixture f;
    (void)state;
    begin(&f);
    say(&f, "a b c\nd e f");
    hang_up(&f);
    assert_pair(&f, 1, "a", "b", "c");
    assert_pair(&f, 2, "d", "e", "f");
    assert_end(&f);
    end(&f);
}

static void
a_bad_line_is_told_by_its_number_and_the_next_is_read(void **state)
{
    pipe_fixture f;
    (void)state;
    begin(&f);
    say(&f, "alone\na b\none two three four\nc d\n");
    say_bytes(&f, "e\0f g\n", 6);
    hang_up(&f);
    assert_bad(&f, 1, "1 word,");
    assert_pair(&f, 2, "a", "b", NULL);
    assert_bad(&f, 3, "4 words");
    assert_pair(&f, 4, "c", "d", NULL);
    assert_pair(&f, 5, "e?f", "g", NULL);
    assert_end(&f);
    end(&f);
}

static void
a_line_that_is_too_long_is_passed_over(void **state)
{
    static char text[2 * CLI_PAIRS_LINE_MAX];
    pipe_fixture f;
    (void)state;
    begin(&f);
    memset(text, 'x', sizeof text);
    text[9] = ' ';
    text[sizeof text - 1] = '\n';
    say(&f, "a b\n");
    say_bytes(&f, text, sizeof text);
    say(&f, "c d\n");
    text[sizeof text - 1] = 'x';
    say_bytes(&f, text, CLI_PAIRS_LINE_MAX + 1); // a pipe takes 64 KiB
    hang_up(&f);
    assert_pair(&f, 1, "a", "b", NULL);
    assert_bad(&f, 2, "in a line");
    assert_pair(&f, 3, "c", "d", NULL);
    assert_bad(&f, 4, "in a line");
    assert_end(&f);
    end(&f);
}

static void
what_is_not_there_yet_is_not_waited_for(void **state)
{
    pipe_fixture f;
    kofn_error error;
    cli_pair pair;
    (void)state;
    begin(&f);
    assert_ok(cli_pairs_next(&f.pairs, 0, &pair, &error));
    assert_int_equal(pair.line, 0);
    say(&f, "a b\nc ");
    assert_pair(&f, 1, "a", "b", NULL);
    assert_ok(cli_pairs_next(&f.pairs, 10, &pair, &error));
    assert_int_equal(pair.line, 0);
    assert_false(f.pairs.ended);
    say(&f, "d\n");
    assert_pair(&f, 2, "c", "d", NULL);
    end(&f);
}

/* The same text in pieces of any size gives the same lines. */
static void
lines_do_not_depend_on_how_they_come(void **state)
{
    static const char text[] = "a b\n\n#x\nonly\nlonger.npy names.npy out.npy\n  e   f\nlast one";
    const uint64_t seed = test_seed(11);
    kofn_rng rng;
    (void)state;
    kofn_rng_init(&rng, seed, 0);
    for (size_t trial = 0; trial < 50; trial++) {
        pipe_fixture f;
        cli_pair pair;
        kofn_error error;
        size_t said = 0, sum = 0, bad = 0;
        begin(&f);
        while (!f.pairs.ended) {
            const size_t left = sizeof text - 1 - said;
            size_t piece = 1 + kofn_rng_u64(&rng) % 9;
            piece = piece < left ? piece : left;
            if (piece > 0)
                say_bytes(&f, text + said, piece);
            else
                hang_up(&f);
            said += piece;
            do {
                const kofn_status status = cli_pairs_next(&f.pairs, 0, &pair, &error);
                bad += status != KOFN_OK;
                if (status == KOFN_OK && pair.line)
                    sum +=
                        100 * strlen(pair.a) + 10 * strlen(pair.b) + (pair.c ? strlen(pair.c) : 0);
            } while (pair.line);
        }
        end(&f);
        assert_int_equal(bad, 1);
        assert_int_equal(sum, 110 + (1000 + 90 + 7) + 110 + 430);
    }
}

static void
files_that_cannot_be_read_are_told(void **state)
{
    kofn_error error;
    cli_pairs pairs;
    (void)state;
    assert_fails(cli_pairs_open("/nowhere/list", &pairs, &error), KOFN_NOT_FOUND);
    assert_fails(cli_pairs_open("/", &pairs, &error), KOFN_INVALID_ARGUMENT);
    assert_ok(cli_pairs_open("/dev/null", &pairs, &error));
    cli_pairs_close(&pairs);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_have_two_words_or_three),
        cmocka_unit_test(a_last_line_without_its_end_is_one),
        cmocka_unit_test(a_bad_line_is_told_by_its_number_and_the_next_is_read),
        cmocka_unit_test(a_line_that_is_too_long_is_passed_over),
        cmocka_unit_test(what_is_not_there_yet_is_not_waited_for),
        cmocka_unit_test(lines_do_not_depend_on_how_they_come),
        cmocka_unit_test(files_that_cannot_be_read_are_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
