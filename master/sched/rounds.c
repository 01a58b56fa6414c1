/* How it is held together
 *
 *     job    waits in a queue of ids, then has a book (book.h): that of round t is books[t mod (T +
 *            1)]. The job of the round T + 1 before is finished by then, which is the invariant.
 *     mini   a mini-task that was given. It knows on which slot it is, and in whose list it was
 *            given (`home`): that one is a straggler if it is not answered, wherever it went.
 *     seat   of a slot: a queue of what is to be sent, and a list of what is out there. Vacant ones
 *            have neither. What is in their lists lies in `parked` until it is dealt out, which is
 *            at once, unless all are vacant. */
#include "master/sched/rounds.h"
#include "common/base/clock.h"
#include "common/base/map.h"
#include "master/sched/book.h"
#include "master/sched/list.h"
#include "master/sched/scheme.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

typedef enum round_state {
    ROUND_NONE,      // none is on
    ROUND_OPEN,      // no slot has done its list itself
    ROUND_TOLERANT,  // one has: the others have until the deadline
    ROUND_WAITING,   // past the deadline: for the due job, or for its scheme
    ROUND_TAKING_IN, // over: what is out is taken back
} round_state;

typedef enum round_event {
    EVENT_BEGUN,
    EVENT_FIRST_DONE,
    EVENT_LATE,
    EVENT_OVER,
    EVENT_CLEARED,
} round_event;

typedef struct kofn_mini {
    kofn_link link;         // in its slot's queue, or in what is out there
    struct kofn_mini *twin; // the next copy of the row; of one that is free, the next free one
    kofn_book *book;
    uint32_t row, slot, home;
    bool sent, copy;
} mini;

typedef struct seat {
    kofn_link queue, out;
    kofn_link woken; // among those to be told of
    size_t left;     // of its list: neither answered nor trivial
    size_t load;     // mini-tasks that came to it in this round
    size_t own, did; // mini-tasks of its list in this round; of them answered by itself
    size_t place;    // in `present`, + 1; 0: it is vacant
    bool straggler, late;
    kofn_burst burst;
} seat;

typedef struct job {
    uint64_t id;
    kofn_link link;  // of `waiting`
    kofn_book *book; // NULL: it waits
} job;

struct kofn_rounds {
    kofn_rounds_config config;
    size_t need, slot_count;
    const kofn_scheme_ops *scheme;
    round_state state;
    kofn_history history;

    kofn_map jobs;            // by id
    kofn_link waiting, woken; // of jobs, of slots
    kofn_link parked;         // mini-tasks
    kofn_book *books;         // [T + 1]

    seat *slots;
    uint32_t *present, *idle; // slots with a worker; of these some, while they are looked for
    size_t present_count, turn;
    size_t undone;    // slots with something left of their lists
    size_t taking;    // slot that is taken back from
    size_t first_did; // of the slot that tau is of; 0: others did part of its list
    kofn_trace trace;

    mini *minis, *free; // all; a list of those that were given back
    size_t mini_count, mini_used;

    int64_t begin_ns, tau_ns, deadline_ns, rescue_ns;
    kofn_rounds_view view;
};

/* ---- life ------------------------------------------------------------------------------------ */

static bool
make_parts(kofn_rounds *r)
{
    const size_t slots = r->slot_count, books = (size_t)r->config.delay + 1;
    r->slots = calloc(slots, sizeof *r->slots);
    r->present = calloc(slots, sizeof *r->present);
    r->idle = calloc(slots, sizeof *r->idle);
    r->books = calloc(books, sizeof *r->books);
    r->minis = calloc(r->mini_count, sizeof *r->minis);
    if (!r->slots || !r->present || !r->idle || !r->books || !r->minis ||
        !kofn_trace_init(&r->trace, slots))
        return false;
    for (size_t i = 0; i < slots; i++) {
        kofn_link_init(&r->slots[i].queue);
        kofn_link_init(&r->slots[i].out);
        kofn_link_init(&r->slots[i].woken);
    }
    size_t plain = 0, coded = 0;
    kofn_rounds_count_rows(&r->config, r->need, &plain, &coded);
    for (size_t i = 0; i < books; i++)
        if (!kofn_book_init(&r->books[i], plain, coded, slots))
            return false;
    return true;
}

