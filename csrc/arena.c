/* Allocating and releasing nodes. arena.h says what an arena is. */
#include "arena.h"

#include "fields.h"
#include "fused.h"

#include <stdlib.h>
#include <string.h>

/* ---- The allocator ---- */

#if FG_TESTING
static long allocations_until_failure = 0;

void fg_fail_allocation(long n)
{
    allocations_until_failure = n;
}
#endif

void *fg_allocate(void *block, size_t size)
{
    if (size == 0) {
        free(block);
        return NULL;
    }
#if FG_TESTING
    if (allocations_until_failure > 0 && --allocations_until_failure == 0)
        return NULL;
#endif
    return realloc(block, size);
}

/* ---- The array ---- */

#define NO_SLAB UINT32_MAX

/* The node FG_NONE of an arena without memory, so that FG_NONE can be read like any node. It's a leaf that never dies.
 * Its flags keep it out of the face's short ways, which don't ask whether an index is FG_NONE. */
static fg_node nothing;

static void init_first_slot(fg_node *node)
{
    fg_node_init(node, fg_kind(FG_LEAF, FG_NULLARY, FG_ATTACHED | FG_SEEN), FG_PASSED_OVER, 0.0);
}

void fg_arena_init(fg_arena *arena, void (*on_node_death)(fg_node *node))
{
    init_first_slot(&nothing);
    *arena = (fg_arena){.nodes = &nothing, .waiting = FG_NONE, .current = NO_SLAB, .kept = FG_KEEP_SLABS,
                         .on_node_death = on_node_death};
}

/* Free the rooms for fused sums of the slabs from `first` on, which have no live node. */
static void free_rooms(fg_arena *arena, uint32_t first)
{
    for (uint32_t slab = first; slab < arena->slabs; slab++) {
        arena->n_rooms -= arena->rooms[slab] != NULL;
        fg_allocate(arena->rooms[slab], 0);
        arena->rooms[slab] = NULL;
    }
}

void fg_arena_clear(fg_arena *arena)
{
    fg_allocate(arena->block, 0);
    fg_allocate(arena->taken, 0);
    fg_allocate(arena->vacant, 0);
    for (int i = 0; i < 2; i++)
        fg_allocate(arena->spare[i].table, 0);
    fg_allocate(arena->running_grads, 0);
    free_rooms(arena, 0);
    fg_allocate(arena->rooms, 0);
    fg_columns_clear(arena);
    void (*on_cycle_candidate)(fg_index) = arena->on_cycle_candidate;
    fg_arena_init(arena, arena->on_node_death);
    arena->on_cycle_candidate = on_cycle_candidate;
}

size_t fg_arena_bytes(const fg_arena *arena)
{
    return arena->slabs * (FG_SLAB_BYTES + 2 * sizeof(uint32_t) + sizeof *arena->rooms)
           + arena->n_rooms * FG_SLAB * sizeof(fg_sum) + arena->edge_bytes + arena->idle_bytes + arena->free_bytes
           + arena->running_capacity * sizeof *arena->running_grads;
}

enum { CACHE_LINE = 64 };

static fg_node *first_cache_line(void *block)
{
    return (fg_node *)(((uintptr_t)block + CACHE_LINE - 1) & ~(uintptr_t)(CACHE_LINE - 1));
}

/* Make the array `slabs` slabs long. If it fails to grow, `nodes` and `slabs` are as before. If it fails to shrink,
 * some memory isn't given back, and isn't used. */
