/* The promises of derive.h: the sweep's bits beside the nodes, as numbers and as nodes, in portions of any size,
 * without a change to anybody's gradient, and nothing lost when there's no memory. */
#include "check.h"
#include "derive.h"

#include <math.h>
#include <string.h>

enum { MOST = 200, LEAVES = 4 };
static const double NOT_BELOW = 1234.5678;

static fg_formula formulas[FG_FORMULAS];

/* tanh's derivative, 1 - y * y, as the face compiles it: y * y, -1, (y * y) * -1, 1, the sum. */
static void set_formulas(void)
{
    formulas[2 * FG_TANH] = (fg_formula){FG_FORMULA_REGISTER, 7, 5, {
        {FG_MUL, 2, 2, false, 0.0}, {FG_LEAF, 0, 0, true, -1.0}, {FG_MUL, 3, 4, false, 0.0},
        {FG_LEAF, 0, 0, true, 1.0}, {FG_ADD, 5, 6, false, 0.0}}};
}

static bool never_sure(uint8_t op, fg_term x, fg_term n, fg_term *y, fg_term *by_x)
{
    (void)op, (void)x, (void)n, (void)y, (void)by_x;
    return false;
}

static double data(const fg_arena *arena, fg_index index)
{
    return fg_at(arena->nodes, index)->data;
}

/* A node of an operation of others, with the number and the local gradients that it has. */
static fg_index operation(fg_arena *arena, uint8_t op, fg_index a, fg_index b)
{
    const double x = data(arena, a), y = data(arena, b), t = tanh(x);
    const double by_a = op == FG_ADD ? 1.0 : op == FG_MUL ? y : 1.0 - t * t, by_b = op == FG_ADD ? 1.0 : x;
    const fg_index index = node(arena, op == FG_TANH ? 1 : 2, (fg_index[]){a, b}, (double[]){by_a, by_b});
    CHECK(index != FG_NONE);
    fg_at(arena->nodes, index)->op = op;
    fg_at(arena->nodes, index)->data = op == FG_ADD ? x + y : op == FG_MUL ? x * y : t;
    return index;
}

static void build(fg_arena *arena, fg_index *index, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        if (i < LEAVES) {
            index[i] = leaf(arena, (double)(int64_t)next_random() * 0x1p-63);
            continue;
        }
        const uint32_t reach = i < 10 ? i : 10;
        index[i] = operation(arena, (uint8_t[]){FG_ADD, FG_MUL, FG_TANH}[below(3)], index[i - 1 - below(reach)],
                             index[i - 1 - below(reach)]);
    }
}

static bool walk_to(fg_arena *arena, fg_walk *walk, fg_index root, bool with_leaves)
{
    if (fg_walk_start(arena, walk, root, with_leaves, FG_APART_ALL) != FG_OK)
        return false;
    fg_status status;
    while ((status = fg_walk_go_on(arena, walk, 1000)) == FG_MORE)
        ;
    if (status != FG_OK)
        fg_walk_end(arena, walk);
    return status == FG_OK;
}

/* The gradients by the leaves, as numbers; NOT_BELOW for a leaf that isn't below. False if there's no memory. */
static bool numbers(fg_arena *arena, fg_walk *walk, fg_index root, const fg_index *leaves, double *grads)
{
    fg_tally tally;
    fg_status status = FG_MORE;
    if (!walk_to(arena, walk, root, true))
        return false;
    const bool is_started = fg_tally_start(arena, &tally, walk, LEAVES, leaves);
    if (is_started) {
        *fg_tally_at(&tally, root) = (fg_number){1.0, false, true};
        while (status == FG_MORE)
            status = fg_tally_go_on(arena, &tally, 1 + below(50));
        CHECK(status == FG_OK);
        for (int i = 0; i < LEAVES; i++) {
            const fg_number *grad = fg_tally_at(&tally, leaves[i]);
            grads[i] = grad->is_listed ? grad->value : NOT_BELOW;
        }
        fg_tally_end(arena, &tally);
    }
    fg_walk_end(arena, walk);
    return is_started;
}

/* The same as nodes, each with a reference; FG_NONE for a leaf that isn't below. */
static fg_status nodes(fg_arena *arena, fg_walk *walk, fg_index root, const fg_index *leaves, fg_index *grads)
{
    fg_derivation derivation = {.formulas = formulas, .ask = never_sure};
    fg_status status = FG_NO_MEMORY;
    if (!walk_to(arena, walk, root, below(2)))
        return status;
    if (fg_derivation_start(arena, &derivation, walk, LEAVES, leaves)) {
        while (fg_derivation_mark(arena, &derivation, 1 + below(50)) == FG_MORE)
            ;
        status = fg_derivation_give(arena, &derivation, root, (fg_term){FG_NONE, 1.0, false}, FG_NONE);
        for (status = status == FG_OK ? FG_MORE : status; status == FG_MORE;)
            status = fg_derivation_go_on(arena, &derivation, 1 + below(50));
        if (status == FG_OK)
            fg_derivation_hand_over(arena, &derivation, grads);
        fg_derivation_end(arena, &derivation);
    }
    fg_walk_end(arena, walk);
    return status;
}

static bool same(double x, double y)
{
    return memcmp(&x, &y, sizeof x) == 0 || (x != x && y != y);
}

