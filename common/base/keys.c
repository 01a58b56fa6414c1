#include "common/base/keys.h"
#include "common/base/clock.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { VALUE_SHOWN = 80, BOUNDS_MAX = 160 }; // bytes of a bad value and of its remedy in a message

/* A number's unit, and what one of it is worth. Ascending, so that formatting can pick the last
 * one that fits. */
typedef struct unit {
    const char *name;
    int64_t worth;
} unit;

static const unit duration_units[] = {
    {"ns", 1},
    {"us", 1000},
    {"ms", KOFN_NS_PER_MS},
    {"s", KOFN_NS_PER_S},
    {"min", 60 * KOFN_NS_PER_S},
    {"h", 3600 * KOFN_NS_PER_S},
};

static const unit size_units[] = {
    {"B", 1},
    {"KiB", INT64_C(1) << 10},
    {"MiB", INT64_C(1) << 20},
    {"GiB", INT64_C(1) << 30},
    {"TiB", INT64_C(1) << 40},
};

enum {
    DURATION_UNITS = sizeof duration_units / sizeof duration_units[0],
    SIZE_UNITS = sizeof size_units / sizeof size_units[0],
};

/* ---- numbers --------------------------------------------------------------------------------- */

/* This thread's locale is that of C for a while, where a point is a point. A program that uses the
 * library may have set another one: by it "0.5" would be 0 and a rest, and 0.5 be written "0,5",
 * which the master does not read. */
typedef struct plain_numbers {
    locale_t plain, before;
} plain_numbers;

static plain_numbers
plain_numbers_begin(void)
{
    const locale_t plain = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    return (plain_numbers){plain, uselocale(plain)}; // (locale_t)0, no memory, leaves it as it is
}

static void
plain_numbers_end(const plain_numbers *numbers)
{
    (void)uselocale(numbers->before); // was in use: it can be again
    if (numbers->plain)
        freelocale(numbers->plain);
}

/* ---- lookup ---------------------------------------------------------------------------------- */

void
kofn_keys_set_defaults(kofn_keys keys, void *target)
{
    for (size_t i = 0; i < keys.count; i++) {
        const kofn_key *key = &keys.at[i];
        memset((char *)target + key->offset, 0, key->size);
        if (!key->fallback)
            continue;
        const kofn_status status = kofn_key_parse(key, key->fallback, target, NULL);
        assert(status == KOFN_OK);
        (void)status; // only looked at by the assertion
    }
}

const kofn_key *
kofn_keys_find(kofn_keys keys, const char *name)
{
    for (size_t i = 0; i < keys.count; i++)
        if (strcmp(keys.at[i].name, name) == 0)
            return keys.at + i;
    return NULL;
}

bool
kofn_names_have(const char *names, const char *name)
{
    const size_t length = strlen(name);
    for (const char *at = strchr(names, ' '); at && length > 0; at = strchr(at + 1, ' '))
        if (strncmp(at + 1, name, length) == 0 && at[1 + length] == ' ')
            return true;
    return false;
}

static size_t
least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Edits from a to b, two neighbours swapped being one (optimal string alignment), or `limit` + 1
 * when either is too long to be a name. */
static size_t
edit_distance(const char *a, const char *b, size_t limit)
{
    enum { NAME_MAX_LENGTH = 63 };
    const size_t rows = strnlen(a, NAME_MAX_LENGTH + 1), cols = strnlen(b, NAME_MAX_LENGTH + 1);
    if (rows > NAME_MAX_LENGTH || cols > NAME_MAX_LENGTH)
        return limit + 1;

    uint8_t d[NAME_MAX_LENGTH + 1][NAME_MAX_LENGTH + 1]; // d[i][j]: first i of a to first j of b
    for (size_t i = 0; i <= rows; i++)
        d[i][0] = (uint8_t)i;
    for (size_t j = 0; j <= cols; j++)
        d[0][j] = (uint8_t)j;
    for (size_t i = 1; i <= rows; i++)
        for (size_t j = 1; j <= cols; j++) {
            size_t best = d[i - 1][j - 1] + (a[i - 1] != b[j - 1]);
            best = least(best, least(d[i - 1][j], d[i][j - 1]) + 1u);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                best = least(best, d[i - 2][j - 2] + 1u);
            d[i][j] = (uint8_t)best;
        }
    return d[rows][cols];
}

