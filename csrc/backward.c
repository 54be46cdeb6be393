/* The topological order and the reverse sweep. backward.h says what they promise. */
#include "backward.h"

#include "fused.h"
#include "gradients.h"

/* ---- The order ---- */

/* Make an array n elements long. array: the address of the pointer to it. False if there's no memory; then the array is
 * as it was. */
static bool grow(void *array, uint64_t n, size_t size)
{
    void *block = n <= SIZE_MAX / size ? fg_allocate(*(void **)array, (size_t)n * size) : NULL;
    if (block)
        *(void **)array = block;
    return block != NULL;
}

/* Make room for all nodes that a walk can list. A node is listed once, but a fused sum once for each of its events: one
 * where the walk enters an operand, at most, and one at the sum's end. No walk enters a node twice. */
static bool reserve(fg_arena *arena, fg_walk *walk)
{
    uint64_t live = fg_arena_live(arena), operands = 2 * arena->n_terms + arena->n_fused;
    uint64_t events = arena->n_fused > 0 ? arena->n_fused + (live < operands ? live : operands) : 0;
    uint64_t capacity = live + events > FG_SLAB ? live + events : FG_SLAB;
    if (events > walk->events_capacity) {
        if (!grow(&walk->events, events, sizeof *walk->events))
            return false;
        walk->events_capacity = (uint32_t)events;
    }
    if (capacity > walk->capacity) {
        if (!grow(&walk->order, capacity, sizeof *walk->order)
            || !grow(&walk->stack, 3 * capacity + 2, sizeof *walk->stack))
            return false;
        walk->capacity = (uint32_t)capacity;
    }
    return true;
}

static uint32_t new_epoch(fg_arena *arena)
{
    if (++arena->epoch == FG_PASSED_OVER) { /* all epochs are used: begin at 1 again, without the old marks */
        for (fg_index i = fg_arena_live_from(arena, 0); i != FG_NONE; i = fg_arena_live_from(arena, i + 1)) {
            fg_node *node = fg_at(arena->nodes, i);
            if (node->mark != FG_PASSED_OVER)
                node->mark = 0;
            if (node->arity == FG_FUSED)
                node->sum->u->epoch = node->sum->v->epoch = 0;
        }
        arena->epoch = 1;
    }
    return arena->epoch;
}

/* The stack has an entry for each node that waits until a child of it is listed. An entry is the node's index plus the
 * place where the walk goes on with the node. There is room for the place, since an index doesn't have FG_TAG:
 *
 *     BEGINNING   at the first child
 *     SECOND      at the second child
 *     END         all children are done
 *     WIDE        for the arity FG_WIDE: at the child whose number is the entry below. For FG_FUSED: where the two
 *                 entries below say, which are the `state` of next_operand
 *
 * At first the stack has FG_NONE, which ends the walk, and above it the root. */
enum { SECOND, END = FG_TAG, WIDE = 2 * FG_TAG, BEGINNING = 3 * FG_TAG, STATE = BEGINNING };

static void begin(fg_arena *arena, fg_walk *walk)
{
    walk->epoch = new_epoch(arena);
    walk->edits = arena->edits;
    walk->n = walk->n_events = 0;
    walk->is_complete = false;
    walk->depth = 2;
    walk->stack[0] = FG_NONE | BEGINNING;
    walk->stack[1] = walk->root | BEGINNING;
    fg_at(arena->nodes, walk->root)->mark = walk->epoch;
    fg_at(arena->nodes, FG_NONE)->mark = walk->epoch; /* operands of fused sums that are constants are never ahead */
}

fg_status fg_walk_start(fg_arena *arena, fg_walk *walk, fg_index root, bool with_leaves, fg_apart apart)
{
    if (!reserve(arena, walk))
        return FG_NO_MEMORY;
    walk->root = root;
    walk->with_leaves = with_leaves;
    walk->apart = arena->walks ? FG_APART_ALL : apart;
    walk->next = arena->walks;
    arena->walks = walk;
    walk->restarts = 0;
    begin(arena, walk);
    fg_arena_hold(arena);
    return FG_OK;
}

/* Whether the walk still has to visit a node: it hasn't visited it, and it isn't a leaf that the walk leaves out. */
static inline bool is_ahead(const fg_node *node, uint32_t epoch, bool with_leaves)
{
    return node->mark < epoch || (with_leaves && node->mark == FG_PASSED_OVER);
}

