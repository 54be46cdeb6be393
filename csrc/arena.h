/* The arena: where the nodes of all graphs live.
 *
 * A node is eight fields of 8 bytes in one growing array, and its index stands for it. The array moves when it grows or
 * shrinks. So nothing outside keeps a pointer to a node across a call that can create or release one (and so across any
 * call that can run Python).
 *
 * A node lives while something refers to it: its handle (the Python object; at most one), or a parent, which is a node
 * that has it as a child. `refs` counts these. At zero the node dies, and with it all nodes below that only it kept
 * alive. The dying nodes are kept on a list that is threaded through themselves. That takes no stack and no memory, so
 * it can't fail.
 *
 * A training step's graph is larger than the processor's fast caches, so a good part of a step's time is memory access.
 * Four things keep that part small:
 *
 * - New nodes get slots in ascending runs. The array is cut into slabs of FG_SLAB slots. A slab is vacant when its last
 *   node has died, and then new nodes fill it from its first slot to its last. So a graph lies in memory in the order
 *   in which it was made, which is nearly the order in which it's walked. (A free list of single slots hands them out
 *   in the order in which their nodes died. In a prototype a training step then took 1.6 times as long.) A few
 *   long-lived nodes can keep a slab from becoming vacant. When more than half of the slots ever used are vacant and
 *   yet no slab is, the vacant slots of a slab at least half vacant are handed out, in ascending runs too. So the slots
 *   ever used are at most twice the largest number of live nodes, plus a slab.
 * - A slab is eight arrays, one for each field. So a loop reads only the fields that it needs: the release of a graph
 *   edges, counts and kinds, an optimiser's step data and gradients. And the gradients of a layer's weights, which are
 *   made one after the other, lie side by side.
 * - Each of the loops prefetches the nodes that it will soon reach (fg_prefetch). The processor does so by itself where
 *   memory is read in ascending or descending order. But a walk enters a sum at its end, goes down to its first term
 *   and then up again; only over long stretches is its order ascending.
 * - An index counts fields. A load or a store computes the address base + 8 * index by itself, while any other way from
 *   an index to a node takes instructions each time. So there are gaps in the indices, between slabs.
 */
#ifndef FG_ARENA_H
#define FG_ARENA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Hints for the compiler: FG_LIKELY keeps the usual path free of jumps; FG_NOT_INLINED keeps a function out of its
 * callers, so that they save no registers for it. */
#if defined __GNUC__
#define FG_LIKELY(condition) __builtin_expect(condition, 1)
#define FG_NOT_INLINED static __attribute__((noinline))
#elif defined _MSC_VER
#define FG_LIKELY(condition) (condition)
#define FG_NOT_INLINED static __declspec(noinline)
#else
#define FG_LIKELY(condition) (condition)
#define FG_NOT_INLINED static
#endif

#ifndef FG_TESTING
#define FG_TESTING 0 /* 1: with fg_fail_allocation and fg_arena_check; setup.py and tests/c/Makefile set it */
#endif

typedef uint32_t fg_index;
#define FG_NONE 0           /* no node: the first slot has a leaf that belongs to no graph */

#define FG_SLAB 1008u       /* slots in a slab. Their indices follow each other */
#define FG_SLAB_STEP 8192u  /* from a slab's first index to the next slab's: 64 KiB, in words of 8 bytes */
#define FG_SLAB_BYTES ((size_t)FG_SLAB_STEP * 8)
#define FG_TAG 1024u        /* this bit, and the two above it, are 0 in all indices: users may put a mark there */
#ifndef FG_MAX_NODES
#define FG_MAX_NODES (UINT32_MAX / FG_SLAB_STEP * FG_SLAB)
#endif
/* A node gets at most so many references, half of what `refs` can count, from fg_node_set_edges, fg_column_take and
 * fg_column_revive: a wide node or a column may have any number of children or operands. Nothing else needs a check:
 * there are fewer than 2**29 nodes, so nodes with at most two edges have fewer than 2**30 of them, and what is left is
 * more than enough for a handle and running calls. */
