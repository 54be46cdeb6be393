/* A fused sum's promise: nobody can tell it from the scalar nodes that it stands for.
 *
 * Random programs run twice, once with fused sums and once with the nodes that the interpreter would make. The two are
 * compared to the last bit: after each step the nodes that the program holds, and at the end sometimes the whole graph.
 *
 * An argument is the number of random programs. The first ones are always the same. */
#include "check.h"
#include "fused.h"

#include <math.h>
#include <string.h>

static uint32_t is_odd; /* in this program about one number in so many is odd: 0, -0, 1, large or infinite */

static double number(void)
{
    static const double odd[] = {0.0, -0.0, 1.0, -0.0, 1e200, INFINITY};
    return below(is_odd) ? (double)(int64_t)(((uint64_t)below(1u << 30) << 31) - (1ull << 60)) * 0x1p-60
                         : odd[below(6)];
}

/* ---- The interpreter's nodes ---- */

static uint32_t new_kind; /* the flags of new nodes in this program */

static fg_index constant(fg_arena *arena, double data, bool is_int)
{
    fg_index index = fg_node_new(arena);
    CHECK(index != FG_NONE);
    fg_node_init(fg_at(arena->nodes, index), new_kind | fg_kind(FG_LEAF, FG_NULLARY, is_int ? FG_DATA_INT : 0),
                 FG_PASSED_OVER, data);
    return index;
}

static fg_index scalar(fg_arena *arena, uint8_t op, fg_index a, fg_index b)
{
    fg_index index = fg_node_new(arena);
    CHECK(index != FG_NONE);
    fg_node *node = fg_at(arena->nodes, index);
    const double x = fg_at(arena->nodes, a)->data, y = fg_at(arena->nodes, b)->data;
    const bool adds = op == FG_ADD;
    const uint16_t by_a = adds || fg_at(arena->nodes, b)->flags & FG_DATA_INT ? FG_LOCAL0_INT : 0;
    const uint16_t by_b = adds || fg_at(arena->nodes, a)->flags & FG_DATA_INT ? FG_LOCAL1_INT : 0;
    fg_node_init(node, new_kind | fg_kind(op, FG_BINARY, by_a | by_b), 0, adds ? x + y : x * y);
    node->child[0] = a;
    node->child[1] = b;
    node->local0 = adds ? 1.0 : y;
    node->local1 = adds ? 1.0 : x;
    fg_node_retain(arena, a);
    fg_node_retain(arena, b);
    return index;
}

/* The same, but the new node takes over the caller's reference to a if gives_a, and to b if gives_b. */
static fg_index scalar_of(fg_arena *arena, uint8_t op, fg_index a, bool gives_a, fg_index b, bool gives_b)
{
    fg_index index = scalar(arena, op, a, b);
    if (gives_a)
        fg_node_release(arena, a);
    if (gives_b)
        fg_node_release(arena, b);
    return index;
}

/* ---- A sum of the program. Operands are indices into the program's values; -1 is a constant ---- */

enum { MOST = 8, VALUES = 60 };
typedef struct {
    uint32_t n;
    bool is_single, number_is_int;
    int start, u[MOST], v[MOST];
    double number, of_u[MOST], of_v[MOST];
    bool u_is_int[MOST], v_is_int[MOST]; /* of constants */
} description;

static bool is_int[VALUES]; /* which values of the program are ints */
/* Leaves that are operands of a column that many sums share. Others have only those from first_known on as operands. */
static int first_weight, n_weights, first_known;

/* A random value's index. The value is no weight that others don't know. Unless may_be_int it's a float. (Value 0
 * always is a float.) */
static int pick(int n_values, bool may_be_int)
{
    int value = (int)below((uint32_t)n_values);
    bool is_weight = value >= first_weight && value < first_known;
    return is_weight || (is_int[value] && !may_be_int) ? 0 : value;
}

