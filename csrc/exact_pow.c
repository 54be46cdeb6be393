/* Squares and roots of many numbers. exact_pow.h says what they are, and when they are sure.
 *
 * A processor with fused multiply-add tells the distance from halfway in one instruction: x * x - y, rounded once,
 * is what rounding has cut off y = x * x, since that difference is a double. So four numbers are tested at once, by a
 * dozen instructions where the integer test takes 20 for each. Whether the processor has it is asked when numbers come,
 * so the build is for any. (Elsewhere in the core no two roundings become one: -ffp-contract=off.) */
#include "exact_pow.h"

#include <float.h>

#include "fours.h"

/* x ** 2 of a number that the vectors aren't sure of. */
static inline bool square_of(double x, double *y)
{
    *y = fg_square(x);
    return x == 0.0 || (*y >= DBL_MIN && *y < INFINITY);
}

static inline bool root_of(double x, double *y)
{
    *y = fg_root(x);
    return x >= 0.0 && x < INFINITY;
}

#if FG_POW_IS_NEARLY_EXACT && FG_FOURS
#include <immintrin.h>

#define FG_WITH_FMA __attribute__((target("avx2,fma")))

static bool has_fma(void)
{
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}

FG_WITH_FMA static inline __m256d magnitude_of(__m256d x)
{
    return _mm256_andnot_pd(_mm256_set1_pd(-0.0), x);
}

/* 2**e of numbers from 2**e to 2**(e + 1): their exponents without mantissas. */
FG_WITH_FMA static inline __m256d power_below(__m256d x)
{
    return _mm256_and_pd(_mm256_set1_pd(INFINITY), x);
}

/* Which numbers aren't from `least` to `most`. */
FG_WITH_FMA static inline __m256d are_beyond(__m256d x, double least, double most)
{
    return _mm256_or_pd(_mm256_cmp_pd(x, _mm256_set1_pd(least), _CMP_NGE_UQ),
                        _mm256_cmp_pd(x, _mm256_set1_pd(most), _CMP_NLT_UQ));
}

/* Squares of the first numbers, as many as come in fours. Returns how many. A square that is a power of 2 isn't sure:
 * the doubles below it lie closer. */
FG_WITH_FMA static size_t squares_in_fours(const double *x, size_t n, double *y, bool *are_normal)
{
    size_t i = 0;
    for (; i + 4 <= n; i += 4) {
        const __m256d numbers = _mm256_loadu_pd(x + i), squares = _mm256_mul_pd(numbers, numbers);
        const __m256d rest = magnitude_of(_mm256_fmsub_pd(numbers, numbers, squares)), below = power_below(squares);
        const __m256d from = _mm256_mul_pd(below, _mm256_set1_pd(0x1p-53 * 31 / 32));
        __m256d unsure = _mm256_cmp_pd(rest, from, _CMP_NLT_UQ);
        unsure = _mm256_or_pd(unsure, _mm256_cmp_pd(squares, below, _CMP_EQ_OQ));
        unsure = _mm256_or_pd(unsure, are_beyond(squares, 0x1p-128, 0x1p128));
        unsure = _mm256_and_pd(unsure, _mm256_cmp_pd(numbers, _mm256_setzero_pd(), _CMP_NEQ_UQ));
        _mm256_storeu_pd(y + i, squares);
        for (int which = _mm256_movemask_pd(unsure); which != 0; which &= which - 1) {
            const size_t k = i + (size_t)__builtin_ctz((unsigned)which);
            *are_normal &= square_of(x[k], &y[k]);
        }
    }
    return i;
}

/* The same of roots. */
FG_WITH_FMA static size_t roots_in_fours(const double *x, size_t n, double *y, bool *are_normal)
{
    size_t i = 0;
    for (; i + 4 <= n; i += 4) {
        const __m256d numbers = _mm256_loadu_pd(x + i), roots = _mm256_sqrt_pd(numbers);
        const __m256d rest = magnitude_of(_mm256_fnmadd_pd(roots, roots, numbers)), below = power_below(roots);
        const __m256d from = _mm256_mul_pd(_mm256_mul_pd(roots, below), _mm256_set1_pd(0x1p-52 * 31 / 32));
        __m256d unsure = _mm256_cmp_pd(rest, from, _CMP_NLT_UQ);
        unsure = _mm256_or_pd(unsure, _mm256_cmp_pd(roots, below, _CMP_EQ_OQ));
        unsure = _mm256_or_pd(unsure, are_beyond(numbers, 0x1p-256, 0x1p256));
        unsure = _mm256_and_pd(unsure, _mm256_cmp_pd(numbers, _mm256_setzero_pd(), _CMP_NEQ_UQ));
        _mm256_storeu_pd(y + i, magnitude_of(roots));
        for (int which = _mm256_movemask_pd(unsure); which != 0; which &= which - 1) {
            const size_t k = i + (size_t)__builtin_ctz((unsigned)which);
            *are_normal &= root_of(x[k], &y[k]);
        }
    }
    return i;
}

#else

static bool has_fma(void)
{
    return false;
}

static size_t squares_in_fours(const double *x, size_t n, double *y, bool *are_normal)
{
    (void)x, (void)n, (void)y, (void)are_normal;
    return 0;
}

static size_t roots_in_fours(const double *x, size_t n, double *y, bool *are_normal)
{
    return squares_in_fours(x, n, y, are_normal);
}

#endif

bool fg_squares(const double *x, size_t n, double *y)
{
    bool are_normal = true;
    for (size_t i = has_fma() ? squares_in_fours(x, n, y, &are_normal) : 0; i < n; i++)
        are_normal &= square_of(x[i], &y[i]);
    return are_normal;
}

bool fg_roots(const double *x, size_t n, double *y)
{
    bool are_normal = true;
    for (size_t i = has_fma() ? roots_in_fours(x, n, y, &are_normal) : 0; i < n; i++)
        are_normal &= root_of(x[i], &y[i]);
    return are_normal;
}