#ifndef FG_MAX_REFS
#define FG_MAX_REFS (UINT32_MAX / 2)
#endif
#define FG_COLUMNS 32768u   /* places for columns that may be found again, in sets of 4 */
#define FG_KEEP_COLUMNS ((size_t)1 << 24) /* so many bytes of idle columns at most */
#define FG_SIZES 80u        /* free columns of fewer operands than this are kept for new ones of the same size */
#define FG_KEEP_FREE ((size_t)1 << 20) /* so many bytes of free columns at most */
/* A training loop makes and drops a graph in each step. So that it doesn't fetch its memory anew each time, an arena
 * keeps vacant slabs: at least FG_KEEP_SLABS (64 MiB). If graphs have been larger, it keeps as many as the smaller of
 * the last two of those needed, but at most FG_KEEP_MOST (1 GiB). It keeps FG_KEEP_SLABS again when more nodes have
 * died in smaller graphs, since the last large one, than FG_IDLE times as many as that one had. */
#define FG_KEEP_SLABS 1024u
#define FG_KEEP_MOST 16384u
#define FG_IDLE 4u

/* The operation that made a node's number. The names that Python shows are in the table of operations. */
enum fg_op {
    FG_LEAF,
    FG_CUSTOM, /* the user's: only the children and local gradients are known */
    FG_ADD,
    FG_MUL,
    FG_POW,       /* child ** child */
    FG_POW_CONST, /* child ** constant */
    FG_CONST_POW, /* constant ** child */
    FG_EXP, /* from here on functions, in the order of fastgrad/value/operations.py */
    FG_LOG,
    FG_RELU,
    FG_TANH,
    FG_SIGMOID,
    FG_SQRT,
    FG_SIN,
    FG_COS,
    FG_ABS,
    FG_SINH,
    FG_COSH,
    FG_LOG1P,
    FG_EXPM1,
    FG_ERF,
    FG_ATAN,
};

enum fg_flag {
    FG_DATA_INT = 1, /* the number is an int in Python */
    FG_GRAD_INT = 2,
    FG_LOCAL0_INT = 4,
    FG_LOCAL1_INT = 8,
    FG_ATTACHED = 16, /* `face` is an attachment: Python objects that belong to the node; see on_node_death */
    FG_CLOSURE = 32,  /* the caller of the sweep passes this node's gradient on */
    FG_SEEN = 64,     /* Python got its handle by way of a parent, and may have noted the handle's id; or a column has
                       * noted the handle: fg_column_note_handles */
    FG_PARKED = 128,  /* `face` is a handle, or has one, that nothing in Python refers to */
    FG_WAITING = 256, /* it died while the arena was held, and is freed when the hold ends */
    FG_DEFERRED = 512, /* the sweep computes the node's local gradients from the numbers that its children have then */
    FG_CLASS_UNIT = 1024, /* the lowest bit of FG_CLASS: a number by which the face knows the node's class */
    FG_CLASS = UINT16_MAX - (FG_CLASS_UNIT - 1),
};

/* The edges of a node with more than two children, or with another number of local gradients than of children. */
typedef struct {
    uint32_t n_children, n_locals;
    fg_index *children;
    uint8_t *is_int; /* whether each local gradient is an int in Python */
    double locals[];
} fg_edges;

/* How many children a node has. Two is 0, since nearly all nodes have two and one test of a mask then finds them. */
enum fg_arity {
    FG_BINARY,
    FG_UNARY,
    FG_NULLARY,
    FG_WIDE,  /* its edges are in an fg_edges */
    FG_FUSED, /* a fused sum: fused.h */
};

/* The mark of a leaf. It's larger than any epoch, so a walk without leaves takes it for visited. */
#define FG_PASSED_OVER UINT32_MAX