static void describe(description *d, int n_values)
{
    const bool no_constants = new_kind & fg_kind(0, 0, FG_DEFERRED);
    const uint32_t ints = below(4); /* 1: u may have some, 2: v may */
    d->n = 1 + below(MOST);
    d->is_single = below(4) == 0;
    d->start = below(2) ? -1 : pick(n_values, true);
    d->number_is_int = below(2);
    d->number = d->number_is_int ? below(3) : number();
    for (uint32_t k = 0; k < MOST; k++) {
        const bool may = d->is_single && !no_constants && !(k == 0 && d->start < 0);
        d->u[k] = may && below(6) == 0 ? -1 : pick(n_values, ints == 1 && !d->is_single);
        d->v[k] = !no_constants && below(4) == 0 ? -1 : pick(n_values, ints == 2);
        d->u_is_int[k] = false;
        d->v_is_int[k] = ints == 2 && below(2);
        d->of_u[k] = number();
        d->of_v[k] = d->v_is_int[k] ? below(3) : number();
    }
}

static fg_index scalar_sum(fg_arena *arena, const description *d, const fg_index *values)
{
    fg_index total = FG_NONE;
    for (uint32_t k = 0; k < d->n; k++) {
        bool gives = d->u[k] < 0;
        fg_index term = gives ? constant(arena, d->of_u[k], false) : values[d->u[k]];
        if (!d->is_single) {
            bool gives_v = d->v[k] < 0;
            term = scalar_of(arena, FG_MUL, term, false, gives_v ? constant(arena, d->of_v[k], d->v_is_int[k])
                                                                 : values[d->v[k]], gives_v);
            gives = true;
        }
        if (k > 0)
            total = scalar_of(arena, FG_ADD, total, true, term, gives);
        else if (d->start < 0)
            total = scalar_of(arena, FG_ADD, term, gives, constant(arena, d->number, d->number_is_int), true);
        else
            total = scalar_of(arena, FG_ADD, values[d->start], false, term, gives);
    }
    return total;
}

static fg_column *column(fg_arena *arena, uint32_t n, const int *operands, const double *numbers,
                         const bool *kinds, const fg_index *values)
{
    bool has_ints = false;
    for (uint32_t k = 0; k < n; k++)
        has_ints |= operands[k] < 0 ? kinds[k] : fg_at(arena->nodes, values[operands[k]])->flags & FG_DATA_INT;
    fg_column *column = fg_column_new(arena, n, has_ints);
    if (!column)
        return NULL;
    for (uint32_t k = 0; k < n; k++) {
        fg_column_nodes(column)[k] = operands[k] < 0 ? FG_NONE : values[operands[k]];
        column->numbers[k] = numbers[k];
        if (has_ints)
            fg_column_kinds(column)[k] = kinds[k];
    }
    CHECK(fg_column_take(arena, column) == FG_OK);
    return column;
}

/* weights: the column for u, or NULL. shared: a column for v from an earlier sum of the same program, or NULL; becomes
 * the new one. */
static fg_index fused_sum(fg_arena *arena, const description *d, const fg_index *values, fg_column *weights,
                          fg_column **shared)
{
    fg_column *u = weights ? weights : column(arena, d->n, d->u, d->of_u, d->u_is_int, values);
    if (!u)
        return FG_NONE;
    u->refs += weights != NULL;
    fg_column *v = NULL;
    if (!d->is_single && !(v = *shared ? *shared : column(arena, d->n, d->v, d->of_v, d->v_is_int, values))) {
        fg_column_release(arena, u);
        return FG_NONE;
    }
    fg_terms terms = {u, v, d->start < 0 ? FG_NONE : values[d->start], d->number, d->number_is_int};
    fg_index index;
    if (!fg_sums_new(arena, &terms, 1, new_kind, &index))
        index = FG_NONE;
    fg_column_release(arena, u);
    if (v && index == FG_NONE && !*shared)
        fg_column_release(arena, v);
    else if (v)
        *shared = v;
    return index;
}

/* ---- Two programs side by side ---- */

static fg_arena arenas[2]; /* scalar nodes, fused sums */
static fg_walk walks[2];
static fg_index values[2][VALUES];
static bool is_held[VALUES];

static bool same_bits(double a, double b)
{
    return memcmp(&a, &b, sizeof a) == 0 || (a != a && b != b);
}

