/* The derivative as a graph: the reverse sweep once more, with a node in place of each number.
 *
 * fastgrad.grad(..., create_graph=True) asks for it. Where the sweep of backward.h adds local * gradient into a child's
 * gradient, this one makes the product and the sum as nodes, in the same order. So the numbers have the same bits, and
 * the gradients can be differentiated again. The nodes' own gradients are left alone: the new ones are kept in a table
 * beside the arena.
 *
 * A node's local derivatives become nodes by formulas, which the face compiles from the table of operations (see
 * fastgrad/value/derivatives.py, which says what a formula is). The number of a local derivative was taken when the
 * operation ran, but a formula reads its operands now. So the operation is computed once more. If it doesn't give the
 * same bits, somebody has assigned data since, and there's no derivative to be had: FG_CHANGED.
 *
 * Only nodes above an input are swept. Gradients by others would be thrown away, and a user's operation without
 * derivatives as nodes may stand there.
 *
 * The table has an element for each node that there may be in the arena, in the order of slots (fg_slot). When a sweep
 * ends, the arena keeps the table for the next: to fetch a few hundred KB anew takes a tenth of its time. At a complete
 * end all elements are 0 again, since a node's becomes 0 when it's taken off. So no pass has to clear them.
 */
#ifndef FG_DERIVE_H
#define FG_DERIVE_H

#include "backward.h"

/* A number, or a node if `node` isn't FG_NONE. */
typedef struct {
    fg_index node;
    double value;
    bool is_int;
} fg_term;

/* A line of a formula fills the next register. op: FG_LEAF for the number, or FG_ADD, FG_MUL, FG_POW or a function, of
 * the registers a and b. */
typedef struct {
    uint8_t op, a, b;
    bool is_int;
    double number;
} fg_line;

enum { FG_MOST_LINES = 12 };

/* The derivative of an operation by one operand. The registers at first: the operands, and the node itself. */
typedef struct {
    enum { FG_FORMULA_ONE, FG_FORMULA_STORED, FG_FORMULA_REGISTER } what; /* 1; the node's own number; a register's */
    uint8_t result, n;
    fg_line lines[FG_MOST_LINES];
} fg_formula;

enum { FG_FORMULAS = 128 }; /* of an operation's child i: number 2 * op + i */

typedef struct {
    const fg_formula *formulas;
    uint32_t kind;       /* the flags of new nodes, as fg_kind makes them */
    /* Computes what the core isn't sure of: x ** n, and its derivative by x unless by_x is NULL; or a function of x.
     * False if it raises. It may move the arena. */
    bool (*ask)(uint8_t op, fg_term x, fg_term n, fg_term *y, fg_term *by_x);

    const fg_walk *walk;
    uint32_t edits;      /* the arena's when the sweep began */
    uint32_t marked;     /* so many listed nodes, the first ones, are known to be above an input or not */
    uint32_t left;       /* so many are still to be swept */
    uint32_t n_inputs;
    const fg_index *inputs;
    fg_index *grads;     /* a table: of each node below the root and each input, its gradient, to which it has a
                          * reference, or FG_NONE; and in the two lowest bits what the node is: fg_derivation_role */
    size_t bytes;        /* of the table */
    bool has_repeats;    /* some input is there twice */
    bool is_handed_over; /* the inputs' gradients are the caller's; the whole table is 0, unless there are repeats */
    fg_status status;    /* why no node was made: FG_NO_MEMORY or FG_RAISED */
} fg_derivation;

/* Start a sweep over a complete walk, with or without leaves, that has taken all fused sums apart. The caller has set
 * formulas, kind and ask, and keeps `inputs` until the end. False if there's no memory. */
bool fg_derivation_start(fg_arena *arena, fg_derivation *derivation, const fg_walk *walk, uint32_t n_inputs,
                         const fg_index *inputs);

