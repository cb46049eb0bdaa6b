"""Random networks: one step of the engine against one step of plain Keras, at several points of a training.

`FUZZ_NETWORKS=1000 FUZZ_SEED=7 .venv/bin/python -m pytest tests/unit/test_fuzz.py` runs a longer campaign
with other networks.
"""

import os

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import HealthCheck, Phase, assume, given, note, seed, settings
from samples.model_trainer import ModelTrainer
from samples.random_networks import build_case, cases, rejected_by_keras

from few_weights.engine import optimizers

pytestmark = pytest.mark.slow

NETWORKS = int(os.environ.get("FUZZ_NETWORKS", "50"))
SEED = int(os.environ.get("FUZZ_SEED", "0"))

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


def images_of(case, count):
    """Images and labels for a case."""
    rng = np.random.default_rng(2)
    labels = rng.integers(0, case.classes, count).astype(np.uint8)
    images = rng.integers(1, 256, (count, *case.image)).astype(np.uint8)
    if case.black:
        for image, label in zip(images, labels, strict=True):
            image[np.arange(len(image)) % case.classes != label % len(image)] = 0
    return images, labels


def shifted(images, shifts):
    """Images shifted by rows and columns; what comes in from outside is black."""
    result = np.zeros_like(images)
    rows, columns = images.shape[1:3]
    for image, target, (down, right) in zip(images, result, shifts, strict=True):
        for row in range(rows):
            for column in range(columns):
                if 0 <= row - down < rows and 0 <= column - right < columns:
                    target[row, column] = image[row - down, column - right]
    return result


def changes(before, after):
    """How much each array changed, in float64."""
    return [
        np.asarray(new, np.float64) - np.asarray(old, np.float64)
        for old, new in zip(before, after, strict=True)
    ]


class Reference:
    """Plain Keras, which can take a step from any state."""

    def __init__(self, case, steps):
        self.model = build_case(case)
        optimizer = optimizers.build_optimizer(case.optimizer, case.schedule, steps)
        # Layer by layer, without a compiler that could fuse or reorder operations.
        self.model.compile(optimizer, "sparse_categorical_crossentropy", run_eagerly=True, jit_compile=False)
        optimizer.build(self.model.trainable_variables)
        self.variables = [*self.model.variables, *optimizer.variables]

    def state(self):
        return [np.array(variable.numpy()) for variable in self.variables]

    def take_steps(self, state, batches, weight_error=0.0, gradient_error=0.0, rng=None):
        """Take steps from a state, perhaps with errors: the states before and after, and the last loss."""
        for variable, value in zip(self.variables, state, strict=True):
            variable.assign(value)
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


def compare(case):
    """Compare a step of the engine with Keras' after 0, 3 and 7 steps; the last is an epoch of two steps."""
    full, last = case.batches
    count = full + last
    images, labels = images_of(case, count)
    shifts = np.random.default_rng(3).integers(-case.shift, case.shift, (count, 2), np.int32, endpoint=True)
    seen = shifted(images, shifts) / np.float32(255)
    epochs = 1000 if case.schedule is None else 5  # a short training
    with rejected_by_keras():
        reference = Reference(case, epochs * -(-count // full))
    model = build_case(case)
    trainer = ModelTrainer(
        model, case.optimizer, full, images, labels, case.schedule, epochs, augmented=case.shift > 0
    )
    note(trainer.path)
    examples = np.arange(count)
    batches = [(seen[part], labels[part]) for part in (examples[:full], examples[full:])]
    compared = {0: examples[:full], 3: examples[full:], 7: examples}
    state = reference.state()
    for step in range(8):
        begin = state
        # Step 7 is an epoch of both batches; steps that are not compared alternate between them.
        used = {0: batches[:1], 3: batches[1:], 7: batches}.get(step, batches[step % 2 :][:1])
        with rejected_by_keras():
            before, state, loss = reference.take_steps(begin, used)
        assume(np.isfinite(loss) and all(np.isfinite(each).all() for each in state))
        if step not in compared:
            continue
        trainer.restore(begin)
        order = compared[step]
        reported, _ = trainer.train_epoch(order, shifts if case.shift else None)
        ours = changes(before, trainer.state())
        theirs = changes(before, state)
        require_close(reference, step, begin, used, ours, theirs)
        if len(used) == 1 and not reference.model.losses:
            assert reported == pytest.approx(loss, rel=1e-4, abs=1e-5), f"loss of step {step}"
    return trainer.path, model


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
    for number, (mine, right) in enumerate(zip(ours, theirs, strict=True)):
        # Storing a weight rounds it, however small its update is. A gradient that cancels to 0 in eager Keras
        # may be 1e-9 in a graph.
        stored = 1e-8 + 4 * np.finfo(np.float32).eps * np.abs(np.asarray(begin[number], np.float64))
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
        assert (error <= allowed + 4 * effect[number]).all(), (
            f"{reference.variables[number].path} at step {step}: off by {error.max() / largest:.2g} of its "
            f"largest update; rounding errors change Keras' own by {effect[number].max() / largest:.2g}"
        )


@pytest.mark.parametrize("number", range(NETWORKS), ids=lambda number: f"seed {SEED}, network {number}")
def test_a_step_of_a_random_network_is_that_of_keras(number):
    """Each is drawn by a separate run of Hypothesis: a single run would mostly vary a few networks."""

    @seed(1_000_000 * SEED + number)
    @settings(
        max_examples=1,
        phases=[Phase.generate],
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(cases())
    def check(case):
        keras.backend.clear_session()
        compare(case)

    check()
