"""The training of one run: trains and evaluates a prepared network epoch by epoch, returns the metrics.

Two trainings of one run on the same kind of machine give the same metrics except for the section `execution`.
"""

import contextlib
import importlib.metadata
import math
import platform
import resource
import socket
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from few_weights.data.datasets import Dataset
from few_weights.engine.trainer import Trainer
from few_weights.plan.recipe import Network, Recipe
from few_weights.plan.runs import Run
from few_weights.training.augmentation import draw_shifts
from few_weights.training.checkpoint import INTERVAL, Checkpoint
from few_weights.training.metrics import EpochRecord, Execution, Metrics, Progress
from few_weights.training.prepared import PreparedRun


@dataclass(frozen=True)
class Score:
    """How a network does on images that it was not trained on.

    Args:
        correct: how many of the images it classifies correctly.
        accuracy: the share of these.
        loss: mean cross-entropy in nats; may be infinite or NaN.
        predictions: the class of each image.
    """

    correct: int
    accuracy: float
    loss: float
    predictions: NDArray[np.uint8]


@dataclass(frozen=True)
class EpochResult:
    """What one epoch of training gave; `validation` is None where no images are held out."""

    epoch: int
    train_loss: float
    train_accuracy: float
    validation: Score | None
    test: Score
    seconds: float

    @property
    def infinite_losses(self) -> list[str]:
        """Those of "train", "validation" and "test" whose loss is infinite or NaN."""
        losses = {"train": self.train_loss}
        if self.validation:
            losses["validation"] = self.validation.loss
        losses["test"] = self.test.loss
        return [part for part, loss in losses.items() if not math.isfinite(loss)]

    def record(self) -> EpochRecord:
        """The epoch as metrics.json has it."""
        return {
            "epoch": self.epoch,
            "train_loss": _finite(self.train_loss),
            "train_accuracy": self.train_accuracy,
            "validation_loss": _finite(self.validation.loss) if self.validation else None,
            "validation_accuracy": self.validation.accuracy if self.validation else None,
            "test_loss": _finite(self.test.loss),
            "test_accuracy": self.test.accuracy,
        }


def versions() -> dict[str, str]:
    """The versions of the libraries that a result may depend on."""
    return {
        "python": platform.python_version(),
        "tensorflow": _version("tensorflow", "tensorflow-cpu"),
        **{name: _version(name) for name in ("keras", "numpy", "llvmlite")},
    }


def _version(*names: str) -> str:
    """The version of a package, which may be installed under one of several names."""
    for name in names:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            return importlib.metadata.version(name)
    return "unknown"


def train_run(
    run: Run,
    prepared: PreparedRun,
    network: Network,
    study: str,
    dataset_name: str,
    recipe: Recipe,
    dataset: Dataset,
    device: str,
    checkpoint: Checkpoint | None = None,
) -> tuple[Metrics, dict[str, NDArray[np.uint8]], dict[str, NDArray[Any]]]:
    """Train a network.

    When a loss is no longer a finite number, the run has diverged: it ends with that epoch, which the metrics
    name as `diverged_in_epoch`, and its predictions and weights are those of that moment (weights may be
    NaN). Losses that are not finite are None in the metrics.

    Args:
        run: the architecture, width and seed.
        prepared: its network, ready to be trained.
        network: what the architecture is, for the metrics.
        study, dataset_name: names, for the metrics.
        recipe: how to train it.
        dataset: the images and labels.
        device: name of the device that it is trained on, for the metrics.
        checkpoint: where an interrupted training resumes from and a long one stores its state; the results
            are those of a training that was never interrupted.

    Returns:
        The metrics, complete but for what train.py adds.
        The predictions after the last epoch, one class per image: `validation` (empty where no images are
        held out) and `test`.
        All weights of the network, trainable or not, by their names in weights.npz.
    """
    started = datetime.now(UTC)
    path, parameters = prepared.network.path, prepared.network.facts["parameters"]
    print(f"{run}: {parameters:,} parameters; {path}; the same bits on {prepared.loop.bits}", flush=True)
    augmented = recipe.augmentation is not None
    trainer = Trainer(prepared.loop, dataset.x_train, dataset.y_train, augmented)

    progress = _resume(trainer, checkpoint)
    resumed_after_epoch = len(progress["history"])
    last = _train_epochs(run, recipe, dataset, trainer, checkpoint, progress)

    held_out, facts = last.validation, prepared.facts()
    metrics: Metrics = {
        "study": study,
        "dataset": dataset_name,
        "classes": dataset.classes,
        "architecture": run.architecture,
        "network": network,
        "width": run.width,
        "seed": run.seed,
        "parameters": facts["parameters"],
        "weight_bytes": facts["weight_bytes"],
        "multiply_adds": facts["multiply_adds"],
        "epochs": recipe.epochs,
        "batch_size": recipe.batch_size,
        "optimizer": recipe.optimizer,
        "schedule": recipe.schedule or {},
        "augmentation": recipe.augmentation or {},
        "quantisation": recipe.quantisation or {},
        "loss": "categorical_crossentropy",
        "train_examples": len(dataset.y_train),
        "validation_examples": len(dataset.y_validation),
        "validation_correct": held_out.correct if held_out else None,
        "validation_accuracy": held_out.accuracy if held_out else None,
        "validation_loss": _finite(held_out.loss) if held_out else None,
        "test_examples": len(dataset.y_test),
        "test_correct": last.test.correct,
        "test_accuracy": last.test.accuracy,
        "test_loss": _finite(last.test.loss),
        "layers": facts["layers"],
        "weights": facts["weights"],
        "history": progress["history"],
        "diverged_in_epoch": last.epoch if last.infinite_losses else None,
        "path": path,
        "versions": versions(),
        "execution": _execution(
            progress["epoch_seconds"], resumed_after_epoch, started, device, prepared.loop.bits
        ),
    }
    # What a recipe leaves out is not in its metrics, either.
    if recipe.schedule is None:
        del metrics["schedule"]
    if recipe.augmentation is None:
        del metrics["augmentation"]
    if recipe.quantisation is None:
        del metrics["quantisation"]
    predictions = {
        "validation": held_out.predictions if held_out else np.empty(0, np.uint8),
        "test": last.test.predictions,
    }
    return metrics, predictions, prepared.weights()