static void compare_values(int n)
{
    for (int i = 0; i < n; i++)
        if (is_held[i]) {
            const fg_node *a = fg_at(arenas[0].nodes, values[0][i]), *b = fg_at(arenas[1].nodes, values[1][i]);
            CHECK(same_bits(a->data, b->data) && same_bits(a->grad, b->grad));
            CHECK((a->flags & FG_GRAD_INT) == (b->flags & FG_GRAD_INT));
        }
}

static void walk(int i, fg_index root, bool with_leaves, fg_apart apart)
{
    CHECK(fg_walk_start(&arenas[i], &walks[i], root, with_leaves, apart) == FG_OK);
    fg_status status;
    while ((status = fg_walk_go_on(&arenas[i], &walks[i], 1 + below(20))) == FG_MORE)
        ;
    CHECK(status == FG_OK);
}

/* Compare the whole graphs below two roots. The walk takes all fused sums apart. */
static void compare_graphs(int root)
{
    static uint32_t place[2][1 << 20];
    for (int i = 0; i < 2; i++) {
        walk(i, values[i][root], true, FG_APART_ALL);
        for (uint32_t n = 0; n < walks[i].n; n++)
            place[i][fg_slot(walks[i].order[n])] = n;
    }
    CHECK(walks[0].n == walks[1].n);
    for (uint32_t n = 0; n < walks[0].n; n++) {
        fg_node *a = fg_at(arenas[0].nodes, walks[0].order[n]), *b = fg_at(arenas[1].nodes, walks[1].order[n]);
        if (a->flags & FG_DEFERRED && b->flags & FG_DEFERRED) /* the face computes these when it's asked for them */
            CHECK(fg_node_refresh(arenas[0].nodes, a) && fg_node_refresh(arenas[1].nodes, b));
        CHECK(a->kind == b->kind && same_bits(a->data, b->data) && same_bits(a->grad, b->grad));
        for (uint32_t k = 0; k < fg_node_n_children(a); k++) {
            CHECK(place[0][fg_slot(a->child[k])] == place[1][fg_slot(b->child[k])]);
            CHECK(same_bits(*fg_local(a, k), *fg_local(b, k)));
        }
    }
    for (int i = 0; i < 2; i++)
        fg_walk_end(&arenas[i], &walks[i]);
}

/* backward() on both. at: -1, or a value with FG_CLOSURE, at which both sweeps stop. If `other` is the root, the sweeps
 * are given up there. If not, another backward() runs from `other`, and then they go on. */
static void backward_both(int root, int at, int other, double seed, bool seed_is_int)
{
    for (int i = 0; i < 2; i++) {
        fg_arena *arena = &arenas[i];
        const bool gives_up = other == root;
        walk(i, values[i][root], at >= 0, FG_APART_IF_TOUCHED);
        fg_node *top = fg_at(arena->nodes, values[i][root]);
        top->grad = seed;
        top->flags = (uint16_t)((top->flags & ~FG_GRAD_INT) | (seed_is_int ? FG_GRAD_INT : 0));
        for (;;) {
            fg_status status = fg_sweep(arena, &walks[i], 1 + below(20));
            if (status == FG_OK)
                break;
            if (status == FG_MORE)
                continue;
            CHECK(at >= 0 && walks[i].order[walks[i].n - 1] == values[i][at]);
            if (gives_up)
                break;
            fg_walk inner = {0};
            CHECK(backward(arena, &inner, values[i][other]) || fg_at(arena->nodes, values[i][at])->mark);
            fg_walk_clear(&inner);
            walks[i].n--;
            fg_node_pass_on(arena, values[i][at]);
        }
        fg_walk_end(arena, &walks[i]);
    }
}