/* A slab has the same field of all its nodes side by side, and then the next field. A pointer to a node points to its
 * first field; the others are always at the same distances from that. A distance is a cache line more than FG_SLAB
 * fields take, since at a power of 2 all fields of a node would be in the same few places of the processor's cache. */
#define FG_OTHERS(name) uint64_t name[FG_SLAB + 7] /* of other nodes */

typedef struct {
    union {
        fg_index child[2];
        struct {
            fg_index start; /* of a fused sum: the start, or FG_NONE if that is a number; */
            uint32_t left;  /* so many terms, the first ones, have not passed on a gradient yet */
        };
    };
    FG_OTHERS(others1);
    uint32_t refs;
    fg_index next_dead;     /* of a dead node: the next on its list */
    FG_OTHERS(others2);
    union {
        struct {
            uint8_t op;
            uint8_t arity;  /* an fg_arity */
            uint16_t flags;
        };
        uint32_t kind;      /* the three as fg_kind makes them, set and tested with one instruction */
    };
    uint32_t mark;          /* the epoch of the last walk that visited it, or FG_PASSED_OVER */
    FG_OTHERS(others3);
    double data;
    FG_OTHERS(others4);
    double grad;
    FG_OTHERS(others5);
    union {
        double local0;      /* the derivatives by the children. FG_POW_CONST and FG_CONST_POW have one child, and the
                             * constant as local1 */
        fg_edges *edges;    /* if arity is FG_WIDE */
        struct fg_sum *sum; /* if arity is FG_FUSED */
    };
    FG_OTHERS(others6);
    union {
        double local1;
        double inner;       /* of a fused sum: the gradient of the products and partial sums that a sweep has reached */
    };
    FG_OTHERS(others7);
    union {
        void *face;         /* the face's, which is the layer above: a handle, an attachment, or NULL */
        uint64_t face_room; /* 8 bytes also where a pointer has 4, as in WebAssembly */
    };
} fg_node;

#define FG_ARE_NEXT(one, other) (offsetof(fg_node, other) - offsetof(fg_node, one) == (FG_SLAB + 8) * 8)
_Static_assert(FG_ARE_NEXT(child, refs) && FG_ARE_NEXT(refs, kind) && FG_ARE_NEXT(kind, data) && FG_ARE_NEXT(data, grad)
               && FG_ARE_NEXT(grad, local0) && FG_ARE_NEXT(local0, local1) && FG_ARE_NEXT(local1, face)
               && offsetof(fg_node, face) + FG_SLAB * 8 <= FG_SLAB_STEP * 8, "a slab's fields");
_Static_assert(FG_SLAB <= FG_TAG, "indices have no FG_TAG");

/* The derivative by child 0 or 1. */
static inline double *fg_local(const fg_node *node, uint32_t i)
{
    return (double *)(i ? &node->local1 : &node->local0);
}

struct fg_walk;