kofn_status
kofn_rounds_new(const kofn_rounds_config *config, size_t need, kofn_rounds **ret_rounds,
                kofn_error *err)
{
    kofn_rounds *r = calloc(1, sizeof *r);
    if (!r)
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory for the rounds of a stream");
    r->config = *config;
    r->need = need;
    r->slot_count = (size_t)config->slots;
    r->scheme = kofn_scheme_get(config->scheme);
    r->history.window = (size_t)config->window;
    kofn_link_init(&r->waiting);
    kofn_link_init(&r->woken);
    kofn_link_init(&r->parked);
    // Lists, what is given in addition when a due job has run out, and a copy of each.
    r->mini_count = (size_t)r->scheme->count_tasks(config, need) + need;
    if (config->rescue > 0)
        r->mini_count *= 2;
    if (!make_parts(r)) {
        kofn_rounds_destroy(&r);
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED,
                         "no memory for the rounds of %lld slots, each job with %zu answers",
                         (long long)config->slots, need);
    }
    *ret_rounds = r;
    return KOFN_OK;
}

void
kofn_rounds_destroy(kofn_rounds **rounds_p)
{
    kofn_rounds *r = *rounds_p;
    if (!r)
        return;
    size_t cursor = 0;
    for (job *j = kofn_map_next(&r->jobs, &cursor); j; j = kofn_map_next(&r->jobs, &cursor))
        free(j);
    kofn_map_fini(&r->jobs);
    for (int64_t i = 0; r->books && i <= r->config.delay; i++)
        kofn_book_fini(&r->books[i]);
    kofn_trace_fini(&r->trace);
    free(r->books);
    free(r->minis);
    free(r->idle);
    free(r->present);
    free(r->slots);
    free(r);
    *rounds_p = NULL;
}

/* ---- mini-tasks ------------------------------------------------------------------------------ */

static bool
is_on(const kofn_rounds *r)
{
    return r->state != ROUND_NONE && r->state != ROUND_TAKING_IN;
}

static mini *
take_mini(kofn_rounds *r) // NULL: all are in use
{
    mini *m = r->free;
    if (m)
        r->free = m->twin;
    else if (r->mini_used < r->mini_count)
        m = &r->minis[r->mini_used++];
    return m;
}

/* To the end of a slot's queue. */
static void
place(kofn_rounds *r, mini *m, size_t on)
{
    seat *s = &r->slots[on];
    m->slot = (uint32_t)on;
    m->sent = false;
    kofn_link_insert_before(s->place == 0 ? &r->parked : &s->queue, &m->link);
    if (s->place == 0)
        return;
    if (!kofn_link_is_listed(&s->woken))
        kofn_link_insert_before(&r->woken, &s->woken);
    s->load++;
    if (s->load > r->view.load)
        r->view.load = s->load;
}

/* A further mini-task of the row: the first, in the list of `home`, or a copy of it on another. */
static bool
add_mini(kofn_rounds *r, kofn_book *book, size_t row, size_t home, size_t on)
{
    mini *m = take_mini(r);
    if (!m)
        return false;
    m->book = book;
    m->row = (uint32_t)row;
    m->home = (uint32_t)home;
    m->copy = book->at[row] != NULL;
    m->twin = book->at[row];
    book->at[row] = m;
    place(r, m, on);
    return true;
}

static bool
has_twin(const mini *m)
{
    const mini *first = m->book->at[m->row];
    return first->twin != NULL;
}

/* Away with it. True: it was the last of its row. */
static bool
drop_mini(kofn_rounds *r, mini *m)
{
    mini **at = &m->book->at[m->row];
    const bool was_last = !has_twin(m);
    while (*at != m)
        at = &(*at)->twin;
    *at = m->twin;
    kofn_link_remove(&m->link);
    m->twin = r->free;
    r->free = m;
    return was_last;
}

