/* The topological order and the reverse sweep; see backward.h for what they promise. */
#include "backward.h"

#include "numbers.h"

/* ---- The order ---- */

static bool reserve(fg_arena *arena, fg_walk *walk)
{
    uint32_t capacity = arena->live;
    if (capacity <= walk->capacity)
        return true;
    if (capacity < FG_SLAB)
        capacity = FG_SLAB;
    fg_index *order = fg_allocate(walk->order, capacity * sizeof *order);
    if (!order)
        return false;
    walk->order = order;
    fg_frame *stack = fg_allocate(walk->stack, capacity * sizeof *stack);
    if (!stack)
        return false;
    walk->stack = stack;
    walk->capacity = capacity;
    return true;
}

static uint32_t new_epoch(fg_arena *arena)
{
    if (++arena->epoch == FG_PASSED_OVER) { /* after 2**32 walks old marks would look new */
        for (fg_index i = 0; i < arena->used_slabs * FG_SLAB; i++)
            if (arena->nodes[i].mark != FG_PASSED_OVER && arena->nodes[i].refs > 0)
                arena->nodes[i].mark = 0;
        arena->epoch = 1;
    }
    return arena->epoch;
}

/* Where a frame's node goes on: at its first child, its second, the end of its children; or, if it has FG_WIDE arity,
 * at the child of a number, with the bit WIDE set. A BOTTOM frame ends the walk. */
enum { FIRST, SECOND, END, BOTTOM };
#define WIDE 0x80000000u

static void begin(fg_arena *arena, fg_walk *walk)
{
    walk->epoch = new_epoch(arena);
    walk->edits = arena->edits;
    walk->n = 0;
    walk->depth = 2;
    walk->stack[0] = (fg_frame){walk->root, BOTTOM};
    walk->stack[1] = (fg_frame){walk->root, FIRST};
    arena->nodes[walk->root].mark = walk->epoch;
}

fg_status fg_walk_start(fg_arena *arena, fg_walk *walk, fg_index root, bool with_leaves)
{
    if (!reserve(arena, walk))
        return FG_NO_MEMORY;
    walk->root = root;
    walk->with_leaves = with_leaves;
    begin(arena, walk);
    fg_arena_hold(arena);
    return FG_OK;
}

/* Whether the walk has still to go through a node: it hasn't come by, and it isn't a leaf that it passes over. */
static inline bool is_ahead(const fg_node *node, uint32_t epoch, bool with_leaves)
{
    return node->mark < epoch || (with_leaves && node->mark == FG_PASSED_OVER);
}

/* Whether a node has two children and both are done. */
static inline bool has_done_both(const fg_node *nodes, const fg_node *node, uint32_t epoch, bool with_leaves)
{
    return node->arity == 2 && !is_ahead(&nodes[node->child[0]], epoch, with_leaves)
           && !is_ahead(&nodes[node->child[1]], epoch, with_leaves);
}

/* The walk proper, compiled once with and once without leaves. Nearly all nodes have one child or two, so the loop over
 * children is written out. And nearly all are of sums of products, where a node's second child, the product, can be
 * listed without another turn: its children are a weight and an input met before. */
static inline fg_status walk_on(fg_arena *arena, fg_walk *walk, uint32_t budget, const bool with_leaves)
{
    fg_node *const nodes = arena->nodes, *node;
    fg_index *const order = walk->order;
    const uint32_t epoch = walk->epoch;
    const uint32_t stop = UINT32_MAX - walk->n > budget ? walk->n + budget : UINT32_MAX;
    uint32_t n = walk->n, next;
    fg_frame *top = walk->stack + walk->depth;
    fg_index at, child;

    while (n < stop) {
        top--;
        at = top->node;
        next = top->next_child;
        node = &nodes[at];
        if (next == SECOND)
            goto second;
        if (next == END)
            goto list;
        if (next == BOTTOM) {
            walk->n = n;
            return FG_OK;
        }
        if (next & WIDE)
            goto wide;
visit:
        child = node->child[0];
        if (node->arity == 2) {
            next = SECOND;
            if (is_ahead(&nodes[child], epoch, with_leaves))
                goto descend;
second:
            child = node->child[1];
            next = END;
            if (is_ahead(&nodes[child], epoch, with_leaves)) {
                if (!has_done_both(nodes, &nodes[child], epoch, with_leaves))
                    goto descend;
                nodes[child].mark = epoch;
                order[n++] = child;
            }
        } else if (node->arity == 1) {
            next = END;
            if (is_ahead(&nodes[child], epoch, with_leaves))
                goto descend;
        } else if (node->arity == FG_WIDE) {
            next = WIDE;
wide:
            while ((next & ~WIDE) < node->edges->n_children) {
                child = node->edges->children[next++ & ~WIDE];
                if (is_ahead(&nodes[child], epoch, with_leaves))
                    goto descend;
            }
        }
list:
        order[n++] = at;
        continue;
descend:
        nodes[child].mark = epoch;
        *top++ = (fg_frame){at, next};
        at = child;
        node = &nodes[at];
        goto visit;
    }
    walk->n = n;
    walk->depth = (uint32_t)(top - walk->stack);
    return FG_MORE;
}

