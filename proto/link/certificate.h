/* Certificates: who somebody is, as a pair of CURVE keys with a name and a role.
 *
 * Files      CZMQ's, so that its tools read them: NAME.key, with the public key, is for everybody
 *            who must know NAME; NAME.key_secret, with both, never leaves NAME's machine.
 *
 *                metadata                     curve
 *                    name = "w1"                  public-key = "Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID"
 *                    role = "worker"              secret-key = "..."
 *
 *            A path that begins with $CREDENTIALS_DIRECTORY/ is below the folder that systemd makes
 *            for a service (LoadCredential=). There NAME.key may hold both keys.
 *
 *            A certificate is not signed: it says what its reader's administrator wrote into it.
 * Units      Keys are text: Z85, 40 characters.
 * Threads    No state: any thread. Loading and saving block.
 */
#ifndef KOFN_PROTO_LINK_CERTIFICATE_H
#define KOFN_PROTO_LINK_CERTIFICATE_H

#include "common/base/status.h"

enum { KOFN_CURVE_TEXT = 41, KOFN_CERTIFICATE_NAME = 64, KOFN_CERTIFICATE_PATH = 1024 };

typedef enum kofn_role {
    KOFN_ROLE_CLIENT, // hands in jobs, and sees its own
    KOFN_ROLE_WORKER, // computes
    KOFN_ROLE_ADMIN,  // a client that sees all jobs
    KOFN_ROLE_MASTER, // is connected to
    KOFN_ROLE_COUNT,
} kofn_role;

typedef struct kofn_certificate {
    char name[KOFN_CERTIFICATE_NAME];
    kofn_role role;
    char public_key[KOFN_CURVE_TEXT];
    char secret_key[KOFN_CURVE_TEXT]; // "": not known
    bool holds_secret;                // the file that it was read from does
} kofn_certificate;

const char *kofn_role_name(kofn_role role);

/* NOT_FOUND, with the names that there are. */
KOFN_MUST_CHECK kofn_status kofn_role_parse(const char *text, kofn_role *ret_role, kofn_error *err);

/* A fresh pair of keys. INVALID_ARGUMENT: the name is empty, too long, or not of letters, digits,
 * '.', '_', '-', beginning with a letter or digit. */
KOFN_MUST_CHECK kofn_status kofn_certificate_make(const char *name, kofn_role role,
                                                  kofn_certificate *ret_certificate,
                                                  kofn_error *err);

typedef enum kofn_certificate_saving {
    KOFN_CERTIFICATE_NEW,     // a file that is there stays, and is ALREADY_EXISTS
    KOFN_CERTIFICATE_REPLACE, // it is replaced, and its key with it
} kofn_certificate_saving;

/* Write FOLDER/NAME.key and FOLDER/NAME.key_secret, which only the owner may read; *ret_path (room
 * for KOFN_CERTIFICATE_PATH) is the former. Each file is there whole or not at all. The folder is
 * made when it is not there. */
KOFN_MUST_CHECK kofn_status kofn_certificate_save(const kofn_certificate *certificate,
                                                  const char *folder, kofn_certificate_saving how,
                                                  char *ret_path, kofn_error *err);

/* Read the public part. NOT_FOUND, PERMISSION_DENIED: the file. INVALID_ARGUMENT: what it says.
 * RESOURCE_EXHAUSTED: no descriptor or memory for the moment. FAILED_PRECONDITION: no folder of
 * credentials. */
KOFN_MUST_CHECK kofn_status kofn_certificate_load(const char *path,
                                                  kofn_certificate *ret_certificate,
                                                  kofn_error *err);

/* Read both keys, from PATH_secret if there is one, else from PATH. Also INVALID_ARGUMENT: there is
 * no secret key, or it is another one's. PERMISSION_DENIED: others can read or write the file (the
 * group may read what is root's). Wipe it with explicit_bzero when done. */
KOFN_MUST_CHECK kofn_status kofn_certificate_load_secret(const char *path,
                                                         kofn_certificate *ret_certificate,
                                                         kofn_error *err);

#endif