static void run_program(bool is_deep)
{
    int n = 1 + (int)below(6);
    is_odd = below(4) ? 50 : 3;
    new_kind = fg_kind(0, 0, (uint16_t)((below(3) ? FG_GRAD_INT : 0) | (below(4) ? 0 : FG_DEFERRED)));
    for (int v = 0; v < n; v++) {
        is_int[v] = v > 0 && below(4) == 0;
        double data = is_int[v] ? below(4) : number();
        for (int i = 0; i < 2; i++)
            values[i][v] = constant(&arenas[i], data, is_int[v]);
        is_held[v] = true;
    }
    fg_column *shared = NULL, *weights = NULL;
    description shared_d, weights_d = {.n = 1 + below(MOST)};
    first_weight = n;
    n_weights = below(2) ? (int)weights_d.n : 0;
    first_known = n + n_weights - (n_weights > 0 && below(4) == 0);
    for (int v = n; v < n + n_weights; v++) {
        weights_d.u[v - n] = v;
        double data = number();
        for (int i = 0; i < 2; i++)
            values[i][v] = constant(&arenas[i], data, false);
        is_held[v] = true;
        is_int[v] = false;
    }
    if (n_weights)
        weights = column(&arenas[1], weights_d.n, weights_d.u, weights_d.of_u, weights_d.u_is_int, values[1]);
    n += n_weights;
    for (int rounds = is_deep ? 30 : 8; rounds-- > 0 && n < VALUES;) {
        int a = pick(n, true), b = pick(n, !is_int[a]);
        switch (below(3)) {
        case 0: {
            uint8_t op = below(2) ? FG_ADD : FG_MUL;
            for (int i = 0; i < 2; i++)
                values[i][n] = scalar(&arenas[i], op, values[i][a], values[i][b]);
            break;
        }
        default: {
            description d;
            describe(&d, n);
            bool has_weights = weights && !d.is_single && below(4), are_seconds = false;
            if (has_weights) {
                d.n = weights_d.n;
                memcpy(d.u, weights_d.u, sizeof d.u);
            }
            bool shares = shared && !d.is_single && below(2) && d.n == shared->n;
            if (shares) {
                for (uint32_t k = 0; k < d.n; k++)
                    d.u[k] = has_weights ? d.u[k] : pick(n, false);
                memcpy(d.v, shared_d.v, sizeof d.v);
                memcpy(d.of_v, shared_d.of_v, sizeof d.of_v);
                memcpy(d.v_is_int, shared_d.v_is_int, sizeof d.v_is_int);
            }
            if (has_weights && below(4) == 0) { /* the weights are the second factors, or both */
                memcpy(d.v, weights_d.u, sizeof d.v);
                for (uint32_t k = 0; k < d.n; k++)
                    d.u[k] = pick(n, false);
                has_weights = below(2);
                if (has_weights)
                    memcpy(d.u, weights_d.u, sizeof d.u);
                shares = are_seconds = true;
            }
            fg_column *mine = are_seconds ? weights : shares ? shared : NULL;
            values[0][n] = scalar_sum(&arenas[0], &d, values[0]);
            values[1][n] = fused_sum(&arenas[1], &d, values[1], has_weights ? weights : NULL, &mine);
            CHECK(values[1][n] != FG_NONE);
            if (mine && !shares) {
                if (shared)
                    fg_column_release(&arenas[1], shared);
                shared = mine;
                shared_d = d;
            }
        }
        }
        is_int[n] = false;
        is_held[n++] = true;
        compare_values(n);
    }
    if (shared)
        fg_column_release(&arenas[1], shared);
    if (weights)
        fg_column_release(&arenas[1], weights);

    for (int actions = (int)below(7); actions-- > 0;) {
        int root = n - 1 - (int)below(n < 4 ? (uint32_t)n : 4), a = (int)below((uint32_t)n);
        switch (below(8)) {
        case 0: { /* numbers change, as an optimiser changes them */
            bool to_int = below(4) == 0;
            double data = to_int ? below(4) : number();
            for (int i = 0; i < 2; i++) {
                fg_node *node = fg_at(arenas[i].nodes, values[i][a]);
                node->data = data;
                node->flags = (uint16_t)(to_int ? node->flags | FG_DATA_INT : node->flags & ~FG_DATA_INT);
            }
            break;
        }
        case 1:
            for (int i = 0; i < 2; i++) {
                walk(i, values[i][root], false, FG_APART_NONE);
                fg_walk_zero(&arenas[i], &walks[i]);
                fg_walk_end(&arenas[i], &walks[i]);
            }
            break;
        case 2: {
            double grad = below(3) ? number() : -0.0;
            for (int i = 0; i < 2; i++) {
                fg_at(arenas[i].nodes, values[i][a])->grad = grad;
                fg_at(arenas[i].nodes, values[i][a])->flags &= (uint16_t)~FG_GRAD_INT;
            }
            break;
        }
        case 3:
            if (fg_at(arenas[1].nodes, values[1][a])->arity == FG_FUSED)
                CHECK(fg_take_apart(&arenas[1], values[1][a]));
            break;
        case 4: /* a sweep that is given up, or another one in the middle of it */
            if (fg_at(arenas[1].nodes, values[1][a])->arity == FG_FUSED)
                CHECK(fg_take_apart(&arenas[1], values[1][a]));
            for (int i = 0; i < 2; i++)
                fg_node_set_closure(&arenas[i], fg_at(arenas[i].nodes, values[i][a]));
            backward_both(root, a, below(2) ? root : (int)below((uint32_t)n), 1.0, below(2));
            for (int i = 0; i < 2; i++) {
                fg_node *node = fg_at(arenas[i].nodes, values[i][a]);
                node->flags &= (uint16_t)~FG_CLOSURE;
                if (node->arity == FG_NULLARY)
                    node->mark = FG_PASSED_OVER;
            }
            break;
        default: {
            bool is_int = below(2);
            backward_both(root, -1, root, is_int ? 1.0 : below(3) ? number() : -0.0, is_int);
        }
        }
        compare_values(n);
        CHECK_ARENA(&arenas[1]);
    }
    for (int v = 0; v < n - 1; v++)
        if (below(2)) {
            is_held[v] = false;
            for (int i = 0; i < 2; i++)
                fg_node_release(&arenas[i], values[i][v]);
        }
    backward_both(n - 1, -1, n - 1, 1.0, false);
    compare_values(n);
    if (below(2))
        compare_graphs(n - 1);
    for (int v = 0; v < n; v++)
        if (is_held[v])
            for (int i = 0; i < 2; i++)
                fg_node_release(&arenas[i], values[i][v]);
    CHECK(fg_arena_live(&arenas[0]) == 0 && fg_arena_live(&arenas[1]) == 0);
    CHECK(arenas[1].n_fused == 0 && arenas[1].n_terms == 0 && arenas[1].n_stood_for == 0);
    CHECK(arenas[1].edge_bytes == 0);
    CHECK_ARENA(&arenas[1]);
}

