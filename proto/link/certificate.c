/* Files are read without CZMQ's help: its parser leaves copies of what it read, secret keys too, in
 * memory that it frees. Here a secret is in buffers of our own alone, and those are wiped.
 */
#include "proto/link/certificate.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zmq.h>

/* A file of a few lines: what is longer is no certificate. */
enum { FILE_MAX_BYTES = 8192, KEY_CHARS = KOFN_CURVE_TEXT - 1 };

#define CREDENTIALS "$CREDENTIALS_DIRECTORY/"

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

/* As the file is to read; wiped by the caller. */
static size_t
format_file(const kofn_certificate *c, bool with_secret, char ret_text[FILE_MAX_BYTES])
{
    const int length =
        snprintf(ret_text, FILE_MAX_BYTES,
                 "#   kofn: a CURVE certificate in CZMQ's form.%s\n"
                 "metadata\n    name = \"%s\"\n    role = \"%s\"\n"
                 "curve\n    public-key = \"%s\"\n%s%s%s",
                 with_secret ? " SECRET: it never leaves its owner's machine." : "", c->name,
                 kofn_role_name(c->role), c->public_key, with_secret ? "    secret-key = \"" : "",
                 with_secret ? c->secret_key : "", with_secret ? "\"\n" : "");
    assert(length > 0 && length < FILE_MAX_BYTES && "names and keys are short");
    return (size_t)length;
}

static bool
write_all(int fd, const char *text, size_t length)
{
    for (size_t done = 0; done < length;) {
        const ssize_t written = write(fd, text + done, length - done);
        if (written < 0 && errno != EINTR)
            return false;
        done += written > 0 ? (size_t)written : 0;
    }
    return true;
}

/* Give the file its name, where no file of that name is unless it may be replaced. */
static bool
publish(const char *temporary, const char *path, kofn_certificate_saving how)
{
    if (how == KOFN_CERTIFICATE_REPLACE)
        return rename(temporary, path) == 0;
    if (renameat2(AT_FDCWD, temporary, AT_FDCWD, path, RENAME_NOREPLACE) == 0)
        return true;
    if (errno != EINVAL && errno != ENOSYS) // a file system that cannot; nearly all can link
        return false;
    return link(temporary, path) == 0 && unlink(temporary) == 0;
}

/* Whoever looks, a master that reads the folder among them, finds the whole file or none; and so
 * does who comes after a power cut. */
static kofn_status
write_file(const char *path, mode_t mode, const char *text, size_t length,
           kofn_certificate_saving how, kofn_error *err)
{
    char temporary[KOFN_CERTIFICATE_PATH + 16];
    (void)snprintf(temporary, sizeof temporary, "%s.XXXXXX", path);
    const int fd = mkostemp(temporary, O_CLOEXEC); // 0600
    if (fd < 0)
        return fail_file(path, err);
    const bool written = fchmod(fd, mode) == 0 && write_all(fd, text, length) && fsync(fd) == 0;
    const bool published = written && publish(temporary, path, how);
    const kofn_status status = published ? KOFN_OK : fail_file(path, err);
    (void)close(fd); // what was to be said was said by fsync
    if (!published)
        (void)unlink(temporary);
    return status;
}

static kofn_status
write_certificate(const kofn_certificate *c, bool with_secret, const char *path,
                  kofn_certificate_saving how, kofn_error *err)
{
    char text[FILE_MAX_BYTES];
    const size_t length = format_file(c, with_secret, text);
    const kofn_status status = write_file(path, with_secret ? 0600 : 0644, text, length, how, err);
    explicit_bzero(text, sizeof text);
    return status;
}

/* The names themselves. A folder that cannot be synced has them all the same, until a power cut. */
static void
sync_folder(const char *folder)
{
    const int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return;
    (void)fsync(fd);
    (void)close(fd);
}

kofn_status
kofn_certificate_save(const kofn_certificate *certificate, const char *folder,
                      kofn_certificate_saving how, char *ret_path, kofn_error *err)
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
    kofn_status status = write_certificate(certificate, true, secret_path, how, err);
    if (status != KOFN_OK)
        return status;
    status = write_certificate(certificate, false, open_path, how, err);
    if (status != KOFN_OK) {
        if (how == KOFN_CERTIFICATE_NEW) // half a certificate would only be in the way
            (void)unlink(secret_path);
        return status;
    }
    sync_folder(folder);
    memcpy(ret_path, open_path, sizeof open_path);
    return KOFN_OK;
}

