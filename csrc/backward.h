/* Backward: list the nodes below a root in topological order, and pass gradients down along that list.
 *
 * The bits of a gradient depend on the order in which contributions are added into it. The order here is microgpt's:
 * depth first from the root, a node's children in operand order, each node listed after its children; then through that
 * list from its end. The walk makes the list with a stack of its own. It marks nodes with its epoch, a new number for
 * each walk, so that no pass has to clear marks. Leaves pass nothing on, so their place in the list changes no bit.
 * Unless the caller wants leaves too, a walk leaves them out: their mark, FG_PASSED_OVER, looks visited to it.
 *
 * A fused sum (fused.h) is listed once for each of its events.
 *
 * Walk and sweep work in portions of about `budget` nodes, so that the face can look for Ctrl-C in between. Terms of
 * fused sums count too: in the walk one as a node, in the sweep eight or more. The arena is held from start to end (see
 * fg_arena_hold): the nodes of the list stay valid even if Python, between two portions, drops or rebuilds parts of the
 * graph.
 */
#ifndef FG_BACKWARD_H
#define FG_BACKWARD_H

#include "arena.h"

/* An event of a fused sum: the terms that it passes on at its place in the order. */
typedef struct {
    uint32_t from, to;
} fg_event;

/* Which of the fused sums below its root a walk takes apart. A walk that starts while another one runs takes all of
 * them apart, since the other may have listed them. */
typedef enum {
    FG_APART_IF_TOUCHED, /* those over which a sweep has gone already: fg_sum_is_touched */
    FG_APART_ALL,
    FG_APART_NONE,       /* for a caller that doesn't sweep, but counts or searches nodes or sets gradients to zero */
} fg_apart;

typedef struct fg_walk {
    fg_index root;
    uint32_t epoch, edits; /* the arena's when the walk began */
    bool with_leaves;   /* list leaves too */
    fg_apart apart;
    bool is_complete;   /* all nodes below the root are listed */
    uint32_t restarts;  /* how often it has begun again */
    fg_index *order;    /* children before parents; a fused sum once for each of its events */
    uint32_t n;         /* the length of the order; the sweep takes off what it has passed on */
    fg_event *events;   /* one for each entry of the order that is a fused sum, in the same order */
    uint32_t n_events;
    uint32_t terms_left; /* how many terms of fused sums this portion of the walk may still visit */
    uint32_t *stack;    /* the nodes whose children are being visited, from the root on: see begin in backward.c */
    uint32_t depth;     /* the stack's length */
    uint32_t capacity, events_capacity; /* of the order and of the events; the stack has room for 3 * capacity + 2 */
    struct fg_walk *next; /* in the arena's list of walks */
} fg_walk;

/* Start a walk and hold the arena. If it fails with FG_NO_MEMORY, nothing has changed. */
fg_status fg_walk_start(fg_arena *arena, fg_walk *walk, fg_index root, bool with_leaves, fg_apart apart);

/* List about `budget` more nodes. Returns FG_MORE, FG_OK when all are listed, or FG_NO_MEMORY. The walk begins again if
 * since the last portion another walk has begun or edges have been replaced. When it begins again for the
 * FG_RESTARTS-th time, it lists all nodes in one portion. Otherwise a signal handler that walks in each pause would
 * keep it from ever ending. */
enum { FG_RESTARTS = 4 };
fg_status fg_walk_go_on(fg_arena *arena, fg_walk *walk, uint32_t budget);

/* End a walk and its hold on the arena. The walk's memory is kept for the next walk, unless it's large. */
void fg_walk_end(fg_arena *arena, fg_walk *walk);
void fg_walk_clear(fg_walk *walk); /* free the memory of a walk that has ended */

/* Compute the local gradients of a node with FG_DEFERRED from its children's present numbers. False if the core can't:
 * then the caller has to. */
bool fg_node_refresh(const fg_node *nodes, fg_node *node);

/* Pass on the gradients of about `budget` listed nodes, from the last one on:
 *   FG_OK       all are done: n is 0
 *   FG_MORE     the portion is over; call again
 *   FG_CALLERS  the last listed node, order[n - 1], has FG_CLOSURE, or FG_DEFERRED and the core can't refresh it. The
 *               caller takes it off the list, passes its gradient on, and calls again. */
fg_status fg_sweep(fg_arena *arena, fg_walk *walk, uint32_t budget);

/* Take a fused sum apart into the scalar nodes that it stands for. Before that, take apart all fused sums that complete
 * walks have listed, and put their nodes into the walks' orders in place of their events. (A walk that isn't complete
 * begins again.) False if there's no memory: then the sum is as it was. Does nothing to a node that isn't a fused
 * sum. */
bool fg_take_apart(fg_arena *arena, fg_index index);

/* The chain rule: add a node's gradient, times each local gradient, into the child's gradient. Not for fused sums. */
void fg_node_pass_on(fg_arena *arena, fg_index index);

/* How many nodes a complete walk has listed. A fused sum counts as the nodes that it stands for. */
uint32_t fg_walk_n_nodes(const fg_arena *arena, const fg_walk *walk);

/* Set the gradients of all nodes that a complete walk has listed, and of their children, to the int 0. */
void fg_walk_zero(fg_arena *arena, const fg_walk *walk);

#endif
