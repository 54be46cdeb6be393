/* Python's x ** 2 and x ** 0.5, to the bit, mostly without a call of pow.
 *
 * Python computes both with the C library's pow. That isn't rounded correctly, while x * x and sqrt(x) are: of 10**8
 * random numbers 85 thousand have another square by pow, and as many another root (glibc 2.36). But two calls of pow
 * take 17 ns, and all of Adam's step for a parameter is to take no more than 10.
 *
 * The two can only differ where the exact result is nearly halfway between two doubles. glibc's pow is off by at most
 * 0.511 + |log(result)| * 1.5 * 2**-15 units in the last place (sysdeps/ieee754/dbl-64/e_pow.c, since 2.28; before, it
 * was more exact). For results from 2**-128 to 2**128 that's less than 0.5 + 1/64. So where the exact result is 1/64 of
 * a unit or more from halfway, both give the double next to it. Integers tell that distance exactly. Only numbers whose
 * result is closer, one in 32, are left to pow. Other C libraries promise less, so there pow is always called.
 *
 * Compilers turn pow(x, 2.0) into x * x. They can't if the exponents are volatile.
 */
#ifndef FG_EXACT_POW_H
#define FG_EXACT_POW_H

#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef __GLIBC__
#define FG_POW_IS_NEARLY_EXACT 1
#else
#define FG_POW_IS_NEARLY_EXACT 0
#endif

static const volatile double fg_two = 2.0, fg_half = 0.5;

#define FG_HIDDEN_BIT (UINT64_C(1) << 52)

static inline uint64_t fg_bits(double x)
{
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

/* A normal number is its mantissa, an integer from 2**52 to 2**53, times 2**(exponent - 1075). */

static inline uint64_t fg_mantissa(uint64_t bits)
{
    return (bits & (FG_HIDDEN_BIT - 1)) | FG_HIDDEN_BIT;
}

static inline int fg_exponent(uint64_t bits)
{
    return (int)(bits >> 52 & 0x7ff);
}

static inline bool fg_exponent_is_within(uint64_t bits, int most)
{
    return (unsigned)(fg_exponent(bits) - 1023 + most) < 2u * (unsigned)most;
}

/* Whether pow(x, 2.0) is sure to be x * x. The square of the mantissa has 52 bits too many, or 53 if it's 2**105 or
 * more, which is so for mantissas above sqrt(2) * 2**52. These bits are the fraction of a unit in the last place that
 * rounding sees. They are among the low 64 bits. */
static inline bool fg_square_is_sure(double x)
{
    uint64_t bits = fg_bits(x), mantissa = fg_mantissa(bits);
    uint64_t fraction = mantissa * mantissa << (mantissa > UINT64_C(0x16a09e667f3bcc) ? 11 : 12);
    bool is_near_half = (fraction + (UINT64_C(1) << 58)) >> 59 == 16; /* 1/2 - 1/64 to 1/2 + 1/64 */
    return FG_POW_IS_NEARLY_EXACT && fg_exponent_is_within(bits, 64) && !is_near_half;
}

/* Whether pow(x, 0.5) is sure to be root, which is sqrt(x). A power of 4 scales x so that the root is an integer r, its
 * mantissa. Then x is r**2 + rest, and the exact root is r + rest / 2r. */
static inline bool fg_root_is_sure(double x, double root)
{
    uint64_t bits = fg_bits(x), root_bits = fg_bits(root), r = fg_mantissa(root_bits);
    int shift = fg_exponent(bits) + 1075 - 2 * fg_exponent(root_bits); /* 52 or 53 */
    uint64_t rest = (fg_mantissa(bits) << (shift & 63)) - r * r;
    bool is_near_half = (rest >> 63 ? 0 - rest : rest) >= r - r / 32;
    return FG_POW_IS_NEARLY_EXACT && x > 0.0 && fg_exponent_is_within(bits, 256) && !is_near_half;
}

/* x ** 2 of a float. */
static inline double fg_square(double x)
{
    return x == 0.0 || fg_square_is_sure(x) ? x * x : pow(x, fg_two);
}

/* The derivative of tanh where it's y, as `1 - y ** 2`. With y * y some have another last bit. */
static inline double fg_tanh_slope_by_power(double y)
{
    return 1.0 - fg_square(y);
}

/* x ** 0.5 of a float that isn't negative. */
static inline double fg_root(double x)
{
    double root = sqrt(x);
    return x == 0.0 || fg_root_is_sure(x, root) ? fabs(root) : pow(x, fg_half);
}

/* The same of n numbers: y[i] = x[i] ** 2, or ** 0.5. False if Python raises for one of them, or might: if some square
 * isn't a normal number, but for that of 0; if some root isn't of a finite number that isn't negative. Then all results
 * are there too, those of C's pow. x and y mustn't overlap. */
bool fg_squares(const double *x, size_t n, double *y);
bool fg_roots(const double *x, size_t n, double *y);

#endif
