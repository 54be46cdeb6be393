/* Loops over a field of many nodes, block by block. fields.h says what they are for. */
#include "fields.h"

#include <string.h>

#include "fours.h"

enum { BLOCK = 64 };

/* Whether the indices of a block follow each other. */
FG_BODY bool is_run(const fg_index *indices, size_t n)
{
    uint32_t others = 0;
    for (uint32_t i = 0; i < n; i++)
        others |= indices[i] ^ (indices[0] + i);
    return others == 0;
}

static inline double *number_of(fg_node *node, fg_field field)
{
    return field == FG_GRAD ? &node->grad : &node->data;
}

/* Two fields of 4 bytes that lie beside each other in a slab: as one number, so that the compiler sees an array. */
typedef union {
    uint64_t both;
    struct {
        uint32_t refs, next_dead;
    };
    struct {
        uint32_t kind, mark;
    };
} pair;

enum { COUNTS = offsetof(fg_node, refs), KINDS = offsetof(fg_node, kind) };

/* A pair of node i of a run. */
static inline uint64_t get(const fg_node *first, size_t i, size_t which)
{
    uint64_t both;
    memcpy(&both, (const char *)first + which + 8 * i, sizeof both);
    return both;
}

static inline void set(fg_node *first, size_t i, size_t which, uint64_t both)
{
    memcpy((char *)first + which + 8 * i, &both, sizeof both);
}

FG_BODY void read_block_of_any(const fg_node *nodes, fg_field field, size_t n, const fg_index *indices,
                               double *restrict out, uint32_t *kinds)
{
    fg_node *const first = fg_at(nodes, indices[0]);
    const double *const numbers = number_of(first, field);
    pair any = {.both = 0};
    if (is_run(indices, n)) {
        for (size_t i = 0; i < n; i++)
            out[i] = numbers[i];
        for (size_t i = 0; i < n; i++)
            any.both |= get(first, i, KINDS);
    } else {
        for (size_t i = 0; i < n; i++) {
            fg_node *const node = fg_at(nodes, indices[i]);
            out[i] = *number_of(node, field);
            any.kind |= node->kind;
        }
    }
    *kinds |= any.kind;
}

FG_TWICE(read_block, (const fg_node *nodes, fg_field field, size_t n, const fg_index *indices, double *restrict out,
                      uint32_t *kinds),
         (nodes, field, n, indices, out, kinds))

FG_BODY void write_block_of_any(fg_node *nodes, fg_field field, size_t n, const fg_index *indices,
                                const double *restrict numbers, pair cleared, pair added, uint32_t *refs)
{
    fg_node *const first = fg_at(nodes, indices[0]);
    double *const restrict run = number_of(first, field);
    pair any = {.both = 0};
    if (is_run(indices, n)) {
        for (size_t i = 0; i < n; i++)
            run[i] = numbers[i];
        for (size_t i = 0; i < n; i++)
            set(first, i, KINDS, (get(first, i, KINDS) & ~cleared.both) | added.both);
        for (size_t i = 0; i < n && field == FG_DATA; i++)
            any.both |= get(first, i, COUNTS);
    } else {
        for (size_t i = 0; i < n; i++) {
            fg_node *const node = fg_at(nodes, indices[i]);
            *number_of(node, field) = numbers[i];
            node->kind = (node->kind & ~cleared.kind) | added.kind;
            any.refs |= node->refs;
        }
    }
    *refs |= any.refs;
}

FG_TWICE(write_block, (fg_node *nodes, fg_field field, size_t n, const fg_index *indices,
                       const double *restrict numbers, pair cleared, pair added, uint32_t *refs),
         (nodes, field, n, indices, numbers, cleared, added, refs))

uint16_t fg_fields_read(const fg_arena *arena, fg_field field, size_t n, const fg_index *indices, double *out)
{
    uint32_t kinds = 0;
    for (size_t i = 0; i < n; i += BLOCK)
        read_block(arena->nodes, field, n - i < BLOCK ? n - i : BLOCK, indices + i, out + i, &kinds);
    return fg_flags(kinds);
}

