/* What the C tests share: checks that say where they failed, and short ways to make nodes and walk them. */
#ifndef FG_CHECK_H
#define FG_CHECK_H

#include "arena.h"
#include "backward.h"

#include <stdio.h>
#include <stdlib.h>

#define CHECK(condition)                                                                        \
    do {                                                                                        \
        if (!(condition)) {                                                                     \
            fprintf(stderr, "%s:%d: failed: %s\n", __FILE__, __LINE__, #condition);             \
            exit(1);                                                                            \
        }                                                                                       \
    } while (0)

#define CHECK_ARENA(arena)                                                                      \
    do {                                                                                        \
        const char *complaint = fg_arena_check(arena);                                          \
        if (complaint) {                                                                        \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, complaint);                      \
            exit(1);                                                                            \
        }                                                                                       \
    } while (0)

/* Random numbers, the same in each run: xorshift64. */
static uint64_t state = 88172645463325252ull;

static inline uint64_t next_random(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    return state ^= state << 17;
}

static inline uint32_t below(uint32_t n)
{
    return (uint32_t)(next_random() >> 33) % n;
}

/* A new leaf. Its local gradients, which nothing needs, are bits that can't be mistaken for counts or indices. */
static inline fg_index leaf(fg_arena *arena, double data)
{
    fg_index index = fg_node_new(arena);
    if (index == FG_NONE)
        return index;
    fg_node *node = fg_at(arena->nodes, index);
    fg_node_init(node, fg_kind(FG_LEAF, FG_NULLARY, FG_GRAD_INT), FG_PASSED_OVER, data);
    node->local0 = node->local1 = -1.0 / 3.0;
    return index;
}

/* A node with up to five children and these derivatives. The caller keeps its references to the children. */
static inline fg_index node(fg_arena *arena, uint32_t n, const fg_index *children, const double *locals)
{
    static const uint8_t no_ints[5];
    fg_index index = leaf(arena, 0.0);
    if (index == FG_NONE)
        return index;
    if (fg_node_set_edges(arena, index, n, children, n, locals, no_ints) != FG_OK) {
        fg_node_release(arena, index);
        return FG_NONE;
    }
    return index;
}

/* A node a + b. It takes over the caller's references to a and b. */
static inline fg_index plus(fg_arena *arena, fg_index a, fg_index b)
{
    fg_index sum = node(arena, 2, (fg_index[]){a, b}, (double[]){1.0, 1.0});
    fg_node_release(arena, a);
    fg_node_release(arena, b);
    return sum;
}

/* backward() without Python. True if there was memory for it and no node was the caller's. */
static inline bool backward(fg_arena *arena, fg_walk *walk, fg_index root)
{
    if (fg_walk_start(arena, walk, root, false, FG_APART_IF_TOUCHED) != FG_OK)
        return false;
    fg_status status;
    while ((status = fg_walk_go_on(arena, walk, 1000)) == FG_MORE)
        ;
    if (status == FG_OK) {
        fg_at(arena->nodes, root)->grad = 1.0;
        fg_at(arena->nodes, root)->flags &= (uint16_t)~FG_GRAD_INT;
        while ((status = fg_sweep(arena, walk, 1000)) == FG_MORE)
            ;
    }
    fg_walk_end(arena, walk);
    return status == FG_OK;
}

#endif
