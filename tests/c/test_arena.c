/* The arena's promises: who lives and dies, ascending runs, bounded memory, failing allocations. */
#include "check.h"

static unsigned detached;

static void count_detached(fg_node *node)
{
    detached += (node->flags & FG_ATTACHED) != 0;
}

static void test_lifetime(void)
{
    fg_arena arena;
    fg_arena_init(&arena, count_detached);
    fg_index a = leaf(&arena, 2.0), b = leaf(&arena, 3.0);
    fg_index c = node(&arena, 2, (fg_index[]){a, b}, (double[]){3.0, 2.0});
    CHECK(fg_arena_live(&arena) == 3 && fg_at(arena.nodes, a)->refs == 2);
    fg_node_release(&arena, a);
    CHECK(fg_arena_live(&arena) == 3);
    fg_at(arena.nodes, a)->flags |= FG_ATTACHED;
    fg_node_release(&arena, c);
    CHECK(fg_arena_live(&arena) == 1 && detached == 1 && fg_at(arena.nodes, b)->data == 3.0);
    fg_at(arena.nodes, b)->flags |= FG_ATTACHED;
    fg_node_release(&arena, b); /* alone */
    CHECK(fg_arena_live(&arena) == 0 && arena.peak == 3 && detached == 2);
    CHECK_ARENA(&arena);
    fg_arena_clear(&arena);
}

/* A node's kind is its op, arity and flags, and its fields are those of no other node. */
static void test_layout(void)
{
    fg_arena arena;
    fg_arena_init(&arena, NULL);
    CHECK(fg_at(arena.nodes, FG_NONE)->refs == 1);
    fg_index all[3 * FG_SLAB];
    for (uint32_t i = 0; i < 3 * FG_SLAB; i++) {
        fg_node *node = fg_at(arena.nodes, all[i] = leaf(&arena, i));
        node->local0 = node->local1 = -(double)i;
        node = fg_at(arena.nodes, all[i]);
        node->grad = i + 0.5;
        node->op = FG_EXP;
        node->arity = FG_WIDE;
        node->flags = FG_DEFERRED | FG_DATA_INT;
        CHECK(node->kind == fg_kind(FG_EXP, FG_WIDE, FG_DEFERRED | FG_DATA_INT));
        node->child[0] = node->child[1] = node->next_dead = i;
        node->face = node;
    }
    for (uint32_t i = 0; i < 3 * FG_SLAB; i++) {
        fg_node *node = fg_at(arena.nodes, all[i]);
        CHECK(node->data == i && node->grad == i + 0.5 && node->local0 == -(double)i && node->local1 == -(double)i);
        CHECK(node->refs == 1 && node->child[0] == i && node->child[1] == i && node->next_dead == i);
        node->arity = FG_NULLARY;
        node->flags = 0;
        fg_node_release(&arena, all[i]);
    }
    CHECK(fg_arena_live(&arena) == 0);
    CHECK_ARENA(&arena);
    fg_arena_clear(&arena);
}

