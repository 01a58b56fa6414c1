#include "common/base/keys.h"

#include "tests/assert.h"
#include "tests/comma.h"

#include <float.h>
#include <math.h>

typedef struct settings {
    bool verify;
    int64_t threads;
    uint64_t memory;
    double rate;
    int64_t timeout_ns;
    char name[8];
    int policy;
    int64_t anything;
    char guard; // nothing writes here
} settings;

static const kofn_key table[] = {
    {.name = "verify", .type = KOFN_KEY_BOOL, KOFN_KEY_FIELD(settings, verify), .fallback = "yes"},
    {.name = "blas.threads",
     .type = KOFN_KEY_INT,
     KOFN_KEY_FIELD(settings, threads),
     .min = 1,
     .max = 256,
     .fallback = "1"},
    {.name = "limits.memory",
     .type = KOFN_KEY_SIZE,
     KOFN_KEY_FIELD(settings, memory),
     .min = 64 << 20,
     .max = 0x1p40,
     .fallback = "4GiB"},
    {.name = "rate",
     .type = KOFN_KEY_REAL,
     KOFN_KEY_FIELD(settings, rate),
     .min = 0,
     .max = 1,
     .fallback = "0.25"},
    {.name = "timeout",
     .type = KOFN_KEY_DURATION,
     KOFN_KEY_FIELD(settings, timeout_ns),
     .min = 10e6,
     .max = INFINITY,
     .fallback = "3.5s"},
    {.name = "name",
     .type = KOFN_KEY_STRING,
     KOFN_KEY_FIELD(settings, name),
     .min = 1,
     .max = 63,
     .fallback = "w1"},
    {.name = "policy",
     .type = KOFN_KEY_CHOICE,
     KOFN_KEY_FIELD(settings, policy),
     .choices = "oneshot|rateless|speculative",
     .fallback = "speculative"},
    {.name = "anything", .type = KOFN_KEY_INT, KOFN_KEY_FIELD(settings, anything)},
};
static const kofn_keys keys = {table, sizeof table / sizeof table[0]};

static kofn_error error;

static settings
defaults(void)
{
    settings s;
    memset(&s, 0x55, sizeof s);
    kofn_keys_set_defaults(keys, &s);
    return s;
}

/* The call fails, says exactly this, and leaves the struct as it was. */
static void
assert_refused(const char *name, const char *text, kofn_status expected, const char *sentence)
{
    settings s = defaults();
    const settings before = s;
    assert_fails(kofn_keys_parse(keys, name, text, &s, &error), expected);
    assert_string_equal(error.text, sentence);
    assert_memory_equal(&s, &before, sizeof s);
}

static void
defaults_fill_every_field(void **state)
{
    (void)state;
    const settings s = defaults();
    assert_true(s.verify);
    assert_int_equal(s.threads, 1);
    assert_true(s.memory == UINT64_C(4) << 30);
    assert_true(s.rate == 0.25);
    assert_int_equal(s.timeout_ns, 3500000000);
    assert_string_equal(s.name, "w1");
    assert_int_equal(s.policy, 2);
    assert_int_equal(s.anything, 0); // no default: zero
    assert_int_equal(s.guard, 0x55);
}

static void
booleans_are_six_words(void **state)
{
    (void)state;
    static const char *const yes[] = {"true", "yes", "on", "True", "YES"};
    static const char *const no[] = {"false", "no", "off", "False", "OFF"};
    settings s = defaults();
    for (size_t i = 0; i < 5; i++) {
        assert_ok(kofn_keys_parse(keys, "verify", no[i], &s, &error));
        assert_false(s.verify);
        assert_ok(kofn_keys_parse(keys, "verify", yes[i], &s, &error));
        assert_true(s.verify);
    }
    assert_refused("verify", "1", KOFN_INVALID_ARGUMENT,
                   "verify: '1' is not a boolean; write it as true or false");
    assert_refused("verify", "", KOFN_INVALID_ARGUMENT,
                   "verify: '' is not a boolean; write it as true or false");
}