/* The best candidate so far; earlier ones win ties. */
typedef struct nearest {
    const char *best; // NULL: none is close
    size_t distance;  // of best, or one more than is allowed
} nearest;

static nearest
nearest_start(const char *name)
{
    return (nearest){.distance = (strlen(name) + 2) / 3 + 1};
}

static void
nearest_offer(nearest *n, const char *candidate, size_t distance)
{
    if (distance >= n->distance)
        return;
    n->distance = distance;
    n->best = candidate;
}

const char *
kofn_nearest_name(const char *name, const char *const *names, size_t count)
{
    nearest n = nearest_start(name);
    for (size_t i = 0; i < count; i++)
        nearest_offer(&n, names[i], edit_distance(name, names[i], n.distance));
    return n.best;
}

static const char *
last_part(const char *name)
{
    const char *dot = strrchr(name, '.');
    return dot ? dot + 1 : name;
}

const char *
kofn_keys_nearest(kofn_keys keys, const char *name)
{
    nearest n = nearest_start(name);
    const size_t furthest = n.distance - 1;
    for (size_t i = 0; i < keys.count; i++) {
        const char *candidate = keys.at[i].name;
        size_t distance = edit_distance(name, candidate, n.distance);
        if (strcmp(last_part(candidate), last_part(name)) == 0)
            distance = least(distance, furthest); // right key, wrong section
        nearest_offer(&n, candidate, distance);
    }
    return n.best;
}

/* ---- text to value --------------------------------------------------------------------------- */

static bool
is_bounded(const kofn_key *key)
{
    return key->min != 0 || key->max != 0;
}

static bool
is_within(const kofn_key *key, double value)
{
    return !is_bounded(key) || (value >= key->min && value <= key->max);
}

static kofn_status
fail_type(const kofn_key *key, const char *text, const char *what, const char *remedy,
          kofn_error *err)
{
    return kofn_fail(err, KOFN_INVALID_ARGUMENT, "%s: '%.*s' is not %s; %s", key->name, VALUE_SHOWN,
                     text, what, remedy);
}

static kofn_status
fail_range(const kofn_key *key, const char *text, kofn_error *err)
{
    char bounds[BOUNDS_MAX];
    kofn_key_format_bounds(key, bounds, sizeof bounds);
    return kofn_fail(err, KOFN_OUT_OF_RANGE, "%s: '%.*s' is out of range; use %s", key->name,
                     VALUE_SHOWN, text, bounds[0] ? bounds : "a smaller value");
}

static void *
get_field(const kofn_key *key, void *target, size_t width)
{
    assert(key->size == width);
    (void)width; // only looked at by the assertion
    return (char *)target + key->offset;
}

static kofn_status
parse_bool(const kofn_key *key, const char *text, void *target, kofn_error *err)
{
    static const char *const words[] = {"false", "true", "no", "yes", "off", "on"};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (strcasecmp(text, words[i]) == 0) {
            *(bool *)get_field(key, target, sizeof(bool)) = i % 2 == 1;
            return KOFN_OK;
        }
    return fail_type(key, text, "a boolean", "write it as true or false", err);
}

static kofn_status
parse_int(const kofn_key *key, const char *text, void *target, kofn_error *err)
{
    const size_t sign = text[0] == '-' || text[0] == '+';
    const size_t digits = strspn(text + sign, "0123456789");
    if (digits == 0 || text[sign + digits] != '\0')
        return fail_type(key, text, "an integer", "write it in decimal, as 42", err);

    errno = 0;
    const long long value = strtoll(text, NULL, 10);
    if (errno == ERANGE || !is_within(key, (double)value))
        return fail_range(key, text, err);
    *(int64_t *)get_field(key, target, sizeof(int64_t)) = value;
    return KOFN_OK;
}

