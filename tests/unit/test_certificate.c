#include "proto/link/certificate.h"

#include "tests/assert.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[64];

static int
setup(void **state)
{
    (void)state;
    (void)snprintf(folder, sizeof folder, "/tmp/kofn-certificate-XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static size_t
count_files(bool and_remove)
{
    size_t count = 0;
    DIR *dir = opendir(folder);
    for (const struct dirent *e; dir && (e = readdir(dir));) {
        char path[400];
        (void)snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
        count += e->d_name[0] != '.' || strlen(e->d_name) > 2;
        if (and_remove)
            (void)unlink(path); // "." and ".." refuse
    }
    (void)closedir(dir);
    return count;
}

static int
teardown(void **state)
{
    (void)state;
    (void)unsetenv("CREDENTIALS_DIRECTORY");
    (void)count_files(true);
    return rmdir(folder);
}

static kofn_certificate
save_new(const char *name, kofn_role role)
{
    kofn_certificate made;
    char path[KOFN_CERTIFICATE_PATH];
    kofn_error error;
    assert_ok(kofn_certificate_make(name, role, &made, &error));
    assert_ok(kofn_certificate_save(&made, folder, KOFN_CERTIFICATE_NEW, path, &error));
    return made;
}

static const char *
path_of(const char *name)
{
    static char path[128];
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static void
write_text(const char *name, const char *text, size_t length)
{
    FILE *file = fopen(path_of(name), "w");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, length, file), length);
    assert_int_equal(fclose(file), 0);
}

static mode_t
mode_of(const char *name)
{
    struct stat s;
    assert_int_equal(stat(path_of(name), &s), 0);
    return s.st_mode & 07777;
}

static void
what_is_saved_is_read_back(void **state)
{
    (void)state;
    const kofn_certificate w1 = save_new("w1", KOFN_ROLE_WORKER);
    kofn_certificate read;
    kofn_error error;
    assert_ok(kofn_certificate_load_secret(path_of("w1.key"), &read, &error));
    assert_string_equal(read.name, "w1");
    assert_int_equal(read.role, KOFN_ROLE_WORKER);
    assert_string_equal(read.public_key, w1.public_key);
    assert_string_equal(read.secret_key, w1.secret_key);
    assert_ok(kofn_certificate_load(path_of("w1.key"), &read, &error));
    assert_string_equal(read.secret_key, "");
    assert_false(read.holds_secret);
    assert_ok(kofn_certificate_load(path_of("w1.key_secret"), &read, &error));
    assert_string_equal(read.secret_key, ""); // whoever wants it asks for it
    assert_true(read.holds_secret);
}

static void
a_secret_is_its_owners_and_the_rest_is_everybodys_under_any_umask(void **state)
{
    (void)state;
    const mode_t before = umask(0);
    (void)save_new("w1", KOFN_ROLE_WORKER);
    (void)umask(077);
    (void)save_new("w2", KOFN_ROLE_WORKER);
    (void)umask(before);
    assert_int_equal(mode_of("w1.key_secret"), 0600);
    assert_int_equal(mode_of("w1.key"), 0644);
    assert_int_equal(mode_of("w2.key_secret"), 0600);
    assert_int_equal(mode_of("w2.key"), 0644);
}

static void
nothing_is_written_over_unless_it_is_asked_for(void **state)
{
    (void)state;
    const kofn_certificate old = save_new("w1", KOFN_ROLE_WORKER);
    kofn_certificate fresh, read;
    char path[KOFN_CERTIFICATE_PATH];
    kofn_error error;
    assert_ok(kofn_certificate_make("w1", KOFN_ROLE_WORKER, &fresh, &error));
    assert_fails(kofn_certificate_save(&fresh, folder, KOFN_CERTIFICATE_NEW, path, &error),
                 KOFN_ALREADY_EXISTS);
    assert_int_equal(unlink(path_of("w1.key_secret")), 0); // only the public one is in the way
    assert_fails(kofn_certificate_save(&fresh, folder, KOFN_CERTIFICATE_NEW, path, &error),
                 KOFN_ALREADY_EXISTS);
    assert_int_equal(access(path_of("w1.key_secret"), F_OK), -1);
    assert_ok(kofn_certificate_load(path_of("w1.key"), &read, &error));
    assert_string_equal(read.public_key, old.public_key);
    assert_ok(kofn_certificate_save(&fresh, folder, KOFN_CERTIFICATE_REPLACE, path, &error));
    assert_ok(kofn_certificate_load_secret(path_of("w1.key"), &read, &error));
    assert_string_equal(read.public_key, fresh.public_key);
    assert_int_equal(mode_of("w1.key_secret"), 0600);
    assert_int_equal(count_files(false), 2); // and nothing half made
}

static void
a_secret_that_others_may_use_is_refused(void **state)
{
    static const mode_t bad[] = {0644, 0604, 0602, 0601, 0620, 0610, 0666};
    (void)state;
    (void)save_new("w1", KOFN_ROLE_WORKER);
    kofn_certificate read;
    kofn_error error;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(chmod(path_of("w1.key_secret"), bad[i]), 0);
        assert_fails(kofn_certificate_load_secret(path_of("w1.key"), &read, &error),
                     KOFN_PERMISSION_DENIED);
    }
    assert_int_equal(chmod(path_of("w1.key_secret"), 0400), 0);
    assert_ok(kofn_certificate_load_secret(path_of("w1.key"), &read, &error));
}