static void
integers_are_decimal_and_within_bounds(void **state)
{
    (void)state;
    settings s = defaults();
    assert_ok(kofn_keys_parse(keys, "blas.threads", "256", &s, &error));
    assert_int_equal(s.threads, 256);
    assert_ok(kofn_keys_parse(keys, "blas.threads", "+08", &s, &error));
    assert_int_equal(s.threads, 8);
    assert_ok(kofn_keys_parse(keys, "anything", "-9223372036854775808", &s, &error));
    assert_true(s.anything == INT64_MIN);
    assert_ok(kofn_keys_parse(keys, "anything", "9223372036854775807", &s, &error));
    assert_true(s.anything == INT64_MAX);

    static const char *const bad[] = {"", " 1", "1 ", "0x10", "1.0", "1e2", "-", "many"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_fails(kofn_keys_parse(keys, "blas.threads", bad[i], &s, &error),
                     KOFN_INVALID_ARGUMENT);
    assert_refused("blas.threads", "0", KOFN_OUT_OF_RANGE,
                   "blas.threads: '0' is out of range; use 1 to 256");
    assert_refused("blas.threads", "257", KOFN_OUT_OF_RANGE,
                   "blas.threads: '257' is out of range; use 1 to 256");
    assert_refused("anything", "9223372036854775808", KOFN_OUT_OF_RANGE,
                   "anything: '9223372036854775808' is out of range; use a smaller value");
}

static void
sizes_are_whole_bytes_in_binary_units(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t bytes;
    } good[] = {
        {"67108864", 64 << 20},  {"67108865B", (64 << 20) + 1}, {"65536KiB", 64 << 20},
        {"512MiB", 512 << 20},   {"1.5GiB", UINT64_C(3) << 29}, {"1TiB", UINT64_C(1) << 40},
        {"0.0625GiB", 64 << 20},
    };
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        settings s = defaults();
        assert_ok(kofn_keys_parse(keys, "limits.memory", good[i].text, &s, &error));
        assert_true(s.memory == good[i].bytes);
    }
    static const char *const bad[] = {"",    "GiB",  "512 MiB", "512MB",   "512mib", "-1MiB",
                                      "1e9", "0x1f", ".",       "1..5GiB", "inf",    "4 apples"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        settings s = defaults();
        assert_fails(kofn_keys_parse(keys, "limits.memory", bad[i], &s, &error),
                     KOFN_INVALID_ARGUMENT);
    }
    assert_refused("limits.memory", "4 apples", KOFN_INVALID_ARGUMENT,
                   "limits.memory: '4 apples' is not a size; write it as 512MiB or 4GiB");
    assert_refused("limits.memory", "67108864.5", KOFN_INVALID_ARGUMENT,
                   "limits.memory: '67108864.5' is not a whole number of bytes; write it as "
                   "512MiB or 4GiB");
    assert_refused("limits.memory", "1KiB", KOFN_OUT_OF_RANGE,
                   "limits.memory: '1KiB' is out of range; use 64MiB to 1TiB");
    assert_refused("limits.memory", "99999999999999999999TiB", KOFN_OUT_OF_RANGE,
                   "limits.memory: '99999999999999999999TiB' is out of range; use 64MiB to 1TiB");
}

static void
durations_need_a_unit(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t ns;
    } good[] = {
        {"250ms", 250000000},   {"3.5s", 3500000000},
        {"2min", 120000000000}, {"1h", 3600000000000},
        {"10000us", 10000000},  {"10000000ns", 10000000},
        {".5h", 1800000000000}, {"9223372036854775807ns", INT64_MAX},
    };
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        settings s = defaults();
        assert_ok(kofn_keys_parse(keys, "timeout", good[i].text, &s, &error));
        assert_true(s.timeout_ns == good[i].ns);
    }
    assert_refused("timeout", "3", KOFN_INVALID_ARGUMENT,
                   "timeout: '3' is not a duration; write it as 250ms, 3.5s, 2min or 1h");
    assert_refused("timeout", "-3s", KOFN_INVALID_ARGUMENT,
                   "timeout: '-3s' is not a duration; write it as 250ms, 3.5s, 2min or 1h");
    assert_refused("timeout", "0", KOFN_OUT_OF_RANGE,
                   "timeout: '0' is out of range; use 10ms or more");
    assert_refused("timeout", "9223372036854775808ns", KOFN_OUT_OF_RANGE,
                   "timeout: '9223372036854775808ns' is out of range; use 10ms or more");
    assert_refused("timeout", "2562048h", KOFN_OUT_OF_RANGE, // 2^63 ns are 2562047.8 h
                   "timeout: '2562048h' is out of range; use 10ms or more");
}

