/* The promise of fields.h: fields of many nodes are read and written as those of one after the other are. */
#include "check.h"
#include "fields.h"

#include <math.h>
#include <string.h>

enum { NODES = 3000, MOST = 300 }; /* three slabs */

static fg_arena arena;
static fg_index all[NODES];

/* Indices of some nodes: mostly runs, which may cross the gap between two slabs. Others go down, jump, or stay. */
static size_t some(fg_index *indices)
{
    const size_t n = below(MOST);
    const uint32_t first = below(NODES - MOST), kind = below(6);
    for (size_t i = 0; i < n; i++)
        indices[i] = all[kind < 3 ? first + i : kind == 3 ? first + n - 1 - i : kind == 4 ? below(NODES) : first];
    if (n > 0 && kind == 2)
        indices[below((uint32_t)n)] = all[below(NODES)]; /* a run but for one */
    return n;
}

static double random_number(void)
{
    return below(4) == 0 ? -0.0 : below(9) == 0 ? INFINITY : (double)below(1000) / 7.0;
}

static bool same(double a, double b)
{
    return memcmp(&a, &b, sizeof a) == 0;
}

/* What a node is to have, and the same of all nodes before a call. */
typedef struct {
    double data, grad;
    uint32_t kind, refs, mark;
} fields;

static fields of(fg_index index)
{
    const fg_node *node = fg_at(arena.nodes, index);
    return (fields){node->data, node->grad, node->kind, node->refs, node->mark};
}

static void check_all(const fields *wanted)
{
    for (size_t i = 0; i < NODES; i++) {
        const fields is = of(all[i]);
        CHECK(same(is.data, wanted[i].data) && same(is.grad, wanted[i].grad));
        CHECK(is.kind == wanted[i].kind && is.refs == wanted[i].refs && is.mark == wanted[i].mark);
    }
}

static size_t number_of(fg_index index)
{
    for (size_t i = 0;; i++)
        if (all[i] == index)
            return i;
}

static void check_reading(fg_field field)
{
    fg_index indices[MOST];
    double out[MOST];
    const size_t n = some(indices);
    uint16_t flags = 0;
    const uint16_t found = fg_fields_read(&arena, field, n, indices, out);
    for (size_t i = 0; i < n; i++) {
        const fg_node *node = fg_at(arena.nodes, indices[i]);
        CHECK(same(out[i], field == FG_GRAD ? node->grad : node->data));
        flags |= node->flags;
    }
    CHECK(found == flags);
}

static void check_writing(fg_field field, bool is_one)
{
    static fields wanted[NODES];
    fg_index indices[MOST];
    double numbers[MOST];
    const size_t n = some(indices);
    const bool is_int = is_one && below(2);
    const uint16_t flag = field == FG_GRAD ? FG_GRAD_INT : FG_DATA_INT;
    const uint64_t assigned = arena.assigned;
    bool has_others = false;
    for (size_t i = 0; i < NODES; i++)
        wanted[i] = of(all[i]);
    for (size_t i = 0; i < n; i++) {
        numbers[i] = is_one && i > 0 ? numbers[0] : random_number();
        fields *one = &wanted[number_of(indices[i])];
        *(field == FG_GRAD ? &one->grad : &one->data) = numbers[i];
        one->kind = (one->kind & ~fg_kind(0, 0, flag)) | fg_kind(0, 0, is_int ? flag : 0);
        has_others |= one->refs > 1;
    }
    if (!is_one)
        fg_fields_write(&arena, field, n, indices, numbers);
    else if (n > 0)
        fg_fields_fill(&arena, field, n, indices, numbers[0], is_int);
    check_all(wanted);
    CHECK((arena.assigned != assigned) == (field == FG_DATA && has_others));
}

/* A run within one slab: its first node's number. */
static size_t run(size_t *n)
{
    size_t first;
    do {
        *n = 1 + below(40);
        first = below(NODES - 40);
    } while (all[first + *n - 1] != all[first] + *n - 1);
    return first;
}

static void check_runs(void)
{
    static fields wanted[NODES];
    double numbers[40];
    size_t n, at = run(&n);
    uint32_t refs, counts = 0;
    uint16_t flags = 0;
    bool has_single = false;
    for (size_t i = 0; i < NODES; i++)
        wanted[i] = of(all[i]);
    for (size_t i = at; i < at + n; i++) {
        counts |= ++wanted[i].refs;
        flags |= fg_at(arena.nodes, all[i])->flags;
    }
    CHECK(fg_run_take(fg_at(arena.nodes, all[at]), n, numbers, &refs) == flags && refs == counts);
    check_all(wanted);
    for (size_t i = 0; i < n; i++)
        CHECK(same(numbers[i], wanted[at + i].data));

    at = run(&n);
    for (size_t i = at; i < at + n; i++)
        has_single |= wanted[i].refs == 1;
    CHECK(fg_run_drop(fg_at(arena.nodes, all[at]), n) == !has_single);
    for (size_t i = at; i < at + n && !has_single; i++)
        wanted[i].refs--;
    check_all(wanted);

    at = run(&n);
    for (size_t i = at; i < at + n; i++)
        wanted[i].kind &= ~fg_kind(0, 0, FG_GRAD_INT);
    fg_run_float_grads(fg_at(arena.nodes, all[at]), n);
    check_all(wanted);
}

int main(void)
{
    fg_arena_init(&arena, NULL);
    for (size_t i = 0; i < NODES; i++) {
        all[i] = leaf(&arena, random_number());
        fg_node *node = fg_at(arena.nodes, all[i]);
        node->grad = random_number();
        node->flags = (uint16_t)(below(8) == 0 ? FG_DATA_INT : below(8) == 0 ? FG_GRAD_INT : 0);
        if (i < NODES / 2 && below(20) == 0)
            fg_node_retain(&arena, all[i]);
    }
    for (int i = 0; i < 400; i++) {
        check_reading(i % 2 ? FG_GRAD : FG_DATA);
        check_writing(i % 2 ? FG_GRAD : FG_DATA, below(2));
        check_runs();
    }
    fg_arena_clear(&arena);
    puts("fields: passed");
    return 0;
}
