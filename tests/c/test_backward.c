/* The sweep's promises: microgpt's order of accumulation to the last bit, ints, portions, walks within walks. */
#include "check.h"
#include "numbers.h"

#include <math.h>
#include <string.h>

/* Graphs small enough for recursion, which microgpt uses. Their node i is the arena's node index[i]. */
enum { MOST = 300, WIDEST = 5 };
static struct {
    int n_children, children[WIDEST];
    double locals[WIDEST], grad;
    bool visited;
} plain[MOST];
static int topo[MOST], n_topo;

static void build_topo(int v)
{
    if (plain[v].visited)
        return;
    plain[v].visited = true;
    for (int i = 0; i < plain[v].n_children; i++)
        build_topo(plain[v].children[i]);
    topo[n_topo++] = v;
}

static void plain_backward(int root, int n)
{
    n_topo = 0;
    for (int i = 0; i < n; i++)
        plain[i].visited = false;
    build_topo(root);
    plain[root].grad = 1.0;
    for (int t = n_topo - 1; t >= 0; t--)
        for (int i = 0; i < plain[topo[t]].n_children; i++)
            plain[plain[topo[t]].children[i]].grad += plain[topo[t]].locals[i] * plain[topo[t]].grad;
}

static void test_random_graphs(void)
{
    static fg_arena arena;
    fg_walk walk = {0};
    fg_index index[MOST];
    fg_arena_init(&arena, NULL);
    for (int round = 0; round < 2000; round++) {
        int n = 2 + (int)(next_random() % (MOST - 2));
        memset(plain, 0, sizeof plain);
        for (int i = 0; i < n; i++) {
            uint64_t most = i == 0 ? 0 : next_random() % 8 ? 2 : WIDEST;
            plain[i].n_children = (int)(next_random() % (most + 1));
            fg_index children[WIDEST];
            for (int j = 0; j < plain[i].n_children; j++) {
                int reach = next_random() % 4 ? 10 : i;
                plain[i].children[j] = i - 1 - (int)(next_random() % (uint64_t)(reach < i ? reach : i));
                plain[i].locals[j] = (double)(int64_t)next_random() * 0x1p-62;
                children[j] = index[plain[i].children[j]];
            }
            index[i] = node(&arena, (uint32_t)plain[i].n_children, children, plain[i].locals);
        }
        for (int times = 0; times < 2; times++) {
            int root = n - 1 - (int)(next_random() % 2);
            CHECK(backward(&arena, &walk, index[root]));
            plain_backward(root, n);
            for (int i = 0; i < n; i++)
                CHECK(memcmp(&fg_at(arena.nodes, index[i])->grad, &plain[i].grad, sizeof(double)) == 0);
        }
        if (round % 100 == 0)
            CHECK_ARENA(&arena);
        for (int i = 0; i < n; i++)
            fg_node_release(&arena, index[i]);
        CHECK(fg_arena_live(&arena) == 0);
    }
    fg_walk_clear(&walk);
    fg_arena_clear(&arena);
}

/* Another walk runs between two portions. It visits all nodes, so its marks hide from the first walk those products
 * that the first hasn't listed yet. */
static void test_a_walk_between_portions(void)
{
    fg_arena arena;
    fg_walk walk = {0}, other = {0};
    fg_arena_init(&arena, NULL);
    fg_index x = leaf(&arena, 1.0), top = x;
    fg_node_retain(&arena, x);
    for (int i = 0; i < 1000; i++)
        top = plus(&arena, top, node(&arena, 2, (fg_index[]){x, x}, (double[]){0.25, 0.75}));
    CHECK(fg_walk_start(&arena, &walk, top, false, FG_APART_IF_TOUCHED) == FG_OK);
    CHECK(fg_walk_go_on(&arena, &walk, 300) == FG_MORE);
    CHECK(backward(&arena, &other, top));
    while (fg_walk_go_on(&arena, &walk, 300) == FG_MORE)
        ;
    CHECK(walk.n == 2000);
    fg_walk_end(&arena, &walk);
    CHECK(fg_at(arena.nodes, x)->grad == 1001.0);
    fg_node_release(&arena, top);
    fg_node_release(&arena, x);
    CHECK(fg_arena_live(&arena) == 0);
    fg_walk_clear(&walk);
    fg_walk_clear(&other);
    fg_arena_clear(&arena);
}