static void
reals_are_finite_decimals(void **state)
{
    (void)state;
    settings s = defaults();
    assert_ok(kofn_keys_parse(keys, "rate", "1e-6", &s, &error));
    assert_true(s.rate == 1e-6);
    assert_ok(kofn_keys_parse(keys, "rate", "1", &s, &error));
    static const char *const bad[] = {"", "nan", "inf", "0x1p-1", " 0.5", "0.5x", "1e", "."};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_fails(kofn_keys_parse(keys, "rate", bad[i], &s, &error), KOFN_INVALID_ARGUMENT);
    assert_refused("rate", "1.5", KOFN_OUT_OF_RANGE, "rate: '1.5' is out of range; use 0 to 1");
    assert_refused("rate", "1e999", KOFN_OUT_OF_RANGE, "rate: '1e999' is out of range; use 0 to 1");
}

static void
text_fits_its_field(void **state)
{
    (void)state;
    settings s = defaults();
    assert_ok(kofn_keys_parse(keys, "name", "1234567", &s, &error));
    assert_string_equal(s.name, "1234567");
    assert_refused("name", "12345678", KOFN_OUT_OF_RANGE,
                   "name: '12345678' is out of range; use 1 to 7 characters");
    assert_refused("name", "", KOFN_OUT_OF_RANGE,
                   "name: '' is out of range; use 1 to 7 characters");
}