static bool resize(fg_arena *arena, uint32_t slabs)
{
    if ((uint64_t)slabs * FG_SLAB_BYTES > SIZE_MAX - CACHE_LINE)
        return false;
    free_rooms(arena, slabs);
    if (slabs < arena->slabs)
        arena->slabs = slabs; /* from here on one of the arrays may be as short as that */
    uint32_t *taken = fg_allocate(arena->taken, slabs * sizeof *taken);
    if (!taken)
        return false;
    arena->taken = taken;
    uint32_t *vacant = fg_allocate(arena->vacant, slabs * sizeof *vacant);
    if (!vacant)
        return false;
    arena->vacant = vacant;
    fg_sum **rooms = fg_allocate(arena->rooms, slabs * sizeof *rooms);
    if (!rooms)
        return false;
    arena->rooms = rooms;
    for (uint32_t i = arena->slabs; i < slabs; i++)
        rooms[i] = NULL;

    /* realloc keeps the distance of bytes from the start of the block, but the block may start elsewhere in a cache
     * line. */
    size_t before = arena->block ? (size_t)((char *)arena->nodes - (char *)arena->block) : 0;
    const uint32_t refs = arena->nodes->refs; /* of FG_NONE, to which columns refer for their constants */
    char *block = fg_allocate(arena->block, slabs * FG_SLAB_BYTES + CACHE_LINE);
    if (!block)
        return false;
    arena->block = block;
    arena->nodes = first_cache_line(block);
    if (arena->slabs == 0) {
        init_first_slot(arena->nodes);
        arena->nodes->refs = refs;
    } else if ((char *)arena->nodes != block + before) {
        uint32_t kept = arena->used_slabs < slabs ? arena->used_slabs : slabs;
        memmove(arena->nodes, block + before, kept * FG_SLAB_BYTES);
    }
    arena->slabs = slabs;
    return true;
}

static bool grow(fg_arena *arena)
{
    const uint32_t most = (uint32_t)(((uint64_t)FG_MAX_NODES + FG_SLAB) / FG_SLAB);
    uint64_t slabs = arena->slabs < 2048 ? 2 * (uint64_t)arena->slabs : arena->slabs + (uint64_t)arena->slabs / 2;
    if (slabs < 16)
        slabs = 16;
    if (slabs > most)
        slabs = most;
    return slabs > arena->slabs && resize(arena, (uint32_t)slabs);
}

/* ---- Runs ---- */

static uint32_t slab_of(fg_index index)
{
    return index / FG_SLAB_STEP;
}

static fg_index slab_start(uint32_t slab)
{
    return slab > 0 ? slab * FG_SLAB_STEP : FG_NONE + 1;
}

static fg_index slab_end(uint32_t slab)
{
    uint64_t before = (uint64_t)slab * FG_SLAB, left = (uint64_t)FG_MAX_NODES + 1 - before;
    return slab * FG_SLAB_STEP + (fg_index)(left < FG_SLAB ? left : FG_SLAB);
}

static void start_run(fg_arena *arena, uint32_t slab, fg_index from, fg_index to)
{
    arena->current = slab;
    arena->next = from;
    arena->end = to;
    arena->taken[slab] += to - from;
    arena->all_taken += to - from;
}

/* Whether a slot that has had a node is free again. */
static bool is_vacant(const fg_node *node)
{
    return node->refs == 0 && !(node->flags & FG_WAITING);
}

static bool next_run_within(fg_arena *arena, uint32_t slab, fg_index from)
{
    fg_index end = slab_end(slab);
    while (from < end && !is_vacant(fg_at(arena->nodes, from)))
        from++;
    fg_index to = from;
    while (to < end && is_vacant(fg_at(arena->nodes, to)))
        to++;
    if (from == to)
        return false;
    start_run(arena, slab, from, to);
    return true;
}

/* Start a run in some slab with at most `most` live nodes. False if there is none with a free slot. */
static bool next_run_in_sparse_slab(fg_arena *arena, uint32_t most)
{
    for (uint32_t i = 0; i < arena->used_slabs; i++) {
        uint32_t slab = arena->probe++ % arena->used_slabs;
        if (arena->taken[slab] <= most && next_run_within(arena, slab, slab_start(slab)))
            return true;
    }
    return false;
}

bool fg_arena_next_run(fg_arena *arena)
{
    uint32_t slab = arena->current;
    if (slab != NO_SLAB) {
        if (next_run_within(arena, slab, arena->end))
            return true;
        arena->current = NO_SLAB;
        if (arena->taken[slab] == 0)
            arena->vacant[arena->n_vacant++] = slab;
    }
    if (arena->n_vacant > 0) {
        slab = arena->vacant[--arena->n_vacant];
    } else if (2 * (uint64_t)fg_arena_live(arena) < (uint64_t)arena->used_slabs * FG_SLAB
               && next_run_in_sparse_slab(arena, FG_SLAB / 2)) {
        return true;
    } else if (arena->used_slabs < arena->slabs || grow(arena)) {
        slab = arena->used_slabs++;
        arena->taken[slab] = 0;
    } else {
        arena->next = arena->end = 0;
        return next_run_in_sparse_slab(arena, FG_SLAB - 1); /* there is no more memory, but there may be free slots */
    }
    start_run(arena, slab, slab_start(slab), slab_end(slab));
    return true;
}

