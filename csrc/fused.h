/* Fused sums: one node that stands for a sum of products.
 *
 * `sum(u * v for u, v in zip(us, vs))` makes 2 n nodes: n products P and n partial sums A. A node with the arity
 * FG_FUSED stands for all of them. It keeps the operands of its n terms, and their numbers as they were. Nobody can
 * tell: numbers and gradients have the same bits, and whoever looks at the inside finds the scalar nodes, because then
 * the sum is taken apart (fg_take_apart in backward.h). These are the sums that there are:
 *
 *     A_0 = start + P_0           if the start is a node
 *     A_0 = P_0 + a new leaf      if the start is a number, since Python makes `0 + v` a sum of v and 0
 *     A_k = A_(k-1) + P_k         for k = 1, ..., n - 1; the last A is the fused node itself
 *
 * P_k is u_k * v_k, or if the sum has one column only it's u_k itself, and no node is made for it.
 *
 * The order in which contributions are added decides the bits of a gradient. The walk over the scalar nodes lists
 *
 *     [the start's subgraph] [u_0's] [v_0's] P_0 A_0 [u_1's] [v_1's] P_1 A_1 ...
 *
 * where a subgraph is what the walk hasn't come by before. So the walk (backward.c) lists a fused sum as *events*, runs
 * of terms. Before it goes down into an operand it closes the event of the terms before. The sweep takes the events
 * from the last to the first. An event passes on the gradients of its terms' nodes, from its last term to its first. In
 * a layer of a network, the walk goes down into the inputs from the first row, which so has an event for each term. All
 * other rows have one event each.
 *
 * After one sweep all inner nodes have the same gradient, 0 + the sum's. A second sweep would make them differ. So a
 * walk takes a sum apart whose inner gradients aren't zero (fg_sum_is_touched), or which another walk may have listed.
 *
 * A column is what sums keep of a list of operands. Sums may share one, as the rows of a layer share their inputs. It
 * holds one reference to each operand, and takes 12 bytes for it.
 */
#ifndef FG_FUSED_H
#define FG_FUSED_H

#include "arena.h"

typedef struct fg_column {
    uint32_t refs;          /* the sums that have it, and whoever made it */
    uint32_t n;
    uint32_t n_constants;
    uint32_t epoch;         /* of the last walk that has visited all operands */
    uint64_t sweep;         /* the last of the arena's sweeps in which all operands' gradients have become floats */
    double *grads;          /* running gradients: see fg_columns_stop_running. NULL if it never had any */
    struct fg_column *next_running;
    bool is_running;
    uint64_t assigned;      /* the arena's when the column was made */
    const void *key;        /* by which it's found; NULL if it isn't */
    bool has_ints;          /* one number at least is an int in Python; fg_column_is_int says which */
#if FG_TESTING
    uint32_t checked;       /* the last fg_arena_check that has come by */
#endif
    double numbers[];       /* the operands' data when the column was made. Then the operands: fg_column_nodes. Then,
                             * if it has ints, a byte for each number */
} fg_column;

/* The operands of a column: nodes, or FG_NONE for a constant. FG_NONE can take references and gradients like any node,
 * which saves a test for each operand. */
static inline fg_index *fg_column_nodes(const fg_column *column)
{
    return (fg_index *)(column->numbers + column->n);
}

static inline uint8_t *fg_column_kinds(const fg_column *column)
{
    return (uint8_t *)(fg_column_nodes(column) + column->n);
}

static inline bool fg_column_is_int(const fg_column *column, uint32_t i)
{
    return column->has_ints && fg_column_kinds(column)[i];
}

typedef struct fg_sum {
    uint32_t n;             /* terms */
    uint32_t n_inner;       /* the nodes that it stands for, besides itself */
    uint32_t left;          /* so many of them, the first ones, have not passed on a gradient yet */
    fg_column *u, *v;       /* v is u if terms are single operands */
    double inner;           /* the gradient of the inner nodes that have passed theirs on */
    double start_number;    /* the start's number, as it was; if it's a node, that is child[0] of the fused node */
    bool start_is_int;
    bool is_single;         /* terms are single operands */
    bool inner_is_int;
    bool rest_is_int;       /* whether the gradients of the other inner nodes, all 0, are ints */
    uint32_t kind;          /* the flags of a new node, as fg_kind makes them */
    uint32_t place;         /* fg_take_apart's */
    struct fg_sum *next;    /* of a free one: see fg_sum_free */
} fg_sum;