static void test_a_walk_in_each_pause(void)
{
    fg_arena arena;
    fg_walk walk = {0}, other = {0};
    fg_arena_init(&arena, NULL);
    fg_index x = leaf(&arena, 1.0), top = x;
    fg_node_retain(&arena, x);
    for (int i = 0; i < 1000; i++) {
        fg_node_retain(&arena, x);
        top = plus(&arena, top, x);
    }
    CHECK(fg_walk_start(&arena, &walk, top, false, FG_APART_IF_TOUCHED) == FG_OK);
    int pauses = 0;
    while (fg_walk_go_on(&arena, &walk, 300) == FG_MORE && pauses++ < 100)
        CHECK(backward(&arena, &other, top));
    CHECK(pauses == FG_RESTARTS && walk.n == 1000);
    fg_walk_end(&arena, &walk);
    CHECK(backward(&arena, &walk, top) && walk.restarts == 0);
    fg_node_release(&arena, top);
    fg_node_release(&arena, x);
    CHECK(fg_arena_live(&arena) == 0);
    fg_walk_clear(&walk);
    fg_walk_clear(&other);
    fg_arena_clear(&arena);
}

static void test_a_graph_that_grows_between_portions(void)
{
    fg_arena arena;
    fg_walk walk = {0};
    fg_arena_init(&arena, NULL);
    fg_index top = leaf(&arena, 1.0), root;
    for (int i = 0; i < 10; i++)
        top = plus(&arena, top, leaf(&arena, 1.0));
    root = node(&arena, 1, &top, (double[]){1.0});
    fg_node_release(&arena, top);
    CHECK(fg_walk_start(&arena, &walk, root, false, FG_APART_IF_TOUCHED) == FG_OK);
    CHECK(fg_walk_go_on(&arena, &walk, 1) == FG_MORE);
    for (int i = 0; i < 100000; i++)
        top = i ? plus(&arena, top, leaf(&arena, 1.0)) : leaf(&arena, 1.0);
    fg_index bottom = fg_node_child(fg_at(arena.nodes, fg_node_child(fg_at(arena.nodes, root), 0)), 0);
    CHECK(fg_node_set_edges(&arena, bottom, 1, &top, 1, (double[]){1.0}, (uint8_t[]){0}) == FG_OK);
    fg_node_release(&arena, top);
    while (fg_walk_go_on(&arena, &walk, 1000) == FG_MORE)
        ;
    CHECK(walk.n <= walk.capacity);
    CHECK(walk.n == 3 + 99999); /* the root, two of the first sums, and all new ones below them */
    fg_walk_end(&arena, &walk);
    CHECK(backward(&arena, &walk, root));
    fg_node_release(&arena, root);
    CHECK(fg_arena_live(&arena) == 0);
    fg_walk_clear(&walk);
    fg_arena_clear(&arena);
}

static void test_epochs_wrap(void)
{
    fg_arena arena;
    fg_walk walk = {0};
    fg_arena_init(&arena, NULL);
    fg_index a = leaf(&arena, 1.0), b = leaf(&arena, 1.0);
    fg_index sum = plus(&arena, a, b), top = plus(&arena, sum, leaf(&arena, 1.0));
    fg_at(arena.nodes, sum)->mark = 1; /* the mark of an old walk */
    arena.epoch = FG_PASSED_OVER - 1;
    CHECK(backward(&arena, &walk, top));
    CHECK(arena.epoch == 1 && fg_at(arena.nodes, a)->grad == 1.0);
    fg_node_release(&arena, top);
    fg_walk_clear(&walk);
    fg_arena_clear(&arena);
}

static void test_ints(void)
{
    bool is_int;
    CHECK(fg_int_add(2.0, 3.0, &is_int) == 5.0 && is_int);
    CHECK(fg_int_add(FG_EXACT, 1.0, &is_int) == FG_EXACT && !is_int);
    CHECK(fg_int_add(FG_EXACT - 1.0, 1.0, &is_int) == FG_EXACT && is_int);
    CHECK(fg_int_mul(0.0, -1.0, &is_int) == 0.0 && is_int);
    CHECK(!signbit(fg_int_mul(0.0, -1.0, &is_int)));
    CHECK(fg_int_mul(FG_EXACT, 3.0, &is_int) == 3.0 * FG_EXACT && !is_int);
    /* these two ints make 2**53 + 1, which as a double rounds to 2**53 */
    CHECK(fg_int_mul(3.0, 3002399751580331.0, &is_int) == FG_EXACT && !is_int);

    fg_arena arena;
    fg_walk walk = {0};
    fg_arena_init(&arena, NULL);
    fg_index x = leaf(&arena, 2.0), top = leaf(&arena, 6.0);
    const double three = 3.0;
    const uint8_t yes = 1;
    CHECK(fg_node_set_edges(&arena, top, 1, &x, 1, &three, &yes) == FG_OK);
    fg_node_release(&arena, x);
    CHECK(fg_walk_start(&arena, &walk, top, false, FG_APART_IF_TOUCHED) == FG_OK);
    CHECK(fg_walk_go_on(&arena, &walk, 10) == FG_OK);
    fg_at(arena.nodes, top)->grad = 1.0;
    fg_at(arena.nodes, top)->flags |= FG_GRAD_INT;
    CHECK(fg_sweep(&arena, &walk, 10) == FG_OK);
    fg_walk_end(&arena, &walk);
    CHECK(fg_at(arena.nodes, x)->grad == 3.0 && fg_at(arena.nodes, x)->flags & FG_GRAD_INT);
    CHECK(backward(&arena, &walk, top)); /* with the float 1.0 at the root */
    CHECK(fg_at(arena.nodes, x)->grad == 6.0 && !(fg_at(arena.nodes, x)->flags & FG_GRAD_INT));
    fg_node_release(&arena, top);
    fg_walk_clear(&walk);
    fg_arena_clear(&arena);
}

