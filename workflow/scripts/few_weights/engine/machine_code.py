"""Generates machine code for this processor: loops over vectors, written from Python and compiled by LLVM.

A `Program` holds functions. Each is a `Code`, whose methods append instructions. A `for` loop in Python is
unrolled; `Code.loop` creates a loop in the machine code.
"""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import TypeAlias

import numpy as np
from llvmlite import binding, ir

from few_weights.engine.compilation import compile_functions

#: Numbers in a vector, as in AVX2. LLVM uses two registers for one where the processor's vectors are shorter.
LANES = 8

INDEX = ir.IntType(64)
INTEGER = ir.IntType(32)
BYTE = ir.IntType(8)
FLOAT = ir.FloatType()
VECTOR = ir.VectorType(FLOAT, LANES)
INTEGERS = ir.VectorType(INTEGER, LANES)
POINTER = FLOAT.as_pointer()

#: An integer that is known when the code is written, or one that the program computes.
Number: TypeAlias = "ir.Value | int"


def constant(value: float) -> ir.Constant:
    """A vector with one number in all lanes, rounded to float32 as LLVM requires."""
    return ir.Constant(VECTOR, [float(np.float32(value))] * LANES)


ZERO = constant(0.0)
NO_BITS = ir.Constant(INTEGERS, [0] * LANES)


class Program:
    """Functions that are compiled together and may call each other; `name` is for people."""

    def __init__(self, name: str = "program") -> None:
        self.name = name
        self.module = ir.Module()
        self.x86 = binding.get_default_triple().startswith("x86_64")

    def define(
        self, name: str, pointers: Sequence[str], numbers: Sequence[str] = (), may_overlap: bool = False
    ) -> "Code":
        """Add a function without a return value, whose arguments have names.

        Args:
            name: unique in the program.
            pointers: the names of its pointers to float32, which come last. No two may point to the same
                memory, unless the function only reads there.
            numbers: the names of the integers that it takes first.
            may_overlap: allow it.
        """
        kind = ir.FunctionType(ir.VoidType(), [INDEX] * len(numbers) + [POINTER] * len(pointers))
        function = ir.Function(self.module, kind, name)
        function.attributes.add("noinline")
        for argument_name, argument in zip((*numbers, *pointers), function.args, strict=True):
            argument.name = argument_name
        for argument in [] if may_overlap else function.args[len(numbers) :]:
            argument.add_attribute("noalias")
        return Code(self, function)

    def compile(self, *functions: str) -> dict[str, Callable[..., None]]:
        """Compile the program, and return these of its functions, as `compile_functions` does."""
        return compile_functions(str(self.module), self.name, functions)

    def intrinsic(self, name: str, result: ir.Type, arguments: Sequence[ir.Type]) -> ir.Function:
        """A function that LLVM provides."""
        known = self.module.globals.get(name)
        return known or ir.Function(self.module, ir.FunctionType(result, arguments), name)