static void
a_choice_is_one_of_its_words(void **state)
{
    (void)state;
    settings s = defaults();
    assert_ok(kofn_keys_parse(keys, "policy", "oneshot", &s, &error));
    assert_int_equal(s.policy, 0);
    assert_ok(kofn_keys_parse(keys, "policy", "rateless", &s, &error));
    assert_int_equal(s.policy, 1);
    static const char *const bad[] = {"", "one", "oneshot|rateless", "Oneshot", "|"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_fails(kofn_keys_parse(keys, "policy", bad[i], &s, &error), KOFN_INVALID_ARGUMENT);
    assert_refused("policy", "greedy", KOFN_INVALID_ARGUMENT,
                   "policy: 'greedy' is not a choice; use oneshot, rateless or speculative");
}

static void
an_unknown_key_names_the_nearest(void **state)
{
    (void)state;
    assert_refused("polcy", "oneshot", KOFN_NOT_FOUND,
                   "polcy: no such key; did you mean 'policy'?");
    assert_refused("memory", "1GiB", KOFN_NOT_FOUND,
                   "memory: no such key; did you mean 'limits.memory'?");
    assert_refused("job.memory", "1GiB", KOFN_NOT_FOUND,
                   "job.memory: no such key; did you mean 'limits.memory'?");
    assert_refused("colour", "blue", KOFN_NOT_FOUND, "colour: no such key");
}

static void
an_empty_section_is_no_mistake(void **state)
{
    (void)state;
    settings s = defaults();
    assert_ok(kofn_keys_parse(keys, "limits", "", &s, &error));
    assert_refused("limits", "4GiB", KOFN_INVALID_ARGUMENT,
                   "limits: is a section, not '4GiB'; set the keys below it");
    assert_refused("limit", "", KOFN_NOT_FOUND, "limit: no such key");
}

static void
without_bounds_the_type_has_the_last_word(void **state)
{
    (void)state;
    uint64_t bytes = 7;
    double real = 7;
    const kofn_key size_key = {.name = "s", .type = KOFN_KEY_SIZE, .size = sizeof bytes};
    const kofn_key real_key = {.name = "r", .type = KOFN_KEY_REAL, .size = sizeof real};
    assert_fails(kofn_key_parse(&size_key, "8388608TiB", &bytes, &error), KOFN_OUT_OF_RANGE);
    assert_fails(kofn_key_parse(&real_key, "1e999", &real, &error), KOFN_OUT_OF_RANGE);
    assert_true(bytes == 7 && real == 7);
    assert_ok(kofn_key_parse(&size_key, "8388607TiB", &bytes, &error));
    assert_ok(kofn_key_parse(&real_key, "-1e308", &real, &error));
}

static void
a_number_may_be_left_open_by_its_word(void **state)
{
    (void)state;
    double real = 7;
    char text[32];
    const kofn_key open = {
        .name = "gamma", .type = KOFN_KEY_REAL, .size = sizeof real, .choices = "auto"};
    assert_ok(kofn_key_parse(&open, "auto", &real, &error));
    assert_true(isnan(real));
    kofn_key_format(&open, &real, text, sizeof text);
    assert_string_equal(text, "auto");
    assert_ok(kofn_key_parse(&open, "2.5", &real, &error));
    kofn_key_format(&open, &real, text, sizeof text);
    assert_string_equal(text, "2.5");
    assert_fails(kofn_key_parse(&open, "nan", &real, &error), KOFN_INVALID_ARGUMENT);
    assert_fails(kofn_key_parse(&open, "aut", &real, &error), KOFN_INVALID_ARGUMENT);
    assert_true(real == 2.5);
}

static void
long_and_hostile_values_give_short_sentences(void **state)
{
    (void)state;
    char text[5000];
    memset(text, 'z', sizeof text);
    text[sizeof text - 1] = '\0';
    settings s = defaults();
    for (size_t i = 0; i < keys.count; i++) {
        assert_true(kofn_key_parse(&table[i], text, &s, &error) != KOFN_OK);
        assert_true(strlen(error.text) < 250);
    }
    assert_fails(kofn_keys_parse(keys, text, "1", &s, &error), KOFN_NOT_FOUND);
    assert_true(strlen(error.text) < 250);
}

static void
parsing_accepts_no_error(void **state)
{
    (void)state;
    settings s = defaults();
    assert_int_equal(kofn_keys_parse(keys, "rate", "fast", &s, NULL), KOFN_INVALID_ARGUMENT);
    assert_int_equal(kofn_keys_parse(keys, "speed", "fast", &s, NULL), KOFN_NOT_FOUND);
}

static void
a_list_has_whole_names(void **state)
{
    (void)state;
    assert_true(kofn_names_have(" slots delay ", "slots"));
    assert_true(kofn_names_have(" slots delay ", "delay"));
    assert_false(kofn_names_have(" slots delay ", "del"));
    assert_false(kofn_names_have(" slots delay ", "lay"));
    assert_false(kofn_names_have(" slots delay ", "window"));
    assert_false(kofn_names_have(" slots delay ", ""));
    assert_false(kofn_names_have(" ", "slots"));
}

static void
the_nearest_name_is_near(void **state)
{
    (void)state;
    static const char *const names[] = {"multiply", "submit", "wait", "workers", "jobs", "set"};
    assert_string_equal(kofn_nearest_name("mutliply", names, 6), "multiply"); // swapped
    assert_string_equal(kofn_nearest_name("submitt", names, 6), "submit");    // added
    assert_string_equal(kofn_nearest_name("worker", names, 6), "workers");    // lost
    assert_string_equal(kofn_nearest_name("wayt", names, 6), "wait");         // changed
    assert_string_equal(kofn_nearest_name("jobs", names, 6), "jobs");
    assert_string_equal(kofn_nearest_name("ste", names, 6), "set"); // one edit, all it may have
    assert_null(kofn_nearest_name("tse", names, 6));
    assert_null(kofn_nearest_name("decode", names, 6));
    assert_null(kofn_nearest_name("", names, 6));
    assert_null(kofn_nearest_name("jobs", names, 0));
}

/* ---- written out ----------------------------------------------------------------------------- */

static const char *
formatted(const kofn_key *key, const void *target)
{
    static char text[64];
    kofn_key_format(key, target, text, sizeof text);
    return text;
}

static void
values_are_written_as_a_person_would(void **state)
{
    (void)state;
    settings s = defaults();
    static const char *const expected[] = {"true", "1",  "4GiB",        "0.25",
                                           "3.5s", "w1", "speculative", "0"};
    for (size_t i = 0; i < keys.count; i++)
        assert_string_equal(formatted(&table[i], &s), expected[i]);

    static const struct {
        int64_t ns;
        const char *text;
    } durations[] = {
        {0, "0"},
        {1, "1ns"},
        {1500, "1.5us"},
        {250000000, "250ms"},
        {61000000000, "61s"},
        {90000000000, "1.5min"},
        {3600000000000, "1h"},
        {1000000001, "1000000.001us"},
        {INT64_MAX, "9223372036854775.807us"},
    };
    for (size_t i = 0; i < sizeof durations / sizeof durations[0]; i++) {
        s.timeout_ns = durations[i].ns;
        assert_string_equal(formatted(kofn_keys_find(keys, "timeout"), &s), durations[i].text);
    }
    static const struct {
        uint64_t bytes;
        const char *text;
    } sizes[] = {{0, "0"}, {1, "1"}, {1023, "1023"}, {1024, "1KiB"}, {3 << 29, "1536MiB"}};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        s.memory = sizes[i].bytes;
        assert_string_equal(formatted(kofn_keys_find(keys, "limits.memory"), &s), sizes[i].text);
    }
}