typedef struct {
    fg_node *nodes;
    fg_index next, end;     /* the current run: the slots for the next new nodes */
    uint32_t all_taken;     /* the sum of `taken` */
    uint32_t epoch;         /* of the last walk */
    uint32_t peak;          /* the most live nodes there have been; see fg_arena_note_peak */
    uint32_t most;          /* the most live nodes since the last death of a large graph: see note_death */
    uint32_t last, one_before; /* what `most` was when the last two large graphs died */
    uint64_t since;         /* how many nodes have died in smaller ones since then */
    uint32_t kept;          /* slabs that are kept when they are vacant */
    uint32_t holds;         /* while > 0, nodes that die are not freed */
    fg_index waiting;       /* the list of those nodes */

    uint32_t current;       /* the slab of the current run */
    uint32_t used_slabs;    /* how many slabs have been used: the first ones */
    uint32_t slabs;         /* how many there is memory for */
    uint32_t *taken;        /* of each slab: its live nodes, plus the slots of the current run that are still free */
    uint32_t *vacant;       /* a stack of the slabs without a live node */
    uint32_t n_vacant;
    struct fg_sum **rooms;  /* of each slab that has had a fused sum: room for one for each slot; else NULL */
    uint32_t n_rooms;       /* how many slabs have that room */
    uint32_t probe;         /* the slab where the next search for a half vacant one starts */
    void *block;            /* the allocated memory; `nodes` is the first cache line in it */
    size_t edge_bytes;      /* of all fg_edges, and of fg_columns but idle ones */
    size_t idle_bytes;      /* of idle columns: see fg_column_end */

    uint32_t edits;         /* how often edges have been replaced */
    uint64_t assigned;      /* how often numbers have been assigned that columns may have: see fg_node_note_assigned */
    uint64_t leaves_lost;   /* how often a node has got edges or a closure that it didn't have when it was made */
    uint64_t handles_lost;  /* how often the face has freed a handle that a node was to keep (FG_SEEN) */
    uint64_t sweeps;        /* how often fg_sweep has been called */
    struct fg_walk *walks;  /* the walks that run, as a list */
    struct {
        void *table;        /* memory that derive.c keeps for its next table, or NULL */
        size_t bytes;
    } spare[2];             /* of any bytes; of 0 bytes */
    uint32_t n_fused;       /* how many fused sums are live */
    uint64_t n_terms;       /* how many terms these have */
    uint64_t n_stood_for;   /* how many scalar nodes they stand for, each sum itself included */
    struct fg_column *free_columns[FG_SIZES]; /* by size, lists of free ones, kept for new columns */
    size_t free_bytes;      /* of these */
    struct fg_column *running[2]; /* the columns that have running gradients, as lists: of leaves, of other nodes */
    double *running_grads;  /* these gradients */
    uint32_t n_running, running_capacity;
    _Alignas(64) struct {   /* so that a set of 4 is a cache line */
        const void *key;
        struct fg_column *column;
    } columns[FG_COLUMNS];  /* see fg_column_find */

    /* Called for a dying node with FG_ATTACHED or FG_PARKED. Must not touch the arena. */
    void (*on_node_death)(fg_node *node);
    /* Called for a node with FG_CLOSURE that has one reference left, which may be its handle's, and the closure may be
     * what keeps the handle alive. Must not touch the arena. The face sets it with the first closure; before, it's
     * NULL. */
    void (*on_cycle_candidate)(fg_index index);
} fg_arena;

typedef enum {
    FG_OK,
    FG_MORE,      /* the portion is over, the work isn't: call again */
    FG_CALLERS,   /* the sweep has come to a node that the caller has to pass on: see fg_sweep */
    FG_UNFIT,     /* an operand that a column or a program doesn't take */
    FG_INTS,      /* a column has ints, and no room for kinds: see fg_column_take */
    FG_SUM_AHEAD, /* the walk has come to a fused sum that has to be taken apart first; only within backward.c */
    FG_NO_MEMORY,
    FG_CHANGED,   /* operands or edges have changed since the graph was made or the sweep began; only of derive.h */
    FG_RAISED,    /* a function of the face has raised */
    FG_TOO_MANY,  /* references to a node: see FG_MAX_REFS */
} fg_status;

/* The kind of a node with this op, fg_arity and flags. Kinds can be combined with | and & like masks. */
static inline uint32_t fg_kind(uint8_t op, uint8_t arity, uint16_t flags)
{
#if defined __BYTE_ORDER__ && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    return (uint32_t)op << 24 | (uint32_t)arity << 16 | flags;
#else
    return op | (uint32_t)arity << 8 | (uint32_t)flags << 16;
#endif
}

/* The flags of a kind. */
static inline uint16_t fg_flags(uint32_t kind)
{
#if defined __BYTE_ORDER__ && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    return (uint16_t)kind;
#else
    return (uint16_t)(kind >> 16);
#endif
}