static void test_random_programs(long count)
{
    for (int i = 0; i < 2; i++)
        fg_arena_init(&arenas[i], NULL);
    for (long program = 0; program < count; program++)
        run_program(program % 4 == 0);
    for (int i = 0; i < 2; i++) {
        fg_walk_clear(&walks[i]);
        fg_arena_clear(&arenas[i]);
    }
}

/* ---- What random programs don't meet ---- */

static fg_index dot(fg_arena *arena, uint32_t n, const fg_index *u, const fg_index *v)
{
    description d = {.n = n, .start = -1, .number_is_int = true};
    for (uint32_t k = 0; k < n; k++) {
        d.u[k] = (int)k;
        d.v[k] = (int)(n + k);
    }
    fg_index all[2 * MOST];
    memcpy(all, u, n * sizeof *u);
    memcpy(all + n, v, n * sizeof *v);
    fg_column *shared = NULL;
    fg_index index = fused_sum(arena, &d, all, NULL, &shared);
    if (shared)
        fg_column_release(arena, shared);
    return index;
}

/* Each allocation fails in turn, in making a sum and in taking it apart while walks have it listed. */
static void test_no_memory(void)
{
    fg_arena *arena = &arenas[1];
    fg_walk walk = {0};
    new_kind = fg_kind(0, 0, FG_GRAD_INT);
    for (long fails = 1;; fails++) {
        fg_arena_init(arena, NULL);
        fg_index x[4] = {leaf(arena, 1.0), leaf(arena, 2.0), leaf(arena, 3.0), leaf(arena, 4.0)};
        fg_fail_allocation(fails);
        fg_index sum = dot(arena, 4, x, x);
        fg_fail_allocation(0);
        CHECK_ARENA(arena);
        CHECK(fg_arena_live(arena) == 4 + (sum != FG_NONE) && arena->n_fused == (sum != FG_NONE));
        if (sum != FG_NONE)
            fg_node_release(arena, sum);
        for (int i = 0; i < 4; i++)
            fg_node_release(arena, x[i]);
        CHECK(fg_arena_live(arena) == 0 && arena->edge_bytes == 0);
        fg_arena_clear(arena);
        if (sum != FG_NONE)
            break;
        CHECK(fails < 20);
    }

    static fg_index fillers[1 << 20];
    for (long fails = 1;; fails++) {
        fg_arena_init(arena, NULL);
        fg_index x[4] = {leaf(arena, 1.0), leaf(arena, 2.0), leaf(arena, 3.0), leaf(arena, 4.0)};
        fg_index sum = dot(arena, 4, x, x);
        uint32_t n = 0; /* leaves that fill the array, so that new nodes need memory too */
        while (arena->next != arena->end || arena->used_slabs < arena->slabs)
            fillers[n++] = leaf(arena, 0.0);
        const uint32_t live = fg_arena_live(arena);
        CHECK(fg_walk_start(arena, &walk, sum, false, FG_APART_IF_TOUCHED) == FG_OK);
        CHECK(fg_walk_go_on(arena, &walk, 100) == FG_OK && fg_walk_n_nodes(arena, &walk) == 9);
        fg_at(arena->nodes, sum)->grad = 1.0;
        fg_fail_allocation(fails);
        bool done = fg_take_apart(arena, sum);
        fg_fail_allocation(0);
        CHECK_ARENA(arena);
        CHECK(done == (fg_at(arena->nodes, sum)->arity == FG_BINARY));
        CHECK(fg_arena_live(arena) == live + (done ? 4 + 3 + 1 : 0));
        while (fg_sweep(arena, &walk, 1) == FG_MORE)
            ;
        CHECK(walk.n == 0);
        for (int i = 0; i < 4; i++)
            CHECK(fg_at(arena->nodes, x[i])->grad == 2.0 * (i + 1));
        fg_walk_end(arena, &walk);
        fg_walk_clear(&walk);
        fg_node_release(arena, sum);
        for (int i = 0; i < 4; i++)
            fg_node_release(arena, x[i]);
        while (n > 0)
            fg_node_release(arena, fillers[--n]);
        CHECK(fg_arena_live(arena) == 0 && arena->edge_bytes == 0);
        fg_arena_clear(arena);
        if (done)
            break;
        CHECK(fails < 20);
    }
}

