/* The arena: where the nodes of all graphs live.
 *
 * A node is 64 bytes in one growing array and goes by its index. Nothing outside may keep a pointer to a node across a
 * call that can create or release one (and so across any call that can run Python): the array moves when it grows or
 * shrinks.
 *
 * A node lives while something refers to it: its handle (the Python object; at most one), or a parent, a node that has
 * it as a child. `refs` counts them. At zero the node dies, and with it all below that only it kept alive. That is done
 * with a list threaded through the dying nodes, so it takes no stack and no memory and can't fail.
 *
 * A training step's graph is larger than the processor's fast caches, so that what a step costs is for a good part how
 * it goes through memory. Four things are done about that:
 *
 * - Slots are handed out in ascending runs. The array is cut into slabs of FG_SLAB slots. A slab whose last node has
 *   died is available as a whole, and new nodes then fill it from its first slot to its last: so a graph lies in memory
 *   in the order in which it was made, which is nearly the order in which it's walked. (A free list of single slots
 *   hands them out in the order in which they died, which is no order at all: in a prototype a training step took 1.6
 *   times as long.) A few long-lived nodes can keep a slab from becoming available. When more than half of the slots
 *   ever used are vacant and yet no slab is, the vacant slots of a slab at least half vacant are handed out, in
 *   ascending runs as well. So the slots ever used are at most twice the largest number of live nodes, plus a slab.
 * - A slab has two halves. In the first are the nodes' edges and counts, in the second their numbers, 32 bytes of a
 *   node in each: the walk and the release, which look at no numbers, go through half of the memory.
 * - Each of the loops asks for the memory of nodes that it will come to soon (fg_prefetch). The processor does so by
 *   itself where memory is read in ascending or descending order; but a walk enters a sum from its end, goes down to
 *   its first term and then up again, and only from afar is that ascending.
 * - An index counts words of 8 bytes: base + 8 * index is an address that a load or a store computes by itself, while
 *   64 * index takes an instruction more each time.
 */
#ifndef FG_ARENA_H
#define FG_ARENA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* For the compiler: what is needed all the time is best laid out in a line, and what is seldom needed kept out of it,
 * so that no registers are saved for it. */
#if defined __GNUC__
#define FG_LIKELY(condition) __builtin_expect(condition, 1)
#define FG_SELDOM static __attribute__((noinline))
#elif defined _MSC_VER
#define FG_LIKELY(condition) (condition)
#define FG_SELDOM static __declspec(noinline)
#else
#define FG_LIKELY(condition) (condition)
#define FG_SELDOM static
#endif

#ifndef FG_TESTING
#define FG_TESTING 0 /* 1: a build that the tests can look into; setup.py and tests/c/Makefile say when */
#endif

typedef uint32_t fg_index;
#define FG_NONE 0           /* no node: in the first slot is a leaf that is nobody's */
#define FG_STEP 4u          /* from a node's index to the next one's in its slab */

#define FG_NODE_BYTES 64u
#define FG_SLAB 1024u       /* slots in a slab: 64 KiB */
#define FG_SLAB_STEP (FG_SLAB * FG_NODE_BYTES / 8) /* from a slab's first index to the next one's */
#ifndef FG_MAX_NODES
#define FG_MAX_NODES (UINT32_MAX / 8 - FG_SLAB)
#endif
/* A node with this many references, half of what `refs` can count, gets none from a wide node, which may have any
 * number of edges. All others need no check: there are fewer than 2**29 nodes, so edges of nodes with at most two are
 * fewer than 2**30, and the other quarter is more than enough for a handle and for calls that are running. */
#ifndef FG_MAX_REFS
#define FG_MAX_REFS (UINT32_MAX / 2)
#endif
#define FG_KEEP_SLABS 1024u /* 64 MiB: so much an arena keeps in any case when it gives memory back */

/* What the number in a node is made of. The names that Python shows are in engine.pyx. */
enum fg_op {
    FG_LEAF,
    FG_CUSTOM, /* made by the user: only its children and local gradients are known */
    FG_ADD,
    FG_MUL,
    FG_POW,       /* child ** child */
    FG_POW_CONST, /* child ** constant */
    FG_CONST_POW, /* constant ** child */
    FG_EXP,
    FG_LOG,
    FG_RELU,
    FG_TANH,
    FG_SIGMOID,
    FG_SQRT,
    FG_SIN,
    FG_COS,
    FG_ABS,
};

enum fg_flag {
    FG_DATA_INT = 1, /* the number is an int in Python */
    FG_GRAD_INT = 2,
    FG_LOCAL0_INT = 4,
    FG_LOCAL1_INT = 8,
    FG_ATTACHED = 16, /* `face` is an attachment: Python objects belong to the node, `on_node_death` takes them away */
    FG_CLOSURE = 32,  /* the sweep must let the face pass this node's gradient on */
    FG_SEEN = 64,     /* somebody has got to its handle by way of a parent, and may have noted its identity */
    FG_PARKED = 128,  /* `face` is a handle, or has one, that nothing in Python refers to */
    FG_WAITING = 256, /* died while the arena was held: it's on the list of those that wait for the end of that */
    FG_DEFERRED = 512,    /* its local gradients are taken in the sweep, of what its children's numbers are then */
    FG_CLASS_UNIT = 1024, /* the bits from here on are a number for the face, which keeps its class there */
    FG_CLASS = UINT16_MAX - (FG_CLASS_UNIT - 1),
};