static bool has_no_live_node(const fg_arena *arena, uint32_t slab)
{
    return arena->taken[slab] == (slab == arena->current ? arena->end - arena->next : 0);
}

/* Decide how many vacant slabs are kept. A graph has died, and the last slab is vacant. before: how many nodes were
 * live before. It counts as a large graph if there were more nodes than FG_KEEP_SLABS slabs have, and less than half of
 * them are left. */
static void note_death(fg_arena *arena, uint32_t before)
{
    const uint32_t live = fg_arena_live(arena);
    if (arena->most > FG_KEEP_SLABS * FG_SLAB && live < arena->most / 2) {
        arena->one_before = arena->last;
        arena->last = arena->most;
        arena->most = live;
        arena->since = 0;
    } else {
        arena->since += before - live;
        if (arena->since > FG_IDLE * (uint64_t)arena->last)
            arena->last = arena->one_before = 0;
    }
    const uint32_t nodes = arena->last < arena->one_before ? arena->last : arena->one_before;
    const uint32_t slabs = nodes / FG_SLAB + nodes / FG_SLAB / 8; /* more, since a few are never quite full */
    arena->kept = slabs < FG_KEEP_SLABS ? FG_KEEP_SLABS : slabs > FG_KEEP_MOST ? FG_KEEP_MOST : slabs;
}

/* Give memory back if many slabs at the end are vacant. */
static void trim(fg_arena *arena)
{
    uint32_t used = arena->used_slabs, n = 0;
    while (used > arena->kept && has_no_live_node(arena, used - 1)) {
        used--;
        if (used == arena->current) {
            arena->all_taken -= arena->taken[used];
            arena->current = NO_SLAB;
            arena->next = arena->end = 0;
        }
    }
    arena->used_slabs = used;
    for (uint32_t i = 0; i < arena->n_vacant; i++)
        if (arena->vacant[i] < used)
            arena->vacant[n++] = arena->vacant[i];
    arena->n_vacant = n;
    free_rooms(arena, used);
    if (arena->slabs / 4 >= used)
        resize(arena, 2 * used);
}

/* ---- The end of nodes ---- */

static void free_edges(fg_arena *arena, fg_edges *edges)
{
    arena->edge_bytes -= sizeof *edges + edges->n_locals * (sizeof(double) + 1) + edges->n_children * sizeof(fg_index);
    fg_allocate(edges, 0);
}

/* Drop a parent's reference to a child. True if the child is to be freed now. A child that waits for the end of a hold
 * is on another list already, from which it will be freed. */
static inline bool drop(fg_arena *arena, fg_node *nodes, fg_index child, const bool careful)
{
    if (--fg_at(nodes, child)->refs > 0) {
        if (careful && fg_at(nodes, child)->refs == 1 && fg_at(nodes, child)->flags & FG_CLOSURE
            && arena->on_cycle_candidate)
            arena->on_cycle_candidate(child);
        return false;
    }
    return !(careful && fg_at(nodes, child)->flags & FG_WAITING);
}

static inline fg_index drop_one(fg_arena *arena, fg_index child, fg_index dying)
{
    if (!drop(arena, arena->nodes, child, true))
        return dying;
    fg_at(arena->nodes, child)->next_dead = dying;
    return child;
}

/* The end of a column that no sum refers to. Operands that die are put in front of the list `dying`. */
FG_NOT_INLINED fg_index bury_column(fg_arena *arena, fg_column *column, fg_index dying)
{
    const fg_index *const operands = fg_column_nodes(column);
    const bool has_leaves = fg_column_has_leaves(arena, column); /* none has a closure */
    column->handles_lost = arena->handles_lost;                  /* before any operand dies */
    const bool is_dropped = column->is_run && (has_leaves || !arena->on_cycle_candidate)
                            && fg_run_drop(fg_at(arena->nodes, operands[0]), column->n);
    for (uint32_t i = is_dropped ? 0 : column->n; i-- > 0;) {
        fg_node *node = fg_at(arena->nodes, operands[i]);
        if (has_leaves && node->refs > 1)
            node->refs--;
        else
            dying = drop_one(arena, operands[i], dying);
    }
    fg_column_end(arena, column);
    return dying;
}