def _resume(trainer: Trainer, checkpoint: Checkpoint | None) -> Progress:
    """Put the trainer into the state of the checkpoint, if there is one, and return how far that had come."""
    saved = checkpoint.load(trainer.state()) if checkpoint else None
    if checkpoint is None or saved is None:
        return {"history": [], "epoch_seconds": []}
    state, progress = saved
    trainer.restore(state)
    print(f"resumes after epoch {len(progress['history'])}, from {checkpoint.path}", flush=True)
    return progress


def _train_epochs(
    run: Run,
    recipe: Recipe,
    dataset: Dataset,
    trainer: Trainer,
    checkpoint: Checkpoint | None,
    progress: Progress,
) -> EpochResult:
    """Train all epochs that are missing, add them to `progress`, and return the last one."""
    history, epoch_seconds = progress["history"], progress["epoch_seconds"]
    seconds_at_checkpoint = sum(epoch_seconds)
    for epoch in range(len(history) + 1, recipe.epochs + 1):
        result = _train_epoch(epoch, run, recipe, dataset, trainer)
        history.append(result.record())
        epoch_seconds.append(result.seconds)
        _print_epoch(result, recipe.epochs)
        if result.infinite_losses:
            print(
                f"{run} has diverged: its loss in epoch {epoch} is not a finite number "
                f"({', '.join(result.infinite_losses)}). Training stops here, and the run counts as not "
                "reaching any target; a smaller learning_rate usually fixes it",
                flush=True,
            )
            break
        due = sum(epoch_seconds) - seconds_at_checkpoint >= INTERVAL
        if checkpoint and due and epoch < recipe.epochs:
            checkpoint.save(trainer.state(), progress)
            seconds_at_checkpoint = sum(epoch_seconds)
    return result


def _train_epoch(epoch: int, run: Run, recipe: Recipe, dataset: Dataset, trainer: Trainer) -> EpochResult:
    """Train on each image once, then evaluate; `epoch` counts from 1."""
    begin = time.perf_counter()
    examples = len(dataset.x_train)
    shifts = None
    if recipe.augmentation is not None:
        shifts = draw_shifts(recipe.augmentation, run.seed, epoch, examples)
    order = draw_order(run.seed, epoch, examples)
    train_loss, train_accuracy = trainer.train_epoch(order, shifts)
    held_out = len(dataset.y_validation) > 0
    validation = evaluate(trainer, dataset.x_validation, dataset.y_validation) if held_out else None
    test = evaluate(trainer, dataset.x_test, dataset.y_test)
    seconds = round(time.perf_counter() - begin, 4)
    return EpochResult(epoch, train_loss, train_accuracy, validation, test, seconds)


def draw_order(seed: int, epoch: int, examples: int) -> NDArray[np.int64]:
    """The order in which an epoch takes its examples: a permutation that follows only from seed and epoch.

    Args:
        epoch: counted from 1.
    """
    return np.random.default_rng([seed, epoch]).permutation(examples)


def evaluate(trainer: Trainer, images: NDArray[np.uint8], labels: NDArray[np.uint8]) -> Score:
    """How a network does on images (examples, rows, columns, channels) with labels (examples,)."""
    loss, predictions = trainer.evaluate(images, labels)
    correct = int(np.count_nonzero(predictions == labels))
    return Score(correct, correct / len(labels), loss, np.asarray(predictions, np.uint8))


def _finite(loss: float) -> float | None:
    """A loss as JSON can hold it, which has no NaN and no infinity."""
    return loss if math.isfinite(loss) else None


def _print_epoch(result: EpochResult, epochs: int) -> None:
    print(
        f"epoch {result.epoch:>3}/{epochs}"
        f"  train loss {result.train_loss:.4f}  accuracy {result.train_accuracy:.4f}"
        f"  test loss {result.test.loss:.4f}  accuracy {result.test.accuracy:.4f}"
        f"  {result.seconds:.2f} s",
        flush=True,
    )


def _execution(
    epoch_seconds: list[float], resumed_after_epoch: int, started: datetime, device: str, bits: str
) -> Execution:
    return {
        "train_seconds": round(sum(epoch_seconds), 3),
        "epoch_seconds": epoch_seconds,
        "resumed_after_epoch": resumed_after_epoch,
        "started": started.isoformat(timespec="milliseconds"),
        "finished": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "host": socket.gethostname(),
        "platform": platform.platform(),
        "device": device,
        "bits": bits,
        "peak_memory_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    }