/* Whether a node has two children and the walk has to visit neither. */
static inline bool has_done_both(const fg_node *nodes, const fg_node *node, uint32_t epoch, bool with_leaves)
{
    return FG_LIKELY(node->arity == FG_BINARY) && !is_ahead(fg_at(nodes, node->child[0]), epoch, with_leaves)
           && !is_ahead(fg_at(nodes, node->child[1]), epoch, with_leaves);
}

static inline bool has_to_be_apart(const fg_walk *walk, const fg_node *node)
{
    return walk->apart == FG_APART_ALL || (walk->apart == FG_APART_IF_TOUCHED && fg_sum_is_touched(node));
}

/* Make the terms from, ..., to - 1 of a sum an event, if there are any. The caller has to list the sum. At the sum's
 * end, count its terms. */
static inline void close_event(fg_walk *walk, const fg_sum *sum, uint32_t from, uint32_t to)
{
    if (to > from)
        walk->events[walk->n_events++] = (fg_event){from, to};
    if (to == sum->n)
        walk->terms_left -= to < walk->terms_left ? to : walk->terms_left;
}

/* Whether the walk has no operand of a column ahead. */
static inline bool is_done(const fg_arena *arena, const fg_column *column, uint32_t epoch, bool with_leaves)
{
    return column->epoch == epoch || (!with_leaves && fg_column_has_leaves(arena, column));
}

/* The next operand of a fused sum that the walk has to enter, or FG_NONE if there's none left. `state` is what the
 * stack has of the sum: the first term that isn't in an event yet, and the number of the next operand to look at (0 is
 * the start, 1 + 2 * k and 2 + 2 * k are term k's). If there are terms between the last event and the operand, they
 * become an event, and the caller has to list the sum for it. CLOSED, a bit of the result, says so. With FG_NONE the
 * last event is closed, and the caller always has to list the sum. */
enum { CLOSED = FG_TAG };
FG_NOT_INLINED fg_index next_operand(const fg_arena *arena, fg_walk *walk, const fg_node *node, uint32_t *state,
                                     const bool with_leaves)
{
    const fg_node *const nodes = arena->nodes;
    const fg_sum *sum = node->sum;
    const fg_index *const us = fg_column_nodes(sum->u), *const vs = fg_column_nodes(sum->v);
    const uint32_t epoch = walk->epoch, n = sum->n, from = state[0];
    uint32_t i = state[1], k;
    fg_index child = FG_NONE;
    if (i == 0) {
        i = 1;
        child = node->child[0];
        if (is_ahead(fg_at(nodes, child), epoch, with_leaves)) {
            state[1] = i;
            return child;
        }
    }
    const bool u_is_done = is_done(arena, sum->u, epoch, with_leaves);
    const bool v_is_done = is_done(arena, sum->v, epoch, with_leaves);
    for (k = u_is_done && v_is_done ? n : (i - 1) / 2; k < n; k++, i = 1 + 2 * k) {
        child = us[k];
        if (!u_is_done && i % 2 && is_ahead(fg_at(nodes, child), epoch, with_leaves)) {
            state[1] = 2 + 2 * k;
            break;
        }
        child = vs[k];
        if (!v_is_done && is_ahead(fg_at(nodes, child), epoch, with_leaves)) {
            state[1] = 3 + 2 * k;
            break;
        }
    }
    state[0] = k;
    close_event(walk, sum, from, k);
    if (k < n)
        return child | (k > from ? CLOSED : 0);
    sum->u->epoch = sum->v->epoch = epoch;
    return FG_NONE;
}

/* List about `budget` more nodes. Compiled once with and once without leaves. With recursion the walk would be:
 *
 *     visit(node):
 *         node.mark = epoch
 *         for child in node.children:
 *             if is_ahead(child):
 *                 visit(child)
 *         order.append(node)
 *
 * The stack takes the place of the calls: it has the nodes whose visit waits for that of a child. The loop over the
 * children is written out, since nearly all nodes have two. The labels are the places in it:
 *
 *     enter           visit(child) is called; the stack has where to go on in the caller
 *     first, second   the first or the second of two children is next
 *     not_binary      the node has another number of children than two
 *     wide            child number i of any number of children is next
 *     fused           next_operand says which operand of a fused sum is next
 *     list            the node is appended; visit returns to what is on top of the stack
 *
 * A second child that has both its own children done is listed without a call. Most second children are like that: the
 * products in a sum of products, whose children are a weight and an input met before. */