fg_status fg_walk_go_on(fg_arena *arena, fg_walk *walk, uint32_t budget)
{
    if (!reserve(arena, walk)) /* since the last portion, Python may have made nodes and put them below the root */
        return FG_NO_MEMORY;
    if (walk->epoch != arena->epoch || walk->edits != arena->edits)
        begin(arena, walk); /* or it has walked, over this walk's marks, or replaced edges under it */
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

/* child.grad += local * grad, of which both factors are ints, and so perhaps is the sum. */
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

/* To how many children a node passes its gradient on: as zip() in microgpt, to as many as it has local gradients. */
static uint32_t n_passing(const fg_node *node)
{
    uint32_t n_children = fg_node_n_children(node), n_locals = fg_node_n_locals(node);
    return n_locals < n_children ? n_locals : n_children;
}

static void pass_on_ints(fg_node *nodes, const fg_node *node)
{
    uint32_t n = n_passing(node);
    for (uint32_t i = 0; i < n; i++) {
        fg_node *child = &nodes[fg_node_child(node, i)];
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

/* Pass on a gradient that is a float. */
static inline void pass_on_float(fg_node *nodes, const fg_node *node)
{
    const double grad = node->grad;
    if (node->arity == 2) {
        fg_node *first = &nodes[node->child[0]], *second = &nodes[node->child[1]];
        add(first, node->local[0], grad);
        add(second, node->local[1], grad);
    } else if (node->arity == 1) {
        add(&nodes[node->child[0]], node->local[0], grad);
    } else {
        uint32_t n = n_passing(node);
        for (uint32_t i = 0; i < n; i++)
            add(&nodes[node->edges->children[i]], node->edges->locals[i], grad);
    }
}

/* The derivative by child i is what another node's number is now. */
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
        take(node, 0, &nodes[node->child[1]]);
        take(node, 1, &nodes[node->child[0]]);
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
    default: /* constants, or numbers that the operation has kept */
        return true;
    }
}

void fg_node_pass_on(fg_arena *arena, fg_index index)
{
    fg_node *node = &arena->nodes[index];
    if (node->flags & FG_GRAD_INT)
        pass_on_ints(arena->nodes, node);
    else
        pass_on_float(arena->nodes, node);
}

fg_status fg_sweep(fg_arena *arena, fg_walk *walk, uint32_t budget)
{
    fg_node *const nodes = arena->nodes;
    const fg_index *const order = walk->order, *end = order + walk->n;
    const fg_index *const stop = walk->n > budget ? end - budget : order;
    for (; end != stop; end--) {
        fg_node *node = &nodes[end[-1]];
        if (!(node->flags & (FG_CLOSURE | FG_LATE | FG_GRAD_INT))) {
            pass_on_float(nodes, node);
            continue;
        }
        if (node->flags & FG_CLOSURE || (node->flags & FG_LATE && !fg_node_refresh(nodes, node)))
            break;
        fg_node_pass_on(arena, end[-1]);
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
        fg_node *node = &arena->nodes[walk->order[i]];
        uint32_t n_children = fg_node_n_children(node);
        zero(node);
        for (uint32_t j = 0; j < n_children; j++)
            zero(&arena->nodes[fg_node_child(node, j)]);
    }
}