/* The last node made can be undone if its children live on, and only then. */
static void test_undo(void)
{
    fg_arena arena;
    fg_arena_init(&arena, NULL);
    fg_index a = leaf(&arena, 2.0), b = leaf(&arena, 3.0);
    fg_index sum = node(&arena, 2, (fg_index[]){a, b}, (double[]){1.0, 1.0});
    fg_at(arena.nodes, sum)->refs = 0;
    CHECK(fg_node_undo(&arena, sum));
    CHECK(fg_arena_live(&arena) == 2 && arena.peak == 3 && arena.next == sum);
    CHECK(fg_at(arena.nodes, a)->refs == 1 && fg_at(arena.nodes, b)->refs == 1);
    CHECK_ARENA(&arena);

    fg_index last = leaf(&arena, 1.0);
    CHECK(last == sum);
    fg_at(arena.nodes, last)->refs = 0;
    fg_at(arena.nodes, last)->flags |= FG_ATTACHED;
    CHECK(!fg_node_undo(&arena, last));
    fg_at(arena.nodes, last)->flags &= (uint16_t)~FG_ATTACHED;
    CHECK(fg_node_undo(&arena, last) && fg_arena_live(&arena) == 2 && arena.next == last);
    fg_index single = node(&arena, 1, (fg_index[]){a}, (double[]){1.0});
    fg_at(arena.nodes, single)->refs = 0;
    CHECK(!fg_node_undo(&arena, single));
    fg_node_die(&arena, single);
    CHECK(fg_at(arena.nodes, a)->refs == 1);

    fg_index square = node(&arena, 2, (fg_index[]){a, a}, (double[]){1.0, 1.0});
    fg_node_release(&arena, a); /* the node has the last references to it */
    fg_at(arena.nodes, square)->refs = 0;
    CHECK(!fg_node_undo(&arena, square) && fg_at(arena.nodes, a)->refs == 2);
    fg_at(arena.nodes, square)->refs = 1;

    sum = node(&arena, 2, (fg_index[]){square, b}, (double[]){1.0, 1.0});
    fg_at(arena.nodes, sum)->refs = 0;
    fg_arena_hold(&arena);
    CHECK(!fg_node_undo(&arena, sum));
    fg_arena_unhold(&arena);
    fg_at(arena.nodes, sum)->flags |= FG_ATTACHED;
    CHECK(!fg_node_undo(&arena, sum));
    fg_at(arena.nodes, sum)->flags &= (uint16_t)~FG_ATTACHED;
    fg_index other = leaf(&arena, 1.0);
    CHECK(!fg_node_undo(&arena, sum));
    fg_node_die(&arena, sum);
    CHECK(fg_arena_live(&arena) == 4);
    CHECK_ARENA(&arena);
    fg_node_release(&arena, other);
    fg_node_release(&arena, square);
    fg_node_release(&arena, b);
    CHECK(fg_arena_live(&arena) == 0);
    fg_arena_clear(&arena);
}

static void test_runs_ascend(void)
{
    fg_arena arena;
    fg_arena_init(&arena, NULL);
    const uint32_t n = 5 * FG_SLAB;
    fg_index *all = malloc(n * sizeof *all);
    for (int round = 0; round < 3; round++) {
        uint32_t jumps = 0;
        for (uint32_t i = 0; i < n; i++) {
            all[i] = leaf(&arena, i);
            jumps += i > 0 && all[i] != all[i - 1] + 1 && all[i] % FG_SLAB_STEP != 0;
        }
        CHECK(jumps <= 5);
        for (uint32_t i = 0; i < n; i++) /* in another order than they were made */
            fg_node_release(&arena, all[(i * 7919ull) % n]);
        CHECK(fg_arena_live(&arena) == 0);
        CHECK_ARENA(&arena);
    }
    CHECK(arena.used_slabs <= 6);
    free(all);
    fg_arena_clear(&arena);
}

/* One node of each slab stays alive. The slots ever used stay below twice the most live nodes plus two slabs. */
static void test_scattered_survivors(void)
{
    fg_arena arena;
    fg_arena_init(&arena, NULL);
    const uint32_t n = 200 * FG_SLAB;
    uint32_t kept = 0, most = 0;
    for (uint32_t i = 0; i < n; i++) {
        fg_index index = leaf(&arena, i);
        if (i % FG_SLAB == 100)
            kept++;
        else
            fg_node_release(&arena, index);
        if (fg_arena_live(&arena) > most)
            most = fg_arena_live(&arena);
        CHECK((uint64_t)arena.used_slabs * FG_SLAB <= 2ull * most + 2 * FG_SLAB);
    }
    CHECK(fg_arena_live(&arena) == kept && kept == 200);
    CHECK_ARENA(&arena);
    fg_arena_clear(&arena);
}