/* Root's file may be its group's to read; another user's is nobody else's secret. */
static void
whose_a_secret_is_decides_who_may_read_it(void **state)
{
    (void)state;
    (void)save_new("w1", KOFN_ROLE_WORKER);
    kofn_certificate read;
    kofn_error error;
    assert_int_equal(chmod(path_of("w1.key_secret"), 0640), 0);
    if (geteuid() != 0) {
        assert_fails(kofn_certificate_load_secret(path_of("w1.key"), &read, &error),
                     KOFN_PERMISSION_DENIED);
        return;
    }
    assert_ok(kofn_certificate_load_secret(path_of("w1.key"), &read, &error));
    assert_int_equal(chmod(path_of("w1.key_secret"), 0600), 0);
    assert_int_equal(chown(path_of("w1.key_secret"), 4711, 4711), 0);
    assert_fails(kofn_certificate_load_secret(path_of("w1.key"), &read, &error),
                 KOFN_PERMISSION_DENIED);
}

static void
a_credential_of_a_service_is_found_where_systemd_put_it(void **state)
{
    (void)state;
    const kofn_certificate w1 = save_new("w1", KOFN_ROLE_WORKER);
    kofn_certificate read;
    kofn_error error;
    char secret[128];
    (void)snprintf(secret, sizeof secret, "%s", path_of("w1.key_secret"));
    assert_int_equal(rename(secret, path_of("kofn-worker.key")), 0); // both keys in one file
    static const char path[] = "$CREDENTIALS_DIRECTORY/kofn-worker.key";
    assert_int_equal(unsetenv("CREDENTIALS_DIRECTORY"), 0);
    assert_fails(kofn_certificate_load_secret(path, &read, &error), KOFN_FAILED_PRECONDITION);
    assert_int_equal(setenv("CREDENTIALS_DIRECTORY", folder, 1), 0);
    assert_ok(kofn_certificate_load_secret(path, &read, &error));
    assert_string_equal(read.secret_key, w1.secret_key);
}

static void
a_certificate_of_mixed_keys_is_refused(void **state)
{
    (void)state;
    kofn_certificate mixed = save_new("w1", KOFN_ROLE_WORKER), read;
    const kofn_certificate other = save_new("w2", KOFN_ROLE_WORKER);
    char path[KOFN_CERTIFICATE_PATH];
    kofn_error error;
    (void)snprintf(mixed.name, sizeof mixed.name, "mixed");
    memcpy(mixed.secret_key, other.secret_key, sizeof mixed.secret_key);
    assert_ok(kofn_certificate_save(&mixed, folder, KOFN_CERTIFICATE_NEW, path, &error));
    assert_fails(kofn_certificate_load_secret(path, &read, &error), KOFN_INVALID_ARGUMENT);
}

static void
a_public_certificate_has_no_secret_to_give(void **state)
{
    (void)state;
    (void)save_new("w1", KOFN_ROLE_WORKER);
    kofn_certificate read;
    kofn_error error;
    assert_int_equal(unlink(path_of("w1.key_secret")), 0);
    assert_fails(kofn_certificate_load_secret(path_of("w1.key"), &read, &error),
                 KOFN_INVALID_ARGUMENT);
    assert_non_null(strstr(error.text, "has no secret key"));
}

/* A copy under way: no beginning of a certificate is one, but for what lacks the last newline. */
static void
half_a_certificate_is_none(void **state)
{
    (void)state;
    (void)save_new("w1", KOFN_ROLE_WORKER);
    char text[1024];
    kofn_certificate read;
    kofn_error error;
    FILE *file = fopen(path_of("w1.key"), "r");
    assert_non_null(file);
    const size_t length = fread(text, 1, sizeof text, file);
    (void)fclose(file);
    for (size_t i = 0; i + 1 < length; i++) {
        write_text("half.key", text, i);
        assert_fails(kofn_certificate_load(path_of("half.key"), &read, &error),
                     KOFN_INVALID_ARGUMENT);
    }
    write_text("half.key", text, length - 1);
    assert_ok(kofn_certificate_load(path_of("half.key"), &read, &error));
}

#define KEY "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7"

#define WHOLE                                                                                      \
    "metadata\n    name = \"a\"\n    role = \"client\"\ncurve\n    public-key = \"" KEY "\"\n"