/* A column for n operands, with one reference, or NULL if there's no memory. has_ints: with room for kinds. The caller
 * then sets each operand: a node, or FG_NONE, the constant among the numbers, and if there's room its kind.
 * fg_column_take has to follow, or fg_column_discard. */
fg_column *fg_column_new(fg_arena *arena, uint32_t n, bool has_ints);
void fg_column_discard(fg_arena *arena, fg_column *column);

/* Take the operands' numbers, and a reference to each. If it fails, nothing has changed: FG_TOO_MANY references to an
 * operand, or FG_INTS for which there's no room. */
fg_status fg_column_take(fg_arena *arena, fg_column *column);
void fg_column_release(fg_arena *arena, fg_column *column);

/* A live column that was noted with a key and whose numbers are all still those of its operands, or NULL. (A key is a
 * list's address, which another list may have now: the caller has to compare the operands.) The arena holds no
 * reference to a noted column. A column that finds no place in its set isn't noted: weights come before what is
 * computed of them, and so have theirs. */
fg_column *fg_column_find(const fg_arena *arena, const void *key);
void fg_column_note(fg_arena *arena, fg_column *column, const void *key);

/* A new fused sum of the products of two columns of the same length, or, if v is NULL, of the operands in u. It has one
 * reference, and takes references to the columns and the start's operand. FG_NONE if there's no memory.
 *
 * start: the node that the sum starts with, or FG_NONE, and then number is what it starts with. kind: the flags of new
 * nodes, as fg_kind makes them.
 *
 * In each product one number at least is a float, and so are all single operands; the start may be an int. Python
 * makes `2.0 * v` a product of v and 2.0: so only v, and of single operands only u from the second on, may have
 * constants. With FG_DEFERRED only the start may be a constant. */
fg_index fg_sum_new(fg_arena *arena, fg_column *u, fg_column *v, fg_index start, double number, bool number_is_int,
                    uint32_t kind);

/* Whether another sweep could give the inner nodes different gradients, or different kinds of zero. (A constant's
 * gradient may be nan after a gradient of 0, if the other operand is infinite.) */
static inline bool fg_sum_is_touched(const fg_sum *sum)
{
    return sum->left < sum->n
           && !(sum->inner == 0.0 && sum->inner_is_int == sum->rest_is_int && sum->v->n_constants == 0);
}

/* Write the running gradients of all columns back into the nodes.
 *
 * In a sweep, the rows of a layer's weights come by once for each position of a text. Their gradients are spread over
 * memory, a cache line for two. So while a sweep runs, a column that many sums share keeps the gradients of its
 * operands side by side. That is right for leaves that nothing else in the graph refers to: nobody else reads or adds
 * to their gradients before the sweep pauses, and the order of additions is the same. */
void fg_columns_stop_running(fg_arena *arena);

/* Whether a node is an operand of a fused sum, or its start. */
bool fg_sum_has(const fg_node *node, fg_index operand);

/* Pass on the gradients of the nodes of the terms from, ..., to - 1, and of the start with the first term. After the
 * last call of a portion fg_columns_stop_running has to follow. */
void fg_sum_pass_on(fg_arena *arena, fg_index index, uint32_t from, uint32_t to);

/* Set the gradients of all inner nodes to the int 0, and of the operands of some terms, and of the start. */
void fg_sum_zero(fg_node *nodes, fg_node *node, uint32_t from, uint32_t to);

/* Make the scalar nodes that a fused sum stands for. parts: room for n_inner + n + 1 indices. They are the nodes
 * of each term in the order of a walk with leaves, and an FG_NONE behind each term; the last node is the sum itself,
 * which is binary now. False if there is no memory; then nothing has changed. Walks that have listed the sum must be
 * told: use fg_take_apart. */
bool fg_sum_take_apart(fg_arena *arena, fg_index index, fg_index *parts);

/* Free a dead sum, but not the columns that it refers to. The arena keeps some free sums for new ones. */
void fg_sum_free(fg_arena *arena, fg_sum *sum);
void fg_sums_clear(fg_arena *arena); /* free those too */

#endif