static void test_the_bits_of_the_sweep(void)
{
    static fg_arena arena;
    fg_walk walk = {0};
    fg_index index[MOST], grads[LEAVES];
    double expected[LEAVES], found[LEAVES];
    fg_arena_init(&arena, NULL);
    for (int round = 0; round < 2000; round++) {
        const uint32_t n = LEAVES + 1 + below(MOST - LEAVES - 1);
        build(&arena, index, n);
        const fg_index root = index[n - 1];
        CHECK(numbers(&arena, &walk, root, index, found));
        CHECK(nodes(&arena, &walk, root, index, grads) == FG_OK);
        for (uint32_t i = 0; i < n; i++)
            CHECK(same(fg_at(arena.nodes, index[i])->grad, 0.0));
        CHECK(backward(&arena, &walk, root));
        for (int i = 0; i < LEAVES; i++) {
            expected[i] = fg_at(arena.nodes, index[i])->grad;
            CHECK((grads[i] == FG_NONE) == (found[i] == NOT_BELOW));
            if (grads[i] == FG_NONE)
                continue;
            CHECK(same(found[i], expected[i]) && same(data(&arena, grads[i]), expected[i]));
            fg_node_release(&arena, grads[i]);
        }
        for (uint32_t i = 0; i < n; i++)
            fg_node_release(&arena, index[i]);
        CHECK(fg_arena_live(&arena) == 0);
        if (round % 100 == 0)
            CHECK_ARENA(&arena);
    }
    fg_walk_clear(&walk);
    fg_arena_clear(&arena);
}

static void test_every_allocation_fails_once(void)
{
    static fg_arena arena;
    fg_walk walk = {0};
    fg_index index[MOST], grads[LEAVES];
    double found[LEAVES];
    fg_arena_init(&arena, NULL);
    build(&arena, index, MOST);
    fg_index root = index[MOST - 1];
    CHECK(numbers(&arena, &walk, root, index, found)); /* its table is too small for what follows */
    for (int i = 0; i < 8000; i++) { /* so many that new nodes need memory */
        const fg_index next = operation(&arena, FG_MUL, root, index[i % LEAVES]);
        fg_node_release(&arena, root);
        root = next;
    }
    CHECK(numbers(&arena, &walk, root, index, found));
    const uint32_t live = fg_arena_live(&arena);
    int failed[2] = {0, 0};
    for (int as_nodes = 0; as_nodes < 2; as_nodes++) {
        for (bool done = false; !done; failed[as_nodes] += !done) {
            fg_walk_clear(&walk);
            for (int i = 0; i < 2; i++)
                arena.spare[i].table = fg_allocate(arena.spare[i].table, 0);
            fg_fail_allocation(failed[as_nodes] + 1);
            done = as_nodes ? nodes(&arena, &walk, root, index, grads) == FG_OK
                            : numbers(&arena, &walk, root, index, found);
            fg_fail_allocation(0);
            CHECK_ARENA(&arena);
            CHECK(done || fg_arena_live(&arena) == live);
        }
    }
    CHECK(failed[0] >= 3 && failed[1] >= 4);
    for (int i = 0; i < LEAVES; i++)
        if (grads[i] != FG_NONE)
            fg_node_release(&arena, grads[i]);
    CHECK(fg_arena_live(&arena) == live);
    fg_walk_clear(&walk);
}

/* x * x at another x than it was made of; and a node that only the caller knows. */
static void test_what_it_does_not_know(void)
{
    static fg_arena arena;
    fg_walk walk = {0};
    fg_index x[LEAVES] = {0}, grads[LEAVES];
    fg_arena_init(&arena, NULL);
    for (int i = 0; i < LEAVES; i++)
        x[i] = leaf(&arena, 3.0);
    const fg_index square = operation(&arena, FG_MUL, x[0], x[0]), t = operation(&arena, FG_TANH, x[0], x[0]);
    fg_at(arena.nodes, x[0])->data = 4.0;
    CHECK(nodes(&arena, &walk, square, x, grads) == FG_CHANGED);
    CHECK(nodes(&arena, &walk, t, x, grads) == FG_CHANGED);
    fg_at(arena.nodes, x[0])->data = 3.0;
    CHECK(nodes(&arena, &walk, square, x, grads) == FG_OK && data(&arena, grads[0]) == 6.0);
    fg_node_release(&arena, grads[0]);
    fg_at(arena.nodes, square)->op = FG_CUSTOM;
    CHECK(nodes(&arena, &walk, square, x, grads) == FG_CALLERS);
    CHECK(nodes(&arena, &walk, t, x, grads) == FG_OK);
    CHECK(same(data(&arena, grads[0]), 1.0 - tanh(3.0) * tanh(3.0)));
    fg_node_release(&arena, grads[0]);
    for (int i = 0; i < LEAVES; i++)
        fg_node_release(&arena, x[i]);
    fg_node_release(&arena, square);
    fg_node_release(&arena, t);
    CHECK(fg_arena_live(&arena) == 0);
    fg_walk_clear(&walk);
    fg_arena_clear(&arena);
}

int main(void)
{
    set_formulas();
    test_the_bits_of_the_sweep();
    test_every_allocation_fails_once();
    test_what_it_does_not_know();
    puts("derive: passed");
    return 0;
}