static kofn_status
fail_number(const kofn_key *key, const char *text, kofn_error *err)
{
    if (!key->choices)
        return fail_type(key, text, "a number", "write it as 0.25 or 1e-6", err);
    char hint[64];
    (void)snprintf(hint, sizeof hint, "write it as 0.25 or 1e-6, or %s", key->choices);
    return fail_type(key, text, "a number", hint, err);
}

static kofn_status
parse_real(const kofn_key *key, const char *text, void *target, kofn_error *err)
{
    /* The span keeps out what strtod would accept beyond decimals: spaces, hex, inf and nan. */
    const size_t span = strspn(text, "+-.0123456789eE");
    if (key->choices && strcmp(text, key->choices) == 0) {
        *(double *)get_field(key, target, sizeof(double)) = NAN;
        return KOFN_OK;
    }
    char *end;
    const plain_numbers numbers = plain_numbers_begin();
    const double value = strtod(text, &end);
    plain_numbers_end(&numbers);
    if (span == 0 || end != text + span || *end != '\0')
        return fail_number(key, text, err);
    if (!isfinite(value) || !is_within(key, value))
        return fail_range(key, text, err);
    *(double *)get_field(key, target, sizeof(double)) = value;
    return KOFN_OK;
}

/* A decimal, as number / scale in integers: a double would lose the last bits of large values.
 * Returns where it ends, NULL when there is no digit. Past 19 digits, *ret_number is UINT64_MAX. */
static const char *
scan_decimal(const char *text, uint64_t *ret_number, uint64_t *ret_scale)
{
    enum { DIGITS_MAX = 19 }; // a uint64_t holds them all
    uint64_t number = 0, scale = 1;
    size_t digits = 0;
    bool is_fraction = false;
    const char *at = text;
    for (; (*at >= '0' && *at <= '9') || (*at == '.' && !is_fraction); at++) {
        if (*at == '.') {
            is_fraction = true;
            continue;
        }
        if (++digits > DIGITS_MAX)
            continue;
        number = number * 10 + (uint64_t)(*at - '0');
        scale *= is_fraction ? 10 : 1;
    }
    *ret_number = digits > DIGITS_MAX ? UINT64_MAX : number;
    *ret_scale = scale;
    return digits > 0 ? at : NULL;
}

/* A decimal with one of the units, `bare_unit` when it has none. */
typedef struct scaled {
    uint64_t value; // rounded down; UINT64_MAX when it is more than an int64_t holds
    bool is_whole;  // nothing was rounded off
} scaled;

static bool
scan_scaled(const char *text, const unit *units, size_t count, const char *bare_unit,
            scaled *ret_scaled)
{
    uint64_t number, scale;
    const char *end = scan_decimal(text, &number, &scale);
    if (!end)
        return false;
    if (*end == '\0' && number == 0) // nothing of anything
        bare_unit = units[0].name;

    const char *name = *end != '\0' ? end : bare_unit;
    for (size_t i = 0; i < count; i++)
        if (strcmp(units[i].name, name) == 0) {
            const unsigned __int128 exact = (unsigned __int128)number * (uint64_t)units[i].worth;
            const bool fits = number != UINT64_MAX && exact / scale <= INT64_MAX;
            ret_scaled->value = fits ? (uint64_t)(exact / scale) : UINT64_MAX;
            ret_scaled->is_whole = exact % scale == 0;
            return true;
        }
    return false;
}

static kofn_status
parse_size(const kofn_key *key, const char *text, void *target, kofn_error *err)
{
    const char *const remedy = "write it as 512MiB or 4GiB";
    scaled bytes;
    if (!scan_scaled(text, size_units, SIZE_UNITS, "B", &bytes))
        return fail_type(key, text, "a size", remedy, err);
    if (bytes.value == UINT64_MAX || !is_within(key, (double)bytes.value))
        return fail_range(key, text, err);
    if (!bytes.is_whole)
        return fail_type(key, text, "a whole number of bytes", remedy, err);
    *(uint64_t *)get_field(key, target, sizeof(uint64_t)) = bytes.value;
    return KOFN_OK;
}