/* ---- reading --------------------------------------------------------------------------------- */

/* `path` with the folder that systemd made for this service in front, where it asks for that. */
static kofn_status
resolve(const char *path, char ret_path[KOFN_CERTIFICATE_PATH], kofn_error *err)
{
    const size_t skip = strlen(CREDENTIALS);
    const bool credential = strncmp(path, CREDENTIALS, skip) == 0;
    const char *folder = credential ? getenv("CREDENTIALS_DIRECTORY") : "";
    if (!folder)
        return kofn_fail(err, KOFN_FAILED_PRECONDITION,
                         "%s: $CREDENTIALS_DIRECTORY is not set; only a service manager sets it, "
                         "for LoadCredential=",
                         path);
    const int length = snprintf(ret_path, KOFN_CERTIFICATE_PATH, "%s%s%s", folder,
                                credential ? "/" : "", credential ? path + skip : path);
    if (length < 0 || length >= KOFN_CERTIFICATE_PATH)
        return kofn_fail(err, KOFN_INVALID_ARGUMENT, "the path %.64s... is too long", path);
    return KOFN_OK;
}

/* A certificate comes from a file and nothing else: whatever is in a folder, looking at it must not
 * hold us up or set anything off. */
static kofn_status
open_file(const char *path, int *ret_fd, struct stat *ret_stat, kofn_error *err)
{
    char resolved[KOFN_CERTIFICATE_PATH];
    kofn_status status = resolve(path, resolved, err);
    if (status != KOFN_OK)
        return status;
    const int fd = open(resolved, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return fail_file(path, err);
    if (fstat(fd, ret_stat) != 0)
        status = fail_file(path, err);
    else if (!S_ISREG(ret_stat->st_mode) || ret_stat->st_size >= FILE_MAX_BYTES)
        status = kofn_fail(err, KOFN_INVALID_ARGUMENT,
                           "%s is no certificate: want a file of less "
                           "than %d bytes",
                           path, FILE_MAX_BYTES);
    if (status == KOFN_OK)
        *ret_fd = fd;
    else
        (void)close(fd); // it was only looked at
    return status;
}

static kofn_status
read_file(const char *path, char text[FILE_MAX_BYTES], struct stat *ret_stat, kofn_error *err)
{
    int fd = -1;
    const kofn_status status = open_file(path, &fd, ret_stat, err);
    if (status != KOFN_OK)
        return status;
    const ssize_t length = read(fd, text, FILE_MAX_BYTES - 1);
    const int reason = errno;
    (void)close(fd); // it was only read
    if (length < 0)
        return kofn_fail(err, kofn_status_from_errno(reason), "%s: %s", path, strerror(reason));
    text[length] = '\0';
    if (strlen(text) != (size_t)length)
        return kofn_fail(err, KOFN_INVALID_ARGUMENT, "%s is no certificate", path);
    return KOFN_OK;
}

static bool
is_key(const char *text)
{
    uint8_t bytes[32];
    const bool is = strlen(text) == KEY_CHARS && zmq_z85_decode(bytes, text);
    explicit_bzero(bytes, sizeof bytes);
    return is;
}

/* What is looked for in a file. */
typedef struct entry {
    const char *section, *key;
    char *to; // "" until it was found
    size_t size;
} entry;

/* The value of `key = "value"`, cut out of the line. NULL: it is nothing of the kind. */
static const char *
cut_value(char *line, const char *key)
{
    const size_t length = strlen(key);
    if (strncmp(line, key, length) != 0)
        return NULL;
    char *at = line + length;
    at += strspn(at, " \t");
    if (*at != '=')
        return NULL;
    at += 1 + strspn(at + 1, " \t");
    const char quote[2] = {*at, '\0'};
    char *end = *at == '"' || *at == '\'' ? strchr(at + 1, *quote) : NULL;
    if (!end)
        return NULL;
    *end = '\0';
    return at + 1;
}

/* False: it says twice what may be said once, or at such length that it is nothing of ours. */
static bool
take_line(char *line, const char *section, size_t count, const entry *entries)
{
    for (size_t i = 0; i < count; i++) {
        const entry *e = &entries[i];
        const char *value = strcmp(section, e->section) == 0 ? cut_value(line, e->key) : NULL;
        if (!value)
            continue;
        if (e->to[0] || strlen(value) >= e->size)
            return false;
        memcpy(e->to, value, strlen(value) + 1);
        return true;
    }
    return true; // a comment, or an entry of somebody else's
}

/* Sections begin at the line's start, their entries four spaces further in. */
static bool
parse_text(char *text, size_t count, const entry *entries)
{
    char section[16] = "";
    for (char *line = text, *next; line; line = next) {
        next = strchr(line, '\n');
        if (next)
            *next++ = '\0';
        const size_t indent = strspn(line, " ");
        if (indent == 4 && !take_line(line + indent, section, count, entries))
            return false;
        if (indent == 0 && line[0] && line[0] != '#')
            (void)snprintf(section, sizeof section, "%.*s", (int)strcspn(line, " \t\r"), line);
    }
    return true;
}

static kofn_status
parse(char *text, const char *path, kofn_certificate *c, kofn_error *err)
{
    char role[16] = "";
    const entry entries[] = {
        {"metadata", "name", c->name, sizeof c->name},
        {"metadata", "role", role, sizeof role},
        {"curve", "public-key", c->public_key, sizeof c->public_key},
        {"curve", "secret-key", c->secret_key, sizeof c->secret_key},
    };
    if (!parse_text(text, sizeof entries / sizeof entries[0], entries))
        return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                         "%s is no certificate: an entry is there twice, or is too long", path);
    kofn_error why; // of a role that is not known: NOT_FOUND, which here would mean the file
    kofn_status status = check_name(c->name, &why);
    if (status == KOFN_OK)
        status = kofn_role_parse(role, &c->role, &why);
    if (status != KOFN_OK)
        return kofn_fail(err, KOFN_INVALID_ARGUMENT, "%s: metadata: %s", path, why.text);
    if (!is_key(c->public_key) || (c->secret_key[0] && !is_key(c->secret_key)))
        return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                         "%s: under curve, a key is no CURVE key of %d characters", path,
                         KEY_CHARS);
    c->holds_secret = c->secret_key[0] != '\0';
    return KOFN_OK;
}

