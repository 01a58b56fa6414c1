/* Compressions on the wire: what comes back, and what is refused. */
#include "proto/messages.h"
#include "tests/assert.h"

#include <math.h>
#include <string.h>

static kofn_error error;

/* A sketch of 40 x 30 elements. */
static kofn_msg_compression
make_sketch(void)
{
    return (kofn_msg_compression){.method = "grid_cr",
                                  .dtype = "f64",
                                  .rows = 40,
                                  .inner = 700,
                                  .cols = 30,
                                  .samples = 96,
                                  .most = 17,
                                  .seed = 7,
                                  .bound = 0.05,
                                  .lemma = 0.06,
                                  .size = 1e9,
                                  .elements = 4321};
}

static kofn_status
check(const kofn_msg_compression *c)
{
    return kofn_msg_compression_check(c, 40, 30, &error);
}

static void
a_product_says_what_its_operands_were_made_from(void **state)
{
    (void)state;
    const kofn_msg_product product = {.compression = make_sketch()};
    kofn_msg_product back;
    kofn_wire_buffer buffer = {0};
    assert_ok(kofn_message_pack(&kofn_product_message, &product, &buffer, &error));
    assert_ok(kofn_message_unpack(&kofn_product_message, buffer.at, buffer.length, &back, &error));
    assert_string_equal(back.compression.method, "grid_cr");
    assert_string_equal(back.compression.dtype, "f64");
    assert_int_equal(back.compression.rows, 40);
    assert_int_equal(back.compression.inner, 700);
    assert_int_equal(back.compression.cols, 30);
    assert_int_equal(back.compression.samples, 96);
    assert_int_equal(back.compression.most, 17);
    assert_int_equal(back.compression.seed, 7);
    assert_true(back.compression.bound == 0.05 && back.compression.lemma == 0.06);
    assert_true(back.compression.size == 1e9);
    assert_int_equal(back.compression.elements, 4321);
    assert_ok(check(&back.compression));
    kofn_message_clear(&kofn_product_message, &back);
    kofn_wire_buffer_fini(&buffer);
}

static void
a_method_that_is_too_long_is_refused_before_it_is_read(void **state)
{
    (void)state;
    static const unsigned char bytes[] = "\x81\xab"
                                         "compression\x85\xa6method\xb0"
                                         "grid_cr_grid_cr_\xa5"
                                         "dtype\xa3"
                                         "f64\xa4rows\x01\xa5inner\x01\xa4"
                                         "cols\x01";
    kofn_msg_product product;
    assert_fails(
        kofn_message_unpack(&kofn_product_message, bytes, sizeof bytes - 1, &product, &error),
        KOFN_INVALID_ARGUMENT);
    assert_non_null(strstr(error.text, "method"));
}

static void
parts_of_a_complex_product_are_stacked_and_padded(void **state)
{
    (void)state;
    kofn_msg_compression c = {.method = "3m", .dtype = "c128", .rows = 20, .inner = 7, .cols = 30};
    assert_ok(check(&c)); // 2 x 20 rows
    c.rows = 19;
    c.cols = 28;
    assert_ok(check(&c));
    c.rows = 41;
    assert_fails(check(&c), KOFN_INVALID_ARGUMENT);
    c.rows = 0;
    assert_ok(kofn_msg_compression_check(&c, 0, 30, &error)); // an empty product is one
}

static void
assert_refused(const kofn_msg_compression *c, const char *says)
{
    assert_fails(check(c), KOFN_INVALID_ARGUMENT);
    if (!strstr(error.text, says))
        fail_msg("'%s' does not say '%s'", error.text, says);
}

static void
what_would_mislead_a_reader_is_refused(void **state)
{
    (void)state;
    kofn_msg_compression c = make_sketch();
    strcpy(c.method, "grid\033[2Jcr");
    assert_refused(&c, "method");
    strcpy(c.method, "<b>");
    assert_refused(&c, "method");
    c.method[0] = '\0';
    assert_refused(&c, "method");

    c = make_sketch();
    strcpy(c.dtype, "f 64");
    assert_refused(&c, "dtype");

    c = make_sketch();
    c.rows = 41;
    assert_refused(&c, "the product only 40 x 30");
    c = make_sketch();
    c.cols = KOFN_DIMENSION_MAX;
    assert_refused(&c, "the product only 40 x 30");

    c = make_sketch();
    c.most = c.samples + 1;
    assert_refused(&c, "in all");
    c = make_sketch();
    c.bound = NAN;
    assert_refused(&c, "bound");
    c = make_sketch();
    c.lemma = -0.1;
    assert_refused(&c, "lemma");
    c = make_sketch();
    c.size = INFINITY;
    assert_refused(&c, "size");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_product_says_what_its_operands_were_made_from),
        cmocka_unit_test(a_method_that_is_too_long_is_refused_before_it_is_read),
        cmocka_unit_test(parts_of_a_complex_product_are_stacked_and_padded),
        cmocka_unit_test(what_would_mislead_a_reader_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
