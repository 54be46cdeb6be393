/* Backward: a topological order of the nodes below a root, and the sweep that carries gradients down along it.
 *
 * The bits of a gradient depend on the order in which contributions are added into it. microgpt's is: depth first
 * from the root, a node's children in operand order, each node listed after its children; then that list from its
 * end. So the walk does just that, on a stack of its own, and marks nodes with the walk's epoch so that no pass has
 * to clear marks. Leaves pass nothing on, so where they stand in the list changes no bit, and they are left out of
 * it: they carry a mark that looks visited to every walk.
 *
 * Both parts work in portions of `budget` nodes, so that the face can look for Ctrl-C in between. The arena is on hold
 * from start to end (see fg_arena_hold): what is listed stays valid even if Python, in between, drops or rebuilds parts
 * of the graph.
 */
#ifndef FG_BACKWARD_H
#define FG_BACKWARD_H

#include "arena.h"

typedef struct {
    fg_index root;
    uint32_t epoch, edits; /* the arena's when it began */
    bool with_leaves;
    uint32_t restarts;
    fg_index *order;    /* children before parents */
    uint32_t n;         /* nodes listed; while sweeping: nodes still to come */
    uint32_t *stack;    /* the path from the root to where the walk is; see walk_on */
    uint32_t depth;
    uint32_t capacity;  /* of the order: the arena's live nodes are always enough; the stack has twice that and a bit */
} fg_walk;

/* Start a walk and hold the arena. FG_NO_MEMORY: nothing has changed. */
fg_status fg_walk_start(fg_arena *arena, fg_walk *walk, fg_index root, bool with_leaves);

/* List up to `budget` more nodes: FG_MORE, or FG_OK at the end. If since the last portion somebody has walked, or has
 * replaced edges, the walk starts again; the FG_RESTARTS-th time it goes to its end at once, since who does that in
 * each pause would keep it from ever getting there. */
enum { FG_RESTARTS = 4 };
fg_status fg_walk_go_on(fg_arena *arena, fg_walk *walk, uint32_t budget);

/* Let the arena go. The memory stays for the next walk, unless it's much. */
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

/* Add a node's gradient, times the local ones, into its children's: the chain rule. */
void fg_node_pass_on(fg_arena *arena, fg_index index);

/* Set the gradients of all listed nodes and of their children to the int 0. */
void fg_walk_zero(fg_arena *arena, const fg_walk *walk);

#endif
