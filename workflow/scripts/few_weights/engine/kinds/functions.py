"""Functions of numbers in machine code, without the C library, whose last bit differs between versions.

Each is accurate to a few units in the last place of float32.
"""

import math

from llvmlite import ir

from few_weights.engine.machine_code import INTEGERS, LANES, VECTOR, Code, constant

#: erf(x) is x P(x²) / Q(x²) up to here, and 1 in float32 from here on.
ERF_END = 3.925
#: P and then Q without its first coefficient, 1: a least-squares fit of the relative error, which is 2e-8.
ERF = [
    1.12837915,
    0.190573655,
    0.0527666985,
    0.00377171536,
    0.000284829194,
    2.04622991e-06,
    0.502224238,
    0.114174469,
    0.0149815085,
    0.00116366462,
    3.80491494e-05,
]

#: The derivative of GELU is 1/2 + x P(x²) / Q(x²) up to here in both directions, then 0 or 1 in float32.
GELU_END = 5.9
#: P and Q: a least-squares fit, off by 4e-9 at most.
GELU_SLOPE = (
    [
        0.797884524,
        -0.0205670223,
        0.0136699574,
        0.000239484914,
        3.2042426e-05,
        1.00114562e-06,
        1.2209715e-08,
        -2.8363964e-11,
    ],
    [
        1.0,
        0.307556003,
        0.0446525328,
        0.00402089069,
        0.000247280375,
        1.02229506e-05,
        3.31159299e-07,
    ],
)


#: The larger part of log 2: it has so few digits that its products with exponents are exact.
LOG_2_HIGH = 0.693359375


def exp(code: Code, x: ir.Value) -> ir.Value:
    """e to the power of x, from -87 up to 88; outside, the value at these ends."""
    builder = code.builder
    x = bounded(code, x, -87.0, 88.0)
    # x = n log 2 + r, with the logarithm in two parts, so that r is exact.
    whole = code.elementwise("floor", code.multiply_add(1 / math.log(2), x, constant(0.5)))
    rest = code.multiply_add(-LOG_2_HIGH, whole, x)
    rest = code.multiply_add(LOG_2_HIGH - math.log(2), whole, rest)
    power = polynomial(code, rest, [1 / math.factorial(number) for number in range(8)])
    exponent = builder.fptosi(whole, INTEGERS)
    bits = builder.shl(
        builder.add(exponent, ir.Constant(INTEGERS, [127] * LANES)), ir.Constant(INTEGERS, [23] * LANES)
    )
    return builder.fmul(power, builder.bitcast(bits, VECTOR))


def log(code: Code, x: ir.Value) -> ir.Value:
    """The natural logarithm of normal positive numbers; infinity and not a number stay."""
    builder = code.builder
    # x = m 2 to the n, with m between the roots of 1/2 and 2: log x = n log 2 + 2 artanh((m - 1) / (m + 1)).
    bits = builder.bitcast(x, INTEGERS)
    root = ir.Constant(INTEGERS, [0x3F3504F3] * LANES)  # the root of 1/2
    shift = ir.Constant(INTEGERS, [23] * LANES)
    whole = builder.ashr(builder.sub(bits, root), shift)
    fraction = builder.bitcast(builder.sub(bits, builder.shl(whole, shift)), VECTOR)
    ratio = builder.fdiv(builder.fsub(fraction, constant(1.0)), builder.fadd(fraction, constant(1.0)))
    square = builder.fmul(ratio, ratio)
    # artanh(ratio) / ratio - 1, of its Taylor series; the next term is below 1e-8.
    series = builder.fmul(square, polynomial(code, square, [1 / 3, 1 / 5, 1 / 7, 1 / 9]))
    double, exponent = code.scale(2.0, ratio), builder.sitofp(whole, VECTOR)
    small = code.multiply_add(math.log(2) - LOG_2_HIGH, exponent, builder.fmul(double, series))
    result = code.multiply_add(LOG_2_HIGH, exponent, builder.fadd(double, small))
    is_finite = builder.fcmp_ordered("<", x, constant(math.inf))
    return builder.select(is_finite, result, x)


def erf(code: Code, x: ir.Value) -> ir.Value:
    """The error function."""
    far = code.builder.fcmp_ordered(">=", code.elementwise("fabs", x), constant(ERF_END))
    x = bounded(code, x, -ERF_END, ERF_END)
    square = code.builder.fmul(x, x)
    upper = polynomial(code, square, ERF[:6])
    lower = polynomial(code, square, [1.0, *ERF[6:]])
    ratio = code.builder.fdiv(code.builder.fmul(x, upper), lower)
    # Exactly 1 at the ends: GELU multiplies the distance from it by x, however large.
    end = code.elementwise("copysign", constant(1.0), x)
    return code.builder.select(far, end, ratio)


def gelu_slope(code: Code, x: ir.Value) -> ir.Value:
    """The derivative of x times the cumulative normal distribution, in one fraction: without erf and exp."""
    far = code.builder.fcmp_ordered(">=", code.elementwise("fabs", x), constant(GELU_END))
    inside = bounded(code, x, -GELU_END, GELU_END)
    square = code.builder.fmul(inside, inside)
    upper, lower = (polynomial(code, square, coefficients) for coefficients in GELU_SLOPE)
    odd = code.builder.fdiv(code.builder.fmul(inside, upper), lower)
    end = code.elementwise("copysign", constant(0.5), x)
    return code.builder.fadd(constant(0.5), code.builder.select(far, end, odd))


def sigmoid(code: Code, x: ir.Value) -> ir.Value:
    """1 / (1 + exp(-x))."""
    power = exp(code, code.builder.fneg(x))
    return code.builder.fdiv(constant(1.0), code.builder.fadd(constant(1.0), power))


def tanh(code: Code, x: ir.Value) -> ir.Value:
    """The hyperbolic tangent: by a series near 0, where the difference of exponentials would lose digits."""
    builder = code.builder
    square = builder.fmul(x, x)
    # Of Lambert's continued fraction, up to 0.625 to 1e-8.
    upper = polynomial(code, square, [135135.0, 17325.0, 378.0, 1.0])
    lower = polynomial(code, square, [135135.0, 62370.0, 3150.0, 28.0])
    near = builder.fdiv(builder.fmul(x, upper), lower)
    power = exp(code, code.scale(2.0, x))
    far = builder.fsub(constant(1.0), builder.fdiv(constant(2.0), builder.fadd(power, constant(1.0))))
    small = builder.fcmp_ordered("<", square, constant(0.625**2))
    return builder.select(small, near, far)


def polynomial(code: Code, x: ir.Value, coefficients: list[float]) -> ir.Value:
    """The sum of coefficient times power, the constant first, by Horner's rule."""
    total = constant(coefficients[-1])
    for coefficient in coefficients[-2::-1]:
        total = code.multiply_add(total, x, constant(coefficient))
    return total


def bounded(code: Code, x: ir.Value, low: float, high: float) -> ir.Value:
    """x, or the bound that it lies beyond; not a number stays."""
    builder = code.builder
    x = builder.select(builder.fcmp_ordered("<", x, constant(low)), constant(low), x)
    return builder.select(builder.fcmp_ordered(">", x, constant(high)), constant(high), x)
