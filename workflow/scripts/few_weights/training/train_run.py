"""One training job: from what a run is to its metrics.

Two executions of one run on the same kind of machine give the same metrics but for the section `execution`.
"""

import contextlib
import ctypes
import math
import platform
import resource
import socket
import time
from datetime import UTC, datetime
from pathlib import Path

import keras
import llvmlite
import numpy as np
import tensorflow as tf

from few_weights.data.datasets import Dataset
from few_weights.engine.errors import EngineError
from few_weights.engine.trainer import Trainer
from few_weights.errors import StudyError
from few_weights.networks import counting
from few_weights.networks.builder import build_network
from few_weights.plan.recipe import Network, Recipe
from few_weights.plan.runs import Run
from few_weights.training.augmentation import draw_shifts
from few_weights.training.checkpoint import INTERVAL, Checkpoint


def prepare_tensorflow(threads: int, gpus: int) -> str:
    """Give TensorFlow its threads and GPUs, before its first operation. Returns the device in words.

    A run asked for without GPU stays on the CPU even where there is one, so that a study has one device.

    Raises:
        StudyError: TensorFlow does not see as many GPUs as the job was given.
    """
    _keep_freed_memory()
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    tf.config.experimental.enable_op_determinism()
    if gpus == 0:
        tf.config.set_visible_devices([], "GPU")
        return f"{processor_name()}, {threads} thread{'s' if threads > 1 else ''}"
    visible = tf.config.list_physical_devices("GPU")
    if len(visible) < gpus:
        raise StudyError(
            f"the profile gives this job {gpus} GPU(s), but TensorFlow sees {len(visible)}; is this "
            "TensorFlow built with CUDA, is the driver loaded, does the node have a GPU (nvidia-smi)? "
            "To train on the CPU, take `gpu` out of the profile"
        )
    for gpu in visible:
        # By default the first job takes all memory of a GPU; several small ones are to share it.
        tf.config.experimental.set_memory_growth(gpu, True)
    return tf.config.experimental.get_device_details(visible[0]).get("device_name", "GPU")


def versions() -> dict[str, str]:
    """What a result may depend on beside our own code."""
    return {
        "python": platform.python_version(),
        "tensorflow": tf.__version__,
        "keras": keras.__version__,
        "numpy": np.__version__,
        "llvmlite": llvmlite.__version__,
    }


def epoch_order(seed: int, epoch: int, examples: int) -> np.ndarray:
    """The order in which an epoch takes its examples: it follows from seed and epoch (from 1) alone."""
    return np.random.default_rng([seed, epoch]).permutation(examples)