/* The edges of a node that has more than two children, or not as many local gradients as children. */
typedef struct {
    uint32_t n_children, n_locals;
    fg_index *children;
    uint8_t *is_int; /* of each local gradient */
    double locals[];
} fg_edges;

/* How many children a node has. Nearly all have two, so that is 0: a test of a mask of bits finds these. */
enum fg_arity {
    FG_BINARY,
    FG_UNARY,
    FG_NULLARY,
    FG_WIDE, /* its edges are apart */
};

#define FG_PASSED_OVER UINT32_MAX /* the mark of a leaf, which passes no gradient on: like an epoch to come */

/* A pointer to a node points to its first half; the second is as far away in every slab. */
typedef struct {
    fg_index child[2];
    void *face;             /* for the layer above, the face: it keeps its handle here, or an attachment, or NULL */
    uint32_t refs;
    uint32_t mark;          /* the epoch of the last walk that came by, or FG_PASSED_OVER */
    union {
        struct {
            uint8_t op;
            uint8_t arity;  /* an fg_arity */
            uint16_t flags;
        };
        uint32_t kind;      /* the three at once, as fg_kind makes them; to be set and tested with one instruction */
    };
    fg_index next_dead;     /* of a dead node: the next on its list */

    char others[(FG_SLAB - 1) * FG_NODE_BYTES / 2]; /* first and second halves of other nodes */

    double data, grad;
    union {
        double local[2];    /* the derivatives by the children; the second is FG_POW_CONST's, FG_CONST_POW's constant */
        fg_edges *edges;    /* if arity is FG_WIDE */
    };
} fg_node;

_Static_assert(offsetof(fg_node, others) == FG_NODE_BYTES / 2 && offsetof(fg_node, data) == FG_SLAB * FG_NODE_BYTES / 2
               && sizeof(fg_node) - offsetof(fg_node, data) == FG_NODE_BYTES / 2, "the halves of a node");
_Static_assert(FG_STEP * 8 == FG_NODE_BYTES / 2, "an index counts words of 8 bytes");

typedef struct {
    fg_node *nodes;
    fg_index next, end;     /* the current run: the slots that are handed out next */
    uint32_t all_taken;     /* the sum of `taken` */
    uint32_t epoch;         /* of the last walk */
    uint32_t peak;
    uint32_t holds;         /* while > 0, nothing that dies is freed */
    fg_index waiting;       /* those that died meanwhile */

    uint32_t current;       /* the slab of the current run */
    uint32_t used_slabs;    /* slabs ever used: the first ones */
    uint32_t slabs;         /* slabs there are */
    uint32_t *taken;        /* of each slab: live nodes, and slots of the current run not yet handed out */
    uint32_t *vacant;       /* a stack of the slabs without a live node */
    uint32_t n_vacant;
    uint32_t probe;         /* where the search for a half vacant slab goes on */
    void *block;            /* what was allocated; `nodes` is the first cache line in it */
    size_t edge_bytes;

    uint32_t edits;         /* how often edges have been replaced */

    /* Called for a dying node with FG_ATTACHED or FG_PARKED. Must not touch the arena. */
    void (*on_node_death)(fg_node *node);
    /* If set, which is when there's a closure, called for a node with FG_CLOSURE that has one reference left: perhaps
     * its handle's, which its closure keeps alive. Must not touch the arena. */
    void (*on_cycle_candidate)(fg_index index);
} fg_arena;

typedef enum {
    FG_OK,
    FG_MORE,      /* the portion is over, the work isn't: call again */
    FG_CALLERS,   /* the sweep has come to a node that the caller has to pass on: see fg_sweep */
    FG_NO_MEMORY,
    FG_TOO_MANY,  /* references to a node: see FG_MAX_REFS */
} fg_status;

/* The kind of a node with this op, fg_arity and flags; kinds and masks can be put together by bits. */
static inline uint32_t fg_kind(uint8_t op, uint8_t arity, uint16_t flags)
{
#if defined __BYTE_ORDER__ && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    return (uint32_t)op << 24 | (uint32_t)arity << 16 | flags;
#else
    return op | (uint32_t)arity << 8 | (uint32_t)flags << 16;
#endif
}

/* Whether a node has two children and none of some flags, as nearly all nodes. */
static inline bool fg_node_is_binary_without(const fg_node *node, uint16_t flags)
{
    return FG_LIKELY(!(node->kind & fg_kind(0, UINT8_MAX, flags)));
}

