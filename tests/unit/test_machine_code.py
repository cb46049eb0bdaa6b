"""Pieces of machine code by themselves: vectors, loops, products, sums, gathering, loss."""

import numpy as np
import pytest
from samples.pieces import run

from few_weights.engine.gather import write_gather
from few_weights.engine.layouts import Features
from few_weights.engine.loss import write_loss
from few_weights.engine.machine_code import LANES, Program, constant
from few_weights.engine.products import (
    Depth,
    Matrix,
    write_dots,
    write_gradient_sums,
    write_product,
    write_sums,
)

RNG = np.random.default_rng(0)


def normal(*shape):
    return RNG.normal(size=shape).astype(np.float32)


@pytest.mark.parametrize("count", range(1, LANES + 1))
def test_lane_sums_are_the_sums_of_each_vector(count):
    vectors, sums = normal(count, LANES), np.ones(LANES, np.float32)

    def write(code, source, target):
        code.store(code.lane_sums([code.load(source, LANES * n) for n in range(count)]), target, 0)

    run(write, vectors, sums)
    np.testing.assert_allclose(sums[:count], vectors.sum(1, dtype=np.float64), rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(sums[count:], 0)


def test_lane_sums_do_not_depend_on_the_other_vectors():
    """The bits of a sum are the same wherever its vector stands."""
    vectors, sums = normal(LANES, LANES), np.zeros((2, LANES), np.float32)

    def write(code, source, target):
        loaded = [code.load(source, LANES * n) for n in range(LANES)]
        code.store(code.lane_sums(loaded), target, 0)
        code.store(code.lane_sums(loaded[::-1]), target, LANES)

    run(write, vectors, sums)
    np.testing.assert_array_equal(sums[0], sums[1, ::-1])


def test_transposition_makes_rows_of_columns():
    square, result = np.arange(64, dtype=np.float32).reshape(8, 8), np.zeros((8, 8), np.float32)

    def write(code, source, target):
        for number, vector in enumerate(code.transpose([code.load(source, LANES * n) for n in range(LANES)])):
            code.store(vector, target, LANES * number)

    run(write, square, result)
    np.testing.assert_array_equal(result, square.T)


@pytest.mark.parametrize("lanes", range(LANES + 1))
def test_a_masked_store_writes_the_first_lanes_only(lanes):
    """The last number of the array is also the last of its memory."""
    memory = np.full(3 + lanes, -1, np.float32)
    run(lambda code, target: code.store(constant(5.0), target, 2, lanes), memory)
    np.testing.assert_array_equal(memory, [-1, -1, *[5] * lanes, -1])


@pytest.mark.parametrize("count", [-1, 0, 1, 5, 7, 8, 9, 2**40])
def test_a_mask_of_lanes_below_a_number(count):
    result = np.zeros(LANES, np.float32)

    def write(code, number, target):
        code.store(code.builder.select(code.lanes_below(number), constant(1.0), constant(0.0)), target, 0)

    run(write, result, numbers=[count])
    np.testing.assert_array_equal(result, np.arange(LANES) < count)


def test_one_lane_is_added_to_one_number():
    vector, memory = normal(LANES), np.ones(5, np.float32)
    run(lambda code, source, target: code.add_lane(code.load(source, 0), 6, target, 3), vector, memory)
    np.testing.assert_array_equal(memory, [1, 1, 1, 1 + vector[6], 1])


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("total", [0, 1, 4, 5, 11, 12])
def test_loops_and_their_parts_run_as_often_as_they_should(total, known):
    """The number of parts of each length, for totals that are known when the code is written or not."""
    counts = np.zeros(8, np.float32)
    seen = np.zeros(16, np.float32)

    def write(code, number, counts_pointer, seen_pointer):
        def count(index, pointer):
            address = code.at(pointer, index)
            total = code.builder.fadd(code.builder.load(address), code.lane(constant(1.0), 0))
            code.builder.store(total, address)

        for first, length in code.parts(total if known else number, 4):
            count(length, counts_pointer)
            for item in range(length):
                count(code.add(first, item), seen_pointer)

    run(write, counts, seen, numbers=[total])
    np.testing.assert_array_equal(seen, np.arange(16) < total)
    rest = {total % 4: 1} if known else {1: total % 4}
    expected = {4: total // 4} | {length: n for length, n in rest.items() if length and n}
    np.testing.assert_array_equal(counts, [expected.get(length, 0) for length in range(8)])


def test_numbers_are_added_and_divided_as_in_python():
    result = np.zeros(6, np.int32)

    def write(code, a, b, target):
        from few_weights.engine.machine_code import INTEGER

        quotient, remainder = code.divide(a, 7)
        values = [code.add(a, b, -3, 5), code.multiply(a, -6), code.subtract(a, 100), quotient, remainder]
        values.append(code.smaller(a, 40))
        integers = code.builder.bitcast(target, INTEGER.as_pointer())
        for number, value in enumerate(values):
            code.builder.store(code.builder.trunc(value, INTEGER), code.at(integers, number))

    run(write, result, numbers=[61, -4])
    np.testing.assert_array_equal(result, [59, -366, -39, 8, 5, 40])


def test_a_function_must_be_invoked_with_all_its_arguments():
    program = Program()
    inner = program.define("inner", ["values"], ["count"])
    inner.finish()
    outer = program.define("outer", ["values"])
    with pytest.raises(ValueError, match="inner takes count, values, not values"):
        outer.invoke(inner, values=outer.named["values"])


SHAPES = [(1, 1, 1), (2, 3, 5), (7, 4, 12), (13, 9, 8), (5, 2, 17)]


@pytest.mark.parametrize(("rows", "depth", "columns"), SHAPES)
def test_products_and_sums_over_lanes_of_any_size(rows, depth, columns):
    weights, left, right = normal(rows, depth), normal(rows, depth, LANES), normal(depth, columns, LANES)
    product = np.zeros((rows, columns, LANES), np.float32)
    sums = np.ones(rows * columns + LANES, np.float32)

    def write(code, *pointers):
        at = [
            Matrix(pointer, 0, down, across)
            for pointer, down, across in zip(
                pointers,
                (depth, depth * LANES, columns * LANES, columns * LANES, columns),
                (1, LANES, LANES, LANES, 1),
                strict=True,
            )
        ]
        write_product(code, at[0], at[2], at[3], (rows, depth, columns))
        write_dots(code, at[1], at[2], at[4], (rows, depth, columns), add=True)

    run(write, weights, left, right, product, sums)
    np.testing.assert_allclose(product, np.tensordot(weights, right, 1), rtol=1e-5, atol=1e-6)
    expected = 1 + np.einsum("rdl,dcl->rc", left, right)
    np.testing.assert_allclose(sums[: rows * columns].reshape(rows, columns), expected, rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(sums[rows * columns :], 1)


#: Rows, columns, and how often each of the loops of a sum runs.
SUMS = [
    (1, 1, (1,)),
    (3, 5, (2, 3)),
    (13, 7, (1, 4, 2)),
    (8, 12, (3, 1, 5)),
    (9, 25, (2,)),
    (17, 1, (2, 2)),
    (2, 3, ()),
]


@pytest.mark.parametrize("start", ["zero", "a number of each row", "what is there"])
@pytest.mark.parametrize(("rows", "columns", "times"), SUMS)
def test_sums_of_weights_times_vectors_are_those_of_numpy(rows, columns, times, start):
    """Over several depths, with a vector of the result beyond the last that must stay."""
    depth = int(np.prod(times))
    weights, activations = normal(depth, rows), normal(depth, columns, LANES)
    starts, result = normal(rows), normal(rows * columns + 1, LANES)
    before = result.copy()

    def write(code, weights_at, activations_at, starts_at, result_at):
        steps = [int(np.prod(times[number + 1 :])) for number in range(len(times))]
        begin = {
            "zero": lambda row: constant(0.0),
            "a number of each row": lambda row: code.load_broadcast(starts_at, row),
            "what is there": None,
        }[start]
        write_sums(
            code,
            Matrix(weights_at, 0, 1, 0),
            Matrix(activations_at, 0, 0, LANES),
            Matrix(result_at, 0, columns * LANES, LANES),
            (rows, columns),
            [Depth(n, s * rows, s * columns * LANES) for n, s in zip(times, steps, strict=True)],
            begin,
        )

    run(write, weights, activations, starts, result)
    expected = np.einsum("dr,dcl->rcl", weights.astype(np.float64), activations)
    if start == "a number of each row":
        expected += starts[:, None, None]
    if start == "what is there":
        expected += before[:-1].reshape(expected.shape)
    np.testing.assert_allclose(result[:-1].reshape(expected.shape), expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(result[-1], before[-1])


@pytest.mark.parametrize(("rows", "columns", "times"), SUMS)
def test_sums_over_lanes_are_those_of_numpy(rows, columns, times):
    """They are added to what is there, and nothing is written beyond."""
    depth = int(np.prod(times))
    left, right = normal(depth, rows, LANES), normal(depth, columns, LANES)
    result = np.ones(rows * columns + LANES, np.float32)

    def write(code, left_at, right_at, result_at):
        steps = [int(np.prod(times[number + 1 :])) for number in range(len(times))]
        write_gradient_sums(
            code,
            Matrix(left_at, 0, LANES, 0),
            Matrix(right_at, 0, 0, LANES),
            Matrix(result_at, 0, columns, 1),
            (rows, columns),
            [Depth(n, s * rows * LANES, s * columns * LANES) for n, s in zip(times, steps, strict=True)],
        )

    run(write, left, right, result)
    expected = 1 + np.einsum("drl,dcl->rc", left.astype(np.float64), right)
    np.testing.assert_allclose(
        result[: rows * columns].reshape(rows, columns), expected, rtol=1e-4, atol=1e-4
    )
    np.testing.assert_array_equal(result[rows * columns :], 1)


@pytest.mark.parametrize("count", [1, 5, 8, 9, 16, 23])
@pytest.mark.parametrize(("rows", "columns"), [(1, 8), (3, 11), (2, 24), (1, 100)])
@pytest.mark.parametrize("pixels", [False, True])
def test_images_are_gathered_into_lanes(rows, columns, count, pixels):
    """Lanes without an image repeat the last one; the space between rows and groups stays."""
    data, labels = normal(30, rows, columns), np.arange(30, dtype=np.float32)
    if pixels:
        data = np.resize(np.arange(256, dtype=np.uint8), data.shape)
    order = np.random.default_rng(count).permutation(30).astype(np.int32)[:count]
    groups = -(-count // LANES)
    height, width, first = rows + 2, columns + 3, columns + 4
    images = np.full((groups, height * width, LANES), -7, np.float32)
    image_labels = np.full(groups * LANES + 1, -7, np.float32)
    target = Features(rows, columns, first * LANES, width * LANES, height * width * LANES)
    program = Program()
    write_gather(program, "gather", target, pixels)
    program.compile("gather")["gather"](
        count, *(array.ctypes.data for array in (data, labels, order, images, image_labels))
    )
    lanes = order[np.minimum(np.arange(groups * LANES), count - 1)]
    if pixels:
        data = data / np.float32(255)
    expected = np.full_like(images, -7)
    for row in range(rows):
        begin = first + row * width
        expected[:, begin : begin + columns] = np.moveaxis(
            data[lanes, row].reshape(groups, LANES, columns), 1, 2
        )
    np.testing.assert_array_equal(images, expected)
    np.testing.assert_array_equal(image_labels, [*labels[lanes], -7])


def losses_of(logits, labels, batch=None):
    """Run the loss of images (images, classes): losses, predictions, gradient of the logits."""
    count, classes = logits.shape
    groups = -(-count // LANES)
    lanes = np.minimum(np.arange(groups * LANES), count - 1)
    layout = Features(1, classes, 0, 0, classes * LANES)
    values = np.ascontiguousarray(
        np.moveaxis(np.float32(logits)[lanes].reshape(groups, LANES, classes), 1, 2)
    )
    gradient = np.full_like(values, np.nan)
    losses, predictions = np.zeros((2, groups * LANES), np.float32)
    program = Program()
    write_loss(program, "loss", layout)
    arrays = values, np.float32(labels)[lanes], gradient, losses, predictions
    program.compile("loss")["loss"](count, batch or count, *(array.ctypes.data for array in arrays))
    gradient = np.moveaxis(gradient, 2, 1).reshape(-1, classes)
    np.testing.assert_array_equal(gradient[count:], 0)  # lanes without an image have no gradient
    return losses[:count], predictions[:count], gradient[:count]


def test_losses_and_their_gradients_are_those_of_numpy():
    logits, labels = 4 * normal(21, 7), RNG.integers(0, 7, 21)
    losses, predictions, gradient = losses_of(logits, labels, batch=40)
    exact = logits.astype(np.float64)
    powers = np.exp(exact - exact.max(1, keepdims=True))
    shares = powers / powers.sum(1, keepdims=True)
    np.testing.assert_allclose(losses, -np.log(shares[np.arange(21), labels]), rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(predictions, logits.argmax(1))
    np.testing.assert_allclose(gradient, (shares - np.eye(7)[labels]) / 40, rtol=1e-5, atol=1e-8)


def test_of_equal_logits_the_first_class_is_predicted():
    logits = np.array([[0, 0, 0], [1, 2, 2], [3, 1, 3], [-np.inf, -np.inf, 0], [0.0, -0.0, 0.0]])
    losses, predictions, gradient = losses_of(logits, np.zeros(5))
    np.testing.assert_array_equal(predictions, [0, 1, 0, 2, 0])
    np.testing.assert_allclose(losses[[0, 4]], np.log(3), rtol=1e-6)
    np.testing.assert_allclose(gradient[0], np.array([-2, 1, 1]) / 3 / 5, rtol=1e-6)


def test_large_logits_do_not_overflow():
    """Their differences count; a class that is out of reach has a probability of 0 and a loss in full."""
    logits = np.array([[3e38, 0, 0], [1e4, 9e3, 0], [-3e38, -3e38, -3e38], [500, 600, 0]])
    losses, predictions, gradient = losses_of(logits, [0, 1, 2, 0])
    np.testing.assert_array_equal(predictions, [0, 0, 0, 1])
    np.testing.assert_allclose(losses, [0, 1e3, np.log(3), 100], rtol=1e-6)
    np.testing.assert_allclose(gradient[1], [0.25, -0.25, 0], atol=1e-30)
    assert np.all(np.isfinite(gradient))


def test_a_diverged_network_has_no_number_for_a_loss():
    logits = np.array([[np.nan, 0], [0, np.nan], [np.inf, 0], [1, 0]])
    losses, _, gradient = losses_of(logits, [0, 0, 1, 0])
    assert np.all(~np.isfinite(losses[:3])) and np.isfinite(losses[3])
    assert np.all(np.isnan(gradient[0])) and np.all(np.isfinite(gradient[3]))


def test_numbers_below_the_smallest_normal_one_are_zero_within_and_not_after():
    """As in TensorFlow. The setting of the processor is restored."""
    memory = np.array([1e-38] * 8 + [0.0] * 8, np.float32)

    def write(code, pointer):
        with code.without_denormals():
            code.store(code.scale(0.1, code.load(pointer, 0)), pointer, 8)

    run(write, memory)
    np.testing.assert_array_equal(memory[8:], 0)
    assert np.float32(memory[0]) * np.float32(0.1) > 0