static inline fg_status walk_on(fg_arena *arena, fg_walk *walk, uint32_t budget, const bool with_leaves)
{
    fg_node *const nodes = arena->nodes, *node;
    fg_index *const order = walk->order;
    const uint32_t epoch = walk->epoch;
    const uint32_t stop = UINT32_MAX - walk->n > budget ? walk->n + budget : UINT32_MAX;
    uint32_t n = walk->n, *top = walk->stack + walk->depth, i;
    fg_index at, child;

    while (n < stop) {
        at = *--top;
        if (FG_LIKELY((at & STATE) == SECOND)) {
            node = fg_at(nodes, at);
            goto second;
        }
        i = at & STATE;
        at -= i;
        node = fg_at(nodes, at);
        if (i == END)
            goto list;
        if (i == WIDE) {
            if (node->arity == FG_FUSED)
                goto fused;
            i = *--top;
            goto wide;
        }
        if (at == FG_NONE) {
            walk->n = n;
            walk->is_complete = true;
            return FG_OK;
        }
first:
        if (!FG_LIKELY(node->arity == FG_BINARY))
            goto not_binary;
        child = node->child[0];
        if (is_ahead(fg_at(nodes, child), epoch, with_leaves)) {
            *top++ = at | SECOND;
            goto enter;
        }
second:
        child = node->child[1];
        if (is_ahead(fg_at(nodes, child), epoch, with_leaves)) {
            if (!has_done_both(nodes, fg_at(nodes, child), epoch, with_leaves)) {
                *top++ = at | END;
                goto enter;
            }
            fg_at(nodes, child)->mark = epoch;
            order[n++] = child;
        }
list:
        fg_prefetch(node, FG_AHEAD);
        order[n++] = at;
        continue;

enter:
        at = child;
        node = fg_at(nodes, at);
        node->mark = epoch;
        goto first;

not_binary:
        if (node->arity == FG_UNARY) {
            child = node->child[0];
            if (is_ahead(fg_at(nodes, child), epoch, with_leaves)) {
                *top++ = at | END;
                goto enter;
            }
            goto list;
        }
        if (node->arity == FG_NULLARY)
            goto list;
        if (node->arity == FG_FUSED) {
            if (has_to_be_apart(walk, node)) {
                *top++ = at | BEGINNING;
                walk->n = n;
                walk->depth = (uint32_t)(top - walk->stack);
                return FG_SUM_AHEAD;
            }
            child = node->child[0];
            if (is_done(arena, node->sum->u, epoch, with_leaves) && is_done(arena, node->sum->v, epoch, with_leaves)
                && !is_ahead(fg_at(nodes, child), epoch, with_leaves)) { /* as usual in a layer's rows but the first */
                close_event(walk, node->sum, 0, node->sum->n);
                if (walk->terms_left > 0)
                    goto list;
                *top++ = at | END;
                break;
            }
            *top++ = 0;
            *top++ = 0;
            goto fused;
        }
        i = 0;
wide:
        while (i < node->edges->n_children) {
            child = node->edges->children[i++];
            if (is_ahead(fg_at(nodes, child), epoch, with_leaves)) {
                *top++ = i;
                *top++ = at | WIDE;
                goto enter;
            }
        }
        goto list;

fused:
        /* Mostly the walk comes back from a term's second operand, and the next term's second operand is ahead. */
        i = top[-1];
        if (i % 2 && i > 1 && (i - 1) / 2 < node->sum->n && is_done(arena, node->sum->u, epoch, with_leaves)) {
            child = fg_column_nodes(node->sum->v)[(i - 1) / 2];
            if (is_ahead(fg_at(nodes, child), epoch, with_leaves)) {
                walk->events[walk->n_events++] = (fg_event){top[-2], (i - 1) / 2};
                top[-2] = (i - 1) / 2;
                top[-1] = i + 2;
                *top++ = at | WIDE;
                order[n++] = at;
                goto enter;
            }
        }
        child = next_operand(arena, walk, node, top - 2, with_leaves);
        if (child != FG_NONE) {
            *top++ = at | WIDE;
            if (child & CLOSED) {
                child -= CLOSED;
                order[n++] = at;
            }
            goto enter;
        }
        top -= 2;
        if (walk->terms_left > 0)
            goto list;
        *top++ = at | END;
        break;
    }
    walk->n = n;
    walk->depth = (uint32_t)(top - walk->stack);
    return FG_MORE;
}