/* Without room for kinds a column takes no ints, and nothing has changed. */
static void test_a_column_without_room_for_ints(void)
{
    fg_arena *arena = &arenas[1];
    fg_arena_init(arena, NULL);
    new_kind = 0;
    fg_index x = constant(arena, 2.0, true), y = constant(arena, 0.5, false);
    fg_column *column = fg_column_new(arena, 3, false);
    memcpy(fg_column_nodes(column), (fg_index[]){y, x, FG_NONE}, 3 * sizeof x);
    CHECK(fg_column_take(arena, column) == FG_INTS && fg_at(arena->nodes, x)->refs == 1);
    fg_at(arena->nodes, x)->flags = 0;
    CHECK(fg_column_take(arena, column) == FG_OK && column->n_constants == 1 && !fg_column_is_int(column, 1));
    fg_column_release(arena, column);
    fg_node_release(arena, x);
    fg_node_release(arena, y);
    CHECK(fg_arena_live(arena) == 0 && arena->edge_bytes == 0);
    fg_arena_clear(arena);
}

/* A column of leaves that has a key and has noted their handles is kept when no sum has it any more. */
static void test_idle_columns(void)
{
    fg_arena *arena = &arenas[1];
    fg_arena_init(arena, NULL);
    new_kind = 0;
    int handles[3], key[2];
    fg_index x[2] = {constant(arena, 0.5, false), constant(arena, 2.0, false)};
    for (int i = 0; i < 2; i++)
        fg_at(arena->nodes, x[i])->face = &handles[i];
    enum { LAST = 7 };
    for (int round = 0; round <= LAST; round++) {
        fg_column *column = fg_column_new(arena, 2, false);
        memcpy(fg_column_nodes(column), x, sizeof x);
        CHECK(fg_column_take(arena, column) == FG_OK);
        fg_column_note(arena, column, &key[0]);
        CHECK(fg_column_find(arena, &key[0]) == column && !fg_column_find(arena, &key[1]));
        fg_at(arena->nodes, x[1])->flags = round == 0 ? FG_ATTACHED : 0;
        fg_column_note_handles(arena, column, NULL);
        CHECK((column->handles != NULL) == (round > 0));
        fg_at(arena->nodes, x[1])->flags &= (uint16_t)~FG_ATTACHED;
        fg_column_release(arena, column);
        CHECK(fg_at(arena->nodes, x[0])->refs == 1 && arena->edge_bytes == 0);
        CHECK(fg_column_find(arena, &key[0]) == (round > 0 ? column : NULL) && (arena->idle_bytes > 0) == (round > 0));
        if (round == 0)
            continue;
        CHECK(column->is_idle);
        fg_node *second = fg_at(arena->nodes, x[1]);
        second->data = round;
        second->face = round == 1 ? &handles[2] : &handles[1];
        second->flags = round == 2 || round == 3 ? FG_DATA_INT : round == 4 ? FG_ATTACHED : 0;
        CHECK(fg_column_has_handles(arena, column));
        const bool is_known = round == 2 || round > 5; /* that all handles are what they were */
        arena->handles_lost += !is_known;
        CHECK(fg_column_has_handles(arena, column) == is_known);
        if (fg_column_revive(arena, column)) {
            CHECK(round > 4 && !column->is_idle && column->refs == 1 && column->numbers[1] == round);
            CHECK(second->refs == 2 && arena->idle_bytes == 0 && arena->edge_bytes > 0);
            CHECK(is_known || second->flags & FG_SEEN);
            fg_column_release(arena, column);
        } else {
            CHECK(round < 5);
        }
        CHECK(second->refs == 1 && column->is_idle);
        second->face = &handles[1];
        second->flags = 0;
        if (round == LAST)
            break; /* fg_arena_clear frees it */
        fg_column_discard(arena, column);
        CHECK(arena->idle_bytes == 0 && !fg_column_find(arena, &key[0]));
    }

    /* Many, with other keys: there's a limit to what is kept. */
    static char keys[2000];
    enum { LONG = 4000 };
    for (int i = 0; i < 2000; i++) {
        fg_column *column = fg_column_new(arena, LONG, false);
        for (uint32_t k = 0; k < LONG; k++)
            fg_column_nodes(column)[k] = x[k % 2];
        CHECK(fg_column_take(arena, column) == FG_OK);
        fg_column_note(arena, column, &keys[i]);
        fg_column_note_handles(arena, column, NULL);
        fg_column_release(arena, column);
        CHECK(arena->edge_bytes == 0 && arena->idle_bytes > 0 && arena->idle_bytes <= FG_KEEP_COLUMNS);
    }
    for (int i = 0; i < 2; i++)
        fg_node_release(arena, x[i]);
    CHECK(fg_arena_live(arena) == 0);
    fg_arena_clear(arena);
    CHECK(arena->idle_bytes == 0);
}

