#include "proto/link/certificate.h"

#include <czmq.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A file of a few lines: what is longer is no certificate. */
enum { FILE_MAX_BYTES = 8192 };

static const char *const roles[KOFN_ROLE_COUNT] = {
    [KOFN_ROLE_CLIENT] = "client",
    [KOFN_ROLE_WORKER] = "worker",
    [KOFN_ROLE_ADMIN] = "admin",
    [KOFN_ROLE_MASTER] = "master",
};

const char *
kofn_role_name(kofn_role role)
{
    return roles[role];
}

kofn_status
kofn_role_parse(const char *text, kofn_role *ret_role, kofn_error *err)
{
    for (int i = 0; i < KOFN_ROLE_COUNT; i++) {
        if (strcmp(text, roles[i]) == 0) {
            *ret_role = (kofn_role)i;
            return KOFN_OK;
        }
    }
    return kofn_fail(err, KOFN_NOT_FOUND,
                     "there is no role '%.32s': choose client, worker, admin or master", text);
}

/* It becomes the name of a file, and a value in lines of the log. */
static kofn_status
check_name(const char *name, kofn_error *err)
{
    static const char first[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789",
                      rest[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
    if (!name[0] || !strchr(first, name[0]) || name[strspn(name, rest)] ||
        strlen(name) >= KOFN_CERTIFICATE_NAME)
        return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                         "name '%.80s': begin with a letter or digit, go on with these, '.', '_' "
                         "and '-', %d characters at most",
                         name, KOFN_CERTIFICATE_NAME - 1);
    return KOFN_OK;
}

/* ---- making ---------------------------------------------------------------------------------- */

kofn_status
kofn_certificate_make(const char *name, kofn_role role, kofn_certificate *ret_certificate,
                      kofn_error *err)
{
    kofn_certificate made = {.role = role};
    kofn_status status = check_name(name, err);
    if (status != KOFN_OK)
        return status;
    (void)snprintf(made.name, sizeof made.name, "%s", name);
    if (zmq_curve_keypair(made.public_key, made.secret_key) != 0)
        return kofn_fail(err, KOFN_UNIMPLEMENTED, "no keys: this libzmq was built without CURVE");
    *ret_certificate = made;
    explicit_bzero(&made, sizeof made);
    return KOFN_OK;
}

static kofn_status
fail_file(const char *path, kofn_error *err)
{
    const int reason = errno;
    return kofn_fail(err, kofn_status_from_errno(reason), "%s: %s", path, strerror(reason));
}

static kofn_status
write_file(const char *path, mode_t mode, const kofn_certificate *c, bool with_secret,
           kofn_error *err)
{
    const int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    FILE *file = fd < 0 ? NULL : fdopen(fd, "w");
    if (!file) {
        const kofn_status status = fail_file(path, err);
        if (fd >= 0)
            (void)close(fd);
        return status;
    }
    (void)fprintf(file,
                  "#   kofn: a CURVE certificate in CZMQ's form.%s\n"
                  "metadata\n    name = \"%s\"\n    role = \"%s\"\n"
                  "curve\n    public-key = \"%s\"\n",
                  with_secret ? " SECRET: it never leaves its owner's machine." : "", c->name,
                  kofn_role_name(c->role), c->public_key);
    if (with_secret)
        (void)fprintf(file, "    secret-key = \"%s\"\n", c->secret_key);
    const bool written = fflush(file) == 0 && fsync(fd) == 0;
    const kofn_status status = written ? KOFN_OK : fail_file(path, err);
    (void)fclose(file); // what was to be said was said by fsync
    return status;
}

kofn_status
kofn_certificate_save(const kofn_certificate *certificate, const char *folder, char *ret_path,
                      kofn_error *err)
{
    char open_path[KOFN_CERTIFICATE_PATH], secret_path[KOFN_CERTIFICATE_PATH];
    const int length =
        snprintf(secret_path, sizeof secret_path, "%s/%s.key_secret", folder, certificate->name);
    (void)snprintf(open_path, sizeof open_path, "%s/%s.key", folder, certificate->name);
    if (length < 0 || (size_t)length >= sizeof secret_path)
        return kofn_fail(err, KOFN_INVALID_ARGUMENT, "the path of folder %.64s... is too long",
                         folder);
    if (mkdir(folder, 0755) != 0 && errno != EEXIST)
        return fail_file(folder, err);
    kofn_status status = write_file(secret_path, 0600, certificate, true, err);
    if (status != KOFN_OK)
        return status;
    status = write_file(open_path, 0644, certificate, false, err);
    if (status != KOFN_OK) { // half a certificate would only be in the way
        (void)unlink(secret_path);
        return status;
    }
    memcpy(ret_path, open_path, sizeof open_path);
    return KOFN_OK;
}

/* ---- reading --------------------------------------------------------------------------------- */

static kofn_status
read_file(const char *path, char text[FILE_MAX_BYTES], kofn_error *err)
{
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); // a fifo must not hold us up
    if (fd < 0)
        return fail_file(path, err);
    const ssize_t length = read(fd, text, FILE_MAX_BYTES - 1);
    const int reason = errno;
    (void)close(fd); // it was only read
    if (length < 0)
        return kofn_fail(err, kofn_status_from_errno(reason), "%s: %s", path, strerror(reason));
    text[length] = '\0';
    if (length == FILE_MAX_BYTES - 1 || strlen(text) != (size_t)length)
        return kofn_fail(err, KOFN_INVALID_ARGUMENT, "%s is no certificate", path);
    return KOFN_OK;
}