static void test_memory_comes_back(void)
{
    fg_arena arena;
    fg_arena_init(&arena, NULL);
    fg_index below = leaf(&arena, 1.0), top = below;
    for (uint32_t i = 0; i < 3 * FG_KEEP_SLABS * FG_SLAB; i++) {
        top = node(&arena, 1, (fg_index[]){below}, (double[]){1.0});
        CHECK(top != FG_NONE);
        fg_node_release(&arena, below);
        below = top;
    }
    CHECK(fg_arena_live(&arena) == 3 * FG_KEEP_SLABS * FG_SLAB + 1);
    size_t bytes = fg_arena_bytes(&arena);
    fg_node_release(&arena, top); /* a chain of millions dies without a stack */
    CHECK(fg_arena_live(&arena) == 0 && fg_arena_bytes(&arena) <= bytes / 2);
    CHECK(arena.used_slabs <= FG_KEEP_SLABS + 1);
    CHECK_ARENA(&arena);
    CHECK(leaf(&arena, 1.0) != FG_NONE);
    fg_arena_clear(&arena);

    fg_arena_init(&arena, NULL);
    fg_index first = leaf(&arena, 0.0), last = first;
    for (uint32_t i = 0; i < 3 * FG_KEEP_SLABS * FG_SLAB; i++)
        last = leaf(&arena, 1.0);
    for (bytes = fg_arena_bytes(&arena); last != first; last--) /* so do leaves that die one by one */
        if (last % FG_SLAB_STEP < FG_SLAB)
            fg_node_release(&arena, last);
    CHECK(fg_arena_live(&arena) == 1 && fg_arena_bytes(&arena) <= bytes / 2);
    CHECK_ARENA(&arena);
    fg_node_release(&arena, first);
    fg_arena_clear(&arena);
}

/* A chain of so many nodes is made and dies. */
static void live_and_die(fg_arena *arena, uint32_t n)
{
    fg_index top = leaf(arena, 1.0);
    while (--n > 0) {
        fg_index next = node(arena, 1, &top, (double[]){1.0});
        CHECK(next != FG_NONE);
        fg_node_release(arena, top);
        top = next;
    }
    fg_node_release(arena, top);
}

/* Giving memory back may fail too: each of the arrays in turn. The arena grows again after that. */
static void test_memory_that_stays(void)
{
    for (long n = 1; n <= 4; n++) {
        fg_arena arena;
        fg_arena_init(&arena, NULL);
        fg_index below = leaf(&arena, 1.0);
        for (uint32_t i = 0; i < 3 * FG_KEEP_SLABS * FG_SLAB; i++) {
            fg_index top = node(&arena, 1, &below, (double[]){1.0});
            CHECK(top != FG_NONE);
            fg_node_release(&arena, below);
            below = top;
        }
        fg_fail_allocation(n);
        fg_node_release(&arena, below);
        fg_fail_allocation(0);
        CHECK(fg_arena_live(&arena) == 0);
        CHECK_ARENA(&arena);
        live_and_die(&arena, 4 * FG_KEEP_SLABS * FG_SLAB);
        CHECK_ARENA(&arena);
        fg_arena_clear(&arena);
    }
}

