/* The functions of one operand: value and derivative, as Python's math module computes them.
 *
 * A function may be outside its domain, or overflow. Then Python has to say what happens: mostly it raises. So each of
 * these tells whether it is sure of its value. If it isn't, the face calls Python's own function.
 */
#ifndef FG_FUNCTIONS_H
#define FG_FUNCTIONS_H

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>

#include "arena.h"

#ifndef M_PI
#define M_PI 3.14159265358979323846
#endif

/* The value y of a function (an fg_op from FG_EXP on, but neither FG_RELU nor FG_ABS) and its derivative. False if y
 * isn't surely what Python's function returns. */
static inline bool fg_function(uint8_t op, double x, double *y, double *slope)
{
    double e;
    switch (op) {
    case FG_EXP:
        *y = *slope = exp(x);
        return *y < INFINITY;
    case FG_LOG:
        *y = log(x);
        *slope = 1.0 / x;
        return x > 0.0 && x < INFINITY;
    case FG_TANH:
        *y = tanh(x);
        *slope = 1.0 - *y * *y;
        return true;
    case FG_SIGMOID: /* 1 / (1 + exp(-x)), from the side that can't overflow */
        e = exp(-fabs(x));
        *y = x >= 0.0 ? 1.0 / (1.0 + e) : e / (1.0 + e);
        *slope = *y * (1.0 - *y);
        return true;
    case FG_SQRT:
        *y = sqrt(x);
        *slope = 0.5 / *y;
        return x > 0.0;
    case FG_SIN:
        *y = sin(x);
        *slope = cos(x);
        return isfinite(x);
    case FG_COS:
        *y = cos(x);
        *slope = -sin(x);
        return isfinite(x);
    case FG_SINH:
        *y = sinh(x);
        *slope = cosh(x);
        return isfinite(*y) && isfinite(*slope);
    case FG_COSH:
        *y = cosh(x);
        *slope = sinh(x);
        return isfinite(*y) && isfinite(*slope);
    case FG_LOG1P:
        *y = log1p(x);
        *slope = 1.0 / (1.0 + x);
        return x > -1.0 && x < INFINITY;
    case FG_EXPM1:
        *y = expm1(x);
        *slope = exp(x);
        return isfinite(*y) && isfinite(*slope);
    case FG_ERF:
        *y = erf(x);
        *slope = 2.0 / sqrt(M_PI) * exp(-x * x);
        return true;
    case FG_ATAN:
        *y = atan(x);
        *slope = 1.0 / (1.0 + x * x);
        return true;
    default:
        *y = *slope = NAN;
        return false;
    }
}

/* max(0, x). Sets *is_int if that is the int 0. In micrograd, -0.0 and nan stay as they are. */
static inline double fg_relu(double x, bool *is_int, bool is_micrograds)
{
    if (x > 0.0 || (is_micrograds && !(x < 0.0)))
        return x;
    *is_int = true;
    return 0.0;
}

/* x ** n of floats, where Python computes it with the C library's pow and doesn't raise. False elsewhere. Of a result
 * that is nearly 0 the library may say that it's out of range: then Python raises, unless it's 0. After some thousand
 * steps Adam's powers of its betas are such numbers. A compiler that knows the exponent makes 1 / x of pow(x, -1): that
 * has another last bit for one number in a thousand. */
static inline bool fg_power(double x, double n, double *y)
{
    const volatile double exponent = n;
    if (!isfinite(n) || x == 0.0 || !(x > 0.0 || n == floor(n)))
        return false;
    errno = 0;
    *y = pow(fabs(x), exponent);
    if (x < 0.0 && fmod(n, 2.0) != 0.0)
        *y = -*y;
    return fabs(*y) < INFINITY && (errno == 0 || *y == 0.0);
}

#endif
