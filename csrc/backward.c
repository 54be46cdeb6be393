/* The topological order and the reverse sweep. backward.h says what they promise. */
#include "backward.h"

#include "numbers.h"

/* ---- The order ---- */

static bool reserve(fg_arena *arena, fg_walk *walk)
{
    uint32_t capacity = fg_arena_live(arena);
    if (capacity <= walk->capacity)
        return true;
    if (capacity < FG_SLAB)
        capacity = FG_SLAB;
    fg_index *order = fg_allocate(walk->order, capacity * sizeof *order);
    if (!order)
        return false;
    walk->order = order;
    uint32_t *stack = fg_allocate(walk->stack, (2 * (size_t)capacity + 2) * sizeof *stack);
    if (!stack)
        return false;
    walk->stack = stack;
    walk->capacity = capacity;
    return true;
}

static uint32_t new_epoch(fg_arena *arena)
{
    if (++arena->epoch == FG_PASSED_OVER) { /* the epochs are used up: start again, or old marks would look new */
        for (fg_index i = fg_arena_live_from(arena, 0); i != FG_NONE; i = fg_arena_live_from(arena, i + FG_STEP))
            if (fg_at(arena->nodes, i)->mark != FG_PASSED_OVER)
                fg_at(arena->nodes, i)->mark = 0;
        arena->epoch = 1;
    }
    return arena->epoch;
}

/* An entry of the stack is a node's index. The lowest bits of an index are always 0, so the entry has there where to go
 * on with the node, once the child that was entered is listed: at its SECOND child, at the END of its children, or, if
 * its arity is FG_WIDE, at the child whose number is the entry below. At first the stack has the root, whose children
 * are gone through from the BEGINNING, above FG_NONE, which ends the walk. */
enum { SECOND, END, WIDE, BEGINNING, STATE = FG_STEP - 1 };

static void begin(fg_arena *arena, fg_walk *walk)
{
    walk->epoch = new_epoch(arena);
    walk->edits = arena->edits;
    walk->n = 0;
    walk->depth = 2;
    walk->stack[0] = FG_NONE | BEGINNING;
    walk->stack[1] = walk->root | BEGINNING;
    fg_at(arena->nodes, walk->root)->mark = walk->epoch;
}

fg_status fg_walk_start(fg_arena *arena, fg_walk *walk, fg_index root, bool with_leaves)
{
    if (!reserve(arena, walk))
        return FG_NO_MEMORY;
    walk->root = root;
    walk->with_leaves = with_leaves;
    walk->restarts = 0;
    begin(arena, walk);
    fg_arena_hold(arena);
    return FG_OK;
}

/* Whether the walk has still to visit a node: it hasn't yet, and the node isn't a leaf that it leaves out. */
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

/* The walk proper, compiled once with and once without leaves. With recursion it would be:
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
 *     first, second   which child is next, of two
 *     not_binary      the same of none, one, or (wide) more: then the next is number i
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
            i = *--top;
            goto wide;
        }
        if (at == FG_NONE) {
            walk->n = n;
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
    }
    walk->n = n;
    walk->depth = (uint32_t)(top - walk->stack);
    return FG_MORE;
}

fg_status fg_walk_go_on(fg_arena *arena, fg_walk *walk, uint32_t budget)
{
    if (!reserve(arena, walk)) /* since the last portion, Python may have put new nodes below the root */
        return FG_NO_MEMORY;
    if (walk->epoch != arena->epoch || walk->edits != arena->edits) {
        begin(arena, walk); /* Python has walked, and changed this walk's marks, or has replaced edges */
        if (++walk->restarts == FG_RESTARTS)
            budget = UINT32_MAX;
    }
    return walk->with_leaves ? walk_on(arena, walk, budget, true) : walk_on(arena, walk, budget, false);
}

void fg_walk_clear(fg_walk *walk)
{
    fg_allocate(walk->order, 0);
    fg_allocate(walk->stack, 0);
    *walk = (fg_walk){0};
}

void fg_walk_end(fg_arena *arena, fg_walk *walk)
{
    if (walk->capacity > FG_KEEP_SLABS * FG_SLAB)
        fg_walk_clear(walk);
    fg_arena_unhold(arena);
}

/* ---- The sweep ---- */