/* Whether a node has two children and none of these flags, as nearly all nodes do. */
static inline bool fg_node_is_binary_without(const fg_node *node, uint16_t flags)
{
    return FG_LIKELY(!(node->kind & fg_kind(0, UINT8_MAX, flags)));
}

/* Whether a node has no children and none of these flags. */
static inline bool fg_node_is_leaf_without(const fg_node *node, uint16_t flags)
{
    return (node->kind & fg_kind(0, UINT8_MAX, flags)) == fg_kind(0, FG_NULLARY, 0);
}

/* The number of the slot with this index, for tables by slot. They have FG_TAG elements for each slab, of which the
 * last 16 aren't used. */
static inline uint32_t fg_slot(fg_index index)
{
    return index / FG_SLAB_STEP * FG_TAG + index % FG_TAG;
}

/* The node with this index in an arena's array. */
static inline fg_node *fg_at(const fg_node *nodes, fg_index index)
{
    return (fg_node *)((uint64_t *)nodes + index);
}

/* Ask the processor for the memory `distance` bytes from an address. FG_AHEAD is 64 nodes, in the order in which they
 * were made. */
enum { FG_AHEAD = 512 };
static inline void fg_prefetch(const void *address, int distance)
{
#ifdef __GNUC__
    __builtin_prefetch((const char *)address + distance);
#else
    (void)address, (void)distance;
#endif
}

/* How many live nodes there are. */
static inline uint32_t fg_arena_live(const fg_arena *arena)
{
    return arena->all_taken - (arena->end - arena->next);
}

static inline void fg_arena_note_peak(fg_arena *arena)
{
    if (fg_arena_live(arena) > arena->peak)
        arena->peak = fg_arena_live(arena);
}

/* The only allocator: like realloc, and frees for size 0. */
void *fg_allocate(void *block, size_t size);

void fg_arena_init(fg_arena *arena, void (*on_node_death)(fg_node *node));
void fg_arena_clear(fg_arena *arena); /* all nodes must be dead */
size_t fg_arena_bytes(const fg_arena *arena);

/* While the arena is held, nodes that die keep their slots and their data, and may be referred to again. A walk holds
 * it, since Python may run meanwhile. */
void fg_arena_hold(fg_arena *arena);
void fg_arena_unhold(fg_arena *arena);

bool fg_arena_next_run(fg_arena *arena);
void fg_node_die(fg_arena *arena, fg_index index);

/* Replace a node's edges. The children must be live. If it fails, nothing has changed: FG_NO_MEMORY, or FG_TOO_MANY if
 * a child has FG_MAX_REFS references. */
fg_status fg_node_set_edges(fg_arena *arena, fg_index index, uint32_t n_children, const fg_index *children,
                            uint32_t n_locals, const double *locals, const uint8_t *is_int);

/* Whether the node with this index is live. There must have been a node with it. */
bool fg_arena_is_live(const fg_arena *arena, fg_index index);

/* The first live node with this index or a higher one, or FG_NONE. Loops over all nodes use it. */
fg_index fg_arena_live_from(const fg_arena *arena, fg_index index);

#if FG_TESTING
/* Make the n-th fg_allocate from now fail; 0: none. */
void fg_fail_allocation(long n);

/* Find what doesn't add up in the arena: NULL, or a sentence. Reads every slot. */
const char *fg_arena_check(const fg_arena *arena);
#else
#define fg_fail_allocation(n) ((void)(n))
#define fg_arena_check(arena) ((void)(arena), (const char *)NULL)
#endif

/* Take the next slot of the current run for a new node. The run must have one (next != end), and fg_node_init must
 * follow. */
static inline fg_index fg_node_take(fg_arena *arena)
{
    fg_index index = arena->next;
    arena->next++;
    return index;
}