static const char *const no_certificates[] = {
    "",
    "\n\n\n",
    "metadata\n    name = \"a\"\n    role = \"client\"\n",
    "metadata\n    name = \"a\"\n    role = \"king\"\ncurve\n    public-key = \"" KEY "\"\n",
    "metadata\n    name = \"../a\"\n    role = \"client\"\ncurve\n    public-key = \"" KEY "\"\n",
    "metadata\n    role = \"client\"\ncurve\n    public-key = \"" KEY "\"\n",
    "metadata\n    name = \"a\"\n    role = \"client\"\ncurve\n    public-key = \"" KEY "0\"\n",
    "metadata\n    name = \"a\"\n    role = \"client\"\ncurve\n    public-key = "
    "\"~~~~~~~~~~~~~~~~~~~~"
    "~~~~~~~~~~~~~~~~~~~~\"\n",
    "metadata\n    name = \"a\"\n    role = \"client\"\n    role = \"admin\"\ncurve\n    "
    "public-key = "
    "\"" KEY "\"\n",
    "metadata\n    name = \"a\n    role = \"client\"\ncurve\n    public-key = \"" KEY "\"\n",
    "curve\n    name = \"a\"\n    role = \"client\"\nmetadata\n    public-key = \"" KEY "\"\n",
};

static void
what_is_no_certificate_is_refused(void **state)
{
    (void)state;
    kofn_certificate read;
    kofn_error error;
    for (size_t i = 0; i < sizeof no_certificates / sizeof no_certificates[0]; i++) {
        write_text("bad.key", no_certificates[i], strlen(no_certificates[i]));
        assert_fails(kofn_certificate_load(path_of("bad.key"), &read, &error),
                     KOFN_INVALID_ARGUMENT);
    }
    static const char nul[] = WHOLE "\0 and more";
    write_text("bad.key", nul, sizeof nul - 1);
    assert_fails(kofn_certificate_load(path_of("bad.key"), &read, &error), KOFN_INVALID_ARGUMENT);
}

/* What CZMQ's tools write besides: comments, other entries, other quotes, other ends of lines. */
static void
a_certificate_of_czmqs_is_read(void **state)
{
    static const char text[] =
        "#   **** Generated on 2026-01-01 by CZMQ ****\n"
        "metadata\n    name = 'a'\n    role = \"client\"    #  sees its own\n"
        "    mail = \"a@b\"\ncurve\r\n    public-key = \"" KEY "\"\r\n";
    (void)state;
    kofn_certificate read;
    kofn_error error;
    write_text("a.key", text, sizeof text - 1);
    assert_ok(kofn_certificate_load(path_of("a.key"), &read, &error));
    assert_string_equal(read.public_key, KEY);
    assert_string_equal(read.name, "a");
}

static void
what_is_no_file_is_not_waited_for(void **state)
{
    (void)state;
    kofn_certificate read;
    kofn_error error;
    assert_int_equal(mkfifo(path_of("pipe.key"), 0600), 0);
    assert_fails(kofn_certificate_load(path_of("pipe.key"), &read, &error), KOFN_INVALID_ARGUMENT);
    const int pipe = open(path_of("pipe.key"), O_RDWR); // not even when a certificate comes out
    assert_int_equal(write(pipe, WHOLE, strlen(WHOLE)), strlen(WHOLE));
    assert_fails(kofn_certificate_load(path_of("pipe.key"), &read, &error), KOFN_INVALID_ARGUMENT);
    (void)close(pipe);
    assert_int_equal(symlink("/dev/zero", path_of("zero.key")), 0);
    assert_fails(kofn_certificate_load(path_of("zero.key"), &read, &error), KOFN_INVALID_ARGUMENT);
    assert_fails(kofn_certificate_load(folder, &read, &error), KOFN_INVALID_ARGUMENT);
    assert_fails(kofn_certificate_load(path_of("none.key"), &read, &error), KOFN_NOT_FOUND);
    write_text("huge.key", WHOLE "#", strlen(WHOLE) + 1);
    assert_ok(kofn_certificate_load(path_of("huge.key"), &read, &error));
    assert_int_equal(truncate(path_of("huge.key"), INT64_C(1) << 40), 0);
    assert_fails(kofn_certificate_load(path_of("huge.key"), &read, &error), KOFN_INVALID_ARGUMENT);
    char long_comment[9000] = WHOLE;
    memset(long_comment + strlen(WHOLE), '#', sizeof long_comment - strlen(WHOLE));
    write_text("huge.key", long_comment, sizeof long_comment);
    assert_fails(kofn_certificate_load(path_of("huge.key"), &read, &error), KOFN_INVALID_ARGUMENT);
}

#define FOLDER(name_) cmocka_unit_test_setup_teardown(name_, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        FOLDER(what_is_saved_is_read_back),
        FOLDER(a_secret_is_its_owners_and_the_rest_is_everybodys_under_any_umask),
        FOLDER(nothing_is_written_over_unless_it_is_asked_for),
        FOLDER(a_secret_that_others_may_use_is_refused),
        FOLDER(whose_a_secret_is_decides_who_may_read_it),
        FOLDER(a_credential_of_a_service_is_found_where_systemd_put_it),
        FOLDER(a_certificate_of_mixed_keys_is_refused),
        FOLDER(a_public_certificate_has_no_secret_to_give),
        FOLDER(half_a_certificate_is_none),
        FOLDER(what_is_no_certificate_is_refused),
        FOLDER(a_certificate_of_czmqs_is_read),
        FOLDER(what_is_no_file_is_not_waited_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