static void test_memory_of_a_loop_is_kept(void)
{
    const uint32_t large = 4 * FG_KEEP_SLABS * FG_SLAB, slabs = 4 * FG_KEEP_SLABS;
    fg_arena arena;
    fg_arena_init(&arena, NULL);
    fg_index parameter = leaf(&arena, 1.0);
    live_and_die(&arena, large);
    CHECK(arena.used_slabs <= FG_KEEP_SLABS + 1); /* one may have been the only one */
    for (int step = 0; step < 2; step++) {
        live_and_die(&arena, large);
        CHECK(arena.used_slabs >= slabs && arena.used_slabs <= slabs + 2);
        live_and_die(&arena, 10); /* what a loop does besides */
    }
    size_t bytes = fg_arena_bytes(&arena);
    live_and_die(&arena, large);
    CHECK(fg_arena_bytes(&arena) == bytes);
    for (uint32_t died = 0; died < FG_IDLE * large - 2000; died += 1000)
        live_and_die(&arena, 1000); /* smaller graphs */
    CHECK(arena.used_slabs >= slabs);
    for (uint32_t died = 0; died < 10000; died += 1000)
        live_and_die(&arena, 1000);
    CHECK(arena.used_slabs <= FG_KEEP_SLABS + 1 && fg_arena_bytes(&arena) <= bytes / 2);

    for (int step = 0; step < 2; step++)
        live_and_die(&arena, large);
    CHECK(arena.used_slabs >= slabs);
    for (int step = 0; step < 2; step++)
        live_and_die(&arena, large / 4 * 3); /* the next ones need less */
    CHECK(arena.used_slabs <= slabs * 7 / 8);
    CHECK_ARENA(&arena);
    fg_node_release(&arena, parameter);
    CHECK(fg_arena_live(&arena) == 0);
    fg_arena_clear(&arena);
}

static void test_wide_nodes(void)
{
    fg_arena arena;
    fg_arena_init(&arena, NULL);
    enum { N = 100 };
    fg_index children[N];
    double locals[N];
    uint8_t is_int[N] = {0};
    for (int i = 0; i < N; i++) {
        children[i] = leaf(&arena, i);
        locals[i] = i;
    }
    fg_index top = leaf(&arena, 0.0);
    CHECK(fg_node_set_edges(&arena, top, N, children, N, locals, is_int) == FG_OK);
    CHECK(fg_node_set_edges(&arena, top, N, children, 3, locals, is_int) == FG_OK); /* the old edges go */
    CHECK(fg_node_n_children(fg_at(arena.nodes, top)) == N && fg_node_n_locals(fg_at(arena.nodes, top)) == 3);
    for (int i = 0; i < N; i++) {
        CHECK(fg_at(arena.nodes, children[i])->refs == 2);
        fg_node_release(&arena, children[i]);
    }
    CHECK(arena.edge_bytes > 0);
    fg_node_release(&arena, top);
    CHECK(fg_arena_live(&arena) == 0 && arena.edge_bytes == 0);
    fg_arena_clear(&arena);
}

static void test_hold(void)
{
    fg_arena arena;
    fg_arena_init(&arena, NULL);
    fg_index sum = plus(&arena, leaf(&arena, 1.0), leaf(&arena, 2.0));
    fg_arena_hold(&arena);
    fg_arena_hold(&arena);
    fg_node_release(&arena, sum);
    CHECK(fg_arena_live(&arena) == 3);
    for (int i = 0; i < 5000; i++)
        CHECK(leaf(&arena, i) != sum);
    fg_arena_unhold(&arena);
    CHECK(fg_arena_live(&arena) == 5003);
    fg_arena_unhold(&arena);
    CHECK(fg_arena_live(&arena) == 5000);
    fg_arena_clear(&arena);
}

/* No other node gets the slot of a node that waits, even where slots around it are handed out one by one. */
static void test_slots_of_the_waiting(void)
{
    fg_arena arena;
    fg_arena_init(&arena, NULL);
    const uint32_t n = 8 * FG_SLAB, each = 16;
    fg_index *all = malloc(n * sizeof *all), *others = malloc(n * sizeof *others);
    for (uint32_t i = 0; i < n; i++)
        all[i] = leaf(&arena, i);
    for (uint32_t i = 0; i < n; i++)
        if (i % each)
            fg_node_release(&arena, all[i]);
    fg_arena_hold(&arena);
    for (uint32_t i = 0; i < n; i += each)
        fg_node_release(&arena, all[i]);
    for (uint32_t i = 0; i < n / 4; i++)
        others[i] = leaf(&arena, -1.0);
    CHECK(arena.used_slabs <= 9);
    for (uint32_t i = 0; i < n; i += each)
        CHECK(fg_at(arena.nodes, all[i])->data == i);
    fg_arena_unhold(&arena);
    CHECK(fg_arena_live(&arena) == n / 4);
    CHECK_ARENA(&arena);
    for (uint32_t i = 0; i < n / 4; i++)
        fg_node_release(&arena, others[i]);
    CHECK(fg_arena_live(&arena) == 0);
    CHECK_ARENA(&arena);
    free(all);
    free(others);
    fg_arena_clear(&arena);
}

