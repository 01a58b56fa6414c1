#include "master/sched/worth.h"
#include "common/code/liars.h"
#include "master/sched/run.h"

#include <math.h>

/* Of a look that the thread of all sockets may take at each answer. */
#define LOOK_FLOPS 1e7

/* Of one that a trial takes before anything is complete: the answer that is would have to wait for
 * it. */
#define EARLY_LOOK_FLOPS 1e9

/* Of the trial whether an error can be reached at all. */
#define REACH_FLOPS 1e9

bool
kofn_run_is_promised_less(const kofn_run *run)
{
    return run->accept.kind == KOFN_ACCEPT_PROMISE && run->accept.liars == 0 &&
           run->code->enough < run->code->threshold;
}

/* With fewer workers than answers some give several, and it takes more. */
size_t
kofn_run_get_enough(const kofn_run *run)
{
    const size_t enough = kofn_accept_enough(&run->accept, run->code);
    const size_t workers = run->crew->able[run->kind], tasks = kofn_code_first_tasks(run->code);
    if (run->accept.liars == 0 || workers == 0)
        return enough;
    const size_t shared = kofn_liars_count_tasks(run->code->threshold, run->accept.liars, workers);
    return shared < tasks ? shared : tasks;
}

/* ---- looks ----------------------------------------------------------------------------------- */

/* Answers below which the bound must be above the error. D G has rank r at most, and the rows of T
 * are orthogonal and of norm sqrt(z): |D G - T|^2 >= (targets - r) z. The bound is the largest
 * singular value of that, arranged as a matrix of z y columns or of x z rows (residual.h), so its
 * square is at least (targets - r) / max(x, y). */
static size_t
find_least(const kofn_run *run)
{
    const kofn_partition part = run->code->part;
    const size_t targets = run->code->targets.rows;
    const double spared =
        floor(run->accept.error * run->accept.error * (double)(part.x > part.y ? part.x : part.y));
    return spared < (double)targets - 1 ? targets - (size_t)spared : 1;
}

/* A factorisation of the coded answers' rows and the targets through it (ridge.h), and the norm of
 * the residual (residual.h). */
static double
count_flops(const kofn_code *code, size_t coded)
{
    const double rows = (double)coded, targets = (double)code->targets.rows;
    const double columns = (double)kofn_code_columns(code);
    return (2 * rows + 4 * targets) * rows * (columns + rows) +
           targets * columns * (2 * rows + (double)(code->e[0].cols + code->e[1].cols));
}

static bool
takes_at_most(const kofn_run *run, double flops)
{
    return count_flops(run->code, run->count[KOFN_TASK_KEPT] - run->plain) <= flops;
}

static bool
is_look_due(const kofn_run *run)
{
    const size_t kept = run->count[KOFN_TASK_KEPT];
    const kofn_look *look = &run->look;
    if (kept == look->kept || kept < find_least(run))
        return false;
    return takes_at_most(run, LOOK_FLOPS) ||
           (kept >= 2 * look->kept && takes_at_most(run, EARLY_LOOK_FLOPS)) ||
           kofn_run_is_at_end(run) ||
           (!look->decodable && kofn_decoder_get_state(run->decoder) != KOFN_DECODE_NOT_YET);
}

/* The bound of a plan that is asked for only to know it; INFINITY: there is none. */
static double
take_bound(kofn_status made, kofn_decode_plan *plan)
{
    if (made) // no memory: as if nothing had come, and the next answer looks again
        return INFINITY;
    const double bound = plan->truncation + plan->rounding;
    kofn_decode_plan_fini(plan);
    return bound;
}

/* An exact plan comes first, in the reals a copy, and only where its bound is not within `error`
 * does anything else. */
kofn_look
kofn_look_at(const kofn_decoder *decoder, double noise, double error)
{
    kofn_decode_plan plan;
    const kofn_decode_state state = kofn_decoder_get_state(decoder);
    kofn_look look = {.kept = kofn_decoder_get_count(decoder),
                      .bound = INFINITY,
                      .decodable = state != KOFN_DECODE_NOT_YET};
    if (state == KOFN_DECODE_EXACT)
        look.bound = take_bound(kofn_decoder_plan(decoder, noise, &plan, NULL), &plan);
    if (look.bound <= error)
        return look;
    look.bound = take_bound(kofn_decoder_estimate(decoder, noise, &plan, NULL), &plan);
    look.estimate = true;
    return look;
}

/* Do the answers suffice? The decoder left that out, or nothing more comes and it left out less. */
static bool
is_trial_due(const kofn_run *run)
{
    return kofn_decoder_get_state(run->decoder) == KOFN_DECODE_DUE ||
           (kofn_decoder_is_deferred(run->decoder) && kofn_run_is_at_end(run));
}

static kofn_worth
weigh_error(kofn_run *run)
{
    const bool waits = run->state == KOFN_RUN_IMPROVING; // for the product
    const bool whole = kofn_decoder_get_state(run->decoder) == KOFN_DECODE_EXACT;
    if (is_trial_due(run))
        return KOFN_WORTH_UNKNOWN;
    if ((!waits || whole) && is_look_due(run)) {
        if (!takes_at_most(run, LOOK_FLOPS))
            return KOFN_WORTH_UNKNOWN;
        run->look = kofn_look_at(run->decoder, run->noise, run->accept.error);
    }
    if (!(run->look.bound <= run->accept.error))
        return waits ? KOFN_WORTH_ESTIMATE : KOFN_WORTH_NOTHING;
    run->estimate = run->look.estimate;
    return whole ? KOFN_WORTH_PRODUCT : KOFN_WORTH_ESTIMATE;
}