/* by: BLOCK, or 0 if numbers are those of all blocks. */
static void write_all(fg_arena *arena, fg_field field, size_t n, const fg_index *indices, const double *numbers,
                      size_t by, bool are_ints)
{
    const uint16_t flag = field == FG_GRAD ? FG_GRAD_INT : FG_DATA_INT;
    const pair cleared = {.kind = fg_kind(0, 0, flag)}, added = {.kind = fg_kind(0, 0, are_ints ? flag : 0)};
    uint32_t refs = 0;
    for (size_t i = 0; i < n; i += BLOCK, numbers += by)
        write_block(arena->nodes, field, n - i < BLOCK ? n - i : BLOCK, indices + i, numbers, cleared, added, &refs);
    arena->assigned += field == FG_DATA && refs > 1; /* fg_node_note_assigned, for all at once */
}

void fg_fields_write(fg_arena *arena, fg_field field, size_t n, const fg_index *indices, const double *numbers)
{
    write_all(arena, field, n, indices, numbers, BLOCK, false);
}

void fg_fields_fill(fg_arena *arena, fg_field field, size_t n, const fg_index *indices, double number, bool is_int)
{
    double numbers[BLOCK];
    for (size_t i = 0; i < BLOCK; i++)
        numbers[i] = number;
    write_all(arena, field, n, indices, numbers, 0, is_int);
}

/* ---- Runs ---- */

FG_BODY void take_run_of_any(fg_node *first, size_t n, double *restrict numbers, pair *kinds, pair *counts)
{
    const pair one = {.refs = 1};
    uint64_t all_kinds = 0, all_counts = 0;
    for (size_t i = 0; i < n; i++)
        numbers[i] = (&first->data)[i];
    for (size_t i = 0; i < n; i++)
        all_kinds |= get(first, i, KINDS);
    for (size_t i = 0; i < n; i++) {
        const uint64_t counts_now = get(first, i, COUNTS) + one.both;
        set(first, i, COUNTS, counts_now);
        all_counts |= counts_now;
    }
    kinds->both = all_kinds;
    counts->both = all_counts;
}

FG_TWICE(take_run, (fg_node *first, size_t n, double *restrict numbers, pair *kinds, pair *counts),
         (first, n, numbers, kinds, counts))

uint16_t fg_run_take(fg_node *first, size_t n, double *numbers, uint32_t *refs)
{
    pair kinds, counts;
    take_run(first, n, numbers, &kinds, &counts);
    *refs = counts.refs;
    return fg_flags(kinds.kind);
}

FG_BODY void drop_run_of_any(fg_node *first, size_t n, bool *is_dropped)
{
    const pair one = {.refs = 1}, mask = {.refs = UINT32_MAX};
    uint64_t n_single = 0;
    for (size_t i = 0; i < n; i++)
        n_single += (get(first, i, COUNTS) & mask.both) == one.both;
    *is_dropped = n_single == 0;
    for (size_t i = 0; i < n && n_single == 0; i++)
        set(first, i, COUNTS, get(first, i, COUNTS) - one.both);
}

FG_TWICE(drop_run, (fg_node *first, size_t n, bool *is_dropped), (first, n, is_dropped))

bool fg_run_drop(fg_node *first, size_t n)
{
    bool is_dropped;
    drop_run(first, n, &is_dropped);
    return is_dropped;
}

FG_BODY void float_grads_of_any(fg_node *first, size_t n)
{
    const pair flag = {.kind = fg_kind(0, 0, FG_GRAD_INT)};
    for (size_t i = 0; i < n; i++)
        set(first, i, KINDS, get(first, i, KINDS) & ~flag.both);
}

FG_TWICE(float_grads, (fg_node *first, size_t n), (first, n))

void fg_run_float_grads(fg_node *first, size_t n)
{
    float_grads(first, n);
}