def train_run(
    run: Run,
    network: Network,
    study: str,
    dataset_name: str,
    recipe: Recipe,
    dataset: Dataset,
    device: str,
    checkpoint: Checkpoint | None = None,
) -> tuple[dict, dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Train a network.

    Args:
        run: the architecture, width and seed.
        network: what the architecture is.
        study, dataset_name: names, for the metrics.
        recipe: how to train it.
        dataset: the images and labels.
        device: what it is trained on, in words, for the metrics.
        checkpoint: where an interrupted training resumes from and a long one stores its state; the results
            are those of a training that was never interrupted.

    Returns:
        The metrics, as workflow/schemas/metrics.schema.yaml describes them. The predictions after the last
        epoch, one class per image as uint8: `validation` (empty where no images are held out) and `test`.
        All weights of the network, trainable or not, as `counting.named_weights` names them.

    When a loss is no longer a finite number, the run has diverged: it ends with that epoch, which the metrics
    name as `diverged_in_epoch`, and its predictions and weights are those of that moment (weights may be
    NaN). Losses that are not finite are None in the metrics.

    Raises:
        StudyError: the network cannot be built or trained.
    """
    started = datetime.now(UTC)
    model = build_network(
        run.architecture, network, run.width, dataset.image_shape, dataset.classes, run.seed
    )
    augmentation = recipe.augmentation
    try:
        trainer = Trainer(
            model,
            recipe.optimizer,
            recipe.batch_size,
            dataset.x_train,
            dataset.y_train,
            recipe.schedule,
            recipe.epochs,
            augmented=augmentation is not None,
        )
    except EngineError as error:
        raise StudyError(str(error)) from error
    print(f"{run}: {counting.trainable_parameters(model):,} parameters; {trainer.path}", flush=True)

    history, epoch_seconds = [], []
    if checkpoint:
        state, progress = checkpoint.load(trainer.state())
        if progress:
            trainer.restore(state)
            history, epoch_seconds = progress["history"], progress["epoch_seconds"]
            print(f"goes on after epoch {len(history)}, from {checkpoint.path}", flush=True)
    resumed = len(history)
    diverged = None
    seconds_at_checkpoint = sum(epoch_seconds)
    for epoch in range(resumed + 1, recipe.epochs + 1):
        begin = time.perf_counter()
        examples = len(dataset.x_train)
        shifts = augmentation and draw_shifts(augmentation, run.seed, epoch, examples)
        train_loss, train_accuracy = trainer.train_epoch(epoch_order(run.seed, epoch, examples), shifts)
        validation, validation_predictions = _score(trainer, dataset.x_validation, dataset.y_validation)
        test, test_predictions = _score(trainer, dataset.x_test, dataset.y_test)
        epoch_seconds.append(round(time.perf_counter() - begin, 4))
        losses = {"train": train_loss, "validation": validation["loss"], "test": test["loss"]}
        infinite = [part for part, loss in losses.items() if loss is not None and not math.isfinite(loss)]
        # JSON has no NaN and no infinity.
        losses |= dict.fromkeys(infinite)
        history.append(
            {
                "epoch": epoch,
                "train_loss": losses["train"],
                "train_accuracy": train_accuracy,
                "validation_loss": losses["validation"],
                "validation_accuracy": validation["accuracy"],
                "test_loss": losses["test"],
                "test_accuracy": test["accuracy"],
            }
        )
        print(
            f"epoch {epoch:>3}/{recipe.epochs}"
            f"  train loss {train_loss:.4f}  accuracy {train_accuracy:.4f}"
            f"  test loss {test['loss']:.4f}  accuracy {test['accuracy']:.4f}"
            f"  {epoch_seconds[-1]:.2f} s",
            flush=True,
        )
        if infinite:
            diverged = epoch
            validation["loss"], test["loss"] = losses["validation"], losses["test"]
            print(
                f"{run} has diverged: its loss in epoch {epoch} is not a finite number "
                f"({', '.join(infinite)}). Training stops here, and the run counts as not reaching any "
                "target; a smaller learning_rate usually fixes it",
                flush=True,
            )
            break
        due = sum(epoch_seconds) - seconds_at_checkpoint >= INTERVAL
        if checkpoint and due and epoch < recipe.epochs:
            checkpoint.save(trainer.state(), {"history": history, "epoch_seconds": epoch_seconds})
            seconds_at_checkpoint = sum(epoch_seconds)

    metrics = {
        "study": study,
        "dataset": dataset_name,
        "classes": dataset.classes,
        "architecture": run.architecture,
        "network": dict(network),
        "width": run.width,
        "seed": run.seed,
        "parameters": counting.trainable_parameters(model),
        "multiply_adds": counting.multiply_adds(model),
        **recipe.as_mapping(),
        "loss": "categorical_crossentropy",
        "train_examples": len(dataset.y_train),
        **{f"validation_{name}": value for name, value in validation.items()},
        **{f"test_{name}": value for name, value in test.items()},
        "layers": counting.layer_table(model),
        "weights": counting.count_weights(model),
        "history": history,
        "diverged_in_epoch": diverged,
        "path": trainer.path,
        "versions": versions(),
        "execution": {
            "train_seconds": round(sum(epoch_seconds), 3),
            "epoch_seconds": epoch_seconds,
            "resumed_after_epoch": resumed,
            "started": started.isoformat(timespec="milliseconds"),
            "finished": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "host": socket.gethostname(),
            "platform": platform.platform(),
            "device": device,
            "peak_memory_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        },
    }
    predictions = {"validation": validation_predictions, "test": test_predictions}
    return metrics, predictions, counting.named_weights(model)


def _score(trainer: Trainer, images: np.ndarray, labels: np.ndarray) -> tuple[dict, np.ndarray]:
    """How a network does on images it was not trained on, and its predictions (uint8, one an image).

    The score holds `examples`, `correct`, `accuracy` and `loss`; without images all but the first are None.
    """
    if not len(labels):
        return {"examples": 0, "correct": None, "accuracy": None, "loss": None}, np.empty(0, np.uint8)
    loss, predictions = trainer.evaluate(images, labels)
    correct = int(np.count_nonzero(predictions == labels))
    score = {"examples": len(labels), "correct": correct, "accuracy": correct / len(labels), "loss": loss}
    return score, np.asarray(predictions, np.uint8)


def _keep_freed_memory() -> None:
    """Let the C library keep what TensorFlow frees, where it is glibc.

    A step allocates and frees megabytes; by default each large block goes back to the system, which zeroes it
    again page by page at the next step: 3 to 8 % of the time of `cnn` and `vgg` from width 8 up.
    """
    trim_threshold, largest_mmaps = -1, -4  # M_TRIM_THRESHOLD and M_MMAP_MAX of glibc's malloc.h
    with contextlib.suppress(AttributeError, OSError, TypeError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(largest_mmaps, 0)
        mallopt(trim_threshold, 2**31 - 1)


def processor_name() -> str:
    """The processor's name; `platform.processor()` is empty on most Linux systems."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
