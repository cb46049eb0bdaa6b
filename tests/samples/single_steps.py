"""Single steps of the engine against single steps of plain Keras, from several points of a Keras training."""

import keras
import numpy as np
import tensorflow as tf

from few_weights.engine.optimizers import build_optimizer
from samples.model_trainer import ModelTrainer

#: A weight's error, over the largest update in its array: sums of up to some thousand float32 products, in
#: two orders, differ by about 1e-5 of the largest.
ROUNDING = 1e-4

#: Where that is exceeded, Keras shows how much rounding matters: it repeats the step with errors of this
#: share, a few units in the last place, in each weight, then in each gradient relative to the largest of its
#: array. A unit at an edge of ReLU or pooling may then switch, a gradient that is 0 up to rounding (a bias
#: before batch normalisation) changes, and Adam amplifies small gradients. What is exactly 0 stays 0, so that
#: ReLU at 0 is still compared.
DISTURBANCE = 1e-6
DISTURBED_STEPS = 8

#: A gradient that cancels to 0, of a bias before batch normalisation, is a rounding error of this share of
#: the other gradients.
CANCELLED = 1e-6


def changes(before, after):
    """How much each array changed, in float64."""
    return [
        np.asarray(new, np.float64) - np.asarray(old, np.float64)
        for old, new in zip(before, after, strict=True)
    ]


class Reference:
    """Plain Keras, which can take a step from any state."""

    def __init__(self, model, optimizer):
        self.model = model
        # Layer by layer, without a compiler that could fuse or reorder operations.
        model.compile(optimizer, "sparse_categorical_crossentropy", run_eagerly=True, jit_compile=False)
        optimizer.build(model.trainable_variables)
        self.variables = [*model.variables, *optimizer.variables]

    def state(self):
        return [np.array(variable.numpy()) for variable in self.variables]

    def assign(self, state):
        for variable, value in zip(self.variables, state, strict=True):
            variable.assign(value)

    def take_steps(self, state, batches, weight_error=0.0, gradient_error=0.0, rng=None):
        """Take steps from a state, perhaps with errors: the states before and after, and the last loss."""
        self.assign(state)
        for variable in self.model.variables:
            if weight_error and "float" in variable.dtype:
                variable.assign(variable * (1 + rng.uniform(-weight_error, weight_error, variable.shape)))
        optimizer = self.model.optimizer

        def apply(gradients, variables):
            disturbed = [
                each + rng.uniform(-gradient_error, gradient_error, each.shape) * np.abs(each).max(initial=0)
                for each in (np.asarray(gradient) for gradient in gradients)
            ]
            typed = zip(disturbed, variables, strict=True)
            type(optimizer).apply(
                optimizer, [tf.constant(each, variable.dtype) for each, variable in typed], variables
            )

        before = self.state()
        if gradient_error:
            optimizer.apply = apply
        try:
            for images, labels in batches:
                self.model.reset_metrics()
                loss = float(self.model.train_on_batch(images, labels))
        finally:
            vars(optimizer).pop("apply", None)
        return before, self.state(), loss


def rounding_effect(reference, begin, batches, theirs, **disturbance):
    """The largest difference of each number's change from Keras' own in disturbed steps."""
    rng = np.random.default_rng(4)
    steps = [
        changes(*reference.take_steps(begin, batches, rng=rng, **disturbance)[:2])
        for _ in range(DISTURBED_STEPS)
    ]
    return [
        np.max([np.abs(each - change) for each in group], 0)
        for change, *group in zip(theirs, *steps, strict=True)
    ]