class Code:
    """A function that is being written; `named` are its arguments by name."""

    def __init__(self, program: Program, function: ir.Function) -> None:
        self.program = program
        self.function = function
        self.named: dict[str, ir.Value] = {argument.name: argument for argument in function.args}
        # Variables are created in a separate first block, where LLVM looks for those to put into registers.
        self._variables = ir.IRBuilder(function.append_basic_block())
        self.builder = ir.IRBuilder(function.append_basic_block())
        self._begin = self.builder.block

    def finish(self) -> None:
        """End the function; nothing can be added after this."""
        self.builder.ret_void()
        self._variables.branch(self._begin)

    @contextlib.contextmanager
    def loop(self, stop: Number, step: int = 1, start: Number = 0) -> Iterator[Number]:
        """Repeat the code written in this context for start, start + step, ... below `stop`.

        Yields the counter. If the loop runs exactly once, no loop is written, and the counter is an int.
        """
        if isinstance(stop, int) and isinstance(start, int) and start < stop <= start + step:
            yield start
            return
        head, body, end = (self.function.append_basic_block() for _ in range(3))
        counter = self.variable(self.number(start))
        self.builder.branch(head)
        self.builder.position_at_end(head)
        index = self.get(counter)
        self.builder.cbranch(self.builder.icmp_signed("<", index, self.number(stop)), body, end)
        self.builder.position_at_end(body)
        yield index
        self.set(counter, self.add(index, step))
        self.builder.branch(head)
        self.builder.position_at_end(end)

    @contextlib.contextmanager
    def loops(self, *stops: Number) -> Iterator[tuple[Number, ...]]:
        """Loops in each other, each from 0 to its stop; gives the indices."""
        with contextlib.ExitStack() as stack:
            yield tuple(stack.enter_context(self.loop(stop)) for stop in stops)

    def parts(self, total: Number, size: int) -> Iterator[tuple[Number, int]]:
        """Repeat the code written for each yielded pair until `total` items are done, `size` at a time.

        The code is written twice: once for whole parts, once for the rest. The rest is a part by itself if
        its size is known; otherwise it is done one item at a time.

        Yields:
            The index of a part's first item, and how many items it has.
        """
        if isinstance(total, int):
            whole = total // size * size
            if whole:
                with self.loop(whole, size) as first:
                    yield first, size
            if whole < total:
                yield whole, total - whole
        else:
            whole = self.builder.sub(total, self.builder.urem(total, self.number(size)))
            with self.loop(whole, size) as first:
                yield first, size
            with self.loop(total, start=whole) as first:
                yield first, 1

    def call(self, code: "Code", *arguments: Number) -> None:
        """Call another function of the program."""
        self.builder.call(code.function, [self.number(argument) for argument in arguments])

    def invoke(self, code: "Code", **arguments: Number) -> None:
        """Call another function of the program with its arguments by name."""
        if set(arguments) != set(code.named):
            raise ValueError(
                f"{code.function.name} takes {', '.join(code.named)}, not {', '.join(arguments)}"
            )
        self.call(code, *(arguments[name] for name in code.named))

    # Integers and addresses

    def variable(self, value: ir.Value) -> ir.Value:
        """A new variable, to be read and written with `get` and `set`."""
        pointer = self._variables.alloca(value.type)
        self.builder.store(value, pointer)
        return pointer

    def get(self, variable: ir.Value) -> ir.Value:
        return self.builder.load(variable)

    def set(self, variable: ir.Value, value: ir.Value) -> None:
        self.builder.store(value, variable)

    def number(self, value: Number) -> ir.Value:
        return ir.Constant(INDEX, value) if isinstance(value, int) else value

    def add(self, *terms: Number) -> Number:
        known = sum(term for term in terms if isinstance(term, int))
        values = [term for term in terms if not isinstance(term, int)]
        if not values:
            return known
        total = values[0]
        for term in values[1:]:
            total = self.builder.add(total, term)
        return self.builder.add(total, self.number(known)) if known else total

    def subtract(self, value: ir.Value, other: Number) -> ir.Value:
        return self.builder.sub(value, self.number(other))

    def multiply(self, value: Number, factor: int) -> Number:
        if isinstance(value, int):
            return value * factor
        return self.builder.mul(value, self.number(factor))

    def divide(self, value: Number, divisor: int) -> tuple[Number, Number]:
        """Quotient and remainder of numbers that are not negative."""
        if isinstance(value, int):
            return divmod(value, divisor)
        return (
            self.builder.udiv(value, self.number(divisor)),
            self.builder.urem(value, self.number(divisor)),
        )

    def smaller(self, value: Number, other: Number) -> ir.Value:
        value, other = self.number(value), self.number(other)
        return self.builder.select(self.builder.icmp_signed("<", value, other), value, other)

    def at(self, pointer: ir.Value, offset: Number) -> ir.Value:
        return self.builder.gep(pointer, [self.number(offset)])

    def load_index(self, pointer: ir.Value, offset: Number) -> ir.Value:
        """The integer at `pointer[offset]` in an array of int32."""
        address = self.builder.bitcast(self.at(pointer, offset), INTEGER.as_pointer())
        return self.builder.sext(self.builder.load(address), INDEX)

    # Vectors

    def load(self, pointer: ir.Value, offset: Number, kind: ir.Type = VECTOR) -> ir.Value:
        """The vector that begins at `pointer[offset]`."""
        address = self.builder.bitcast(self.at(pointer, offset), kind.as_pointer())
        return self.builder.load(address, align=4)

    def load_pixels(self, pointer: ir.Value, offset: Number) -> ir.Value:
        """The bytes that begin at `pointer[offset]`, divided by 255: the same bits as by NumPy."""
        kind = ir.VectorType(BYTE, LANES)
        address = self.builder.bitcast(self.at(pointer, offset), kind.as_pointer())
        pixels = self.builder.uitofp(self.builder.load(address, align=1), VECTOR)
        return self.builder.fdiv(pixels, constant(255.0))

    def store(self, vector: ir.Value, pointer: ir.Value, offset: Number, lanes: int = LANES) -> None:
        """Write a vector, or its first lanes, to `pointer[offset]`."""
        address = self.builder.bitcast(self.at(pointer, offset), vector.type.as_pointer())
        if lanes == LANES:
            self.builder.store(vector, address, align=4)
            return
        bits = ir.VectorType(ir.IntType(1), LANES)
        mask = ir.Constant(bits, [lane < lanes for lane in range(LANES)])
        kinds = [VECTOR, address.type, INTEGER, bits]
        function = self.program.intrinsic(f"llvm.masked.store.v{LANES}f32.p0", ir.VoidType(), kinds)
        self.builder.call(function, [vector, address, ir.Constant(INTEGER, 4), mask])

    def lane(self, vector: ir.Value, lane: int) -> ir.Value:
        """One number of a vector."""
        return self.builder.extract_element(vector, ir.Constant(INTEGER, lane))

    def as_vector(self, number: Number) -> ir.Value:
        """A whole number as float32 in all lanes."""
        if isinstance(number, int):
            return constant(number)
        return self.broadcast(self.builder.sitofp(number, FLOAT))

    def lanes_below(self, count: ir.Value) -> ir.Value:
        """A mask of the first `count` lanes."""
        lanes = ir.Constant(ir.VectorType(INDEX, LANES), list(range(LANES)))
        return self.builder.icmp_signed("<", lanes, self.broadcast(count))

    def add_lane(self, vector: ir.Value, lane: int, pointer: ir.Value, offset: Number) -> None:
        """Add one lane of a vector to `pointer[offset]`."""
        number = self.builder.extract_element(vector, ir.Constant(INTEGER, lane))
        place = self.at(pointer, offset)
        self.builder.store(self.builder.fadd(self.builder.load(place), number), place)

    def load_broadcast(self, pointer: ir.Value, offset: Number) -> ir.Value:
        """A vector with `pointer[offset]` in all lanes."""
        return self.broadcast(self.builder.load(self.at(pointer, offset)))

    def broadcast(self, number: ir.Value) -> ir.Value:
        """A vector with a number in all lanes."""
        kind = ir.VectorType(number.type, LANES)
        unknown = ir.Constant(kind, ir.Undefined)
        vector = self.builder.insert_element(unknown, number, ir.Constant(INTEGER, 0))
        return self.builder.shuffle_vector(vector, unknown, ir.Constant(INTEGERS, [0] * LANES))

    def shuffle(self, one: ir.Value, other: ir.Value, lanes: Sequence[int]) -> ir.Value:
        """A vector of chosen lanes of two vectors; lanes of the second count from `LANES` on."""
        return self.builder.shuffle_vector(one, other, ir.Constant(INTEGERS, list(lanes)))

    def scale(self, factor: float, vector: ir.Value) -> ir.Value:
        return self.builder.fmul(constant(factor), vector)

    def weighted_sum(self, *terms: tuple[float, ir.Value]) -> ir.Value:
        """The sum of factor * vector over all terms."""
        total = self.scale(*terms[0])
        for factor, vector in terms[1:]:
            total = self.multiply_add(factor, vector, total)
        return total

    def multiply_add(self, factor: ir.Value | float, vector: ir.Value, other: ir.Value) -> ir.Value:
        """factor * vector + other, in one instruction where the processor has it."""
        factor = constant(factor) if isinstance(factor, float) else factor
        return self.elementwise("fmuladd", factor, vector, other)

    def elementwise(self, name: str, *vectors: ir.Value) -> ir.Value:
        """Apply an instruction that LLVM names to each lane: "sqrt", "floor", "fmuladd"."""
        function = self.program.intrinsic(f"llvm.{name}.v{LANES}f32", VECTOR, [VECTOR] * len(vectors))
        return self.builder.call(function, vectors)

    def maximum(self, one: ir.Value, other: ir.Value) -> ir.Value:
        """The larger value in each lane, or that of the second vector where one is NaN."""
        return self.builder.select(self.builder.fcmp_ordered(">", one, other), one, other)

    def where_positive(self, condition: ir.Value, value: ir.Value) -> ir.Value:
        """`value` in the lanes where `condition` is above 0 or NaN, 0 in the others."""
        return self.choose(self.builder.fcmp_unordered(">", condition, ZERO), value, ZERO)

    def choose(self, condition: ir.Value, one: ir.Value, other: ir.Value) -> ir.Value:
        """`one` in the lanes where the condition is true, `other` in the others: what `select` does.

        Where one of them comes from the place that the result goes to, LLVM turns `select` into a store of
        some lanes, which is slow on AMD's processors. Operations on bits it leaves alone.
        """
        mask = self.builder.sext(condition, INTEGERS)
        bits, others = (self.builder.bitcast(value, INTEGERS) for value in (one, other))
        differing = self.builder.and_(self.builder.xor(bits, others), mask)
        return self.builder.bitcast(self.builder.xor(others, differing), VECTOR)

    def nonzero_mask(self, bits: ir.Value) -> ir.Value:
        """A mask for `where`: the lanes in which any bit is set."""
        return self.builder.sext(self.builder.icmp_unsigned("!=", bits, NO_BITS), INTEGERS)

    def where(self, mask: ir.Value, value: ir.Value) -> ir.Value:
        """`value` in the lanes of the mask, 0 in the others."""
        return self.builder.bitcast(self.builder.and_(self.builder.bitcast(value, INTEGERS), mask), VECTOR)

    def sum(self, vectors: Sequence[ir.Value]) -> ir.Value:
        """The sum of vectors, added in pairs."""
        vectors = list(vectors)
        while len(vectors) > 1:
            pairs = zip(vectors[::2], vectors[1::2], strict=False)
            vectors = [self.builder.fadd(*pair) for pair in pairs] + vectors[len(vectors) // 2 * 2 :]
        return vectors[0]

    def lane_sums(self, vectors: Sequence[ir.Value]) -> ir.Value:
        """The sum over the lanes of each of up to `LANES` vectors, as one vector."""
        vectors = [*vectors, *([ZERO] * (LANES - len(vectors)))]
        width = 1
        while width < LANES:
            # Each vector now contains sums of `width` vectors next to each other, repeatedly.
            low = [lane for lane in range(LANES) if lane // width % 2 == 0]
            pairs = zip(vectors[::2], vectors[1::2], strict=True)
            halves = []
            for pair in pairs:
                parts = []
                for shift in (0, width):
                    chosen = []
                    for first in range(0, len(low), width):
                        lanes = [lane + shift for lane in low[first : first + width]]
                        chosen += [*lanes, *(LANES + lane for lane in lanes)]
                    parts.append(self.shuffle(*pair, chosen))
                halves.append(self.builder.fadd(*parts))
            vectors, width = halves, 2 * width
        return vectors[0]

    def transpose(self, vectors: Sequence[ir.Value]) -> list[ir.Value]:
        """Transpose a square: `LANES` vectors that are its columns become its rows."""
        vectors, width = list(vectors), 1
        while width < LANES:
            for first in range(LANES):
                if first // width % 2 == 0:
                    pair = vectors[first], vectors[first + width]
                    for index, shift in ((first, 0), (first + width, width)):
                        chosen = [
                            lane + shift if lane // width % 2 == 0 else LANES + lane - width + shift
                            for lane in range(LANES)
                        ]
                        vectors[index] = self.shuffle(*pair, chosen)
            width *= 2
        return vectors

    @contextlib.contextmanager
    def without_denormals(self) -> Iterator[None]:
        """In this context numbers below 1e-38 are 0, as in TensorFlow: processors are slow with them."""
        if not self.program.x86:
            yield
            return
        flush, before, inside = 0x8040, *(self._variables.alloca(INTEGER) for _ in range(2))
        load, store = (
            self.program.intrinsic(f"llvm.x86.sse.{name}", ir.VoidType(), [before.type])
            for name in ("ldmxcsr", "stmxcsr")
        )
        self.builder.call(store, [before])
        self.set(inside, self.builder.or_(self.get(before), ir.Constant(INTEGER, flush)))
        self.builder.call(load, [inside])
        yield
        self.builder.call(load, [before])