/* The same, with a new run if need be. FG_NONE if there is no memory or no index left. */
static inline fg_index fg_node_new(fg_arena *arena)
{
    if (arena->next == arena->end && !fg_arena_next_run(arena))
        return FG_NONE;
    return fg_node_take(arena);
}

/* Set everything in a new node but its edges. It has one reference. A leaf's mark is FG_PASSED_OVER, any other node's
 * 0. */
static inline void fg_node_init(fg_node *node, uint32_t kind, uint32_t mark, double data)
{
    node->data = data;
    node->grad = 0.0;
    node->face = NULL;
    node->refs = 1;
    node->mark = mark;
    node->kind = kind;
}

/* Make the sweep stop at this node. Walks then list it even if it's a leaf. */
static inline void fg_node_set_closure(fg_arena *arena, fg_node *node)
{
    arena->leaves_lost++;
    node->flags |= FG_CLOSURE;
    if (node->mark == FG_PASSED_OVER) /* any other mark stays: a running walk may have listed the node already */
        node->mark = 0;
}

/* Say that a node's number is being assigned. If something refers to the node besides its handle, which may be a column
 * with the old number, no column made before is found again. (fields.c and optim.c count once for many nodes.) */
static inline void fg_node_note_assigned(fg_arena *arena, const fg_node *node)
{
    arena->assigned += node->refs > 1;
}

static inline void fg_node_retain(fg_arena *arena, fg_index index)
{
    fg_at(arena->nodes, index)->refs++;
}

static inline void fg_node_release(fg_arena *arena, fg_index index)
{
    if (--fg_at(arena->nodes, index)->refs == 0)
        fg_node_die(arena, index);
}

/* Free a node that nothing refers to, if it's the last one made and no other dies with it: its slot becomes the next
 * node's again. False if that isn't so: then nothing has changed, and fg_node_die has to follow. */
static inline bool fg_node_undo(fg_arena *arena, fg_index index)
{
    const fg_node *node = fg_at(arena->nodes, index);
    if (index + 1 != arena->next || arena->holds || arena->on_cycle_candidate)
        return false;
    if (!fg_node_is_binary_without(node, FG_ATTACHED | FG_PARKED)) {
        if (!fg_node_is_leaf_without(node, FG_ATTACHED | FG_PARKED))
            return false;
        fg_arena_note_peak(arena);
        arena->next = index;
        return true;
    }
    fg_node *first = fg_at(arena->nodes, node->child[0]), *second = fg_at(arena->nodes, node->child[1]);
    if (first->refs == 1)
        return false;
    first->refs--;
    if (second->refs == 1) { /* only now: both may be the same node */
        first->refs++;
        return false;
    }
    second->refs--;
    fg_arena_note_peak(arena);
    arena->next = index;
    return true;
}

/* A node's edges, be they in the node or in an fg_edges. A fused sum shows none: most of its children only exist once
 * it's taken apart. */

static inline uint32_t fg_node_n_children(const fg_node *node)
{
    return node->arity < FG_WIDE ? 2u - node->arity : node->arity == FG_WIDE ? node->edges->n_children : 0;
}

static inline fg_index fg_node_child(const fg_node *node, uint32_t i)
{
    return node->arity == FG_WIDE ? node->edges->children[i] : node->child[i];
}

static inline uint32_t fg_node_n_locals(const fg_node *node)
{
    return node->arity < FG_WIDE ? 2u - node->arity : node->arity == FG_WIDE ? node->edges->n_locals : 0;
}

static inline double fg_node_local(const fg_node *node, uint32_t i)
{
    return node->arity == FG_WIDE ? node->edges->locals[i] : *fg_local(node, i);
}

static inline bool fg_node_local_is_int(const fg_node *node, uint32_t i)
{
    return node->arity == FG_WIDE ? node->edges->is_int[i] : (node->flags & (FG_LOCAL0_INT << i)) != 0;
}

#endif