/* child.grad += local * grad, where both factors are ints. The sum may be one too. */
static void add_ints(fg_node *child, double local, double grad)
{
    bool is_int;
    double product = fg_int_mul(local, grad, &is_int);
    if (is_int && child->flags & FG_GRAD_INT) {
        child->grad = fg_int_add(child->grad, product, &is_int);
    } else {
        child->grad += product;
        is_int = false;
    }
    if (!is_int)
        child->flags &= (uint16_t)~FG_GRAD_INT;
}

/* How many children a node passes its gradient on to: as many as it has local gradients, like zip() in microgpt. */
static uint32_t n_passing(const fg_node *node)
{
    uint32_t n_children = fg_node_n_children(node), n_locals = fg_node_n_locals(node);
    return n_locals < n_children ? n_locals : n_children;
}

static void pass_on_ints(fg_node *nodes, const fg_node *node)
{
    uint32_t n = n_passing(node);
    for (uint32_t i = 0; i < n; i++) {
        fg_node *child = fg_at(nodes, fg_node_child(node, i));
        if (fg_node_local_is_int(node, i)) {
            add_ints(child, fg_node_local(node, i), node->grad);
        } else {
            child->grad += fg_node_local(node, i) * node->grad;
            child->flags &= (uint16_t)~FG_GRAD_INT;
        }
    }
}

static inline void add(fg_node *child, double local, double grad)
{
    child->grad += local * grad;
    child->flags &= (uint16_t)~FG_GRAD_INT;
}

/* Pass a gradient that is a float on to two children. */
static inline void pass_on_to_two(fg_node *nodes, const fg_node *node)
{
    const double grad = node->grad;
    add(fg_at(nodes, node->child[0]), node->local[0], grad);
    add(fg_at(nodes, node->child[1]), node->local[1], grad);
}

/* Pass a gradient that is a float on to any number of children. */
static void pass_on_float(fg_node *nodes, const fg_node *node)
{
    const double grad = node->grad;
    if (node->arity == FG_BINARY) {
        pass_on_to_two(nodes, node);
    } else if (node->arity == FG_UNARY) {
        add(fg_at(nodes, node->child[0]), node->local[0], grad);
    } else {
        uint32_t n = n_passing(node);
        for (uint32_t i = 0; i < n; i++)
            add(fg_at(nodes, node->edges->children[i]), node->edges->locals[i], grad);
    }
}

/* Set the derivative by child i to another node's present number. */
static void take(fg_node *node, int i, const fg_node *other)
{
    const uint16_t is_int = (uint16_t)(FG_LOCAL0_INT << i);
    node->local[i] = other->data;
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
        node->local[0] = node->data > 0.0;
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

fg_status fg_sweep(fg_arena *arena, fg_walk *walk, uint32_t budget)
{
    fg_node *const nodes = arena->nodes;
    const fg_index *const order = walk->order, *end = order + walk->n;
    const fg_index *const stop = walk->n > budget ? end - budget : order;
    for (; end != stop; end--) {
        fg_node *node = fg_at(nodes, end[-1]);
        fg_prefetch(&node->data, -FG_AHEAD);
        if (fg_node_is_binary_without(node, FG_CLOSURE | FG_DEFERRED | FG_GRAD_INT)) {
            pass_on_to_two(nodes, node);
            continue;
        }
        if (node->flags & FG_CLOSURE || (node->flags & FG_DEFERRED && !fg_node_refresh(nodes, node))) {
            walk->n = (uint32_t)(end - order);
            return FG_CALLERS;
        }
        pass_on(nodes, node);
    }
    walk->n = (uint32_t)(end - order);
    return walk->n > 0 ? FG_MORE : FG_OK;
}

static void zero(fg_node *node)
{
    node->grad = 0.0;
    node->flags |= FG_GRAD_INT;
}

void fg_walk_zero(fg_arena *arena, const fg_walk *walk)
{
    for (uint32_t i = 0; i < walk->n; i++) {
        fg_node *node = fg_at(arena->nodes, walk->order[i]);
        uint32_t n_children = fg_node_n_children(node);
        zero(node);
        for (uint32_t j = 0; j < n_children; j++)
            zero(fg_at(arena->nodes, fg_node_child(node, j)));
    }
}