/* Drop a fused sum's reference to a column, and with the last one the column and its operands. Operands that die are
 * put in front of the list `dying`. Returns the list. (fg_column_release is for those who aren't in the middle of
 * burying nodes.) */
static inline fg_index drop_column(fg_arena *arena, fg_column *column, fg_index dying)
{
    return --column->refs > 0 ? dying : bury_column(arena, column, dying);
}

/* Drop the children of any node, or the columns and the start of a fused sum, and put the nodes that die in front of
 * the list `dying`. Returns the list. */
FG_NOT_INLINED fg_index drop_children(fg_arena *arena, fg_node *node, fg_index dying)
{
    if (node->flags & (FG_ATTACHED | FG_PARKED))
        arena->on_node_death(node);
    if (node->arity == FG_FUSED) {
        fg_column *const u = node->sum->u, *const v = node->sum->v;
        const bool is_single = node->sum->is_single;
        fg_sum_end(arena, node->sum);
        if (!is_single)
            dying = drop_column(arena, v, dying);
        dying = drop_column(arena, u, dying);
        return node->child[0] != FG_NONE ? drop_one(arena, node->child[0], dying) : dying;
    }
    for (uint32_t i = fg_node_n_children(node); i-- > 0;)
        dying = drop_one(arena, fg_node_child(node, i), dying);
    if (node->arity == FG_WIDE)
        free_edges(arena, node->edges);
    return dying;
}

/* Count `died` dead nodes of a slab. */
static void vacate(fg_arena *arena, uint32_t slab, uint32_t died)
{
    arena->all_taken -= died;
    arena->taken[slab] -= died;
    if (arena->taken[slab] == 0 && slab != arena->current)
        arena->vacant[arena->n_vacant++] = slab;
}

/* Free a node that has died, and all that only it kept alive. After a node it goes on with the node's first child, if
 * that dies too, and otherwise with the next on the list `dying`. `careful`: there may be cycle candidates or nodes
 * that wait. */
static inline void bury(fg_arena *arena, fg_index index, const bool careful)
{
    fg_node *const nodes = arena->nodes;
    fg_node *node = fg_at(nodes, index), *second;
    fg_index dying = FG_NONE;
    uint32_t slab = slab_of(index), died = 0;
    for (;;) {
        if (slab_of(index) != slab) {
            vacate(arena, slab, died);
            slab = slab_of(index);
            died = 0;
        }
        died++;
        if (fg_node_is_binary_without(node, FG_ATTACHED | FG_PARKED)) {
            second = fg_at(nodes, node->child[1]);
            if (drop(arena, nodes, node->child[1], careful)) {
                second->next_dead = dying;
                dying = node->child[1];
            }
            index = node->child[0];
            node = fg_at(nodes, index);
            if (drop(arena, nodes, index, careful))
                continue;
        } else {
            dying = drop_children(arena, node, dying);
        }
        if (dying == FG_NONE)
            break;
        index = dying;
        node = fg_at(nodes, index);
        dying = node->next_dead;
        fg_prefetch(node, FG_AHEAD);
    }
    vacate(arena, slab, died);
}

static void wait(fg_arena *arena, fg_index index)
{
    fg_node *node = fg_at(arena->nodes, index);
    if (node->flags & FG_WAITING)
        return;
    node->flags |= FG_WAITING;
    node->next_dead = arena->waiting;
    arena->waiting = index;
}

/* The death of a node and of what only it kept alive. */
FG_NOT_INLINED void die(fg_arena *arena, fg_index index)
{
    const bool is_large = arena->used_slabs > FG_KEEP_SLABS;
    const uint32_t before = fg_arena_live(arena);
    if (is_large && before > arena->most)
        arena->most = before;
    if (arena->on_cycle_candidate || arena->waiting != FG_NONE)
        bury(arena, index, true);
    else
        bury(arena, index, false);

    if (is_large && has_no_live_node(arena, arena->used_slabs - 1)) {
        note_death(arena, before);
        if (arena->used_slabs > arena->kept)
            trim(arena);
    }
}

