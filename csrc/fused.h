/* Fused sums: one node that stands for a sum of products.
 *
 * `sum(u * v for u, v in zip(us, vs))` makes n products P and n partial sums A. One node with the arity FG_FUSED stands
 * for all of them. It keeps the operands of the n terms, and the operands' numbers as they were. Nobody can tell the
 * difference: numbers and gradients have the same bits. Whoever looks at the inside finds the scalar nodes, because the
 * sum is taken apart first (fg_take_apart in backward.h). A fused sum stands for these nodes:
 *
 *     A_0 = start + P_0           if the start is a node
 *     A_0 = P_0 + a new leaf      if the start is a number, since Python makes `0 + v` a sum of v and 0
 *     A_k = A_(k-1) + P_k         for k = 1, ..., n - 1; the last A is the fused node itself
 *
 * P_k is the product u_k * v_k. In a sum of single operands, which has one column only, P_k is u_k itself. A constant
 * among the operands stands for a leaf of its own. The *inner nodes* are all of these but the last A.
 *
 * The order in which contributions are added decides the bits of a gradient. The walk over the scalar nodes lists
 *
 *     [the start's subgraph] [u_0's] [v_0's] P_0 A_0 [u_1's] [v_1's] P_1 A_1 ...
 *
 * where a subgraph is without the nodes that the walk has visited before. So the walk (backward.c) lists a fused sum
 * once for each of its *events*. An event is a run of terms. The walk closes an event before it enters the next operand
 * that it hasn't visited, and at the sum's end. The sweep takes the events from the last to the first. An event passes
 * on the gradients of its terms' nodes, from its last term to its first. In a layer of a network, the walk enters the
 * inputs from the first row. So the first row has an event for each term, and each other row has one event.
 *
 * After one sweep all products and partial sums among the inner nodes have the same gradient, 0 + the sum's. After a
 * second sweep theirs would differ. So a walk takes a sum apart first if inner nodes have gradients already
 * (fg_sum_is_touched), or if another walk runs, which may have listed the sum.
 *
 * A column is what sums keep of a list of operands. Sums may share a column, as the rows of a layer share their inputs.
 * A column holds one reference to each operand, and takes 12 bytes for each: a number and an index. A row of weights is
 * a column that comes back at each position of a text and in each step. Such a column gets up to 16 bytes more for each
 * operand: its handle (fg_column_note_handles), and while a sweep runs its gradient (fg_columns_stop_running).
 * Gradients of operands that were made one after the other lie side by side in the arena, and stay there (is_run).
 * Between two steps no sum has such a column, and then it's idle (fg_column_end): only memory, without a reference to
 * anything.
 */
#ifndef FG_FUSED_H
#define FG_FUSED_H

#include "arena.h"

typedef struct fg_column {
    struct fg_column *next; /* the next in arena->running, or in a list of free columns */
    const void *key;        /* what fg_column_find finds it by, or NULL */
    uint32_t place;         /* in arena->columns, if there's a key */
    uint32_t epoch;         /* of the last walk that has visited all operands */
    uint64_t leaves_lost;   /* the arena's when all operands were leaves, or UINT64_MAX: see fg_column_has_leaves */
    uint64_t handles_lost;  /* the arena's when the column became idle: see fg_column_has_handles */
    uint64_t sweep;         /* arena->sweeps when all operands' gradients last became floats: see prepare in fused.c */
    uint32_t first_running; /* if has_running_grads: where in arena->running_grads the first operand's gradient is */
    bool has_running_grads; /* the operands' gradients are there, not in the nodes: see fg_columns_stop_running */
#if FG_TESTING
    uint32_t checked;       /* the number of the last fg_arena_check that has checked it */
#endif
    /* To find a column and to make a sum takes what follows, and the numbers, which lie behind. */
    const void **handles;   /* the operands', or NULL: see fg_column_note_handles */
    const void *handle_class; /* what the caller has noted with them */
    uint64_t assigned;      /* arena->assigned when the column was made */
    uint32_t refs;          /* from the sums that have it, and from callers that have made or found it */
    uint32_t n;             /* operands */
    uint32_t n_constants;   /* how many operands are constants */
    bool is_idle;           /* no sum has it, and it refers to no operand: see fg_column_end */
    bool has_ints;          /* there is a byte for each number, which says whether it's an int: fg_column_kinds */
    bool is_run;            /* the operands are nodes whose indices follow each other, so a field lies side by side */
    double numbers[];       /* the operands' data when the column was made. Behind them are the operands
                             * (fg_column_nodes), and behind those the bytes (fg_column_kinds) */
} fg_column;

/* The operands of a column: nodes, or FG_NONE for a constant. The node FG_NONE takes references and gradients like any
 * node, which saves a test for each operand. */
static inline fg_index *fg_column_nodes(const fg_column *column)
{
    return (fg_index *)(column->numbers + column->n);
}

