/* An arena with a tiny limit of nodes (the Makefile sets FG_MAX_NODES): it's used to the last slot, then says no, and
 * goes on when something has died. */
#include "check.h"

int main(void)
{
    fg_arena arena;
    fg_arena_init(&arena, NULL);
    fg_index all[FG_MAX_NODES];
    for (int round = 0; round < 3; round++) {
        for (uint32_t i = 0; i < FG_MAX_NODES; i++) {
            all[i] = leaf(&arena, i);
            CHECK(all[i] != FG_NONE && all[i] % FG_STEP == 0);
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