/* One less in the list of that slot. True: it was the last, and the slot has done its list. */
static bool
count_down(kofn_rounds *r, size_t home)
{
    if (--r->slots[home].left > 0)
        return false;
    r->undone--;
    return true;
}

/* Nothing of its list was trivial, or answered by another slot. */
static bool
did_all(const seat *s)
{
    return s->left == 0 && s->did > 0 && s->did == s->own;
}

static void move(kofn_rounds *r, int64_t now_ns, round_event event);

/* All mini-tasks of the row, since it was answered, or is trivial now. */
static void
drop_row(kofn_rounds *r, int64_t now_ns, kofn_book *book, size_t row)
{
    const size_t home = book->at[row]->home;
    const seat *s = &r->slots[home];
    while (book->at[row])
        drop_mini(r, book->at[row]);
    book->out--;
    if (!count_down(r, home) || r->state != ROUND_OPEN || s->did == 0)
        return;
    r->first_did = did_all(s) ? s->did : 0;
    move(r, now_ns, EVENT_FIRST_DONE);
}

/* It has failed there. What failed in a list is owed to the same slot in the next round. */
static void
fail_mini(kofn_rounds *r, mini *m)
{
    kofn_book *book = m->book;
    const uint32_t row = m->row, home = m->home;
    if (!drop_mini(r, m))
        return;
    book->out--;
    r->view.failed++;
    (void)count_down(r, home); // nobody has done anything
    if (r->scheme->deals)
        kofn_book_owe(book, row, home);
    else
        kofn_book_fail(book, row);
}

/* The next slot with a worker in turn, another one if there is any; or the same, where none has. */
static size_t
choose_slot(kofn_rounds *r, size_t but)
{
    for (size_t tries = 0; tries < 2 && r->present_count > 0; tries++) {
        r->turn = (r->turn + 1) % r->present_count;
        if (r->present[r->turn] != but)
            return r->present[r->turn];
    }
    return but;
}

static void
move_mini(kofn_rounds *r, mini *m)
{
    kofn_link_remove(&m->link);
    place(r, m, choose_slot(r, m->slot));
}

static void
deal_out(kofn_rounds *r)
{
    while (r->present_count > 0 && kofn_link_is_listed(&r->parked))
        move_mini(r, KOFN_OWNER(r->parked.next, mini, link));
}

/* ---- what a scheme may ask and do ------------------------------------------------------------ */

const kofn_rounds_config *
kofn_rounds_get_config(const kofn_rounds *r)
{
    return &r->config;
}

size_t
kofn_rounds_get_need(const kofn_rounds *r)
{
    return r->need;
}

const kofn_history *
kofn_rounds_get_history(const kofn_rounds *r)
{
    return &r->history;
}

const kofn_burst *
kofn_rounds_get_burst(const kofn_rounds *r, size_t slot)
{
    return &r->slots[slot].burst;
}

bool
kofn_rounds_is_vacant(const kofn_rounds *r, size_t slot)
{
    return r->slots[slot].place == 0;
}

kofn_book *
kofn_rounds_find_book(kofn_rounds *r, size_t age)
{
    if (age >= r->view.round)
        return NULL;
    kofn_book *book = &r->books[(r->view.round - age) % ((size_t)r->config.delay + 1)];
    return book->job != 0 ? book : NULL;
}

/* `home` is where it is, too: of vacant slots it is dealt out later. */
static void
give_row(kofn_rounds *r, kofn_book *book, size_t row, size_t home)
{
    assert(!book->at[row]);
    if (!add_mini(r, book, row, home, home)) {
        kofn_book_fail(book, row);
        return;
    }
    book->out++;
    r->view.given++;
    r->slots[home].own++;
    if (r->slots[home].left++ == 0)
        r->undone++;
}

void
kofn_rounds_give_owed(kofn_rounds *r, kofn_book *book, size_t slot)
{
    give_row(r, book, kofn_book_take_owed(book, slot), slot);
}

void
kofn_rounds_give_plain(kofn_rounds *r, kofn_book *book, size_t slot)
{
    give_row(r, book, kofn_book_take_plain(book), slot);
}