/* Are these answers of an approximate code too few for the product? They come so near to it, by the
 * choice of its points, that the decoder may take the rest for rounding and call them decodable. */
static bool
is_only_near(const kofn_code *code, size_t answers)
{
    return code->enough < code->threshold && answers < code->threshold;
}

kofn_worth
kofn_run_weigh(kofn_run *run)
{
    if (run->accept.kind == KOFN_ACCEPT_ERROR)
        return weigh_error(run);
    const size_t kept = run->count[KOFN_TASK_KEPT];
    const kofn_decode_state state = kofn_decoder_get_state(run->decoder);
    if (run->accept.liars > 0 &&
        (kept < kofn_accept_enough(&run->accept, run->code) || !kofn_run_has_parity(run)))
        return KOFN_WORTH_NOTHING;
    if (is_only_near(run->code, kept) && run->accept.kind == KOFN_ACCEPT_EXACT)
        return KOFN_WORTH_NOTHING;
    if (run->accept.liars > 0 && state == KOFN_DECODE_DUE) // any k of them do
        return KOFN_WORTH_PRODUCT;
    if (is_trial_due(run))
        return KOFN_WORTH_UNKNOWN;
    if (state == KOFN_DECODE_EXACT)
        return KOFN_WORTH_PRODUCT;
    if (!kofn_run_is_promised_less(run))
        return state == KOFN_DECODE_POOR ? KOFN_WORTH_POOR : KOFN_WORTH_NOTHING;
    return kept >= run->code->enough ? KOFN_WORTH_ESTIMATE : KOFN_WORTH_NOTHING;
}

/* ---- what a job may ask for ------------------------------------------------------------------ */

size_t
kofn_accept_enough(const kofn_accept *accept, const kofn_code *code)
{
    if (accept->liars > 0)
        return code->threshold + 2 * accept->liars;
    if (accept->kind == KOFN_ACCEPT_PROMISE)
        return code->enough;
    const size_t tasks = kofn_code_first_tasks(code);
    return code->threshold < tasks ? code->threshold : tasks;
}

static kofn_status
check_liars(const kofn_accept *accept, const kofn_code *code, size_t tasks, kofn_error *err)
{
    const size_t k = code->threshold, b = accept->liars;
    if (accept->kind == KOFN_ACCEPT_ERROR || accept->best || accept->settle_ns > 0)
        return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                         "liars are found by parity of the product's answers, and an estimate is "
                         "accepted: verify by freivalds, or accept the product alone");
    if (b > KOFN_LIARS_MAX || tasks < k + 2 * b)
        return kofn_fail(
            err, KOFN_OUT_OF_RANGE,
            "n = %zu tasks < k + 2 b: of %s any k = %zu answers suffice, and of k + 2 b workers' "
            "those of b = %zu may be wrong, at most %d; leave the number of tasks open, or allow "
            "for fewer liars",
            tasks, code->family, k, b, KOFN_LIARS_MAX);
    return KOFN_OK;
}

kofn_status
kofn_accept_check(const kofn_accept *accept, const kofn_code *code, kofn_error *err)
{
    const size_t tasks = kofn_code_first_tasks(code);
    if (accept->kind == KOFN_ACCEPT_EXACT && code->threshold > tasks)
        return kofn_fail(
            err, KOFN_INVALID_ARGUMENT,
            "accept exact: %s gives the product from %zu answers on and has %zu tasks: "
            "take %zu tasks, or accept the estimate that any %zu answers give",
            code->family, code->threshold, tasks, code->threshold, code->enough);
    if (accept->kind == KOFN_ACCEPT_ERROR && !(accept->error > 0 && isfinite(accept->error)))
        return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                         "accept error: accept_error is %g, need more than 0, like 1e-6",
                         accept->error);
    return accept->liars > 0 ? check_liars(accept, code, tasks, err) : KOFN_OK;
}

/* A decoder that has all answers but those of a reserve. */
static kofn_status
make_full(kofn_code *code, kofn_decoder **ret_decoder, kofn_error *err)
{
    kofn_decoder *decoder = NULL;
    kofn_status status = kofn_decoder_new(code, 0, &decoder, err);
    for (size_t task = 0; task < kofn_code_first_tasks(code) && !status; task++)
        status = kofn_decoder_add(decoder, task, err);
    if (status)
        kofn_decoder_destroy(&decoder);
    else
        *ret_decoder = decoder;
    return status;
}

kofn_status
kofn_accept_check_reach(const kofn_accept *accept, kofn_code *code, double noise, kofn_error *err)
{
    if (accept->kind != KOFN_ACCEPT_ERROR ||
        count_flops(code, kofn_code_count_coded(code)) > REACH_FLOPS)
        return KOFN_OK;
    kofn_decoder *decoder;
    const kofn_status status = make_full(code, &decoder, err);
    if (status)
        return status;
    const kofn_look best = kofn_look_at(decoder, noise, accept->error);
    kofn_decoder_destroy(&decoder);
    if (best.bound <= accept->error || best.bound == INFINITY) // the latter: no memory to tell
        return KOFN_OK;
    return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                     "accept error: %.3g is less than all %zu answers of this %s code can promise: "
                     "accept %.3g or more, or take more tasks, fewer parts, or another family",
                     accept->error, kofn_code_first_tasks(code), code->family,
                     1.005 * best.bound); // not rounded down
}