/* With FG_DEFERRED a node's local gradients are computed in the sweep, from the numbers its children have then. */
static void test_deferred(void)
{
    fg_arena arena;
    fg_walk walk = {0};
    fg_arena_init(&arena, NULL);
    fg_index x = leaf(&arena, 2.0), y = leaf(&arena, 3.0);
    fg_index top = node(&arena, 2, (fg_index[]){x, y}, (double[]){3.0, 2.0});
    fg_at(arena.nodes, top)->op = FG_MUL;
    fg_at(arena.nodes, x)->data = 5.0;
    fg_at(arena.nodes, y)->data = 7.0;
    CHECK(backward(&arena, &walk, top));
    CHECK(fg_at(arena.nodes, x)->grad == 3.0 && fg_at(arena.nodes, y)->grad == 2.0);
    fg_at(arena.nodes, top)->flags |= FG_DEFERRED;
    CHECK(backward(&arena, &walk, top));
    CHECK(fg_at(arena.nodes, x)->grad == 3.0 + 7.0 && fg_at(arena.nodes, y)->grad == 2.0 + 5.0);
    fg_index zero = leaf(&arena, 0.0), relu = node(&arena, 1, &zero, (double[]){NAN});
    fg_at(arena.nodes, relu)->op = FG_RELU;
    fg_at(arena.nodes, relu)->flags |= FG_DEFERRED;
    CHECK(backward(&arena, &walk, relu) && fg_at(arena.nodes, zero)->grad == 0.0);
    fg_at(arena.nodes, relu)->data = 1e-300;
    CHECK(backward(&arena, &walk, relu) && fg_at(arena.nodes, zero)->grad == 1.0);
    fg_node_release(&arena, zero);
    fg_node_release(&arena, relu);
    fg_node_release(&arena, x);
    fg_node_release(&arena, y);
    fg_node_release(&arena, top);
    CHECK(fg_arena_live(&arena) == 0);
    fg_walk_clear(&walk);
    fg_arena_clear(&arena);
}