static kofn_status
parse_duration(const kofn_key *key, const char *text, void *target, kofn_error *err)
{
    scaled ns; // a fraction of a nanosecond is dropped
    if (!scan_scaled(text, duration_units, DURATION_UNITS, "", &ns))
        return fail_type(key, text, "a duration", "write it as 250ms, 3.5s, 2min or 1h", err);
    if (ns.value == UINT64_MAX || !is_within(key, (double)ns.value))
        return fail_range(key, text, err);
    *(int64_t *)get_field(key, target, sizeof(int64_t)) = (int64_t)ns.value;
    return KOFN_OK;
}

static kofn_status
parse_string(const kofn_key *key, const char *text, void *target, kofn_error *err)
{
    const size_t length = strlen(text);
    if (length >= key->size || !is_within(key, (double)length))
        return fail_range(key, text, err);
    memcpy((char *)target + key->offset, text, length + 1);
    return KOFN_OK;
}

/* The length of the choice at `at`; *ret_next is the one after it, or NULL. */
static size_t
choice_length(const char *at, const char **ret_next)
{
    const size_t length = strcspn(at, "|");
    *ret_next = at[length] ? at + length + 1 : NULL;
    return length;
}

static kofn_status
parse_choice(const kofn_key *key, const char *text, void *target, kofn_error *err)
{
    int index = 0;
    for (const char *at = key->choices, *next; at; at = next, index++) {
        const size_t length = choice_length(at, &next);
        if (strlen(text) == length && memcmp(at, text, length) == 0) {
            *(int *)get_field(key, target, sizeof(int)) = index;
            return KOFN_OK;
        }
    }
    char choices[BOUNDS_MAX];
    kofn_key_format_bounds(key, choices, sizeof choices);
    return kofn_fail(err, KOFN_INVALID_ARGUMENT, "%s: '%.*s' is not a choice; use %s", key->name,
                     VALUE_SHOWN, text, choices);
}

kofn_status
kofn_key_parse(const kofn_key *key, const char *text, void *target, kofn_error *err)
{
    switch (key->type) {
    case KOFN_KEY_BOOL:
        return parse_bool(key, text, target, err);
    case KOFN_KEY_INT:
        return parse_int(key, text, target, err);
    case KOFN_KEY_SIZE:
        return parse_size(key, text, target, err);
    case KOFN_KEY_REAL:
        return parse_real(key, text, target, err);
    case KOFN_KEY_DURATION:
        return parse_duration(key, text, target, err);
    case KOFN_KEY_STRING:
        return parse_string(key, text, target, err);
    case KOFN_KEY_CHOICE:
        return parse_choice(key, text, target, err);
    }
    return kofn_fail(err, KOFN_INTERNAL, "%s: key of unknown type %d", key->name, (int)key->type);
}

static bool
is_section(kofn_keys keys, const char *name)
{
    const size_t length = strlen(name);
    for (size_t i = 0; i < keys.count; i++)
        if (strncmp(keys.at[i].name, name, length) == 0 && keys.at[i].name[length] == '.')
            return true;
    return false;
}

kofn_status
kofn_keys_parse(kofn_keys keys, const char *name, const char *text, void *target, kofn_error *err)
{
    const kofn_key *key = kofn_keys_find(keys, name);
    if (key)
        return kofn_key_parse(key, text, target, err);
    if (is_section(keys, name))
        return text[0] == '\0' ? KOFN_OK
                               : kofn_fail(err, KOFN_INVALID_ARGUMENT,
                                           "%s: is a section, not '%.*s'; set the keys below it",
                                           name, VALUE_SHOWN, text);

    const char *close = kofn_keys_nearest(keys, name);
    return close ? kofn_fail(err, KOFN_NOT_FOUND, "%.*s: no such key; did you mean '%s'?",
                             VALUE_SHOWN, name, close)
                 : kofn_fail(err, KOFN_NOT_FOUND, "%.*s: no such key", VALUE_SHOWN, name);
}

/* ---- value to text --------------------------------------------------------------------------- */

