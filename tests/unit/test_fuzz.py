"""Random networks: one step of the engine against one step of plain Keras, at several points of a training.

`FUZZ_NETWORKS=1000 FUZZ_SEED=7 .venv/bin/python -m pytest tests/unit/test_fuzz.py` runs a longer campaign
with other networks.
"""

import os

import keras
import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, assume, given, note, seed, settings
from samples.model_trainer import ModelTrainer
from samples.random_networks import build_case, cases, rejected_by_keras
from samples.single_steps import Reference, changes, require_close

from few_weights.engine import optimizers

pytestmark = pytest.mark.slow

NETWORKS = int(os.environ.get("FUZZ_NETWORKS", "50"))
SEED = int(os.environ.get("FUZZ_SEED", "0"))


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


def compare_evaluation(trainer, reference, state, images, labels):
    """Compare losses outside training, where nothing is random, and the predictions where they are clear."""
    reference.assign(state)
    probabilities = np.asarray(reference.model(images / np.float32(255), training=False), np.float64)
    trainer.restore(state)
    loss, predictions = trainer.evaluate(images, labels)
    each = -np.log(np.maximum(probabilities[np.arange(len(labels)), labels], 1e-30))
    # Keras bounds probabilities by 1e-7, the engine does not.
    if each.max() < 10:
        assert loss == pytest.approx(each.mean(), rel=1e-4, abs=1e-5)
    top = np.sort(probabilities, 1)
    clear = top[:, -1] - top[:, -2] > 1e-4
    np.testing.assert_array_equal(predictions[clear], probabilities.argmax(1)[clear])


def compare(case):
    """Compare a step of the engine with Keras' after 0, 3 and 7 steps; the last is an epoch of two steps."""
    full, last = case.batches
    count = full + last
    images, labels = images_of(case, count)
    shifts = np.random.default_rng(3).integers(-case.shift, case.shift, (count, 2), np.int32, endpoint=True)
    seen = shifted(images, shifts) / np.float32(255)
    epochs = 1000 if case.schedule is None else 5  # a short training is not worth compiling
    with rejected_by_keras():
        steps = epochs * -(-count // full)
        optimizer = optimizers.build_optimizer(case.optimizer, case.schedule, steps)
        reference = Reference(build_case(case), optimizer)
    model = build_case(case)
    trainer = ModelTrainer(
        model, case.optimizer, full, images, labels, case.schedule, epochs, augmented=case.shift > 0
    )
    note(trainer.path)
    by_machine_code = trainer.path.startswith("by machine code")
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
        compare_evaluation(trainer, reference, begin, images, labels)
        if by_machine_code and "dropout" in trainer.path:
            continue  # other values are dropped than in Keras
        trainer.restore(begin)
        order = compared[step]
        reported, _ = trainer.train_epoch(order, shifts if case.shift else None)
        ours = changes(before, trainer.state())
        theirs = changes(before, state)
        require_close(reference, step, begin, used, ours, theirs)
        if len(used) == 1 and not reference.model.losses:
            assert reported == pytest.approx(loss, rel=1e-4, abs=1e-5), f"loss of step {step}"
    return trainer.path, model


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