void
kofn_rounds_give_coded(kofn_rounds *r, kofn_book *book, size_t slot)
{
    size_t row = 0;
    if (kofn_book_take_any(book, &row))
        give_row(r, book, row, slot);
}

/* ---- jobs ------------------------------------------------------------------------------------ */

kofn_status
kofn_rounds_push(kofn_rounds *r, uint64_t id, kofn_error *err)
{
    assert(id != 0);
    job *j = calloc(1, sizeof *j);
    if (!j)
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory for a further job of a stream");
    kofn_status status = kofn_map_put(&r->jobs, id, j, err);
    if (status != KOFN_OK) {
        free(j);
        return status;
    }
    j->id = id;
    kofn_link_insert_before(&r->waiting, &j->link);
    r->view.waiting++;
    return KOFN_OK;
}

static void
bear(kofn_rounds *r, kofn_book *book)
{
    kofn_link *link = kofn_list_take_first(&r->waiting);
    if (!link)
        return;
    job *j = KOFN_OWNER(link, job, link);
    j->book = book;
    kofn_book_open(book, j->id, r->view.round);
    r->view.waiting--;
    r->view.unfinished++;
}

static void
drop_rows(kofn_rounds *r, int64_t now_ns, kofn_book *book, size_t first, size_t count)
{
    for (size_t row = first; row < first + count; row++) {
        if (!book->at[row])
            continue;
        r->view.dropped++;
        drop_row(r, now_ns, book, row);
    }
}

void
kofn_rounds_finish(kofn_rounds *r, int64_t now_ns, uint64_t id)
{
    job *j = kofn_map_remove(&r->jobs, id);
    if (!j)
        return;
    if (j->book) {
        drop_rows(r, now_ns, j->book, 0, j->book->plain_given);
        drop_rows(r, now_ns, j->book, j->book->plain, j->book->coded_given);
        kofn_book_close(j->book);
        r->view.unfinished--;
    } else {
        kofn_link_remove(&j->link);
        r->view.waiting--;
    }
    free(j);
}

/* ---- slots ----------------------------------------------------------------------------------- */

void
kofn_rounds_fill_slot(kofn_rounds *r, int64_t now_ns, size_t slot)
{
    (void)now_ns;
    assert(slot < r->slot_count && r->slots[slot].place == 0);
    r->present[r->present_count++] = (uint32_t)slot;
    r->slots[slot].place = r->present_count;
    deal_out(r);
}

static void
leave(kofn_rounds *r, seat *s)
{
    const uint32_t last = r->present[--r->present_count];
    r->present[s->place - 1] = last;
    r->slots[last].place = s->place;
    s->place = 0;
}

static void
empty_list(kofn_rounds *r, const kofn_link *list)
{
    for (kofn_link *link = kofn_list_first(list); link; link = kofn_list_first(list)) {
        mini *m = KOFN_OWNER(link, mini, link);
        if (!has_twin(m) && r->scheme->deals && is_on(r))
            move_mini(r, m);
        else
            fail_mini(r, m);
    }
}

void
kofn_rounds_vacate_slot(kofn_rounds *r, int64_t now_ns, size_t slot)
{
    (void)now_ns;
    assert(slot < r->slot_count && r->slots[slot].place != 0);
    leave(r, &r->slots[slot]);
    empty_list(r, &r->slots[slot].out);
    empty_list(r, &r->slots[slot].queue);
}

/* ---- a round --------------------------------------------------------------------------------- */

static int64_t
scale_ns(int64_t ns, double factor)
{
    const double scaled = (double)ns * factor;
    return scaled < (double)KOFN_NEVER_NS ? (int64_t)scaled : KOFN_NEVER_NS;
}

static void
give_lists(kofn_rounds *r, int64_t now_ns)
{
    assert(r->undone == 0);
    r->begin_ns = now_ns;
    r->deadline_ns = KOFN_NEVER_NS;
    r->view.on = true;
    r->view.load = 0;
    for (size_t i = 0; i < r->slot_count; i++)
        r->slots[i].load = r->slots[i].own = r->slots[i].did = 0;
    r->scheme->give(r);
    deal_out(r);
}