/* A whole number of the largest unit that divides it: 1536 MiB stays that, and loses nothing. */
static void
format_size(uint64_t bytes, char *ret_text, size_t size)
{
    size_t i = bytes == 0 ? 0 : SIZE_UNITS - 1;
    while (bytes % (uint64_t)size_units[i].worth != 0)
        i--;
    (void)snprintf(ret_text, size, "%" PRIu64 "%s", bytes / (uint64_t)size_units[i].worth,
                   i == 0 ? "" : size_units[i].name);
}

/* At most three decimals of the largest unit that holds it exactly: 3.5s, 250ms. */
static void
format_duration(int64_t ns, char *ret_text, size_t size)
{
    size_t i = DURATION_UNITS - 1;
    while (i > 0 && (ns < duration_units[i].worth || ns % (duration_units[i].worth / 1000) != 0))
        i--;
    const int64_t worth = duration_units[i].worth;
    const int64_t thousandths = i == 0 ? 0 : ns % worth / (worth / 1000);

    char decimals[8] = "";
    if (thousandths != 0) {
        (void)snprintf(decimals, sizeof decimals, ".%03d", (int)thousandths);
        for (size_t last = 3; decimals[last] == '0'; last--)
            decimals[last] = '\0';
    }
    (void)snprintf(ret_text, size, "%" PRId64 "%s%s", ns / worth, decimals,
                   ns == 0 ? "" : duration_units[i].name);
}

/* The fewest digits that read back as the same double; 100, not 1e+02. */
static void
format_real(double value, char *ret_text, size_t size)
{
    char text[32];
    if (fabs(value) < 1e6 && value == nearbyint(value)) {
        (void)snprintf(ret_text, size, "%.0f", value);
        return;
    }
    const plain_numbers numbers = plain_numbers_begin();
    for (int digits = 1; digits <= 17; digits++) {
        (void)snprintf(text, sizeof text, "%.*g", digits, value);
        if (strtod(text, NULL) == value)
            break;
    }
    plain_numbers_end(&numbers);
    (void)snprintf(ret_text, size, "%s", text);
}

static void
format_choice(const char *choices, int index, char *ret_text, size_t size)
{
    for (const char *at = choices, *next; at; at = next, index--) {
        const size_t length = choice_length(at, &next);
        if (index == 0) {
            (void)snprintf(ret_text, size, "%.*s", (int)length, at);
            return;
        }
    }
    (void)snprintf(ret_text, size, "%s", "?"); // an index outside the choices
}

void
kofn_key_format(const kofn_key *key, const void *target, char *ret_text, size_t size)
{
    const void *field = (const char *)target + key->offset;
    switch (key->type) {
    case KOFN_KEY_BOOL:
        (void)snprintf(ret_text, size, "%s", *(const bool *)field ? "true" : "false");
        break;
    case KOFN_KEY_INT:
        (void)snprintf(ret_text, size, "%" PRId64, *(const int64_t *)field);
        break;
    case KOFN_KEY_SIZE:
        format_size(*(const uint64_t *)field, ret_text, size);
        break;
    case KOFN_KEY_REAL:
        if (key->choices && isnan(*(const double *)field))
            (void)snprintf(ret_text, size, "%s", key->choices);
        else
            format_real(*(const double *)field, ret_text, size);
        break;
    case KOFN_KEY_DURATION:
        format_duration(*(const int64_t *)field, ret_text, size);
        break;
    case KOFN_KEY_STRING:
        (void)snprintf(ret_text, size, "%s", (const char *)field);
        break;
    case KOFN_KEY_CHOICE:
        format_choice(key->choices, *(const int *)field, ret_text, size);
        break;
    }
}

const char *
kofn_key_type_name(kofn_key_type type)
{
    static const char *const names[] = {
        [KOFN_KEY_BOOL] = "boolean",  [KOFN_KEY_INT] = "integer",       [KOFN_KEY_SIZE] = "size",
        [KOFN_KEY_REAL] = "number",   [KOFN_KEY_DURATION] = "duration", [KOFN_KEY_STRING] = "text",
        [KOFN_KEY_CHOICE] = "choice",
    };
    return (size_t)type < sizeof names / sizeof names[0] ? names[type] : "unknown";
}