def require_close(reference, step, begin, batches, ours, theirs):
    """Fail where an update differs from Keras' by more than rounding explains."""
    effect = None
    weights = {id(variable) for variable in reference.model.variables}
    largest_of_all = max(
        np.abs(right).max(initial=0)
        for variable, right in zip(reference.variables, theirs, strict=True)
        if id(variable) in weights and "float" in variable.dtype
    )
    for number, (mine, right) in enumerate(zip(ours, theirs, strict=True)):
        # Storing a weight rounds it, however small its update is. A gradient that cancels to 0 in eager Keras
        # may be 1e-9 in a graph.
        held = 4 * np.finfo(np.float32).eps * np.abs(np.asarray(begin[number], np.float64))
        stored = 1e-8 + CANCELLED * largest_of_all + held
        error = np.abs(mine - right)
        allowed = ROUNDING * np.abs(right).max(initial=0) + stored
        if (error <= allowed).all():
            continue
        if effect is None:
            by_weights = rounding_effect(reference, begin, batches, theirs, weight_error=DISTURBANCE)
            by_gradients = rounding_effect(reference, begin, batches, theirs, gradient_error=DISTURBANCE)
            # One weight that crosses an edge changes a whole array, also where the disturbed steps did not.
            effect = [one.max(initial=0) + two for one, two in zip(by_weights, by_gradients, strict=True)]
        largest = np.abs(right).max(initial=1e-30)
        assert (error <= allowed + 8 * effect[number]).all(), (
            f"{reference.variables[number].path} at step {step}: off by {error.max() / largest:.2g} of its "
            f"largest update; rounding errors change Keras' own by {effect[number].max() / largest:.2g}"
        )


def noise(count, image, classes, seed=2):
    """Images of noise without black pixels, and random labels."""
    rng = np.random.default_rng(seed)
    images = rng.integers(1, 256, (count, *image)).astype(np.uint8)
    return images, rng.integers(0, classes, count).astype(np.uint8)


def require_steps_of_keras(make_model, optimizer, schedule=None, batches=(13, 1), points=(0, 3, 10)):
    """Compare single steps of the engine with Keras' from several points of a training by Keras.

    At each point, the engine takes over Keras' state and takes a step of each batch; and, at the last point,
    an epoch of both, so that its state between two steps is compared too. Its evaluation is compared at each
    point, with a number of images that leaves lanes empty.

    Args:
        make_model: builds the network, whose weights follow from Keras' random seed.
        optimizer, schedule: as `build_optimizer` takes them.
        batches: the numbers of images of a full batch and of the last one.
        points: numbers of steps that Keras takes beforehand.

    Returns:
        The trainer.
    """
    keras.backend.clear_session()
    keras.utils.set_random_seed(1)
    model = make_model()
    full, last = batches
    images, labels = noise(full + last, model.input_shape[1:], model.output_shape[-1])
    seen = images / np.float32(255)
    # Both have the same model, whose variables are set before each step.
    trainer = ModelTrainer(model, optimizer, full, images, labels, schedule, epochs=1000)
    reference = Reference(model, build_optimizer(optimizer, schedule, 2000))
    examples = np.arange(full + last)
    orders = [examples[:full], examples[full:]]
    state = reference.state()
    for step in range(max(points) + 1):
        begin = state
        if step in points:
            for order in [*orders, *([examples] if step == max(points) else [])]:
                parts = [order] if len(order) <= full else orders
                used = [(seen[part], labels[part]) for part in parts]
                before, after, loss = reference.take_steps(begin, used)
                trainer.restore(begin)
                reported, _ = trainer.train_epoch(order)
                ours_changed = changes(before, trainer.state())
                require_close(reference, step, begin, used, ours_changed, changes(before, after))
                if len(parts) == 1 and not model.losses:
                    np.testing.assert_allclose(reported, loss, rtol=1e-4, atol=1e-5)
            reference.assign(begin)
            trainer.restore(begin)
            probabilities = np.asarray(model(seen, training=False))
            loss, predictions = trainer.evaluate(images, labels)
            expected = -np.log(probabilities[examples, labels]).mean()
            np.testing.assert_allclose(loss, expected, rtol=1e-4, atol=1e-5)
            top = np.sort(probabilities, 1)
            clear = top[:, -1] - top[:, -2] > 1e-5
            np.testing.assert_array_equal(predictions[clear], probabilities.argmax(1)[clear])
        part = orders[step % 2]
        _, state, _ = reference.take_steps(begin, [(seen[part], labels[part])])
    return trainer