/* A run has come to its end, and then all nodes of its slab die. The slab is still the current one, and becomes vacant
 * once, not twice. */
static void test_the_end_of_a_run(void)
{
    fg_arena arena;
    fg_arena_init(&arena, NULL);
    fg_index nodes[2 * FG_SLAB];
    uint32_t n = 0;
    do
        nodes[n++] = leaf(&arena, 0.0);
    while (arena.next != arena.end);
    while (n > 0)
        fg_node_release(&arena, nodes[--n]);
    CHECK_ARENA(&arena);
    while (n < 2 * FG_SLAB)
        nodes[n++] = leaf(&arena, 0.0);
    CHECK_ARENA(&arena);
    while (n > 0)
        fg_node_release(&arena, nodes[--n]);
    CHECK(fg_arena_live(&arena) == 0);
    CHECK_ARENA(&arena);
    fg_arena_clear(&arena);
}

/* A node that has died during a hold may be referred to again and die again, any number of times. */
static void test_back_from_the_dead(void)
{
    fg_arena arena;
    fg_arena_init(&arena, NULL);
    fg_index a = leaf(&arena, 1.0), b = leaf(&arena, 2.0), sum = plus(&arena, a, b);
    fg_arena_hold(&arena);
    fg_node_release(&arena, sum);
    for (int i = 0; i < 3; i++) { /* a handle comes and goes */
        fg_node_retain(&arena, sum);
        fg_node_release(&arena, sum);
    }
    fg_index top = node(&arena, 1, (fg_index[]){sum}, (double[]){1.0}); /* a parent that dies as well */
    fg_node_release(&arena, top);
    fg_arena_unhold(&arena);
    CHECK(fg_arena_live(&arena) == 0);
    CHECK_ARENA(&arena);

    a = leaf(&arena, 1.0);
    fg_arena_hold(&arena);
    fg_node_release(&arena, a);
    fg_node_retain(&arena, a); /* this one is kept */
    fg_arena_unhold(&arena);
    CHECK(fg_arena_live(&arena) == 1 && fg_at(arena.nodes, a)->refs == 1);
    fg_node_release(&arena, a);
    CHECK(fg_arena_live(&arena) == 0);
    fg_arena_clear(&arena);
}

/* A loop over all nodes finds the live ones, in ascending order, and no others. */
static void test_all_nodes(void)
{
    fg_arena arena;
    fg_arena_init(&arena, NULL);
    CHECK(fg_arena_live_from(&arena, 0) == FG_NONE);
    const uint32_t n = 5 * FG_SLAB + 7;
    fg_index *all = malloc(n * sizeof *all);
    for (uint32_t i = 0; i < n; i++)
        all[i] = leaf(&arena, i);
    for (uint32_t i = 0; i < n; i++) /* one slab becomes vacant, the others keep every third node */
        if (all[i] / FG_SLAB_STEP == 2 || i % 3 != 0)
            fg_node_release(&arena, all[i]);
    fg_index next = fg_arena_live_from(&arena, 0);
    uint32_t found = 0;
    for (uint32_t i = 0; i < n; i += 3) {
        if (all[i] / FG_SLAB_STEP == 2)
            continue;
        CHECK(next == all[i]);
        next = fg_arena_live_from(&arena, next + 1);
        found++;
    }
    CHECK(next == FG_NONE && found == fg_arena_live(&arena));
    fg_arena_hold(&arena);
    fg_node_release(&arena, all[0]);
    CHECK(fg_arena_live_from(&arena, 0) == all[3]); /* all[0] has died and waits to be freed */
    fg_arena_unhold(&arena);
    free(all);
    fg_arena_clear(&arena);
}