/* "a, b or c" from "a|b|c". */
static void
format_choices(const char *choices, char *ret_text, size_t size)
{
    size_t used = 0;
    for (const char *at = choices, *next; at && used < size; at = next) {
        const size_t length = choice_length(at, &next);
        const bool last = next && !strchr(next, '|'); // after this one
        const int wrote = snprintf(ret_text + used, size - used, "%.*s%s", (int)length, at,
                                   last   ? " or "
                                   : next ? ", "
                                          : "");
        used += wrote > 0 ? (size_t)wrote : 0;
    }
}

/* A bound of a key as its value would be written. */
static void
format_bound(const kofn_key *key, double bound, char *ret_text, size_t size)
{
    if (key->type == KOFN_KEY_SIZE)
        format_size((uint64_t)bound, ret_text, size);
    else if (key->type == KOFN_KEY_DURATION)
        format_duration((int64_t)bound, ret_text, size);
    else if (key->type == KOFN_KEY_REAL)
        format_real(bound, ret_text, size);
    else
        (void)snprintf(ret_text, size, "%.0f", bound);
}

/* The greatest value a field of this key holds: a string's array bounds it even without `max`. */
static double
greatest(const kofn_key *key)
{
    const double max = is_bounded(key) ? key->max : INFINITY;
    if (key->type == KOFN_KEY_STRING)
        return fmin(max, (double)key->size - 1);
    return max < 0x1p63 || key->type == KOFN_KEY_REAL ? max : INFINITY;
}

void
kofn_key_format_bounds(const kofn_key *key, char *ret_text, size_t size)
{
    if (size == 0)
        return;
    ret_text[0] = '\0';
    if (key->type == KOFN_KEY_CHOICE)
        format_choices(key->choices, ret_text, size);
    if (key->type == KOFN_KEY_CHOICE || key->type == KOFN_KEY_BOOL)
        return;

    const char *noun = key->type == KOFN_KEY_STRING ? " characters" : "";
    const double max = greatest(key);
    const double min = is_bounded(key) && key->min > -0x1p63 ? key->min : -INFINITY;
    char low[32], high[32];
    format_bound(key, isfinite(min) ? min : 0, low, sizeof low);
    format_bound(key, isfinite(max) ? max : 0, high, sizeof high);
    if (isfinite(min) && isfinite(max))
        (void)snprintf(ret_text, size, "%s to %s%s", low, high, noun);
    else if (isfinite(min))
        (void)snprintf(ret_text, size, "%s or more%s", low, noun);
    else if (isfinite(max))
        (void)snprintf(ret_text, size, "at most %s%s", high, noun);
}

/* ---- values of other origin ------------------------------------------------------------------ */

static bool
is_choice(const kofn_key *key, int index)
{
    const char *at = key->choices;
    for (; at && index > 0; index--)
        (void)choice_length(at, &at); // only the next one is wanted
    return at && index == 0;
}

static bool
is_possible(const kofn_key *key, const void *target)
{
    const void *field = (const char *)target + key->offset;
    switch (key->type) {
    case KOFN_KEY_INT:
    case KOFN_KEY_DURATION:
        return is_within(key, (double)*(const int64_t *)field);
    case KOFN_KEY_SIZE:
        return is_within(key, (double)*(const uint64_t *)field);
    case KOFN_KEY_REAL: {
        const double value = *(const double *)field;
        return isfinite(value) ? is_within(key, value) : isnan(value) && key->choices;
    }
    case KOFN_KEY_CHOICE:
        return is_choice(key, *(const int *)field);
    case KOFN_KEY_BOOL:
    case KOFN_KEY_STRING:
        break;
    }
    return true;
}

kofn_status
kofn_key_check(const kofn_key *key, const void *target, kofn_error *err)
{
    char text[VALUE_SHOWN];
    if (is_possible(key, target))
        return KOFN_OK;
    kofn_key_format(key, target, text, sizeof text);
    return fail_range(key, text, err);
}

kofn_status
kofn_keys_check(kofn_keys keys, const void *target, kofn_error *err)
{
    kofn_status status = KOFN_OK;
    for (size_t i = 0; i < keys.count && status == KOFN_OK; i++)
        status = kofn_key_check(&keys.at[i], target, err);
    return status;
}