static void
set_deadline(kofn_rounds *r, int64_t now_ns)
{
    r->tau_ns = now_ns - r->begin_ns;
    r->deadline_ns = kofn_clock_after(now_ns, scale_ns(r->tau_ns, r->config.tolerance));
}

/* What was dealt out for a vacant slot lies behind the others' own lists: that says nothing. */
static void
begin_waiting(kofn_rounds *r, int64_t now_ns)
{
    (void)now_ns;
    for (size_t i = 0; i < r->slot_count; i++)
        r->slots[i].late = r->slots[i].left > 0 && r->slots[i].place != 0;
    r->view.waited++;
    r->rescue_ns = KOFN_NEVER_NS;
    if (r->config.rescue > 0)
        r->rescue_ns = kofn_clock_after(r->begin_ns, scale_ns(r->tau_ns, r->config.rescue));
}

static void
mark_stragglers(kofn_rounds *r, int64_t now_ns)
{
    kofn_rounds_view *view = &r->view;
    kofn_history_add(&r->history, r->undone);
    kofn_trace_add(&r->trace);
    for (size_t i = 0; i < r->slot_count; i++) {
        seat *s = &r->slots[i];
        s->straggler = s->left > 0;
        if (s->straggler)
            kofn_burst_add(&s->burst, view->round);
        if (s->straggler || s->late) {
            kofn_trace_mark(&r->trace, i);
            view->late++;
        }
        s->late = false;
    }
    r->taking = 0;
    view->on = false;
    view->stragglers = r->undone;
    view->rounds++;
    view->load_sum += view->load;
    if (view->load > view->load_max)
        view->load_max = view->load;
    view->busy_ns += now_ns - r->begin_ns;
}

/* All are free now: the next lists lie in memory in the order in which they are given. */
static void
forget_minis(kofn_rounds *r, int64_t now_ns)
{
    (void)now_ns;
    r->mini_used = 0;
    r->free = NULL;
}

static const struct {
    round_state state;
    round_event event;
    round_state next;
    void (*action)(kofn_rounds *r, int64_t now_ns);
} transitions[] = {
    {ROUND_NONE, EVENT_BEGUN, ROUND_OPEN, give_lists},
    {ROUND_OPEN, EVENT_FIRST_DONE, ROUND_TOLERANT, set_deadline},
    {ROUND_OPEN, EVENT_OVER, ROUND_TAKING_IN, mark_stragglers}, // nobody did anything himself
    {ROUND_TOLERANT, EVENT_LATE, ROUND_WAITING, begin_waiting},
    {ROUND_TOLERANT, EVENT_OVER, ROUND_TAKING_IN, mark_stragglers},
    {ROUND_WAITING, EVENT_OVER, ROUND_TAKING_IN, mark_stragglers},
    {ROUND_TAKING_IN, EVENT_CLEARED, ROUND_NONE, forget_minis},
};

static void
move(kofn_rounds *r, int64_t now_ns, round_event event)
{
    for (size_t i = 0; i < sizeof transitions / sizeof transitions[0]; i++) {
        if (transitions[i].state != r->state || transitions[i].event != event)
            continue;
        r->state = transitions[i].next;
        transitions[i].action(r, now_ns);
        return;
    }
    assert(!"an event that this state has not");
}

bool
kofn_rounds_begin(kofn_rounds *r, int64_t now_ns)
{
    kofn_mini_task ignored;
    while (kofn_rounds_take_back(r, &ignored))
        ;
    const bool has_work = r->view.waiting > 0 || r->view.unfinished > 0;
    if (r->state != ROUND_NONE || !has_work || r->present_count == 0)
        return false;
    r->view.round++;
    kofn_book *book = &r->books[r->view.round % ((size_t)r->config.delay + 1)];
    assert(book->job == 0); // each job is finished by the end of round birth + T
    bear(r, book);
    move(r, now_ns, EVENT_BEGUN);
    return true;
}

static void
describe(const mini *m, kofn_mini_task *ret_task)
{
    *ret_task = (kofn_mini_task){
        .job = m->book->job,
        .row = m->row,
        .slot = m->slot,
        .copy = m->copy,
    };
}

