/* The core of steps 5 to 8: nodes of 64 bytes in one array, the walk and the sweep. It knows nothing of Python.
 *
 * Step 5 compiles it alone. Steps 6 to 8 include it, with ORDERED (slots are handed out in ascending runs) and
 * PREFETCH. There is no check for a lack of memory: fastgrad's csrc/arena.c has them. */
#include <stdint.h>
#include <stdlib.h>

#ifndef ORDERED
#define ORDERED 0
#endif
#ifndef PREFETCH
#define PREFETCH 0
#endif

typedef struct {
    double data, grad, local[2];
    uint32_t child[2];
    uint32_t n;    /* how many children */
    uint32_t mark; /* the epoch of the last walk that visited it */
    uint32_t refs; /* parents and the handle */
    uint32_t next; /* of a free slot or a dying node: the next on its list */
    void *spare;   /* fills the cache line */
} node;

enum { SLAB = 1024, NONE = 0 }; /* slot 0 is no node */

static node *nodes;
static uint32_t used = 1, room, epoch;
static uint32_t *order, *stack;

static void make_room(uint32_t wanted)
{
    if (wanted <= room)
        return;
    room = wanted + wanted / 2;
    node *block = aligned_alloc(64, (size_t)room / SLAB * SLAB * sizeof *block + SLAB * sizeof *block);
    for (uint32_t i = 0; i < used && nodes; i++)
        block[i] = nodes[i];
    free(nodes);
    nodes = block;
    order = realloc(order, room * sizeof *order);
    stack = realloc(stack, room * sizeof *stack);
}

/* ---- Where a new node goes ---- */

#if ORDERED /* from step 7 on: slab by slab, each from its first slot to its last, once all of its nodes are dead */
static uint32_t next, end;          /* the current run */
static uint32_t *alive, *vacant, n_vacant, n_slabs;

static uint32_t take(void)
{
    if (next == end) {
        uint32_t slab = n_vacant > 0 ? vacant[--n_vacant] : n_slabs++;
        if (slab * SLAB + SLAB > used) {
            make_room(slab * SLAB + SLAB);
            used = slab * SLAB + SLAB;
            alive = realloc(alive, n_slabs * sizeof *alive);
            vacant = realloc(vacant, n_slabs * sizeof *vacant);
        }
        next = slab * SLAB;
        end = next + SLAB;
        alive[slab] = SLAB; /* a slot that isn't handed out yet counts too: the current run is never vacant */
        if (next == NONE) {
            next++;
            nodes[NONE] = (node){0};
        }
    }
    return next++;
}

static void give_back(uint32_t i)
{
    if (--alive[i / SLAB] == 0)
        vacant[n_vacant++] = i / SLAB;
}
#else /* a list of free slots: the last that was given back is the first to be handed out */
static uint32_t free_slots;

static uint32_t take(void)
{
    uint32_t i = free_slots;
    if (i != NONE) {
        free_slots = nodes[i].next;
        return i;
    }
    make_room(used + 1);
    return used++;
}

static void give_back(uint32_t i)
{
    nodes[i].next = free_slots;
    free_slots = i;
}
#endif

static uint32_t new_node(double data, uint32_t n, uint32_t c0, uint32_t c1, double l0, double l1)
{
    uint32_t i = take();
    nodes[i] = (node){.data = data, .local = {l0, l1}, .child = {c0, c1}, .n = n, .refs = 1};
    if (n > 0)
        nodes[c0].refs++;
    if (n > 1)
        nodes[c1].refs++;
    return i;
}

/* ---- What Python calls ---- */

uint32_t leaf(double data)
{
    return new_node(data, 0, 0, 0, 0.0, 0.0);
}

uint32_t add(uint32_t a, uint32_t b)
{
    return new_node(nodes[a].data + nodes[b].data, 2, a, b, 1.0, 1.0);
}

uint32_t mul(uint32_t a, uint32_t b)
{
    double x = nodes[a].data, y = nodes[b].data;
    return new_node(x * y, 2, a, b, y, x);
}

uint32_t relu(uint32_t a)
{
    double x = nodes[a].data;
    return new_node(x > 0.0 ? x : 0.0, 1, a, 0, x > 0.0, 0.0);
}

double get_data(uint32_t i) { return nodes[i].data; }
double get_grad(uint32_t i) { return nodes[i].grad; }
void set_data(uint32_t i, double x) { nodes[i].data = x; }
void set_grad(uint32_t i, double x) { nodes[i].grad = x; }

/* Step 5's end of a graph: the tape is cut off. */
void forget(uint32_t n)
{
    used = n + 1;
}

/* From step 6 on: a reference goes, and with the last one the node, and what only it kept alive. The dying are a list
 * through themselves: no recursion. */
void release(uint32_t i)
{
    if (--nodes[i].refs > 0)
        return;
    nodes[i].next = NONE;
    while (i != NONE) {
        node *dead = &nodes[i];
        uint32_t dying = dead->next;
#if PREFETCH
        __builtin_prefetch(dead + 64);
#endif
        for (uint32_t k = 0; k < dead->n; k++)
            if (--nodes[dead->child[k]].refs == 0) {
                nodes[dead->child[k]].next = dying;
                dying = dead->child[k];
            }
        give_back(i);
        i = dying;
    }
}

void backward(uint32_t root)
{
    uint32_t n = 0, depth = 0;
    epoch++;
    nodes[root].mark = epoch;
    stack[depth++] = root << 2; /* the lowest bits say which child is next */
    while (depth > 0) {
        uint32_t i = stack[depth - 1] >> 2, k = stack[depth - 1] & 3;
        if (k < nodes[i].n) {
            uint32_t child = nodes[i].child[k];
            stack[depth - 1]++;
            if (nodes[child].n > 0 && nodes[child].mark != epoch) {
                nodes[child].mark = epoch;
                stack[depth++] = child << 2;
            }
        } else {
#if PREFETCH
            __builtin_prefetch(&nodes[i] + 64); /* what was made 64 nodes later is listed soon */
#endif
            order[n++] = i;
            depth--;
        }
    }
    nodes[root].grad = 1.0;
    while (n > 0) {
        const node *v = &nodes[order[--n]];
#if PREFETCH
        __builtin_prefetch(v - 64);
#endif
        for (uint32_t k = 0; k < v->n; k++)
            nodes[v->child[k]].grad += v->local[k] * v->grad;
    }
}
