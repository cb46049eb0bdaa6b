"""One side of the benchmark, as a process: answers requests from standard input, one JSON object per line.

    benchmark_side.py SIDE DATA.npz

Sides: `ours` (the engine), `keras` (plain model.fit and model.evaluate), `pytorch` (a plain loop, channels
last). The PyTorch side runs in an environment that has only PyTorch and NumPy.

Requests: `{"prepare": {"architecture": …, "width": …, "optimizer": …, "batch_size": …}}` builds and
compiles a model, `{"epoch": N}` trains it on the first N images and evaluates it on all test images,
`{"peak": true}` measures the processor, `{"version": true}` names the libraries. A request that a side
does not support is answered by `{"problem": …}`.
"""

import json
import os
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Arrays = Mapping[str, NDArray[np.uint8]]


class Side(ABC):
    """A contender: builds models and trains them. Its `version` names the libraries that it uses."""

    version: str

    @abstractmethod
    def build(self, architecture: str, width: int, optimizer: Mapping[str, Any]) -> dict[str, Any]:
        """Build a model, and return what there is to say about it."""

    @abstractmethod
    def train(self, examples: int) -> None:
        """Train on the first `examples` training images, once each."""

    @abstractmethod
    def evaluate(self) -> None:
        """Evaluate on all test images."""

    def prepare(
        self, architecture: str, width: int, optimizer: Mapping[str, Any], batch_size: int
    ) -> dict[str, Any]:
        """Build a model and compile it, by a first short epoch."""
        self.batch_size = batch_size
        facts = self.build(architecture, width, optimizer)
        self.run_epoch(2 * batch_size)
        return facts

    def run_epoch(self, examples: int) -> dict[str, float]:
        """The seconds that training on so many images and evaluation on all test images take."""
        begin = time.perf_counter()
        self.train(examples)
        middle = time.perf_counter()
        self.evaluate()
        return {"train": middle - begin, "evaluate": time.perf_counter() - middle}


def shuffled(examples: int) -> NDArray[np.int64]:
    return np.random.default_rng(0).permutation(examples)


class TensorFlowSide(Side):
    """What both TensorFlow sides share: the data, and how a model is built."""

    def __init__(self, data: Arrays) -> None:
        os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
        import keras
        import tensorflow as tf

        self.version = f"tensorflow {tf.__version__}, keras {keras.__version__}"
        self.images, self.test_images = (data[name][..., np.newaxis] for name in ("x_train", "x_test"))
        self.labels, self.test_labels = data["y_train"], data["y_test"]

    def build_model(self, architecture: str, width: int) -> tuple[Any, dict[str, Any]]:
        """A new Keras model, and its counts."""
        import keras

        from few_weights.networks import counts
        from few_weights.networks.builder import build_network

        keras.utils.set_random_seed(0)
        rows, columns, channels = self.images.shape[1:]
        model = build_network(
            architecture,
            {"architecture": architecture, "options": {}},
            width,
            (rows, columns, channels),
            classes=10,
        )
        return model, {
            "parameters": counts.trainable_parameters(model),
            "multiply_adds": counts.multiply_adds(model),
        }


class Ours(TensorFlowSide):
    """The engine, set up as train.py does it."""

    def __init__(self, data: Arrays) -> None:
        os.environ["TF_ENABLE_ONEDNN_OPTS"] = "1"
        super().__init__(data)
        from few_weights.training.device import prepare_tensorflow

        prepare_tensorflow(threads=1, gpus=0)

    def build(self, architecture: str, width: int, optimizer: Mapping[str, Any]) -> dict[str, Any]:
        from few_weights.engine.trainer import Trainer

        model, facts = self.build_model(architecture, width)
        self.trainer = Trainer(model, optimizer, self.batch_size, self.images, self.labels)
        return facts | {"path": self.trainer.path}

    def train(self, examples: int) -> None:
        self.trainer.train_epoch(shuffled(examples))

    def evaluate(self) -> None:
        self.trainer.evaluate(self.test_images, self.test_labels)


class PlainKeras(TensorFlowSide):
    """Keras as its tutorials use it; images are divided by 255 beforehand."""

    def __init__(self, data: Arrays) -> None:
        super().__init__(data)
        import tensorflow as tf

        tf.config.threading.set_intra_op_parallelism_threads(1)
        tf.config.threading.set_inter_op_parallelism_threads(1)
        self.scaled, self.test_scaled = (array / np.float32(255) for array in (self.images, self.test_images))

    def build(self, architecture: str, width: int, optimizer: Mapping[str, Any]) -> dict[str, Any]:
        from few_weights.engine.optimizers import build_optimizer

        self.model, facts = self.build_model(architecture, width)
        self.model.compile(
            build_optimizer(optimizer), loss="sparse_categorical_crossentropy", metrics=["accuracy"]
        )
        return facts

    def train(self, examples: int) -> None:
        images, labels = self.scaled[:examples], self.labels[:examples]
        self.model.fit(images, labels, batch_size=self.batch_size, epochs=1, verbose=0)

    def evaluate(self) -> None:
        self.model.evaluate(self.test_scaled, self.test_labels, batch_size=self.batch_size, verbose=0)


class PyTorch(Side):
    """A plain loop in PyTorch, only for `cnn` with Adadelta."""

    def __init__(self, data: Arrays) -> None:
        import torch

        torch.set_num_threads(1)
        self.version = f"pytorch {torch.__version__}"
        self.images, self.test_images = (
            torch.from_numpy(data[name][:, None] / np.float32(255)).contiguous(
                memory_format=torch.channels_last
            )
            for name in ("x_train", "x_test")
        )
        self.labels, self.test_labels = (
            torch.from_numpy(data[name].astype(np.int64)) for name in ("y_train", "y_test")
        )

    def build(self, architecture: str, width: int, optimizer: Mapping[str, Any]) -> dict[str, Any]:
        import torch
        from torch import nn

        if architecture != "cnn":
            raise ValueError(f"the PyTorch side knows only cnn, not {architecture}")
        settings = {"epsilon": 1e-7, **optimizer}  # Keras' default
        if settings.keys() != {"name", "learning_rate", "rho", "epsilon"} or settings["name"] != "adadelta":
            raise ValueError(f"the PyTorch side knows only plain adadelta, not {dict(optimizer)}")
        torch.manual_seed(0)
        self.model = nn.Sequential(
            nn.Conv2d(1, width, 3),
            nn.ReLU(),
            nn.Conv2d(width, 2 * width, 3),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Linear(288 * width, 4 * width),
            nn.ReLU(),
            nn.Linear(4 * width, 10),
        ).to(memory_format=torch.channels_last)
        self.optimizer = torch.optim.Adadelta(
            self.model.parameters(),
            lr=settings["learning_rate"],
            rho=settings["rho"],
            eps=settings["epsilon"],
        )
        self.loss_of = nn.CrossEntropyLoss()
        return {}

    def train(self, examples: int) -> None:
        import torch

        for batch in torch.from_numpy(shuffled(examples)).split(self.batch_size):
            self.optimizer.zero_grad(set_to_none=True)
            self.loss_of(self.model(self.images[batch]), self.labels[batch]).backward()
            self.optimizer.step()

    def evaluate(self) -> None:
        import torch

        batches = zip(
            self.test_images.split(self.batch_size), self.test_labels.split(self.batch_size), strict=True
        )
        with torch.no_grad():
            for images, labels in batches:
                (self.model(images).argmax(1) == labels).sum()


SIDES: dict[str, Callable[[Arrays], Side]] = {"ours": Ours, "keras": PlainKeras, "pytorch": PyTorch}


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
            from few_weights.training.device import processor_name

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
