/* Any frames as a request of ZAP (ZeroMQ RFC 27): each gets one reply, and 200 only for a key on
 * the list, in the role and to the domain that it has, in CURVE and in version 1.0.
 *
 * Input      frames: two bytes of length, the low one first, then so many bytes. */
#include "master/guard.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>
#include <sys/stat.h>
#include <zmq.h>

/* The pairs of zmq_curve(7), known to everybody. */
#define LISTED_WORKER "Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID"
#define MASTER        "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7"
#define MASTER_SECRET "JTKVSB%%)wK0E.X)V>+}o?pNmC{O&4W4b!Ni{Lh6"

enum { FRAMES_MAX = 16, FRAME_MAX = 600 };

typedef struct request {
    size_t count;
    size_t length[FRAMES_MAX];
    uint8_t at[FRAMES_MAX][FRAME_MAX];
} request;

static void
write_certificate(const char *folder, const char *name, const char *role, const char *keys)
{
    char path[256];
    (void)snprintf(path, sizeof path, "%s/%s.key", folder, name);
    FILE *file = fopen(path, "w");
    insist(file != NULL && chmod(path, 0600) == 0);
    (void)fprintf(file, "metadata\n    name = \"%s\"\n    role = \"%s\"\ncurve\n%s", name, role,
                  keys);
    insist(fclose(file) == 0);
}

static void
remove_folder(const char *folder, const char *name)
{
    char path[256];
    (void)snprintf(path, sizeof path, "%s/%s.key", folder, name);
    (void)unlink(path);
    (void)rmdir(folder); // the last of its files takes it along
}

/* Made once; a request leaves nothing behind in it. */
static kofn_guard *
make_guard(void *context)
{
    char folder[] = "/tmp/kofn-fuzz-XXXXXX", own[64];
    kofn_guard *guard = NULL;
    static kofn_log log;
    insist(mkdtemp(folder) != NULL);
    write_certificate(folder, "w1", "worker", "    public-key = \"" LISTED_WORKER "\"\n");
    write_certificate(folder, "master", "master",
                      "    public-key = \"" MASTER "\"\n    secret-key = \"" MASTER_SECRET "\"\n");
    (void)snprintf(own, sizeof own, "%s/master.key", folder);
    kofn_log_init(&log, KOFN_LOG_ERROR, -1);
    insist(kofn_guard_new(context, own, folder, &log, &guard, NULL) == KOFN_OK);
    remove_folder(folder, "w1");
    remove_folder(folder, "master");
    return guard;
}

static void
read_request(fuzz_source from, request *ret_request)
{
    ret_request->count = 0;
    while (from.left > 0 && ret_request->count < FRAMES_MAX) {
        const size_t i = ret_request->count++;
        size_t length = next_byte(&from);
        length |= (size_t)next_byte(&from) << 8;
        if (length > FRAME_MAX)
            length = FRAME_MAX;
        const uint8_t *bytes = next_bytes(&from, &length);
        if (length > 0)
            memcpy(ret_request->at[i], bytes, length);
        ret_request->length[i] = length;
    }
}

static bool
frame_is(const request *r, size_t i, const void *bytes, size_t length)
{
    return r->length[i] == length && memcmp(r->at[i], bytes, length) == 0;
}

/* What may be granted, said once more and otherwise. */
static bool
may_connect(const request *r)
{
    uint8_t worker[32];
    insist(zmq_z85_decode(worker, LISTED_WORKER) != NULL);
    return r->count == 7 && frame_is(r, 0, "1.0", 3) && frame_is(r, 2, "workers", 7) &&
           frame_is(r, 5, "CURVE", 5) && frame_is(r, 6, worker, 32);
}

static void
send_request(void *socket, const request *r)
{
    insist(zmq_send(socket, "", 0, ZMQ_SNDMORE) == 0);
    for (size_t i = 0; i < r->count; i++)
        insist(zmq_send(socket, r->at[i], r->length[i], i + 1 < r->count ? ZMQ_SNDMORE : 0) >= 0);
}

/* Version, request id, status, text, user id, metadata. */
static void
insist_on_reply(void *socket, const request *r)
{
    char frames[7][64];
    int lengths[7];
    for (size_t i = 0; i < 7; i++) {
        int more = 0;
        size_t size = sizeof more;
        lengths[i] = zmq_recv(socket, frames[i], sizeof frames[i], ZMQ_DONTWAIT);
        insist(lengths[i] >= 0 && zmq_getsockopt(socket, ZMQ_RCVMORE, &more, &size) == 0);
        insist((more != 0) == (i < 6));
    }
    const bool granted = memcmp(frames[3], "200", 3) == 0;
    insist(lengths[0] == 0 && lengths[1] == 3 && lengths[3] == 3);
    insist(granted || memcmp(frames[3], "400", 3) == 0);
    insist(granted == may_connect(r));
    insist(lengths[5] == (granted ? KOFN_CURVE_TEXT - 1 : 0));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t length)
{
    static void *context, *socket;
    static kofn_guard *guard;
    static request r;
    if (!context) {
        context = zmq_ctx_new();
        guard = make_guard(context);
        socket = zmq_socket(context, ZMQ_DEALER);
        insist(socket && zmq_connect(socket, "inproc://zeromq.zap.01") == 0);
    }
    read_request((fuzz_source){data, length}, &r);
    if (r.count == 0)
        return 0;
    send_request(socket, &r);
    kofn_guard_on_readable(guard);
    insist_on_reply(socket, &r);
    return 0;
}