/* *ret_certificate begins as {0}; the caller wipes it. */
static kofn_status
load(const char *path, kofn_certificate *ret_certificate, struct stat *ret_stat, kofn_error *err)
{
    char text[FILE_MAX_BYTES];
    kofn_status status = read_file(path, text, ret_stat, err);
    if (status == KOFN_OK)
        status = parse(text, path, ret_certificate, err);
    explicit_bzero(text, sizeof text);
    return status;
}

kofn_status
kofn_certificate_load(const char *path, kofn_certificate *ret_certificate, kofn_error *err)
{
    struct stat file;
    kofn_certificate read = {.name = ""};
    const kofn_status status = load(path, &read, &file, err);
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

/* A secret that others can read is none, and one that others can write is not ours. The group may
 * read what is root's: so credentials of services reach users who are not root. */
static kofn_status
check_file(const struct stat *file, const char *path, kofn_error *err)
{
    const mode_t mode = file->st_mode & 07777;
    if (file->st_uid != 0 && file->st_uid != geteuid())
        return kofn_fail(err, KOFN_PERMISSION_DENIED,
                         "%s: this secret key belongs to user %u: have it belong to its reader, or "
                         "to root",
                         path, (unsigned)file->st_uid);
    if (mode & (file->st_uid == 0 ? 037 : 077))
        return kofn_fail(err, KOFN_PERMISSION_DENIED,
                         "%s: others may read or write this secret key (mode %04o): chmod 600 it, "
                         "and make a new one if it may have been read",
                         path, (unsigned)mode);
    return KOFN_OK;
}

kofn_status
kofn_certificate_load_secret(const char *path, kofn_certificate *ret_certificate, kofn_error *err)
{
    char secret_path[KOFN_CERTIFICATE_PATH];
    struct stat file;
    kofn_certificate read = {.name = ""};
    const char *from = secret_path;
    const int length = snprintf(secret_path, sizeof secret_path, "%s_secret", path);
    if (length < 0 || (size_t)length >= sizeof secret_path)
        return kofn_fail(err, KOFN_INVALID_ARGUMENT, "the path %.64s... is too long", path);
    kofn_status status = load(secret_path, &read, &file, err);
    if (status == KOFN_NOT_FOUND)
        status = load(from = path, &read, &file, err);
    if (status == KOFN_OK)
        status = check_secret(&read, path, err);
    if (status == KOFN_OK)
        status = check_file(&file, from, err);
    if (status == KOFN_OK)
        *ret_certificate = read;
    explicit_bzero(&read, sizeof read);
    return status;
}