fg_status fg_walk_go_on(fg_arena *arena, fg_walk *walk, uint32_t budget)
{
    for (;;) {
        if (!reserve(arena, walk)) /* since the last portion Python may have put new nodes below the root */
            return FG_NO_MEMORY;
        if (walk->epoch != arena->epoch || walk->edits != arena->edits) {
            begin(arena, walk); /* Python has run another walk, which has other marks, or has replaced edges */
            if (++walk->restarts == FG_RESTARTS)
                budget = UINT32_MAX;
        }
        const uint32_t n = walk->n;
        walk->terms_left = budget;
        fg_status status = walk->with_leaves ? walk_on(arena, walk, budget, true)
                                             : walk_on(arena, walk, budget, false);
        if (status != FG_SUM_AHEAD)
            return status;
        const fg_index sum = walk->stack[walk->depth - 1] - BEGINNING;
        const uint32_t done = walk->n - n + fg_at(arena->nodes, sum)->sum->n;
        if (!fg_take_apart(arena, sum))
            return FG_NO_MEMORY;
        walk->edits = arena->edits; /* this walk goes on: it has listed nothing of the sum yet */
        if (budget != UINT32_MAX && budget <= done)
            return FG_MORE;
        budget -= budget != UINT32_MAX ? done : 0;
    }
}

void fg_walk_clear(fg_walk *walk)
{
    fg_allocate(walk->order, 0);
    fg_allocate(walk->events, 0);
    fg_allocate(walk->stack, 0);
    *walk = (fg_walk){0};
}

/* Leaves that a walk has visited get their mark again, or all later walks would list them. */
static void pass_over_leaves(fg_arena *arena, const fg_walk *walk)
{
    for (uint32_t i = 0; i < walk->n; i++) {
        fg_node *node = fg_at(arena->nodes, walk->order[i]);
        if (fg_node_is_leaf_without(node, FG_CLOSURE) && node->mark == walk->epoch)
            node->mark = FG_PASSED_OVER;
    }
}

void fg_walk_end(fg_arena *arena, fg_walk *walk)
{
    fg_walk **place = &arena->walks;
    if (walk->with_leaves)
        pass_over_leaves(arena, walk);
    while (*place != walk)
        place = &(*place)->next;
    *place = walk->next;
    if (walk->capacity > 2 * arena->kept * FG_SLAB)
        fg_walk_clear(walk);
    fg_arena_unhold(arena);
}

/* ---- Taking fused sums apart ---- */

/* How many places a sum has in take_listed_apart's `parts`: one for itself, then those that fg_sum_take_apart fills. */
static uint64_t n_places(const fg_sum *sum)
{
    return (uint64_t)sum->n_inner + sum->n + 2;
}

/* Take apart all fused sums that a walk still lists, and put their parts in the place of their events. False if there's
 * no memory for some of them: then those stay as they were. */
