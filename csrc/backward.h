/* Backward: list the nodes below a root in topological order, and pass gradients down along that list.
 *
 * The bits of a gradient depend on the order in which contributions are added into it. The order here is microgpt's:
 * depth first from the root, a node's children in operand order, each node listed after its children; then through that
 * list from its end. The walk makes the list with a stack of its own. It marks nodes with its epoch, a new number for
 * each walk, so that no pass has to clear marks. Leaves pass nothing on, so their place in the list changes no bit.
 * They are left out: their mark looks visited to every walk.
 *
 * Walk and sweep work in portions of `budget` nodes, or of so many terms of fused sums as take that long, so that the
 * face can look for Ctrl-C in between. The arena is held from start to end (see fg_arena_hold): the nodes of the list
 * stay valid even if Python, between two portions, drops or rebuilds parts of the graph.
 */
#ifndef FG_BACKWARD_H
#define FG_BACKWARD_H

#include "arena.h"

/* An event of a fused sum: the terms that it passes on at its place in the order. */
typedef struct {
    uint32_t from, to;
} fg_event;

/* Which fused sums a walk takes apart that it comes by. While another walk runs, which may have listed them, all. */
typedef enum {
    FG_APART_IF_TOUCHED, /* those that a sweep couldn't go over once more: fg_sum_is_touched */
    FG_APART_ALL,
    FG_APART_NONE,       /* the caller only counts nodes, or sets all gradients to zero */
} fg_apart;

typedef struct fg_walk {
    fg_index root;
    uint32_t epoch, edits; /* the arena's when the walk began */
    bool with_leaves;   /* list leaves too */
    fg_apart apart;
    bool is_complete;   /* the order is */
    uint32_t restarts;  /* how often it has begun again */
    fg_index *order;    /* children before parents; a fused sum once for each of its events */
    uint32_t n;         /* how many are listed; the sweep takes those off that it has passed on */
    fg_event *events;   /* of the fused sums that are listed, in the same order */
    uint32_t n_events;
    uint32_t terms_left; /* of fused sums, that this portion may still go through */
    uint32_t *stack;    /* the path from the root to the current node; see walk_on */
    uint32_t depth;     /* of the stack */
    uint32_t capacity, events_capacity; /* of the order and of the events; the stack has room for 3 * capacity + 2 */
    struct fg_walk *next; /* in the arena's list of walks */
} fg_walk;

/* Start a walk and hold the arena. If it fails with FG_NO_MEMORY, nothing has changed. */
fg_status fg_walk_start(fg_arena *arena, fg_walk *walk, fg_index root, bool with_leaves, fg_apart apart);

/* List up to `budget` more nodes: FG_MORE, FG_OK at the end, or FG_NO_MEMORY. The walk begins again if since the last
 * portion another one has begun, or edges have been replaced. The FG_RESTARTS-th time it goes to its end in one
 * portion, or a caller who does that in each pause would keep it from ever ending. */
enum { FG_RESTARTS = 4 };
fg_status fg_walk_go_on(fg_arena *arena, fg_walk *walk, uint32_t budget);

/* End the hold. The walk's memory is kept for the next one, unless it's large. */
void fg_walk_end(fg_arena *arena, fg_walk *walk);
void fg_walk_clear(fg_walk *walk);

/* Give a node with FG_DEFERRED the local gradients of its children's present numbers. False if the core can't compute
 * them: then the caller has to. */
bool fg_node_refresh(const fg_node *nodes, fg_node *node);

/* Pass on the gradients of up to `budget` listed nodes, from the last one on:
 *   FG_OK       all are done: n is 0
 *   FG_MORE     the portion is over; call again
 *   FG_CALLERS  the last listed node, order[n - 1], has FG_CLOSURE, or FG_DEFERRED and the core can't refresh it. The
 *               caller takes it off the list, passes its gradient on, and calls again. */
fg_status fg_sweep(fg_arena *arena, fg_walk *walk, uint32_t budget);

/* Take a fused sum apart into the scalar nodes that it stands for, and before it all that complete walks have listed,
 * also in their orders. False if there is no memory: then the sum is as it was. */
bool fg_take_apart(fg_arena *arena, fg_index index);

/* The chain rule: add a node's gradient, times each local gradient, into the child's gradient. Not for fused
 * sums. */
void fg_node_pass_on(fg_arena *arena, fg_index index);

/* How many nodes are listed. A fused sum counts as those that it stands for. */
uint32_t fg_walk_n_nodes(const fg_arena *arena, const fg_walk *walk);

/* Set the gradients of all listed nodes and of their children to the int 0. */
void fg_walk_zero(fg_arena *arena, const fg_walk *walk);

#endif