/* Whether each number is an int in Python, a byte each. Only for a column with has_ints. */
static inline uint8_t *fg_column_kinds(const fg_column *column)
{
    return (uint8_t *)(fg_column_nodes(column) + column->n);
}

static inline bool fg_column_is_int(const fg_column *column, uint32_t i)
{
    return column->has_ints && fg_column_kinds(column)[i];
}

/* What has no room in the node. It lies where the node's slot says, in arena->rooms, and doesn't move. So a layer's
 * sums lie side by side in the order in which they were made. All loops go over them in that order, or from the last.
 */
typedef struct fg_sum {
    fg_column *u, *v;       /* v is u if terms are single operands */
    double start_number;    /* the start's number, as it was */
    uint32_t n;             /* terms */
    uint32_t n_inner;       /* the nodes that it stands for, besides itself */
    uint32_t place;         /* where its parts are while take_listed_apart (backward.c) runs */
    uint16_t flags;         /* of these nodes, when they are new */
    bool start_is_int : 1;  /* whether start_number is an int, if the start is a number */
    bool is_single : 1;     /* terms are single operands */
    bool is_plain : 1;      /* two terms or more, of products, and no operand's number is an int */
    bool inner_is_int : 1;  /* whether the node's `inner` is an int */
    bool rest_is_int : 1;   /* whether the gradients of the other inner nodes, which are all 0, are ints */
} fg_sum;

_Static_assert(sizeof(void *) < 8 || sizeof(fg_sum) == 40, "what each slot takes in a slab that has sums");

/* Whether it's known that all operands of a column still are leaves without closures. A walk that leaves out leaves
 * needn't look at them. */
static inline bool fg_column_has_leaves(const fg_arena *arena, const fg_column *column)
{
    return column->leaves_lost == arena->leaves_lost;
}

/* Whether it's known that an idle column's operands still are live leaves without closures, and that their handles are
 * those in `handles`. */
static inline bool fg_column_has_handles(const fg_arena *arena, const fg_column *column)
{
    return column->handles_lost == arena->handles_lost && fg_column_has_leaves(arena, column);
}

/* A new column for n operands, with one reference, or NULL if there's no memory. has_ints: with room for kinds. The
 * caller has to fill fg_column_nodes. For a constant that is FG_NONE, and the caller also sets its number, and its kind
 * if there's room. Then fg_column_take has to follow, or fg_column_discard. */
fg_column *fg_column_new(fg_arena *arena, uint32_t n, bool has_ints);
void fg_column_discard(fg_arena *arena, fg_column *column); /* free a column without references to operands */

/* Copy the nodes' numbers and kinds into the column, and take a reference to each operand. If it fails, nothing has
 * changed: FG_TOO_MANY if an operand would have more than FG_MAX_REFS references; FG_INTS if some node's number is an
 * int and there's no room for kinds. */
fg_status fg_column_take(fg_arena *arena, fg_column *column);

/* Drop a reference to a column. With the last one, fg_column_die: drop its references to operands, and then
 * fg_column_end. */
void fg_column_die(fg_arena *arena, fg_column *column);
static inline void fg_column_release(fg_arena *arena, fg_column *column)
{
    if (--column->refs == 0)
        fg_column_die(arena, column);
}

/* The end of a column whose references to operands are gone: free it, or keep it idle. A row of weights has the same
 * column in each step of a training loop, with other numbers. So a column with handles that can be found by its key is
 * kept; FG_KEEP_COLUMNS bytes have to be enough for all.
 *
 * fg_column_revive: make an idle column one that sums may have, with one reference, and with its operands' numbers as
 * they are now. The caller has to know that all operands are live nodes. False if some has another handle, or anything
 * but a float: then the column still is idle. */
void fg_column_end(fg_arena *arena, fg_column *column);
bool fg_column_revive(fg_arena *arena, fg_column *column);
void fg_columns_clear(fg_arena *arena); /* give the memory of idle and of free ones back */

/* fg_column_find: the column that was noted with a key, if it's idle, or if its numbers are still its operands'
 * numbers; or NULL. A key is the address of a list. Another list may have that address by now, so the caller has to
 * compare the operands.
 *
 * fg_column_note: let a column be found by a key. The arena takes no reference to the column. A script keeps a step's
 * graph until the next one is complete. So a row of weights has two columns by turns: one in the old graph, which is
 * idle when the graph is gone, and one in the new. Both are noted with the same key. A key has a set of 4 places. If
 * all are taken by columns whose numbers are still right, the new column isn't noted. A column of weights is seldom
 * left out, since a training step makes it before most columns of results. */
fg_column *fg_column_find(const fg_arena *arena, const void *key);
void fg_column_note(fg_arena *arena, fg_column *column, const void *key);