/* Whether it has no children, and none of some flags. */
static inline bool fg_node_is_leaf_without(const fg_node *node, uint16_t flags)
{
    return (node->kind & fg_kind(0, UINT8_MAX, flags)) == fg_kind(0, FG_NULLARY, 0);
}

/* The node with an index, in an arena's array. */
static inline fg_node *fg_at(const fg_node *nodes, fg_index index)
{
    return (fg_node *)((uint64_t *)nodes + index);
}

/* Ask for what is `distance` bytes from an address: here, 64 nodes in the order in which they were made. */
enum { FG_AHEAD = 2048 };
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
    return arena->all_taken - (arena->end - arena->next) / FG_STEP;
}

static inline void fg_arena_note_peak(fg_arena *arena)
{
    if (fg_arena_live(arena) > arena->peak)
        arena->peak = fg_arena_live(arena);
}

/* The only allocator: like realloc, and frees for size 0. */
void *fg_allocate(void *block, size_t size);

void fg_arena_init(fg_arena *arena, void (*on_node_death)(fg_node *node));
void fg_arena_clear(fg_arena *arena); /* when all nodes are dead */
size_t fg_arena_bytes(const fg_arena *arena);

/* While held, nodes that die stay where they are, data and all, and may even be referred to again. A walk holds the
 * arena while Python may run. */
void fg_arena_hold(fg_arena *arena);
void fg_arena_unhold(fg_arena *arena);

bool fg_arena_next_run(fg_arena *arena);
void fg_node_die(fg_arena *arena, fg_index index);

/* Give a node its edges in place of those that it has. The children must be live. FG_NO_MEMORY, or FG_TOO_MANY, if a
 * child has FG_MAX_REFS references: nothing has changed. */
fg_status fg_node_set_edges(fg_arena *arena, fg_index index, uint32_t n_children, const fg_index *children,
                            uint32_t n_locals, const double *locals, const uint8_t *is_int);

/* Whether an index, of a node that has lived, is that of a live one. */
bool fg_arena_is_live(const fg_arena *arena, fg_index index);

/* The first live node with this index or a higher one, FG_NONE at the end: a walk over all nodes there are. */
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

/* The next slot of the current run, which must have one (next != end), for a new node: fg_node_init must follow. */
static inline fg_index fg_node_take(fg_arena *arena)
{
    fg_index index = arena->next;
    arena->next += FG_STEP;
    return index;
}

/* The same from whatever run there is. FG_NONE: no memory, or no index. */
static inline fg_index fg_node_new(fg_arena *arena)
{
    if (arena->next == arena->end && !fg_arena_next_run(arena))
        return FG_NONE;
    return fg_node_take(arena);
}

/* Fill a new node, but for its edges; it has one reference. A leaf's mark is FG_PASSED_OVER, any other's 0. */
static inline void fg_node_init(fg_node *node, uint32_t kind, uint32_t mark, double data)
{
    node->data = data;
    node->grad = 0.0;
    node->face = NULL;
    node->refs = 1;
    node->mark = mark;
    node->kind = kind;
}

/* Let the sweep stop at this node. A walk that has come by it already mustn't come by again. */
static inline void fg_node_set_closure(fg_node *node)
{
    node->flags |= FG_CLOSURE;
    if (node->mark == FG_PASSED_OVER) /* any other is a walk's, which may be running */
        node->mark = 0;
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

/* Unmake a node that nothing refers to, if it's the last one made and nothing else dies with it: its slot is the next
 * node's again. Whether that could be done; if not, it's fg_node_die's. */
static inline bool fg_node_undo(fg_arena *arena, fg_index index)
{
    const fg_node *node = fg_at(arena->nodes, index);
    if (index + FG_STEP != arena->next || arena->holds || arena->on_cycle_candidate)
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
    if (second->refs == 1) { /* they may be the same one */
        first->refs++;
        return false;
    }
    second->refs--;
    fg_arena_note_peak(arena);
    arena->next = index;
    return true;
}

/* A node's edges, however it keeps them. */

static inline uint32_t fg_node_n_children(const fg_node *node)
{
    return node->arity == FG_WIDE ? node->edges->n_children : 2u - node->arity;
}

static inline fg_index fg_node_child(const fg_node *node, uint32_t i)
{
    return node->arity == FG_WIDE ? node->edges->children[i] : node->child[i];
}

static inline uint32_t fg_node_n_locals(const fg_node *node)
{
    return node->arity == FG_WIDE ? node->edges->n_locals : 2u - node->arity;
}

static inline double fg_node_local(const fg_node *node, uint32_t i)
{
    return node->arity == FG_WIDE ? node->edges->locals[i] : node->local[i];
}

static inline bool fg_node_local_is_int(const fg_node *node, uint32_t i)
{
    return node->arity == FG_WIDE ? node->edges->is_int[i] : (node->flags & (FG_LOCAL0_INT << i)) != 0;
}

#endif