void fg_node_die(fg_arena *arena, fg_index index)
{
    if (arena->holds) {
        wait(arena, index);
        return;
    }
    fg_arena_note_peak(arena);
    if (fg_node_is_leaf_without(fg_at(arena->nodes, index), FG_ATTACHED | FG_PARKED)
        && arena->used_slabs <= FG_KEEP_SLABS)
        vacate(arena, slab_of(index), 1);
    else
        die(arena, index);
}

void fg_arena_hold(fg_arena *arena)
{
    arena->holds++;
}

void fg_arena_unhold(fg_arena *arena)
{
    if (--arena->holds)
        return;
    while (arena->waiting != FG_NONE) {
        fg_index index = arena->waiting;
        fg_node *node = fg_at(arena->nodes, index);
        arena->waiting = node->next_dead;
        node->flags &= (uint16_t)~FG_WAITING;
        if (node->refs == 0)
            fg_node_die(arena, index);
    }
}

/* ---- Edges ---- */

static fg_edges *new_edges(fg_arena *arena, uint32_t n_children, const fg_index *children, uint32_t n_locals,
                           const double *locals, const uint8_t *is_int)
{
    size_t size = sizeof(fg_edges) + n_locals * (sizeof(double) + 1) + n_children * sizeof(fg_index);
    fg_edges *edges = fg_allocate(NULL, size);
    if (!edges)
        return NULL;
    arena->edge_bytes += size;
    edges->n_children = n_children;
    edges->n_locals = n_locals;
    edges->children = (fg_index *)(edges->locals + n_locals);
    edges->is_int = (uint8_t *)(edges->children + n_children);
    if (n_children)
        memcpy(edges->children, children, n_children * sizeof *children);
    if (n_locals) {
        memcpy(edges->locals, locals, n_locals * sizeof *locals);
        memcpy(edges->is_int, is_int, n_locals);
    }
    return edges;
}

fg_status fg_node_set_edges(fg_arena *arena, fg_index index, uint32_t n_children, const fg_index *children,
                            uint32_t n_locals, const double *locals, const uint8_t *is_int)
{
    bool wide = n_children > 2 || n_locals != n_children;
    fg_edges *edges = NULL;
    if (wide && !(edges = new_edges(arena, n_children, children, n_locals, locals, is_int)))
        return FG_NO_MEMORY;
    for (uint32_t i = 0; i < n_children; i++) {
        if (fg_at(arena->nodes, children[i])->refs >= FG_MAX_REFS) {
            while (i-- > 0)
                fg_at(arena->nodes, children[i])->refs--;
            if (wide)
                free_edges(arena, edges);
            return FG_TOO_MANY;
        }
        fg_node_retain(arena, children[i]);
    }

    arena->edits++;
    arena->leaves_lost++;
    fg_node *node = fg_at(arena->nodes, index);
    const uint32_t n_old = fg_node_n_children(node);
    const bool was_wide = node->arity == FG_WIDE;
    const fg_index old[2] = {node->child[0], node->child[1]};
    fg_edges *const old_edges = node->edges;
    node->flags &= (uint16_t)~(FG_LOCAL0_INT | FG_LOCAL1_INT);
    node->mark = 0;
    if (wide) {
        node->arity = FG_WIDE;
        node->edges = edges;
    } else {
        node->arity = (uint8_t)(2 - n_children);
        for (uint32_t i = 0; i < n_children; i++) {
            node->child[i] = children[i];
            *fg_local(node, i) = locals[i];
            if (is_int[i])
                node->flags |= (uint16_t)(FG_LOCAL0_INT << i);
        }
    }
    for (uint32_t i = 0; i < n_old; i++)
        fg_node_release(arena, was_wide ? old_edges->children[i] : old[i]);
    if (was_wide)
        free_edges(arena, old_edges);
    return FG_OK;
}

/* ---- All nodes ---- */

