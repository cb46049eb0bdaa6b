"""Machine code for softmax, cross-entropy and its gradient."""

from llvmlite import ir

from few_weights.engine.gather import groups_of
from few_weights.engine.kinds import functions
from few_weights.engine.layouts import Features
from few_weights.engine.machine_code import FLOAT, LANES, ZERO, Code, Program, constant


def write_loss(program: Program, name: str, logits: Features) -> Code:
    """Write a function for the loss and the prediction of each image, and the gradient of the mean loss
    over `batch` images, of which `count` are here.

    A loss is the cross-entropy in nats after a softmax; a prediction is the class with the largest logit, as
    float32. Lanes without an image have a gradient of 0; what they leave in the other two is not read.

    Its arguments: (count, batch; logits, image labels, gradient of the logits, losses, predictions).
    """
    pointers = ["values", "labels", "values_gradient", "losses", "predictions"]
    code = program.define(name, pointers, ["count", "batch"])
    count, batch, values, labels, gradient, losses, predictions = code.named.values()
    builder = code.builder
    share = code.broadcast(builder.fdiv(ir.Constant(FLOAT, 1.0), builder.sitofp(batch, FLOAT)))
    lanes = ir.Constant(ir.VectorType(count.type, LANES), list(range(LANES)))
    with code.loop(groups_of(code, count)) as group:
        first = code.multiply(group, LANES)
        is_used = builder.icmp_signed("<", builder.add(code.broadcast(first), lanes), code.broadcast(count))
        share_here = builder.select(is_used, share, ZERO)
        start = code.multiply(group, logits.group_stride)
        offsets = [code.add(start, number * LANES) for number in range(logits.columns)]
        scores = [code.load(values, offset) for offset in offsets]
        largest, predicted = scores[0], ZERO
        for number, score in enumerate(scores[1:], 1):
            larger = builder.fcmp_ordered(">", score, largest)
            largest = builder.select(larger, score, largest)
            predicted = builder.select(larger, constant(number), predicted)
        # No power overflows, and the softmax stays the same.
        shifted = [builder.fsub(score, largest) for score in scores]
        powers = [functions.exp(code, score) for score in shifted]
        total = code.sum(powers)
        label = code.load(labels, first)
        true = ZERO
        for number, offset in enumerate(offsets):
            is_true = builder.fcmp_ordered("==", label, constant(number))
            true = builder.select(is_true, shifted[number], true)
            error = builder.fsub(
                builder.fdiv(powers[number], total), builder.select(is_true, constant(1), ZERO)
            )
            code.store(builder.fmul(error, share_here), gradient, offset)
        code.store(builder.fsub(functions.log(code, total), true), losses, first)
        code.store(predicted, predictions, first)
    code.finish()
    return code
