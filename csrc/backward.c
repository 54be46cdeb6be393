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
    if (++arena->epoch == 0) { /* after 2**32 walks old marks would look new */
        for (fg_index i = 0; i < arena->used_slabs * FG_SLAB; i++)
            if (arena->nodes[i].refs > 0)
                arena->nodes[i].mark = 0;
        arena->epoch = 1;
    }
    return arena->epoch;
}

static void begin(fg_arena *arena, fg_walk *walk)
{
    walk->epoch = new_epoch(arena);
    walk->n = 0;
    walk->depth = 1;
    walk->stack[0] = (fg_frame){walk->root, 0};
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

static inline bool is_leaf(const fg_node *node)
{
    return node->arity == 0 && !(node->flags & FG_CLOSURE);
}

fg_status fg_walk_go_on(fg_arena *arena, fg_walk *walk, uint32_t budget)
{
    if (walk->epoch != arena->epoch) { /* another walk came between two portions of this one, over its marks */
        if (!reserve(arena, walk))
            return FG_NO_MEMORY;
        begin(arena, walk);
    }
    fg_node *nodes = arena->nodes;
    const uint32_t epoch = walk->epoch;
    fg_frame *stack = walk->stack;
    uint32_t depth = walk->depth, n = walk->n;

    while (depth > 0 && budget > 0) {
        fg_frame *top = &stack[depth - 1];
        const fg_node *node = &nodes[top->node];
        uint32_t n_children = fg_node_n_children(node);
        for (;;) {
            if (top->next_child == n_children) {
                walk->order[n++] = top->node;
                depth--;
                budget--;
                break;
            }
            fg_index child = fg_node_child(node, top->next_child++);
            if (nodes[child].mark == epoch || (is_leaf(&nodes[child]) && !walk->with_leaves))
                continue;
            nodes[child].mark = epoch;
            stack[depth++] = (fg_frame){child, 0};
            break;
        }
    }
    walk->depth = depth;
    walk->n = n;
    return depth > 0 ? FG_MORE : FG_OK;
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

static void pass_on_ints(fg_node *nodes, const fg_node *node, uint32_t n)
{
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

static inline void pass_on(fg_node *nodes, const fg_node *node)
{
    uint32_t n = fg_node_n_children(node), n_locals = fg_node_n_locals(node);
    if (n_locals < n)
        n = n_locals;
    if (node->flags & FG_GRAD_INT) {
        pass_on_ints(nodes, node, n);
    } else if (node->arity == 2) {
        add(&nodes[node->child[0]], node->local[0], node->grad);
        add(&nodes[node->child[1]], node->local[1], node->grad);
    } else {
        for (uint32_t i = 0; i < n; i++)
            add(&nodes[fg_node_child(node, i)], fg_node_local(node, i), node->grad);
    }
}

void fg_node_pass_on(fg_arena *arena, fg_index index)
{
    pass_on(arena->nodes, &arena->nodes[index]);
}

fg_status fg_sweep(fg_arena *arena, fg_walk *walk, uint32_t budget)
{
    fg_node *nodes = arena->nodes;
    uint32_t stop = walk->n > budget ? walk->n - budget : 0;
    while (walk->n > stop) {
        const fg_node *node = &nodes[walk->order[walk->n - 1]];
        if (node->flags & FG_CLOSURE)
            break;
        pass_on(nodes, node);
        walk->n--;
    }
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