bool
kofn_rounds_peek(const kofn_rounds *r, size_t slot, kofn_mini_task *ret_task)
{
    assert(slot < r->slot_count);
    if (!is_on(r))
        return false;
    const kofn_link *link = kofn_list_first(&r->slots[slot].queue);
    if (!link)
        return false;
    describe(KOFN_OWNER(link, const mini, link), ret_task);
    return true;
}

void
kofn_rounds_send(kofn_rounds *r, int64_t now_ns, size_t slot)
{
    (void)now_ns;
    kofn_link *link = kofn_list_take_first(&r->slots[slot].queue);
    assert(link && is_on(r));
    KOFN_OWNER(link, mini, link)->sent = true;
    kofn_link_insert_before(&r->slots[slot].out, link);
}

bool
kofn_rounds_next_woken(kofn_rounds *r, size_t *ret_slot)
{
    const kofn_link *link = kofn_list_take_first(&r->woken);
    if (link)
        *ret_slot = (size_t)(KOFN_OWNER(link, seat, woken) - r->slots);
    return link != NULL;
}

static kofn_book *
find_book(const kofn_rounds *r, uint64_t id, size_t row) // NULL: the row is not out
{
    const job *j = kofn_map_find(&r->jobs, id);
    if (!j || !j->book || row >= j->book->plain + j->book->coded || !j->book->at[row])
        return NULL;
    return j->book;
}

/* It was late, and has done its list since: how many times as long as the first slot, which did as
 * much? */
static void
time_late(kofn_rounds *r, int64_t now_ns, const seat *s)
{
    if (r->state != ROUND_WAITING || !s->late || !did_all(s) || s->did != r->first_did ||
        r->tau_ns <= 0)
        return;
    r->view.timed++;
    r->view.slowdown_sum += (double)(now_ns - r->begin_ns) / (double)r->tau_ns;
}

void
kofn_rounds_answer(kofn_rounds *r, int64_t now_ns, uint64_t id, size_t row, size_t slot)
{
    kofn_book *book = find_book(r, id, row);
    if (!book)
        return;
    const size_t home = book->at[row]->home;
    book->answers++;
    r->view.answered++;
    r->slots[home].did += home == slot;
    drop_row(r, now_ns, book, row);
    time_late(r, now_ns, &r->slots[home]);
}

void
kofn_rounds_lose(kofn_rounds *r, int64_t now_ns, uint64_t id, size_t row, size_t slot)
{
    (void)now_ns;
    kofn_book *book = find_book(r, id, row);
    mini *m = book ? book->at[row] : NULL;
    while (m && !(m->slot == slot && m->sent))
        m = m->twin;
    if (!m)
        return;
    if (!has_twin(m) && is_on(r))
        move_mini(r, m);
    else
        fail_mini(r, m);
}

/* ---- time ------------------------------------------------------------------------------------ */

/* Slots that have nothing to do; or all, if each has something. */
static size_t
find_idle(kofn_rounds *r)
{
    size_t count = 0;
    for (size_t i = 0; i < r->present_count; i++) {
        const seat *s = &r->slots[r->present[i]];
        if (!kofn_link_is_listed(&s->queue) && !kofn_link_is_listed(&s->out))
            r->idle[count++] = r->present[i];
    }
    return count;
}

/* Rows that the due job lacks even if all comes back that is out. Answers enough that do not span
 * are followed by one at a time. */
static size_t
count_missing(const kofn_rounds *r, const kofn_book *due)
{
    const size_t to_come = due->answers + due->out;
    if (to_come < r->need)
        return r->need - to_come;
    return due->out == 0;
}

static void
mend(kofn_rounds *r, kofn_book *due)
{
    const size_t missing = count_missing(r, due);
    if (missing == 0)
        return;
    const uint32_t *slots = r->idle;
    size_t count = find_idle(r);
    if (count == 0) {
        slots = r->present;
        count = r->present_count;
    }
    size_t row = 0;
    for (size_t i = 0; count > 0 && i < missing && kofn_book_take_any(due, &row); i++) {
        give_row(r, due, row, slots[i % count]);
        r->view.mended++;
    }
}

