/* kofn keygen: the keys of one machine or person. */
#include "client/cli/cli.h"
#include "client/cli/text.h"
#include "proto/link/certificate.h"

#include <stdio.h>
#include <string.h>

enum { KEY_ROLE = 0x900, KEY_FORCE };

typedef struct arguments {
    cli_common common;
    const char *name, *folder;
    kofn_role role;
    kofn_certificate_saving saving;
} arguments;

static error_t
parse(int key, char *arg, struct argp_state *state)
{
    arguments *args = state->input;
    kofn_error error;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &args->common;
        return 0;
    case KEY_ROLE:
        if (kofn_role_parse(arg, &args->role, &error) != KOFN_OK)
            argp_error(state, "%s", error.text);
        return 0;
    case 'o':
        args->folder = arg;
        return 0;
    case KEY_FORCE:
        args->saving = KOFN_CERTIFICATE_REPLACE;
        return 0;
    case ARGP_KEY_ARG:
        if (args->name)
            argp_error(state, "'%s' is one argument too many", arg);
        args->name = arg;
        return 0;
    case ARGP_KEY_END:
        if (!args->name || args->role == KOFN_ROLE_COUNT)
            argp_error(state, "want a NAME and a --role: client, worker, admin or master");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_option options[] = {
    {"role", KEY_ROLE, "ROLE", 0, "client, worker, admin (sees all jobs) or master", 1},
    {"output", 'o', "DIR", 0, "Folder for the two files (default: this one)", 1},
    {"force", KEY_FORCE, NULL, 0, "Replace keys that are there: who has the old ones is refused",
     1},
    {0},
};

static const struct argp_child children[] = {{&cli_common_argp, 0, "Output:", 80}, {0}};

static const struct argp keygen_argp = {
    .options = options,
    .parser = parse,
    .args_doc = "NAME",
    .doc = "Make the keys of a client, worker, admin or master.\vDIR/NAME.key_secret is for NAME's "
           "machine alone. DIR/NAME.key is public: the master's goes to all others (keys.master, "
           "--server-key), all others' into the folder that the master's keys.allowed names, and "
           "out of it to revoke them. Prints the path of the latter.",
    .children = children,
};

int
cli_keygen(int argc, char **argv)
{
    arguments args = {.folder = ".", .role = KOFN_ROLE_COUNT};
    kofn_certificate made;
    kofn_error error;
    char path[KOFN_CERTIFICATE_PATH];
    cli_parse(&keygen_argp, argc, argv, &args);
    kofn_status status = kofn_certificate_make(args.name, args.role, &made, &error);
    if (status == KOFN_OK)
        status = kofn_certificate_save(&made, args.folder, args.saving, path, &error);
    explicit_bzero(made.secret_key, sizeof made.secret_key);
    if (status != KOFN_OK)
        return cli_fail(&args.common, &error, CLI_USAGE);
    if (args.common.json)
        return cli_print_json(json_pack("{s:s, s:s, s:s, s:s}", "file", path, "name", made.name,
                                        "role", kofn_role_name(made.role), "public_key",
                                        made.public_key));
    (void)cli_line(stdout, "%s", path);
    return cli_finish(CLI_OK);
}