/* Find which nodes are above an input: about `budget` more. FG_MORE or FG_OK. This comes before all that follows. */
fg_status fg_derivation_mark(fg_arena *arena, fg_derivation *derivation, uint32_t budget);

/* Sweep about `budget` more nodes:
 *   FG_OK       all are done
 *   FG_MORE     the portion is over; call again
 *   FG_CALLERS  the last node left isn't of the table's operations, or has FG_CLOSURE. The caller gives its children
 *               what they get, or calls fg_derivation_pass_on; and then fg_derivation_take_off.
 *   FG_CHANGED  the last node left has other operands than when it was made
 *   FG_RAISED, FG_NO_MEMORY */
fg_status fg_derivation_go_on(fg_arena *arena, fg_derivation *derivation, uint32_t budget);

/* Sweep one listed node: FG_OK, FG_CHANGED, FG_RAISED or FG_NO_MEMORY. */
fg_status fg_derivation_pass_on(fg_arena *arena, fg_derivation *derivation, fg_index index);

/* The last node left has been passed on: take it off, and drop its gradient unless it's an input. */
void fg_derivation_take_off(fg_arena *arena, fg_derivation *derivation);

/* What a node below the root, or an input, is: these bits. */
enum { FG_INPUT = FG_TAG, FG_ABOVE = 2 * FG_TAG, FG_ROLES = FG_INPUT | FG_ABOVE }; /* it's an input; it's above one */
static inline fg_index *fg_derivation_at(const fg_derivation *derivation, fg_index index)
{
    return (fg_index *)derivation->grads + fg_slot(index);
}
static inline uint32_t fg_derivation_role(const fg_derivation *derivation, fg_index index)
{
    return *fg_derivation_at(derivation, index) & FG_ROLES;
}

/* Add to the gradient of a node below the root, if it's an input or above one: `local` times the gradient of the listed
 * node `parent`, or if that is FG_NONE, `local` itself. FG_OK or FG_NO_MEMORY. */
fg_status fg_derivation_give(fg_arena *arena, fg_derivation *derivation, fg_index child, fg_term local,
                             fg_index parent);

/* When all nodes are swept: hand over the inputs' gradients. grads[i] gets that of inputs[i], with a reference for the
 * caller, or FG_NONE if the input isn't below the root. */
void fg_derivation_hand_over(fg_arena *arena, fg_derivation *derivation, fg_index *grads);

/* End a sweep: drop its references and its memory. */
void fg_derivation_end(fg_arena *arena, fg_derivation *derivation);

/* ---- The same as numbers ---- */

typedef struct {
    double value;
    bool is_int;
    bool is_listed;
} fg_number;

/* The reverse sweep with gradients in a table in place of those in the nodes, which stay as they are. It gives the
 * numbers that fg_sweep gives if all gradients are 0 before. */
typedef struct {
    const fg_walk *walk;
    uint32_t edits, left;
    uint32_t events_left; /* so many events of fused sums are still to be swept */
    fg_number *grads;     /* a table: of each listed node and each input, its gradient. The caller sets the root's */
    fg_number *inner;     /* of each listed fused sum: the gradient of its inner nodes; NULL if there are no sums */
    size_t bytes;         /* of both tables */
} fg_tally;

/* Start a sweep over a complete walk with leaves, none of whose nodes has FG_CLOSURE or FG_DEFERRED. False if there's
 * no memory. */
bool fg_tally_start(fg_arena *arena, fg_tally *tally, const fg_walk *walk, uint32_t n_inputs, const fg_index *inputs);

/* Sweep about `budget` more nodes: FG_OK, FG_MORE, or FG_CHANGED if edges have been replaced since the start. */
fg_status fg_tally_go_on(fg_arena *arena, fg_tally *tally, uint32_t budget);

/* The gradient of a listed node or an input. */
static inline fg_number *fg_tally_at(const fg_tally *tally, fg_index index)
{
    return tally->grads + fg_slot(index);
}

void fg_tally_end(fg_arena *arena, fg_tally *tally);

#endif