/* Taking a sum apart takes all apart that a walk has listed. There's memory for some of them, and the sweep goes on. */
static void test_memory_for_some(void)
{
    static fg_index fillers[1 << 20];
    fg_arena *arena = &arenas[1];
    fg_walk walk = {0};
    bool some_stayed = false;
    new_kind = fg_kind(0, 0, FG_GRAD_INT);
    for (uint32_t room = 0; room < 40; room++) {
        fg_arena_init(arena, NULL);
        fg_index x[4] = {leaf(arena, 1.0), leaf(arena, 2.0), leaf(arena, 3.0), leaf(arena, 4.0)};
        fg_index a = dot(arena, 4, x, x), b = dot(arena, 2, x, x + 1);
        fg_index square = scalar(arena, FG_MUL, b, b);
        fg_index root = dot(arena, 4, (fg_index[]){x[0], a, x[1], square}, (fg_index[]){x[3], x[0], b, x[3]});
        uint32_t n = 0;
        while (arena->next != arena->end || arena->used_slabs < arena->slabs)
            fillers[n++] = leaf(arena, 0.0);
        for (uint32_t i = 0; i < room; i++)
            fg_node_release(arena, fillers[--n]);
        CHECK(fg_walk_start(arena, &walk, root, room % 2, FG_APART_IF_TOUCHED) == FG_OK);
        CHECK(fg_walk_go_on(arena, &walk, 100) == FG_OK);
        CHECK(walk.n_events > 4);
        fg_at(arena->nodes, root)->grad = 1.0;
        fg_sweep(arena, &walk, room % 3);
        fg_fail_allocation(4); /* those before are for the list */
        bool done = fg_take_apart(arena, root);
        fg_fail_allocation(0);
        CHECK_ARENA(arena);
        CHECK(done == (fg_at(arena->nodes, root)->arity == FG_BINARY) && (walk.n_events == 0) == (arena->n_fused == 0));
        some_stayed = some_stayed || (arena->n_fused > 0 && arena->n_fused < 3);
        while (fg_sweep(arena, &walk, 1) == FG_MORE)
            ;
        CHECK(walk.n == 0 && walk.n_events == 0);
        /* root = x0 x3 + a x0 + x1 b + b b x3, where a = x0 x0 + x1 x1 + x2 x2 + x3 x3 and b = x0 x1 + x1 x2 */
        const double of_a = 1.0, of_b = 2.0 + 2.0 * 8.0 * 4.0;
        CHECK(fg_at(arena->nodes, a)->grad == of_a && fg_at(arena->nodes, b)->grad == of_b);
        CHECK(fg_at(arena->nodes, x[0])->grad == 4.0 + 30.0 + 2.0 * of_a * 1.0 + of_b * 2.0);
        CHECK(fg_at(arena->nodes, x[1])->grad == 8.0 + 2.0 * of_a * 2.0 + of_b * (1.0 + 3.0));
        CHECK(fg_at(arena->nodes, x[2])->grad == 2.0 * of_a * 3.0 + of_b * 2.0);
        CHECK(fg_at(arena->nodes, x[3])->grad == 1.0 + 64.0 + 2.0 * of_a * 4.0);
        fg_walk_end(arena, &walk);
        fg_walk_clear(&walk);
        while (n > 0)
            fg_node_release(arena, fillers[--n]);
        for (int i = 0; i < 4; i++)
            fg_node_release(arena, x[i]);
        fg_node_release(arena, a);
        fg_node_release(arena, b);
        fg_node_release(arena, square);
        fg_node_release(arena, root);
        CHECK(fg_arena_live(arena) == 0 && arena->edge_bytes == 0);
        fg_arena_clear(arena);
    }
    CHECK(some_stayed);
}