static void
copy_list(kofn_rounds *r, const kofn_link *list, const kofn_book *only, size_t idle, size_t *turn)
{
    for (kofn_link *link = kofn_list_first(list); link; link = kofn_list_after(list, link)) {
        mini *m = KOFN_OWNER(link, mini, link);
        if ((only && m->book != only) || has_twin(m))
            continue;
        if (!add_mini(r, m->book, m->row, m->home, r->idle[*turn % idle]))
            return;
        (*turn)++;
        r->view.rescued++;
    }
}

static void
rescue(kofn_rounds *r, int64_t now_ns, const kofn_book *due)
{
    const size_t idle = find_idle(r);
    size_t turn = 0;
    for (size_t i = 0; idle > 0 && i < r->slot_count; i++) {
        copy_list(r, &r->slots[i].out, due, idle, &turn);
        copy_list(r, &r->slots[i].queue, due, idle, &turn);
    }
    const int64_t lasted_ns = now_ns - r->begin_ns;
    r->rescue_ns = kofn_clock_after(now_ns, lasted_ns > 0 ? lasted_ns : 1);
}

static bool
is_over(const kofn_rounds *r, int64_t now_ns, const kofn_book *due)
{
    if (due)
        return false;
    if (r->undone == 0)
        return true;
    return now_ns >= r->deadline_ns && (!r->scheme->conforms || r->scheme->conforms(r, r->undone));
}

bool
kofn_rounds_end(kofn_rounds *r, int64_t now_ns)
{
    if (!is_on(r))
        return r->state == ROUND_TAKING_IN;
    kofn_book *due = kofn_rounds_find_book(r, (size_t)r->config.delay);
    if (is_over(r, now_ns, due)) {
        move(r, now_ns, EVENT_OVER);
        return true;
    }
    if (r->state == ROUND_TOLERANT && now_ns >= r->deadline_ns)
        move(r, now_ns, EVENT_LATE);
    if (due)
        mend(r, due);
    if (r->state == ROUND_WAITING && now_ns >= r->rescue_ns)
        rescue(r, now_ns, due);
    return false;
}

static void
fail_all(kofn_rounds *r, const kofn_link *list)
{
    for (kofn_link *link = kofn_list_first(list); link; link = kofn_list_first(list))
        fail_mini(r, KOFN_OWNER(link, mini, link));
}

bool
kofn_rounds_take_back(kofn_rounds *r, kofn_mini_task *ret_task)
{
    if (r->state != ROUND_TAKING_IN)
        return false;
    for (; r->taking < r->slot_count; r->taking++) {
        seat *s = &r->slots[r->taking];
        kofn_link *link = kofn_list_first(&s->out);
        if (link) {
            describe(KOFN_OWNER(link, mini, link), ret_task);
            fail_mini(r, KOFN_OWNER(link, mini, link));
            return true;
        }
        fail_all(r, &s->queue);
    }
    fail_all(r, &r->parked);
    move(r, 0, EVENT_CLEARED);
    return false;
}

int64_t
kofn_rounds_get_due(const kofn_rounds *r)
{
    if (r->state == ROUND_TOLERANT)
        return r->deadline_ns;
    return r->state == ROUND_WAITING && r->present_count > 0 ? r->rescue_ns : KOFN_NEVER_NS;
}

/* ---- views ----------------------------------------------------------------------------------- */

kofn_rounds_view
kofn_rounds_get_view(const kofn_rounds *r)
{
    return r->view;
}

bool
kofn_rounds_was_straggler(const kofn_rounds *r, size_t slot)
{
    assert(slot < r->slot_count);
    return r->slots[slot].straggler;
}

const kofn_trace *
kofn_rounds_get_trace(const kofn_rounds *r)
{
    return &r->trace;
}

uint64_t
kofn_rounds_get_birth(const kofn_rounds *r, uint64_t id)
{
    const job *j = kofn_map_find(&r->jobs, id);
    return j && j->book ? j->book->birth : 0;
}