bool fg_arena_is_live(const fg_arena *arena, fg_index index)
{
    const uint32_t slab = slab_of(index);
    if (slab >= arena->used_slabs || (slab != arena->current && arena->taken[slab] == 0))
        return false; /* vacant, whatever is left in its slots */
    if (slab == arena->current && index >= arena->next && index < arena->end)
        return false; /* a slot for a new node */
    return fg_at(arena->nodes, index)->refs > 0;
}

fg_index fg_arena_live_from(const fg_arena *arena, fg_index index)
{
    for (uint32_t slab = slab_of(index); slab < arena->used_slabs; slab++) {
        fg_index from = slab_start(slab) > index ? slab_start(slab) : index, end = slab_end(slab);
        if (slab != arena->current && arena->taken[slab] == 0)
            continue;
        for (fg_index i = from; i < end; i++)
            if (fg_arena_is_live(arena, i))
                return i;
    }
    return FG_NONE;
}

/* ---- Checking ---- */

#if FG_TESTING
static uint32_t n_checks;
static const char *complaint;

/* Whether an index is a live node's; counts it as a child. */
static void check_child(const fg_arena *arena, fg_index child, uint64_t *parents)
{
    if (slab_of(child) >= arena->used_slabs || child < slab_start(slab_of(child)) || child >= slab_end(slab_of(child)))
        complaint = "a child is no node";
    else if (fg_at(arena->nodes, child)->refs == 0)
        complaint = "a child has no references";
    ++*parents;
}

/* Check a column, unless this check has done so already. */
static void check_column(const fg_arena *arena, fg_column *column, uint64_t *parents)
{
    uint32_t n_constants = 0;
    if (column->refs == 0)
        complaint = "a column has no references";
    if (column->checked == n_checks)
        return;
    column->checked = n_checks;
    for (uint32_t i = 0; i < column->n; i++) {
        if (fg_column_nodes(column)[i] == FG_NONE)
            n_constants++;
        else
            check_child(arena, fg_column_nodes(column)[i], parents);
    }
    if (n_constants != column->n_constants)
        complaint = "a column's count of constants is wrong";
}

const char *fg_arena_check(const fg_arena *arena)
{
    uint64_t all_taken = 0, live = 0, parents = 0, refs = 0, vacant = 0, fused = 0, terms = 0, stood_for = 0;
    n_checks++;
    complaint = NULL;
    for (uint32_t slab = 0; slab < arena->used_slabs; slab++) {
        uint32_t taken = 0;
        for (fg_index i = slab_start(slab); i < slab_end(slab); i++) {
            const fg_node *node = fg_at(arena->nodes, i);
            if (slab == arena->current && i >= arena->next && i < arena->end) {
                taken++;
                continue;
            }
            if (slab != arena->current && arena->taken[slab] == 0)
                continue; /* vacant, whatever is left in its slots */
            if (is_vacant(node))
                continue;
            taken++;
            live++;
            refs += node->refs;
            for (uint32_t j = 0; j < fg_node_n_children(node); j++)
                check_child(arena, fg_node_child(node, j), &parents);
            if (node->arity == FG_FUSED) {
                fused++;
                terms += node->sum->n;
                stood_for += node->sum->n_inner + 1;
                check_column(arena, node->sum->u, &parents);
                check_column(arena, node->sum->v, &parents);
                if (node->child[0] != FG_NONE)
                    check_child(arena, node->child[0], &parents);
            }
            if (complaint)
                return complaint;
        }
        if (taken != arena->taken[slab])
            return "a slab's count is wrong";
        all_taken += taken;
        if (taken == 0 && slab != arena->current)
            vacant++;
    }
    if (all_taken != arena->all_taken || live != fg_arena_live(arena))
        return "the number of live nodes is wrong";
    if (refs < parents)
        return "there are fewer references than edges";
    if (vacant != arena->n_vacant)
        return "a vacant slab is lost";
    if (fused != arena->n_fused || terms != arena->n_terms || stood_for != arena->n_stood_for)
        return "the number of fused sums is wrong";
    const unsigned char *const zeros = arena->spare[true].table;
    for (size_t i = 0; i < arena->spare[true].bytes; i++)
        if (zeros[i])
            return "a table for derivatives isn't clear";
    return NULL;
}
#endif