static void
reals_read_back_as_the_same_double(void **state)
{
    (void)state;
    static const double values[] = {0.1, 1.0 / 3, 1e-300, DBL_MIN, 0x1p-1074, 1 - DBL_EPSILON, 0};
    const kofn_key *key = kofn_keys_find(keys, "rate");
    settings s = defaults(), back = defaults();
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        s.rate = values[i];
        assert_ok(kofn_key_parse(key, formatted(key, &s), &back, &error));
        assert_true(back.rate == values[i]);
    }
}

/* Of the program that uses the library; and it is the program's own again. */
static void
numbers_have_a_point_in_every_locale(void **state)
{
    (void)state;
    if (!comma_begin())
        skip();
    settings s;
    char text[32], own[8];
    const kofn_key *rate = kofn_keys_find(keys, "rate");
    kofn_keys_set_defaults(keys, &s);
    const double fallback = s.rate;
    const kofn_status point = kofn_key_parse(rate, "0.5", &s, &error);
    const double parsed = s.rate;
    const kofn_status comma = kofn_key_parse(rate, "0,5", &s, NULL);
    kofn_key_format(rate, &s, text, sizeof text);
    (void)snprintf(own, sizeof own, "%.1f", 0.5);
    comma_end();
    assert_true(fallback == 0.25);
    assert_status_(point, KOFN_OK, &error, "0.5", __FILE__, __LINE__);
    assert_true(parsed == 0.5);
    assert_int_equal(comma, KOFN_INVALID_ARGUMENT);
    assert_string_equal(text, "0.5");
    assert_string_equal(own, "0,5");
}

static void
text_out_is_cut_to_its_buffer(void **state)
{
    (void)state;
    const settings s = defaults();
    char text[5] = "xxxx";
    kofn_key_format(kofn_keys_find(keys, "policy"), &s, text, sizeof text);
    assert_string_equal(text, "spec");
    kofn_key_format_bounds(kofn_keys_find(keys, "policy"), text, sizeof text);
    assert_string_equal(text, "ones");
    kofn_key_format_bounds(kofn_keys_find(keys, "rate"), text, 0);
    assert_string_equal(text, "ones");
}

static void
bounds_are_said_in_the_unit_of_the_field(void **state)
{
    (void)state;
    static const char *const expected[] = {
        "",
        "1 to 256",
        "64MiB to 1TiB",
        "0 to 1",
        "10ms or more",
        "1 to 7 characters",
        "oneshot, rateless or speculative",
        "",
    };
    char text[64];
    for (size_t i = 0; i < keys.count; i++) {
        kofn_key_format_bounds(&table[i], text, sizeof text);
        assert_string_equal(text, expected[i]);
    }
    const kofn_key most = {.type = KOFN_KEY_INT, .min = -INFINITY, .max = 9};
    kofn_key_format_bounds(&most, text, sizeof text);
    assert_string_equal(text, "at most 9");
    const kofn_key two = {.type = KOFN_KEY_CHOICE, .choices = "yes|no"};
    kofn_key_format_bounds(&two, text, sizeof text);
    assert_string_equal(text, "yes or no");
    const kofn_key one = {.type = KOFN_KEY_CHOICE, .choices = "only"};
    kofn_key_format_bounds(&one, text, sizeof text);
    assert_string_equal(text, "only");
}