/* A chain of a hundred thousand sums: the walk and the release need no stack. */
static void test_a_chain_of_sums(void)
{
    fg_arena *arena = &arenas[1];
    fg_walk walk = {0};
    fg_arena_init(arena, NULL);
    new_kind = fg_kind(0, 0, FG_GRAD_INT);
    fg_index x = leaf(arena, 1.0), top = x, half = leaf(arena, 0.5);
    fg_node_retain(arena, x);
    for (int i = 0; i < 100000; i++) {
        fg_index next = dot(arena, 2, (fg_index[]){top, half}, (fg_index[]){half, top});
        fg_node_release(arena, top);
        top = next;
    }
    CHECK(backward(arena, &walk, top) && fg_at(arena->nodes, x)->grad == 1.0);
    CHECK(fg_arena_live(arena) == 100002 && arena->n_stood_for == 500000);
    fg_node_release(arena, top);
    fg_node_release(arena, half);
    fg_node_release(arena, x);
    CHECK(fg_arena_live(arena) == 0 && arena->n_fused == 0);
    fg_walk_clear(&walk);
    fg_arena_clear(arena);
}

int main(int argc, char **argv)
{
    test_random_programs(argc > 1 ? atol(argv[1]) : 20000);
    test_no_memory();
    test_a_column_without_room_for_ints();
    test_idle_columns();
    test_memory_for_some();
    test_a_chain_of_sums();
    puts("fused: passed");
    return 0;
}