/* Note the operands' handles in column->handles, if all are leaves whose face is a handle, and if there's memory. From
 * then on the nodes keep their handles (FG_SEEN). So as long as sums have the column, each is the handle of the same
 * node, and one can find out whether a list still has the same Values without a look at any of them. That was most of
 * what a row of weights took to be found again. handle_class: the class of all handles, which is the caller's. */
void fg_column_note_handles(fg_arena *arena, fg_column *column, const void *handle_class);

/* What a new fused sum is made of: two columns of factors, or, if v is NULL, the single operands in u. start: the node
 * that the sum starts with, or FG_NONE; then the sum starts with `number`, a constant. */
typedef struct {
    fg_column *u, *v;
    fg_index start;
    double number;
    bool number_is_int;
} fg_terms;

/* Whether a fused sum can be made of any terms. The columns must have the same length. One of two columns has to
 * be without ints, and so has the only one of single operands, so that no partial sum is an int. The start may be an
 * int. Of two columns only v may have constants, since Python makes `2.0 * v` a product of v and 2.0; if u has nothing
 * but constants, and v has none, the two are exchanged. Single operands may be constants, but the first one only if the
 * start is a node. With FG_DEFERRED nothing but the start may be a constant. kind: the flags of new nodes, as fg_kind
 * makes them. */
bool fg_terms_of_any_fit(fg_terms *terms, uint32_t kind);

/* The same, sooner if all are nodes whose numbers are floats, as usual. */
static inline bool fg_terms_fit(fg_terms *terms, uint32_t kind)
{
    const fg_column *const u = terms->u, *const v = terms->v;
    return (v && !(u->n_constants | v->n_constants | u->has_ints | v->has_ints)) || fg_terms_of_any_fit(terms, kind);
}

/* Make n sums at once of terms that fit, all of the same length, and all of products or all of single operands. Each
 * has one reference, and takes references to its columns and its start. If it fails, there's no memory, and none is
 * made. */
bool fg_sums_new(fg_arena *arena, fg_terms *sums, uint32_t n, uint32_t kind, fg_index *indices);

/* Whether another sweep over the sum could give inner nodes other gradients than the sum can keep: they have gradients
 * already, and not all the same zero. (A constant's gradient may be nan even if the sum's is 0: then the other factor
 * is infinite.) */
static inline bool fg_sum_is_touched(const fg_node *node)
{
    const fg_sum *sum = node->sum;
    return node->left < sum->n
           && !(node->inner == 0.0 && sum->inner_is_int == sum->rest_is_int && sum->v->n_constants == 0);
}

/* Write running gradients back into the nodes: those of all columns, or of columns with inner nodes.
 *
 * A sweep uses a row of a layer's weights once for each position of a text, and the layer's inputs once for each row.
 * The gradients in nodes are spread over memory: a cache line has two. So in a call of fg_sweep, a column that many
 * sums share has its operands' gradients side by side, in arena->running_grads. That is right if nothing refers to the
 * operands but the column. Then nobody else adds to these gradients before the call returns, and the order of additions
 * is the same. A leaf's gradient nobody reads meanwhile. Another node's is read when the sweep comes to the node. So
 * such a node is marked: it has FG_GRAD_INT until its gradient, which is a float, is written back. With that flag no
 * node is swept in the usual way, and fg_sweep writes back first. */
void fg_columns_stop_running(fg_arena *arena);
void fg_columns_stop_running_inner(fg_arena *arena);

/* Whether `operand` is an operand of the fused sum `node`, or its start. */
bool fg_sum_has(const fg_node *node, fg_index operand);

/* Pass on the gradients of the nodes of the terms from, ..., to - 1: to the terms' operands, and with term 0 also to
 * the start. fg_columns_stop_running has to follow before anybody else reads gradients or adds to them. */
void fg_sum_pass_on(fg_arena *arena, fg_index index, uint32_t from, uint32_t to);

/* Set gradients to the int 0: those of all inner nodes, of the start, and of the operands of the terms from, ...,
 * to - 1. */
void fg_sum_zero(fg_node *nodes, fg_node *node, uint32_t from, uint32_t to);

/* Make the scalar nodes that a fused sum stands for. Only for fg_take_apart, which also puts them into the lists of
 * walks. parts: room for n_inner + n + 1 indices. It gets the nodes of each term, in the order of a walk with leaves,
 * and an FG_NONE behind each term. The last node is the sum itself, which is binary from then on. False if there's no
 * memory; then nothing has changed. */
bool fg_sum_take_apart(fg_arena *arena, fg_index index, fg_index *parts);

/* Count a sum as ended. It releases neither its columns nor its start. */
static inline void fg_sum_end(fg_arena *arena, const fg_sum *sum)
{
    arena->n_fused--;
    arena->n_terms -= sum->n;
    arena->n_stood_for -= sum->n_inner + 1;
}

#endif