static void
assert_impossible(settings s, const char *text)
{
    assert_fails(kofn_keys_check(keys, &s, &error), KOFN_OUT_OF_RANGE);
    assert_string_equal(error.text, text);
}

static void
numbers_that_nobody_parsed_are_held_to_their_bounds(void **state)
{
    (void)state;
    settings s;
    kofn_keys_set_defaults(keys, &s);
    assert_ok(kofn_keys_check(keys, &s, &error));
    s.anything = INT64_MIN; // it has none
    assert_ok(kofn_keys_check(keys, &s, &error));
    settings bad = s;
    bad.threads = 257;
    assert_impossible(bad, "blas.threads: '257' is out of range; use 1 to 256");
    bad = s;
    bad.memory = 1;
    assert_impossible(bad, "limits.memory: '1' is out of range; use 64MiB to 1TiB");
    bad = s;
    bad.rate = NAN;
    assert_impossible(bad, "rate: 'nan' is out of range; use 0 to 1");
    bad.rate = INFINITY;
    assert_impossible(bad, "rate: 'inf' is out of range; use 0 to 1");
    bad.rate = -0.5;
    assert_impossible(bad, "rate: '-0.5' is out of range; use 0 to 1");
    bad = s;
    bad.timeout_ns = 0;
    assert_impossible(bad, "timeout: '0' is out of range; use 10ms or more");
    bad = s;
    bad.policy = 3;
    assert_impossible(bad, "policy: '?' is out of range; use oneshot, rateless or speculative");
    bad.policy = -1;
    assert_impossible(bad, "policy: '?' is out of range; use oneshot, rateless or speculative");
}

static void
a_number_that_nobody_parsed_may_be_left_open_where_it_has_a_word(void **state)
{
    (void)state;
    const double open = NAN, endless = INFINITY;
    const kofn_key key = {
        .name = "rate", .type = KOFN_KEY_REAL, .size = sizeof open, .max = 1, .choices = "auto"};
    assert_ok(kofn_key_check(&key, &open, &error));
    assert_fails(kofn_key_check(&key, &endless, &error), KOFN_OUT_OF_RANGE);
}

static void
types_have_names(void **state)
{
    (void)state;
    assert_string_equal(kofn_key_type_name(KOFN_KEY_DURATION), "duration");
    assert_string_equal(kofn_key_type_name(KOFN_KEY_REAL), "number");
    assert_string_equal(kofn_key_type_name((kofn_key_type)99), "unknown");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_fill_every_field),
        cmocka_unit_test(booleans_are_six_words),
        cmocka_unit_test(integers_are_decimal_and_within_bounds),
        cmocka_unit_test(sizes_are_whole_bytes_in_binary_units),
        cmocka_unit_test(durations_need_a_unit),
        cmocka_unit_test(reals_are_finite_decimals),
        cmocka_unit_test(text_fits_its_field),
        cmocka_unit_test(a_choice_is_one_of_its_words),
        cmocka_unit_test(an_unknown_key_names_the_nearest),
        cmocka_unit_test(an_empty_section_is_no_mistake),
        cmocka_unit_test(without_bounds_the_type_has_the_last_word),
        cmocka_unit_test(a_number_may_be_left_open_by_its_word),
        cmocka_unit_test(long_and_hostile_values_give_short_sentences),
        cmocka_unit_test(parsing_accepts_no_error),
        cmocka_unit_test(a_list_has_whole_names),
        cmocka_unit_test(the_nearest_name_is_near),
        cmocka_unit_test(values_are_written_as_a_person_would),
        cmocka_unit_test(reals_read_back_as_the_same_double),
        cmocka_unit_test(numbers_have_a_point_in_every_locale),
        cmocka_unit_test(text_out_is_cut_to_its_buffer),
        cmocka_unit_test(bounds_are_said_in_the_unit_of_the_field),
        cmocka_unit_test(numbers_that_nobody_parsed_are_held_to_their_bounds),
        cmocka_unit_test(a_number_that_nobody_parsed_may_be_left_open_where_it_has_a_word),
        cmocka_unit_test(types_have_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
