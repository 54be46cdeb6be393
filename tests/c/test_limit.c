/* An arena with tiny limits, which the Makefile sets. FG_MAX_NODES: all slots can be used; then there is no new node
 * until one has died. FG_MAX_REFS: edges that would make more references to a node are refused, and change nothing. */
#include "check.h"
#include "fused.h"

static void test_references(void)
{
    fg_arena arena;
    fg_arena_init(&arena, NULL);
    fg_index child = leaf(&arena, 1.0), other = leaf(&arena, 2.0), top = leaf(&arena, 0.0), children[FG_MAX_REFS];
    children[0] = other;
    for (uint32_t i = 1; i < FG_MAX_REFS; i++)
        children[i] = child;
    CHECK(fg_node_set_edges(&arena, top, FG_MAX_REFS, children, 0, NULL, NULL) == FG_OK);
    CHECK(fg_at(arena.nodes, child)->refs == FG_MAX_REFS);
    const size_t bytes = fg_arena_bytes(&arena);
    for (uint32_t n = 1; n <= 3; n++) {         /* the check is also made for few edges */
        fg_index next = leaf(&arena, 0.0);
        CHECK(fg_node_set_edges(&arena, next, n, children + (n > 1 ? 0 : 1), 0, NULL, NULL) == FG_TOO_MANY);
        CHECK(fg_at(arena.nodes, child)->refs == FG_MAX_REFS && fg_at(arena.nodes, other)->refs == 2);
        CHECK(fg_node_n_children(fg_at(arena.nodes, next)) == 0 && fg_arena_bytes(&arena) == bytes);
        fg_node_release(&arena, next);
    }
    CHECK_ARENA(&arena);
    CHECK(fg_node_set_edges(&arena, top, 1, children, 0, NULL, NULL) == FG_OK);
    CHECK(fg_at(arena.nodes, child)->refs == 1);
    fg_node_release(&arena, top);
    fg_node_release(&arena, child);
    fg_node_release(&arena, other);
    CHECK(fg_arena_live(&arena) == 0);
    CHECK_ARENA(&arena);
    fg_arena_clear(&arena);
}

/* A column of nodes that were made one after the other, and of others. */
static void test_columns(void)
{
    fg_arena arena;
    fg_arena_init(&arena, NULL);
    fg_index nodes[3] = {leaf(&arena, 1.0), leaf(&arena, 2.0), leaf(&arena, 3.0)}, top = leaf(&arena, 0.0);
    fg_index children[FG_MAX_REFS];
    for (uint32_t i = 0; i < FG_MAX_REFS - 1; i++)
        children[i] = nodes[1];
    CHECK(fg_node_set_edges(&arena, top, FG_MAX_REFS - 1, children, 0, NULL, NULL) == FG_OK);
    for (int is_run = 0; is_run < 2; is_run++) {
        fg_column *column = fg_column_new(&arena, 3, false);
        for (int i = 0; i < 3; i++)
            fg_column_nodes(column)[i] = nodes[is_run ? i : 2 - i];
        CHECK(fg_column_take(&arena, column) == FG_TOO_MANY);
        CHECK(fg_at(arena.nodes, nodes[0])->refs == 1 && fg_at(arena.nodes, nodes[1])->refs == FG_MAX_REFS);
        fg_column_discard(&arena, column);
    }
    CHECK_ARENA(&arena);
    fg_node_release(&arena, top);
    for (int i = 0; i < 3; i++)
        fg_node_release(&arena, nodes[i]);
    CHECK(fg_arena_live(&arena) == 0);
    fg_arena_clear(&arena);
}

int main(void)
{
    test_references();
    test_columns();
    fg_arena arena;
    fg_arena_init(&arena, NULL);
    fg_index all[FG_MAX_NODES];
    for (int round = 0; round < 3; round++) {
        for (uint32_t i = 0; i < FG_MAX_NODES; i++) {
            all[i] = leaf(&arena, i);
            CHECK(all[i] != FG_NONE && all[i] % FG_SLAB_STEP < FG_TAG);
        }
        CHECK(leaf(&arena, 0.0) == FG_NONE);
        CHECK(fg_arena_live(&arena) == FG_MAX_NODES);
        CHECK_ARENA(&arena);
        fg_node_release(&arena, all[round]);
        all[round] = leaf(&arena, 0.0);
        CHECK(all[round] != FG_NONE);
        CHECK(leaf(&arena, 0.0) == FG_NONE);
        for (uint32_t i = 0; i < FG_MAX_NODES; i++)
            fg_node_release(&arena, all[i]);
        CHECK(fg_arena_live(&arena) == 0);
        CHECK_ARENA(&arena);
    }
    fg_arena_clear(&arena);
    puts("limit: passed");
    return 0;
}