static bool
is_key(const char *text)
{
    uint8_t bytes[32];
    const bool is = strlen(text) == KOFN_CURVE_TEXT - 1 && zmq_z85_decode(bytes, text);
    explicit_bzero(bytes, sizeof bytes);
    return is;
}

static kofn_status
fill(zconfig_t *root, const char *path, kofn_certificate *c, kofn_error *err)
{
    const char *name = zconfig_get(root, "metadata/name", ""),
               *public_key = zconfig_get(root, "curve/public-key", ""),
               *secret_key = zconfig_get(root, "curve/secret-key", "");
    kofn_error why; // of a role that is not known: NOT_FOUND, which here would mean the file
    kofn_status status = check_name(name, &why);
    if (status == KOFN_OK)
        status = kofn_role_parse(zconfig_get(root, "metadata/role", ""), &c->role, &why);
    if (status != KOFN_OK)
        return kofn_fail(err, KOFN_INVALID_ARGUMENT, "%s: metadata: %s", path, why.text);
    if (!is_key(public_key) || (secret_key[0] && !is_key(secret_key)))
        return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                         "%s: under curve, a key is no CURVE key of 40 characters", path);
    (void)snprintf(c->name, sizeof c->name, "%s", name);
    (void)snprintf(c->public_key, sizeof c->public_key, "%s", public_key);
    (void)snprintf(c->secret_key, sizeof c->secret_key, "%s", secret_key);
    return KOFN_OK;
}

static kofn_status
load(const char *path, kofn_certificate *ret_certificate, kofn_error *err)
{
    char text[FILE_MAX_BYTES];
    kofn_status status = read_file(path, text, err);
    zconfig_t *root = status == KOFN_OK ? zconfig_str_load(text) : NULL;
    explicit_bzero(text, sizeof text);
    if (status != KOFN_OK)
        return status;
    if (!root)
        return kofn_fail(err, KOFN_INVALID_ARGUMENT, "%s is no certificate", path);
    status = fill(root, path, ret_certificate, err);
    zconfig_destroy(&root);
    return status;
}

kofn_status
kofn_certificate_load(const char *path, kofn_certificate *ret_certificate, kofn_error *err)
{
    kofn_certificate read = {.name = ""};
    kofn_status status = load(path, &read, err);
    explicit_bzero(read.secret_key, sizeof read.secret_key);
    if (status == KOFN_OK)
        *ret_certificate = read;
    return status;
}

static kofn_status
check_secret(const kofn_certificate *c, const char *path, kofn_error *err)
{
    char of_secret[KOFN_CURVE_TEXT];
    if (!c->secret_key[0])
        return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                         "%s has no secret key, and there is no %s_secret: name the file that "
                         "kofn keygen made on this machine",
                         path, path);
    if (zmq_curve_public(of_secret, c->secret_key) != 0 || strcmp(of_secret, c->public_key) != 0)
        return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                         "%s: its public and secret key do not belong together", path);
    return KOFN_OK;
}

kofn_status
kofn_certificate_load_secret(const char *path, kofn_certificate *ret_certificate, kofn_error *err)
{
    char secret_path[KOFN_CERTIFICATE_PATH];
    kofn_certificate read = {.name = ""};
    (void)snprintf(secret_path, sizeof secret_path, "%s_secret", path);
    kofn_status status = load(secret_path, &read, err);
    if (status == KOFN_NOT_FOUND)
        status = load(path, &read, err);
    if (status == KOFN_OK)
        status = check_secret(&read, path, err);
    if (status == KOFN_OK)
        *ret_certificate = read;
    explicit_bzero(&read, sizeof read);
    return status;
}
