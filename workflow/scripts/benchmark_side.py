"""One side of the benchmark, as a process: answers requests from standard input, one JSON object per line.

    benchmark_side.py SIDE DATA.npz

Sides: `ours` (the engine), `keras` (plain model.fit and model.evaluate), `pytorch` (a plain loop),
`pytorch_compiled` (the same loop with torch.compile). The PyTorch sides run in an environment that has only
PyTorch and NumPy. Where a recipe's optimizer is full_matrix_adam, all sides but `ours` use Adam, since no
other library has it.

Requests: `{"prepare": {"architecture": …, "width": …, "recipe": {…}, "examples": …}}` builds and compiles a
model, `{"epoch": N}` trains it on the first N images and evaluates it on all test images, `{"peak": true}`
measures the processor, `{"version": true}` names the libraries. A request that a side does not support is
answered by `{"problem": …}`.
"""

import json
import math
import os
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:  # the PyTorch side's environment may not import the rest of the project
    from few_weights.plan.recipe import BuiltIn

Arrays = Mapping[str, NDArray[np.uint8]]


class Side(ABC):
    """A contender: builds models and trains them. Its `version` names the libraries that it uses."""

    version: str

    def __init__(self, data: Arrays) -> None:
        self.images, self.test_images = (data[name][..., np.newaxis] for name in ("x_train", "x_test"))
        self.labels, self.test_labels = data["y_train"], data["y_test"]

    @abstractmethod
    def build(self, architecture: str, width: int, recipe: Mapping[str, Any]) -> dict[str, Any]:
        """Build a model, and return what there is to say about it."""

    @abstractmethod
    def train(self, examples: int) -> None:
        """Train on the first `examples` training images, once each."""

    @abstractmethod
    def evaluate(self) -> None:
        """Evaluate on all test images."""

    def prepare(
        self, architecture: str, width: int, recipe: Mapping[str, Any], examples: int
    ) -> dict[str, Any]:
        """Build a model and compile it, by a short epoch with batches of both sizes that will come."""
        begin = time.perf_counter()
        self.batch_size, self.augmentation = recipe["batch_size"], recipe.get("augmentation")
        self.steps = recipe["epochs"] * math.ceil(len(self.images) / self.batch_size)
        facts = self.build(architecture, width, recipe)
        self.run_epoch(2 * self.batch_size + examples % self.batch_size)
        return facts | {"preparation": time.perf_counter() - begin}

    def run_epoch(self, examples: int) -> dict[str, float]:
        """The seconds that training on so many images and evaluation on all test images take.

        `train` and `evaluate` are by the clock; `train_cpu` and `evaluate_cpu` are those of the processor,
        which other work on the machine hardly changes.
        """
        clocks = (time.perf_counter, time.process_time)
        begin = [clock() for clock in clocks]
        self.train(examples)
        middle = [clock() for clock in clocks]
        self.evaluate()
        end = [clock() for clock in clocks]
        train, train_cpu = np.subtract(middle, begin).tolist()
        evaluate, evaluate_cpu = np.subtract(end, middle).tolist()
        return {
            "train": train,
            "evaluate": evaluate,
            "train_cpu": train_cpu,
            "evaluate_cpu": evaluate_cpu,
        }

    def shifts(self) -> NDArray[np.int32]:
        """How far each training image is shifted in an epoch."""
        from few_weights.training.augmentation import draw_shifts

        assert self.augmentation is not None
        return draw_shifts(self.augmentation, 0, 1, len(self.images))

    def scaled_images(self, examples: int) -> NDArray[np.float32]:
        """Training images of an epoch, from 0 to 1: shifted, where the recipe says so."""
        from few_weights.engine.image_shifts import shift_images

        images = self.images[:examples]
        if self.augmentation is not None:
            images = shift_images(images, self.shifts()[:examples])
        return scaled(images)