static bool take_listed_apart(fg_arena *arena, fg_walk *walk)
{
    enum { EVENT = FG_TAG };
    uint64_t n_parts = 0;
    uint32_t n = 0, n_events = 0, event = 0;
    for (uint32_t i = 0; i < walk->n; i++)
        if (fg_at(arena->nodes, walk->order[i])->arity == FG_FUSED && walk->events[event++].from == 0)
            n_parts += n_places(fg_at(arena->nodes, walk->order[i])->sum);
    const uint64_t capacity = walk->n + n_parts > walk->capacity ? walk->n + n_parts : walk->capacity;
    fg_index *parts = NULL, *order = NULL;
    if (capacity > UINT32_MAX || !grow(&parts, n_parts, sizeof *parts) || !grow(&order, capacity, sizeof *order)
        || !grow(&walk->stack, 3 * capacity + 2, sizeof *walk->stack)) {
        fg_allocate(parts, 0);
        fg_allocate(order, 0);
        return false;
    }

    /* First mark the entries of the order that are events, since a sum that is apart looks like any other node. In
     * walk->events, `from` becomes the sum's place in `parts`, and `to` becomes how many terms the event has. The sweep
     * takes off events from the last. So a sum that is still listed has its first event, from which it gets its
     * place. */
    n_parts = event = 0;
    for (uint32_t i = 0; i < walk->n; i++) {
        fg_node *node = fg_at(arena->nodes, walk->order[i]);
        if (node->arity != FG_FUSED)
            continue;
        fg_event *at = &walk->events[event++];
        if (at->from == 0) {
            node->sum->place = (uint32_t)n_parts;
            parts[n_parts] = 0;
            n_parts += n_places(node->sum);
        }
        *at = (fg_event){node->sum->place, at->to - at->from};
        walk->order[i] |= EVENT;
    }

    event = 0;
    for (uint32_t i = 0; i < walk->n; i++) {
        if (!(walk->order[i] & EVENT)) {
            order[n++] = walk->order[i];
            continue;
        }
        const fg_index sum = walk->order[i] - EVENT;
        const uint32_t place = walk->events[event].from;
        uint32_t terms = walk->events[event++].to;
        uint32_t *next = &parts[place]; /* the next part's place; for a sum that stays, the number of the next term */
        if (*next == 0 && fg_sum_take_apart(arena, sum, parts + place + 1))
            *next = place + 1;
        if (fg_at(arena->nodes, sum)->arity == FG_FUSED) {
            walk->events[n_events++] = (fg_event){*next, *next + terms};
            *next += terms;
            order[n++] = sum;
            continue;
        }
        for (; terms > 0; terms--, ++*next)
            for (; parts[*next] != FG_NONE; ++*next)
                if (walk->with_leaves || fg_at(arena->nodes, parts[*next])->arity != FG_NULLARY)
                    order[n++] = parts[*next];
    }
    fg_allocate(parts, 0);
    fg_allocate(walk->order, 0);
    walk->order = order;
    walk->capacity = (uint32_t)capacity;
    walk->n = n;
    walk->n_events = n_events;
    return n_events == 0;
}

/* One pass over a walk's list takes all of its sums apart. With a pass for each sum, a closure that looks inside of
 * many would take quadratic time. */
bool fg_take_apart(fg_arena *arena, fg_index index)
{
    for (fg_walk *walk = arena->walks; walk; walk = walk->next)
        if (walk->is_complete && walk->n_events > 0 && !take_listed_apart(arena, walk))
            return fg_at(arena->nodes, index)->arity != FG_FUSED;
    const fg_node *node = fg_at(arena->nodes, index);
    if (node->arity != FG_FUSED)
        return true;
    fg_index *parts = NULL;
    bool done = grow(&parts, n_places(node->sum), sizeof *parts) && fg_sum_take_apart(arena, index, parts);
    fg_allocate(parts, 0);
    return done;
}

/* ---- The sweep ---- */

/* How many children a node passes its gradient on to: as many as it has local gradients, like zip() in microgpt. */
static uint32_t n_passing(const fg_node *node)
{
    uint32_t n_children = fg_node_n_children(node), n_locals = fg_node_n_locals(node);
    return n_locals < n_children ? n_locals : n_children;
}

static void pass_on_ints(fg_node *nodes, const fg_node *node)
{
    uint32_t n = n_passing(node);
    for (uint32_t i = 0; i < n; i++)
        fg_grad_add_product(fg_at(nodes, fg_node_child(node, i)), fg_node_local(node, i),
                            fg_node_local_is_int(node, i), node->grad, true);
}

/* Pass a gradient that is a float on to two children. */
static inline void pass_on_to_two(fg_node *nodes, const fg_node *node)
{
    const double grad = node->grad;
    fg_grad_add(fg_at(nodes, node->child[0]), node->local0 * grad);
    fg_grad_add(fg_at(nodes, node->child[1]), node->local1 * grad);
}

/* Pass a gradient that is a float on to any number of children. */
static void pass_on_float(fg_node *nodes, const fg_node *node)
{
    const double grad = node->grad;
    if (node->arity == FG_BINARY) {
        pass_on_to_two(nodes, node);
    } else if (node->arity == FG_UNARY) {
        fg_grad_add(fg_at(nodes, node->child[0]), node->local0 * grad);
    } else {
        uint32_t n = n_passing(node);
        for (uint32_t i = 0; i < n; i++)
            fg_grad_add(fg_at(nodes, node->edges->children[i]), node->edges->locals[i] * grad);
    }
}

/* Set the derivative by child i to another node's present number. */
static void take(fg_node *node, int i, const fg_node *other)
{
    const uint16_t is_int = (uint16_t)(FG_LOCAL0_INT << i);
    *fg_local(node, i) = other->data;
    node->flags = (uint16_t)(other->flags & FG_DATA_INT ? node->flags | is_int : node->flags & ~is_int);
}