/* The sweep's three statuses: FG_MORE, FG_CALLERS and FG_OK. */
static void test_what_the_sweep_says(void)
{
    fg_arena arena;
    fg_walk walk = {0};
    fg_arena_init(&arena, NULL);
    fg_index x = leaf(&arena, 2.0), middle = x, chain[10];
    for (int i = 0; i < 10; i++) {
        middle = node(&arena, 1, &middle, (double[]){2.0});
        chain[i] = middle;
    }
    fg_index top = chain[9];

    CHECK(fg_walk_start(&arena, &walk, top, false, FG_APART_IF_TOUCHED) == FG_OK);
    CHECK(fg_walk_go_on(&arena, &walk, 100) == FG_OK);
    fg_at(arena.nodes, top)->grad = 1.0;
    fg_at(arena.nodes, top)->flags &= (uint16_t)~FG_GRAD_INT;
    CHECK(fg_sweep(&arena, &walk, 4) == FG_MORE && walk.n == 6);
    CHECK(fg_at(arena.nodes, chain[5])->grad == 16.0 && fg_at(arena.nodes, chain[4])->grad == 0.0);
    CHECK(fg_sweep(&arena, &walk, 5) == FG_MORE && walk.n == 1);
    CHECK(fg_sweep(&arena, &walk, 1) == FG_OK && walk.n == 0 && fg_at(arena.nodes, x)->grad == 1024.0);
    CHECK(fg_sweep(&arena, &walk, 1) == FG_OK);
    fg_walk_end(&arena, &walk);

    /* Closures, and nodes that the core can't refresh, are the caller's, at any place in a portion. Others aren't. */
    static const struct {
        uint8_t op;
        uint16_t flag;
        bool is_callers;
    } kinds[] = {
        {FG_CUSTOM, FG_CLOSURE, true}, {FG_ADD, FG_CLOSURE, true}, {FG_LOG, FG_CLOSURE | FG_DEFERRED, true},
        {FG_LOG, FG_DEFERRED, true}, {FG_POW_CONST, FG_DEFERRED, true}, {FG_LOG, 0, false}, {FG_POW_CONST, 0, false},
        {FG_EXP, FG_DEFERRED, false}, {FG_RELU, FG_DEFERRED, false}, {FG_TANH, FG_DEFERRED, false},
    };
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++)
        for (int at = 0; at < 10; at++) {
            fg_node *special = fg_at(arena.nodes, chain[at]);
            special->op = kinds[k].op;
            special->flags |= kinds[k].flag;
            CHECK(fg_node_refresh(arena.nodes, special) == (special->op != FG_LOG && special->op != FG_POW_CONST));
            special->local0 = 2.0;
            special->data = special->op == FG_EXP ? 2.0 : 1.0;
            CHECK(fg_walk_start(&arena, &walk, top, false, FG_APART_IF_TOUCHED) == FG_OK);
            CHECK(fg_walk_go_on(&arena, &walk, 100) == FG_OK);
            fg_walk_zero(&arena, &walk);
            fg_at(arena.nodes, top)->grad = 1.0;
            fg_at(arena.nodes, top)->flags &= (uint16_t)~FG_GRAD_INT;
            int callers = 0, portions = 0;
            fg_status status;
            while ((status = fg_sweep(&arena, &walk, 3)) != FG_OK) {
                CHECK(walk.n > 0 && callers + portions < 10);
                if (status == FG_CALLERS) {
                    callers++;
                    CHECK(walk.order[walk.n - 1] == chain[at] && fg_node_child(special, 0) == (at ? chain[at - 1] : x));
                    CHECK(fg_at(arena.nodes, fg_node_child(special, 0))->grad == 0.0);
                    fg_node_pass_on(&arena, walk.order[--walk.n]);
                } else {
                    portions++;
                    CHECK(status == FG_MORE);
                }
            }
            CHECK(walk.n == 0 && callers == kinds[k].is_callers && portions >= 2);
            CHECK(fg_at(arena.nodes, x)->grad == (kinds[k].op == FG_RELU && kinds[k].flag ? 512.0 : 1024.0));
            fg_walk_end(&arena, &walk);
            special->local0 = 2.0;
            special->flags &= (uint16_t)~(FG_CLOSURE | FG_DEFERRED);
        }
    for (int i = 0; i < 10; i++)
        fg_node_release(&arena, chain[i]);
    fg_node_release(&arena, x);
    CHECK(fg_arena_live(&arena) == 0);
    fg_walk_clear(&walk);
    fg_arena_clear(&arena);
}

static void test_a_million_deep(void)
{
    fg_arena arena;
    fg_walk walk = {0};
    fg_arena_init(&arena, NULL);
    fg_index x = leaf(&arena, 1.0), top = x;
    for (int i = 0; i < 1000000; i++)
        top = plus(&arena, top, leaf(&arena, 1.0));
    CHECK(backward(&arena, &walk, top));
    CHECK(fg_at(arena.nodes, x)->grad == 1.0);
    fg_node_release(&arena, top);
    CHECK(fg_arena_live(&arena) == 0);
    fg_walk_clear(&walk);
    fg_arena_clear(&arena);
}

/* A walk with leaves lists them, and the next one without doesn't; but a leaf with a closure is always listed. */
static void test_leaves_are_passed_over_again(void)
{
    static fg_arena arena;
    fg_walk walk = {0};
    fg_arena_init(&arena, NULL);
    const fg_index leaves[2] = {leaf(&arena, 1.0), leaf(&arena, 2.0)};
    const fg_index root = node(&arena, 2, leaves, (double[]){1.0, 1.0});
    fg_node_set_closure(&arena, fg_at(arena.nodes, leaves[1]));
    for (int i = 0; i < 4; i++) {
        CHECK(fg_walk_start(&arena, &walk, root, i % 2 == 0, FG_APART_IF_TOUCHED) == FG_OK);
        CHECK(fg_walk_go_on(&arena, &walk, 1000) == FG_OK);
        CHECK(walk.n == (i % 2 == 0 ? 3 : 2) && walk.order[walk.n - 1] == root);
        fg_walk_end(&arena, &walk);
    }
    fg_node_release(&arena, root);
    fg_node_release(&arena, leaves[0]);
    fg_node_release(&arena, leaves[1]);
    fg_walk_clear(&walk);
    fg_arena_clear(&arena);
}

int main(void)
{
    test_random_graphs();
    test_leaves_are_passed_over_again();
    test_a_walk_between_portions();
    test_a_walk_in_each_pause();
    test_a_graph_that_grows_between_portions();
    test_epochs_wrap();
    test_ints();
    test_deferred();
    test_what_the_sweep_says();
    test_a_million_deep();
    puts("backward: passed");
    return 0;
}
