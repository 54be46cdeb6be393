/* The optimisers' promises: squares and roots have the bits of pow, and steps those of the formulas in optim.h. */
#include "check.h"
#include "optim.h"
#include "exact_pow.h"

#include <float.h>

static double as_double(uint64_t bits)
{
    double x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* Any sign and mantissa, and an exponent from -most to most - 1. */
static double random_double(int most)
{
    uint64_t bits = next_random(), exponent = 1023 + next_random() % (2 * (uint64_t)most) - (uint64_t)most;
    return as_double((bits & ~(UINT64_C(0x7ff) << 52)) | exponent << 52);
}

static bool same(double a, double b)
{
    return (isnan(a) && isnan(b)) || memcmp(&a, &b, sizeof a) == 0;
}

/* pow through a pointer, so that the compiler doesn't replace it. */
static double (*volatile plain_pow)(double, double) = pow;

enum { MANY = 1027 };
static double numbers[MANY], powers[MANY];

/* Squares and roots of many numbers at once: those that are waiting. */
static void check_many(size_t n)
{
    bool are_normal = true;
    const bool squares = fg_squares(numbers, n, powers);
    for (size_t i = 0; i < n; i++) {
        const double y = plain_pow(numbers[i], 2.0);
        CHECK(same(powers[i], y));
        are_normal &= numbers[i] == 0.0 || (y >= DBL_MIN && y < INFINITY);
    }
    CHECK(squares == are_normal);
    are_normal = true;
    const bool roots = fg_roots(numbers, n, powers);
    for (size_t i = 0; i < n; i++) {
        CHECK(same(powers[i], plain_pow(numbers[i], 0.5)) || numbers[i] < 0.0);
        are_normal &= numbers[i] >= 0.0 && numbers[i] < INFINITY;
    }
    CHECK(roots == are_normal);
}

static void check_powers(double x)
{
    static size_t n;
    numbers[n] = n % 2 ? fabs(x) : x;
    n++;
    if (n == MANY || next_random() % 1000 == 0) {
        check_many(n);
        n = 0;
    }
    CHECK(same(fg_square(x), plain_pow(x, 2.0)));
    CHECK(same(fg_root(fabs(x)), plain_pow(fabs(x), 0.5)));
}

static void test_powers(void)
{
    static const double special[] = {0.0, 1.0, 2.0, 3.0, 0.5, INFINITY, NAN, DBL_MIN, DBL_MAX, 5e-324, 1e-310, 0x1p511,
                                     0x1p512, 0x1.6a09e667f3bccp0, 0x1.6a09e667f3bcdp0, 0x1p-64, 0x1p64, 0x1p-256};
    for (size_t i = 0; i < sizeof special / sizeof *special; i++) {
        check_powers(special[i]);
        check_powers(-special[i]);
    }
    CHECK(same(fg_root(-0.0), plain_pow(-0.0, 0.5)));
    for (int i = 0; i < 8; i++)
        check_powers(-0.0); /* check_many gets every other one with its sign */
    for (int i = 0; i < 4000000; i++) {
        check_powers(random_double(40));
        check_powers(random_double(1022));
    }
    /* mantissas at both ends and around sqrt(2), where squares start to have one bit more */
    for (uint64_t i = 0; i < 100000; i++)
        for (int exponent = -65; exponent <= 65; exponent += 13) {
            uint64_t high = (uint64_t)(1023 + exponent) << 52;
            check_powers(as_double(high + i));
            check_powers(as_double(high - i));
            check_powers(as_double(high + UINT64_C(0x6a09e667f3bcc) + i - 50000));
        }
}

/* The distance from halfway, computed in another way: with numbers split into halves whose products are exact. */
static void test_what_is_near_half(void)
{
    int near = 0;
    for (int i = 0; i < 1000000; i++) {
        double x = fabs(random_double(60)), y = x * x;
        double high = (double)(float)x, low = x - high; /* 24 and 29 bits */
        double rest = ((high * high - y) + 2.0 * (high * low)) + low * low;
        double unit = as_double((fg_bits(y) & (UINT64_C(0x7ff) << 52)) - (UINT64_C(52) << 52));
        double from_half = 0.5 - fabs(rest) / unit;
        near += !fg_square_is_sure(x);
        if (FG_POW_IS_NEARLY_EXACT && fabs(from_half - 1.0 / 64) > 1e-6)
            CHECK(fg_square_is_sure(x) == (from_half > 1.0 / 64));
    }
    if (FG_POW_IS_NEARLY_EXACT)
        CHECK(near > 28000 && near < 35000); /* one in 32 */
}

enum { N = 500 };
static fg_arena arena;
static fg_index params[N];
static double data[N], grad[N], m[N], v[N], largest[N], plain_m[N], plain_v[N], plain_largest[N];

static double awkward(void)
{
    switch (next_random() % 20) {
    case 0: return 0.0;
    case 1: return -0.0;
    case 2: return next_random() % 2 ? INFINITY : NAN;
    case 3: return 1e-200;
    default: return random_double(30);
    }
}

static void new_grads(bool ints)
{
    for (int i = 0; i < N; i++) {
        fg_node *node = fg_at(arena.nodes, params[i]);
        grad[i] = node->grad = ints ? (double)(next_random() % 200000000) - 1e8 : awkward();
        node->flags = (uint16_t)(node->flags & ~FG_GRAD_INT) | (ints ? FG_GRAD_INT : 0);
    }
}

static void new_params(void)
{
    for (int i = 0; i < N; i++) {
        data[i] = fg_at(arena.nodes, params[i])->data = awkward();
        fg_at(arena.nodes, params[i])->flags |= FG_DATA_INT;
        m[i] = plain_m[i] = v[i] = plain_v[i] = largest[i] = plain_largest[i] = 0.0;
    }
}

static void check_data(void)
{
    for (int i = 0; i < N; i++) {
        CHECK(same(fg_at(arena.nodes, params[i])->data, data[i]));
        CHECK(!(fg_at(arena.nodes, params[i])->flags & FG_DATA_INT));
        CHECK(same(m[i], plain_m[i]) && same(v[i], plain_v[i]) && same(largest[i], plain_largest[i]));
    }
}

/* The gradient that a step goes along. Python's int 0 has no sign. */
static double direction(int i, bool maximize, bool ints)
{
    return !maximize ? grad[i] : ints ? 0.0 - grad[i] : -grad[i];
}

static void test_adam(double weight_decay, bool decoupled, bool amsgrad, bool maximize)
{
    new_params();
    for (int t = 1; t <= 20; t++) {
        bool ints = t % 5 == 0;
        fg_adam r = {.lr = 0.1 / t, .beta1 = 0.85, .beta2 = 0.99, .eps = 1e-8, .weight_decay = weight_decay,
                     .decoupled = decoupled, .maximize = maximize, .bias1 = 1 - plain_pow(0.85, t),
                     .bias2 = 1 - plain_pow(0.99, t)};
        new_grads(ints);
        for (int i = 0; i < N; i++) {
            double g = direction(i, maximize, ints);
            if (weight_decay != 0.0 && decoupled)
                data[i] = data[i] * (1 - r.lr * weight_decay);
            else if (weight_decay != 0.0)
                g = g + weight_decay * data[i];
            bool is_int = ints && (weight_decay == 0.0 || decoupled); /* Python computes its square exactly */
            double square = is_int ? g * g : plain_pow(g, 2.0);
            plain_m[i] = 0.85 * plain_m[i] + (1 - 0.85) * g;
            plain_v[i] = 0.99 * plain_v[i] + (1 - 0.99) * square;
            if (amsgrad && !(plain_v[i] <= plain_largest[i]))
                plain_largest[i] = plain_v[i];
            double m_hat = plain_m[i] / r.bias1, v_hat = (amsgrad ? plain_largest : plain_v)[i] / r.bias2;
            data[i] = data[i] - r.lr * m_hat / (plain_pow(v_hat, 0.5) + 1e-8);
        }
        CHECK(fg_adam_is_safe(&arena, &r, N, params, v));
        fg_adam_step(&arena, &r, N, params, m, v, amsgrad ? largest : NULL);
        check_data();
    }
}

static void test_sgd(double momentum, double dampening, double weight_decay, bool nesterov, bool maximize)
{
    new_params();
    for (int t = 1; t <= 20; t++) {
        bool ints = t % 5 == 0;
        fg_sgd r = {.lr = 0.1 / t, .momentum = momentum, .dampening = dampening, .weight_decay = weight_decay,
                    .nesterov = nesterov, .maximize = maximize, .is_first = t == 1};
        new_grads(ints);
        for (int i = 0; i < N; i++) {
            double g = direction(i, maximize, ints);
            if (weight_decay != 0.0)
                g = g + weight_decay * data[i];
            if (momentum != 0.0) {
                if (dampening == 0.0)
                    plain_v[i] = momentum * plain_v[i] + g;
                else
                    plain_v[i] = t == 1 ? g : momentum * plain_v[i] + (1 - dampening) * g;
                g = nesterov ? g + momentum * plain_v[i] : plain_v[i];
            }
            data[i] = data[i] - r.lr * g;
        }
        fg_sgd_step(&arena, &r, N, params, v);
        check_data();
    }
}

static void test_rmsprop(double weight_decay, double momentum, bool centered, bool maximize)
{
    new_params();
    for (int t = 1; t <= 20; t++) {
        bool ints = t % 5 == 0;
        fg_rmsprop r = {.lr = 0.1 / t, .alpha = 0.9, .eps = 1e-8, .weight_decay = weight_decay, .momentum = momentum,
                        .maximize = maximize};
        new_grads(ints);
        for (int i = 0; i < N; i++) {
            double g = direction(i, maximize, ints);
            if (weight_decay != 0.0)
                g = g + weight_decay * data[i];
            double square = ints && weight_decay == 0.0 ? g * g : plain_pow(g, 2.0);
            double average = plain_v[i] = 0.9 * plain_v[i] + (1 - 0.9) * square;
            if (centered) {
                plain_m[i] = 0.9 * plain_m[i] + (1 - 0.9) * g;
                average = average - plain_pow(plain_m[i], 2.0);
                if (average < 0)
                    average = 0.0;
            }
            double change = g / (plain_pow(average, 0.5) + 1e-8);
            if (momentum != 0.0)
                change = plain_largest[i] = momentum * plain_largest[i] + change;
            data[i] = data[i] - r.lr * change;
        }
        CHECK(fg_rmsprop_is_safe(&arena, &r, N, params, centered ? m : NULL));
        fg_rmsprop_step(&arena, &r, N, params, v, centered ? m : NULL, momentum != 0.0 ? largest : NULL);
        check_data();
    }
}

static void test_where_python_may_raise(void)
{
    fg_adam r = {.lr = 0.1, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8, .bias1 = 1.0, .bias2 = 1.0};
    fg_node *node = fg_at(arena.nodes, params[7]);
    new_params();
    new_grads(true);
    CHECK(fg_adam_is_safe(&arena, &r, N, params, v));
    node->grad = INFINITY;
    CHECK(fg_adam_is_safe(&arena, &r, N, params, v));
    node->grad = -1e200;
    CHECK(!fg_adam_is_safe(&arena, &r, N, params, v));
    node->grad = 1.0;
    node->data = 1e200;
    r.weight_decay = 1.0;
    CHECK(!fg_adam_is_safe(&arena, &r, N, params, v));
    r.decoupled = true;
    CHECK(fg_adam_is_safe(&arena, &r, N, params, v));

    r.eps = 0.0;
    for (int i = 0; i < N; i++)
        fg_at(arena.nodes, params[i])->grad = 1.0;
    CHECK(fg_adam_is_safe(&arena, &r, N, params, v));
    node->grad = 0.0;
    CHECK(!fg_adam_is_safe(&arena, &r, N, params, v));
    v[7] = 1e-300;
    CHECK(fg_adam_is_safe(&arena, &r, N, params, v));

    fg_rmsprop s = {.lr = 0.1, .alpha = 0.9, .eps = 1e-8};
    CHECK(fg_rmsprop_is_safe(&arena, &s, N, params, m));
    m[7] = 1e200;
    CHECK(fg_rmsprop_is_safe(&arena, &s, N, params, NULL));
    CHECK(!fg_rmsprop_is_safe(&arena, &s, N, params, m));
    node->grad = 1e200;
    CHECK(!fg_rmsprop_is_safe(&arena, &s, N, params, NULL));
    node->grad = 1.0;
    s.eps = 0.0;
    CHECK(!fg_rmsprop_is_safe(&arena, &s, N, params, NULL));
}

static void test_grads(void)
{
    double sum = 0.0;
    for (int i = 0; i < N; i++) {
        fg_node *node = fg_at(arena.nodes, params[i]);
        grad[i] = node->grad = random_double(20);
        node->flags &= (uint16_t)~FG_GRAD_INT;
        sum += plain_pow(grad[i], 2.0);
    }
    CHECK(same(fg_grads_norm(&arena, N, params), plain_pow(sum, 0.5)));
    fg_at(arena.nodes, params[0])->flags |= FG_GRAD_INT;
    fg_grads_scale(&arena, N, params, 0.3);
    for (int i = 0; i < N; i++) {
        CHECK(same(fg_at(arena.nodes, params[i])->grad, grad[i] * 0.3));
        CHECK(!(fg_at(arena.nodes, params[i])->flags & FG_GRAD_INT));
    }
    static const double unclamped[] = {5.0, -5.0, 2.0, -0.0, INFINITY, NAN};
    static const double clamped[] = {2.0, -2.0, 2.0, -0.0, 2.0, NAN};
    for (int i = 0; i < 6; i++)
        fg_at(arena.nodes, params[i])->grad = unclamped[i];
    fg_grads_clamp(&arena, 6, params, 2.0);
    for (int i = 0; i < 6; i++)
        CHECK(same(fg_at(arena.nodes, params[i])->grad, clamped[i]));
    for (int i = 0; i < 6; i++)
        fg_at(arena.nodes, params[i])->grad = 0.0;
    fg_at(arena.nodes, params[3])->grad = 1e200;
    CHECK(isinf(fg_grads_norm(&arena, N, params)));
    fg_grads_zero(&arena, N, params);
    for (int i = 0; i < N; i++)
        CHECK(same(fg_at(arena.nodes, params[i])->grad, 0.0) && fg_at(arena.nodes, params[i])->flags & FG_GRAD_INT);
    CHECK(same(fg_grads_norm(&arena, N, params), 0.0));
}

int main(void)
{
    test_powers();
    test_what_is_near_half();
    fg_arena_init(&arena, NULL);
    for (int i = 0; i < N; i++)
        params[i] = leaf(&arena, 0.0);
    for (int amsgrad = 0; amsgrad < 2; amsgrad++)
        for (int maximize = 0; maximize < 2; maximize++) {
            test_adam(0.0, false, amsgrad, maximize);
            test_adam(0.1, false, amsgrad, maximize);
            test_adam(0.1, true, amsgrad, maximize);
        }
    for (int maximize = 0; maximize < 2; maximize++) {
        test_sgd(0.0, 0.0, 0.0, false, maximize);
        test_sgd(0.9, 0.0, 0.0, false, maximize);
        test_sgd(0.9, 0.0, 0.01, true, maximize);
        test_sgd(0.9, 0.3, 0.01, false, maximize);
        for (int centered = 0; centered < 2; centered++) {
            test_rmsprop(0.0, 0.0, centered, maximize);
            test_rmsprop(0.1, 0.9, centered, maximize);
        }
    }
    test_where_python_may_raise();
    test_grads();
    fg_arena_clear(&arena);
    puts("optim: passed");
    return 0;
}