bool fg_node_refresh(const fg_node *nodes, fg_node *node)
{
    switch (node->op) {
    case FG_MUL:
        take(node, 0, fg_at(nodes, node->child[1]));
        take(node, 1, fg_at(nodes, node->child[0]));
        return true;
    case FG_EXP:
        take(node, 0, node);
        return true;
    case FG_RELU:
        node->local0 = node->data > 0.0;
        return true;
    case FG_LOG:
    case FG_POW_CONST:
        return false;
    default: /* nothing to do: constants, or what the operation has kept */
        return true;
    }
}

static void pass_on(fg_node *nodes, fg_node *node)
{
    if (node->flags & FG_GRAD_INT)
        pass_on_ints(nodes, node);
    else
        pass_on_float(nodes, node);
}

void fg_node_pass_on(fg_arena *arena, fg_index index)
{
    pass_on(arena->nodes, fg_at(arena->nodes, index));
}

/* 2 ** TERMS terms of a fused sum take at most as long as a node. If u's gradients lie side by side, terms take less,
 * but running gradients are loaded and stored once a portion: then it's 2 ** RUNNING_TERMS. */
enum { TERMS = 3, RUNNING_TERMS = 5 };

fg_status fg_sweep(fg_arena *arena, fg_walk *walk, uint32_t budget)
{
    fg_node *const nodes = arena->nodes;
    arena->sweeps++;
    const fg_index *const order = walk->order, *end = order + walk->n;
    const fg_index *const stop = walk->n > budget ? end - budget : order;
    for (; end != stop; end--) {
        fg_node *node = fg_at(nodes, end[-1]);
        fg_prefetch(&node->data, -FG_AHEAD);
        if (fg_node_is_binary_without(node, FG_CLOSURE | FG_DEFERRED | FG_GRAD_INT)) {
            pass_on_to_two(nodes, node);
            continue;
        }
        if (!FG_LIKELY(!(node->flags & FG_GRAD_INT)) && arena->running[true]) /* the node's may be running */
            fg_columns_stop_running_inner(arena);
        if (node->arity == FG_FUSED) {
            const fg_event *const event = &walk->events[--walk->n_events];
            const uint32_t n = event->to - event->from;
            fg_sum_pass_on(arena, end[-1], event->from, event->to);
            if (n < 1u << TERMS)
                continue;
            const fg_column *const u = node->sum->u;
            const uint32_t time = n >> (u->has_running_grads || u->is_run ? RUNNING_TERMS : TERMS);
            if (budget > time) {
                budget -= time;
                continue;
            }
            end--;
            break;
        }
        if (node->flags & FG_CLOSURE || (node->flags & FG_DEFERRED && !fg_node_refresh(nodes, node))) {
            if (arena->n_running > 0)
                fg_columns_stop_running(arena);
            walk->n = (uint32_t)(end - order);
            return FG_CALLERS;
        }
        pass_on(nodes, node);
    }
    if (arena->n_running > 0)
        fg_columns_stop_running(arena);
    walk->n = (uint32_t)(end - order);
    return walk->n > 0 ? FG_MORE : FG_OK;
}

uint32_t fg_walk_n_nodes(const fg_arena *arena, const fg_walk *walk)
{
    const fg_event *event = walk->events;
    uint32_t n = 0;
    for (uint32_t i = 0; i < walk->n; i++) {
        const fg_node *node = fg_at(arena->nodes, walk->order[i]);
        if (node->arity != FG_FUSED)
            n++;
        else if (event++->from == 0)
            n += node->sum->n_inner + 1;
    }
    return n;
}

void fg_walk_zero(fg_arena *arena, const fg_walk *walk)
{
    const fg_event *event = walk->events;
    for (uint32_t i = 0; i < walk->n; i++) {
        fg_node *node = fg_at(arena->nodes, walk->order[i]);
        uint32_t n_children = fg_node_n_children(node);
        fg_grad_zero(node);
        if (node->arity == FG_FUSED) {
            fg_sum_zero(arena->nodes, node, event->from, event->to);
            event++;
        }
        for (uint32_t j = 0; j < n_children; j++)
            fg_grad_zero(fg_at(arena->nodes, fg_node_child(node, j)));
    }
}