/* Each allocation fails in turn. After a failure the arena adds up, and the next try works. */
static void test_failing_allocations(void)
{
    for (long failing = 1;; failing++) {
        fg_arena arena;
        fg_walk walk = {0};
        fg_arena_init(&arena, NULL);
        fg_fail_allocation(failing);
        fg_index top = FG_NONE;
        int failures = 0;
        for (int tries = 0; top == FG_NONE || fg_arena_live(&arena) < 20 * FG_SLAB; tries++) {
            CHECK(tries < 100000);
            uint32_t live = fg_arena_live(&arena);
            if (top == FG_NONE) {
                top = leaf(&arena, 1.0);
            } else {
                fg_index children[3] = {top, top, top}, next = leaf(&arena, 1.0);
                double locals[3] = {1.0, 0.0, 0.0};
                uint8_t ints[3] = {0};
                if (next != FG_NONE
                    && fg_node_set_edges(&arena, next, live % 50 ? 1 : 3, children, live % 50 ? 1 : 3, locals, ints)) {
                    fg_node_release(&arena, next);
                    next = FG_NONE;
                }
                if (next != FG_NONE) {
                    fg_node_release(&arena, top);
                    top = next;
                }
            }
            if (fg_arena_live(&arena) == live)
                failures++;
            CHECK_ARENA(&arena);
            if (fg_arena_live(&arena) > 40) /* from here on, check only every 500th: checks are slow */
                while (fg_arena_live(&arena) % 500 != 0 && fg_arena_live(&arena) < 20 * FG_SLAB) {
                    fg_index next = node(&arena, 1, &top, (double[]){1.0});
                    if (next == FG_NONE) {
                        failures++;
                        continue;
                    }
                    fg_node_release(&arena, top);
                    top = next;
                }
        }
        if (!backward(&arena, &walk, top)) {
            failures++;
            CHECK(backward(&arena, &walk, top));
        }
        CHECK(failures <= 1);
        fg_fail_allocation(0);
        fg_node_release(&arena, top);
        CHECK(fg_arena_live(&arena) == 0 && arena.holds == 0);
        fg_walk_clear(&walk);
        fg_arena_clear(&arena);
        if (failures == 0) {
            CHECK(failing > 10);
            return;
        }
    }
}

static fg_index candidate = FG_NONE;

static void note_candidate(fg_index index)
{
    candidate = index;
}

/* A node with a closure that has one reference left is reported, if on_cycle_candidate is set. */
static void test_cycle_candidates(void)
{
    fg_arena arena;
    fg_arena_init(&arena, NULL);
    for (int watched = 0; watched < 2; watched++) {
        fg_index a = leaf(&arena, 1.0), b = leaf(&arena, 2.0);
        arena.on_cycle_candidate = watched ? note_candidate : NULL;
        fg_node_set_closure(&arena, fg_at(arena.nodes, a));
        fg_index top = node(&arena, 2, (fg_index[]){a, b}, (double[]){1.0, 1.0});
        fg_node_release(&arena, top);
        CHECK(candidate == (watched ? a : FG_NONE));
        fg_node_release(&arena, a);
        fg_node_release(&arena, b);
    }
    CHECK(fg_arena_live(&arena) == 0);
    fg_arena_clear(&arena);
}

int main(void)
{
    test_lifetime();
    test_layout();
    test_undo();
    test_runs_ascend();
    test_scattered_survivors();
    test_memory_comes_back();
    test_memory_that_stays();
    test_memory_of_a_loop_is_kept();
    test_wide_nodes();
    test_hold();
    test_slots_of_the_waiting();
    test_the_end_of_a_run();
    test_back_from_the_dead();
    test_all_nodes();
    test_cycle_candidates();
    test_failing_allocations();
    puts("arena: passed");
    return 0;
}