def scaled(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Images with values from 0 to 1."""
    return np.divide(images, 255, dtype=np.float32)


def shuffled(examples: int) -> NDArray[np.int64]:
    return np.random.default_rng(0).permutation(examples)


def known_optimizer(optimizer: Mapping[str, Any]) -> dict[str, Any]:
    """The optimizer of a side that is not ours: Adam for full_matrix_adam."""
    if optimizer["name"] != "full_matrix_adam":
        return dict(optimizer)
    return {"name": "adam", **{key: optimizer[key] for key in ("learning_rate", "beta_1", "beta_2")}}


class TensorFlowSide(Side):
    """What both TensorFlow sides share: how a model is built."""

    def __init__(self, data: Arrays) -> None:
        super().__init__(data)
        os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
        import keras
        import tensorflow as tf

        self.version = f"tensorflow {tf.__version__}, keras {keras.__version__}"

    def build_model(self, architecture: str, width: int) -> tuple[Any, dict[str, Any]]:
        """A new Keras model, and its counts."""
        import keras

        from few_weights.networks import counts
        from few_weights.networks.builder import build_network

        keras.utils.set_random_seed(0)
        network: BuiltIn = {"architecture": architecture, "options": {}}
        model = build_network(architecture, network, width, self.images.shape[1:], classes=10)
        return model, {
            "parameters": counts.trainable_parameters(model),
            "multiply_adds": counts.multiply_adds(model),
        }


class Ours(TensorFlowSide):
    """The engine, set up as train.py does it, but without a cache of compiled code."""

    def __init__(self, data: Arrays) -> None:
        os.environ["TF_ENABLE_ONEDNN_OPTS"] = "1"
        super().__init__(data)
        from few_weights.training.device import prepare_tensorflow

        prepare_tensorflow(threads=1, gpus=0)

    def build(self, architecture: str, width: int, recipe: Mapping[str, Any]) -> dict[str, Any]:
        from few_weights.engine.preparation import prepare
        from few_weights.engine.trainer import Trainer

        model, facts = self.build_model(architecture, width)
        prepared = prepare(
            model,
            recipe["optimizer"],
            self.batch_size,
            len(self.images),
            recipe.get("schedule"),
            recipe["epochs"],
        )
        augmented = self.augmentation is not None
        self.trainer = Trainer(prepared.make_loop(), self.images, self.labels, augmented)
        winograd = prepared.code is not None and prepared.code.name == "winograd"
        return facts | multiplications(model, winograd) | {"path": prepared.path}

    def train(self, examples: int) -> None:
        shifts = None if self.augmentation is None else self.shifts()
        self.trainer.train_epoch(shuffled(examples), shifts)

    def evaluate(self) -> None:
        self.trainer.evaluate(self.test_images, self.test_labels)


def multiplications(model: Any, winograd: bool) -> dict[str, int]:
    """The multiplications of layers with weights that the engine really does for an image.

    Args:
        model: the Keras model.
        winograd: whether 3 x 3 convolutions take 36 for a tile of 4 x 4 pixels instead of 144.

    Returns:
        `multiplications` of the forward pass; `training_multiplications` of forward and backward pass,
        where the first layer needs no gradient of its input.
    """
    from keras import layers

    from few_weights.networks import call_graph, counts

    numbers = []
    for call in call_graph.calls(model):
        number = counts.call_multiply_adds(call)
        if winograd and isinstance(call.operation, layers.Conv2D):
            rows, columns, _ = (size or 0 for size in call.outputs[0][1:])
            kernel = math.prod(call.operation.kernel.shape[2:])
            number = 36 * math.ceil(rows / 4) * math.ceil(columns / 4) * kernel
        if number:
            numbers.append(number)
    forward = sum(numbers)
    return {"multiplications": forward, "training_multiplications": 3 * forward - numbers[0]}


class PlainKeras(TensorFlowSide):
    """Keras as its tutorials use it; images are divided by 255 beforehand."""

    def __init__(self, data: Arrays) -> None:
        super().__init__(data)
        import tensorflow as tf

        tf.config.threading.set_intra_op_parallelism_threads(1)
        tf.config.threading.set_inter_op_parallelism_threads(1)
        self.test_scaled = scaled(self.test_images)

    def build(self, architecture: str, width: int, recipe: Mapping[str, Any]) -> dict[str, Any]:
        from few_weights.engine.optimizers import build_optimizer

        self.model, facts = self.build_model(architecture, width)
        optimizer = build_optimizer(known_optimizer(recipe["optimizer"]), recipe.get("schedule"), self.steps)
        self.model.compile(optimizer, loss="sparse_categorical_crossentropy", metrics=["accuracy"])
        self.scaled = self.scaled_images(len(self.images))
        return facts

    def train(self, examples: int) -> None:
        images = self.scaled[:examples] if self.augmentation is None else self.scaled_images(examples)
        labels = self.labels[:examples]
        self.model.fit(images, labels, batch_size=self.batch_size, epochs=1, verbose=0)

    def evaluate(self) -> None:
        self.model.evaluate(self.test_scaled, self.test_labels, batch_size=self.batch_size, verbose=0)


class PyTorch(Side):
    """A plain loop in PyTorch; with `compiled` its model goes through torch.compile."""

    compiled = False

    def __init__(self, data: Arrays) -> None:
        super().__init__(data)
        import torch

        torch.set_num_threads(1)
        self.version = f"pytorch {torch.__version__}"
        self.test_scaled = self._tensor(scaled(self.test_images))
        self.targets, self.test_targets = (
            torch.from_numpy(labels.astype(np.int64)) for labels in (self.labels, self.test_labels)
        )

    @staticmethod
    def _tensor(images: NDArray[np.float32]) -> Any:
        """Images as PyTorch takes them, with the channels as the second axis but last in memory.

        For networks with few channels that is faster than PyTorch's default: by a quarter for `recurrent` 6.
        """
        import torch

        channels_second = torch.from_numpy(np.moveaxis(images, -1, 1))
        return channels_second.contiguous(memory_format=torch.channels_last)

    def build(self, architecture: str, width: int, recipe: Mapping[str, Any]) -> dict[str, Any]:
        import benchmark_pytorch
        import torch

        torch.manual_seed(0)
        model = benchmark_pytorch.network(architecture, width).to(memory_format=torch.channels_last)
        self.optimizer = benchmark_pytorch.optimizer_of(model, recipe["optimizer"])
        self.schedule = benchmark_pytorch.schedule_of(self.optimizer, recipe.get("schedule"), self.steps)
        self.loss_of = torch.nn.CrossEntropyLoss()
        if self.compiled:
            # What was compiled for other models is forgotten: there is a limit.
            torch.compiler.reset()
        self.model = torch.compile(model, dynamic=False) if self.compiled else model
        self.scaled = self._tensor(self.scaled_images(len(self.images)))
        return {"parameters": sum(each.numel() for each in model.parameters())}

    def train(self, examples: int) -> None:
        import torch

        images = self.scaled
        if self.augmentation is not None:
            images = self._tensor(self.scaled_images(examples))
        for batch in torch.from_numpy(shuffled(examples)).split(self.batch_size):
            self.optimizer.zero_grad(set_to_none=True)
            self.loss_of(self.model(images[batch]), self.targets[batch]).backward()
            self.optimizer.step()
            if self.schedule:
                self.schedule.step()

    def evaluate(self) -> None:
        import torch

        batches = zip(
            self.test_scaled.split(self.batch_size), self.test_targets.split(self.batch_size), strict=True
        )
        with torch.no_grad():
            for images, labels in batches:
                (self.model(images).argmax(1) == labels).sum()


class CompiledPyTorch(PyTorch):
    """`PyTorch` with torch.compile."""

    compiled = True


SIDES: dict[str, Callable[[Arrays], Side]] = {
    "ours": Ours,
    "keras": PlainKeras,
    "pytorch": PyTorch,
    "pytorch_compiled": CompiledPyTorch,
}


def measure_peak() -> float:
    """Operations per second of one core: the best of ten float32 products of 2048 x 2048 matrices."""
    import tensorflow as tf

    tf.random.set_seed(0)  # required, since operations are deterministic
    a, b = (tf.random.normal([2048, 2048]) for _ in range(2))
    tf.matmul(a, b).numpy()
    best = float("inf")
    for _ in range(10):
        begin = time.perf_counter()
        tf.matmul(a, b).numpy()
        best = min(best, time.perf_counter() - begin)
    return 2 * 2048**3 / best


def answer(side: Side, request: Mapping[str, Any]) -> dict[str, Any]:
    """What a side answers to a request; the head of this file lists the requests."""
    match request:
        case {"prepare": model}:
            try:
                return side.prepare(**model)
            except ValueError as error:
                return {"problem": str(error)}
        case {"epoch": examples}:
            return side.run_epoch(examples)
        case {"peak": _}:
            from few_weights.training.processor import processor_name

            return {"peak": measure_peak(), "cpu": processor_name()}
        case {"version": _}:
            return {"version": side.version}
    return {"problem": f"unknown request {request}"}


def main() -> None:
    name, path = sys.argv[1:]
    with np.load(path, allow_pickle=False) as file:
        data = dict(file)
    # Only answers may reach standard output.
    answers, sys.stdout = sys.stdout, sys.stderr
    side = SIDES[name](data)
    for line in sys.stdin:
        print(json.dumps(answer(side, json.loads(line))), file=answers, flush=True)


if __name__ == "__main__":
    main()
