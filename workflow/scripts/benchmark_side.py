"""One side of the benchmark: reads requests from standard input, a JSON line each, and answers in kind.

Sides: `ours` (the engine), `keras` (plain model.fit and model.evaluate), `pytorch` (a plain loop, channels
last). The PyTorch side runs in an environment that holds PyTorch and NumPy alone.
"""

import json
import os
import sys
import time
from collections.abc import Callable

import numpy as np

BATCH = 128


def keras_side(data: dict, ours: bool) -> tuple[Callable, Callable, str]:
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    if ours:
        os.environ["TF_ENABLE_ONEDNN_OPTS"] = "1"  # as train.py sets it
    import keras
    import tensorflow as tf

    from few_weights.engine.optimizers import build_optimizer
    from few_weights.engine.trainer import Trainer
    from few_weights.networks import counting
    from few_weights.networks.builder import build_network
    from few_weights.training import train_run

    if ours:
        train_run.prepare_tensorflow(threads=1, gpus=0)
    else:
        tf.config.threading.set_intra_op_parallelism_threads(1)
        tf.config.threading.set_inter_op_parallelism_threads(1)
    images, test_images = (data[name][..., np.newaxis] for name in ("x_train", "x_test"))
    labels, test_labels = data["y_train"], data["y_test"]
    scaled, test_scaled = (array / np.float32(255) for array in (images, test_images))
    state = {}

    def prepare(architecture, width, optimizer, batch_size):
        keras.utils.set_random_seed(0)
        network = {"architecture": architecture, "options": {}}
        model = build_network(architecture, network, width, images.shape[1:], 10)
        if ours:
            state["trainer"] = Trainer(model, optimizer, batch_size, images, labels)
        else:
            loss = "sparse_categorical_crossentropy"
            model.compile(build_optimizer(optimizer), loss=loss, metrics=["accuracy"])
            state["model"] = model
        run_epoch(2 * BATCH)  # compiles
        return {
            "parameters": counting.trainable_parameters(model),
            "multiply_adds": counting.multiply_adds(model),
        } | ({"path": state["trainer"].path} if ours else {})

    def run_epoch(examples):
        order = np.random.default_rng(0).permutation(examples)
        begin = time.perf_counter()
        if ours:
            state["trainer"].train_epoch(order)
        else:
            state["model"].fit(scaled[:examples], labels[:examples], batch_size=BATCH, epochs=1, verbose=0)
        middle = time.perf_counter()
        if ours:
            state["trainer"].evaluate(test_images, test_labels)
        else:
            state["model"].evaluate(test_scaled, test_labels, batch_size=BATCH, verbose=0)
        return {"train": middle - begin, "evaluate": time.perf_counter() - middle}

    return prepare, run_epoch, f"tensorflow {tf.__version__}, keras {keras.__version__}"


def pytorch_side(data: dict) -> tuple[Callable, Callable, str]:
    import torch
    from torch import nn

    torch.set_num_threads(1)
    images, test_images = (
        torch.from_numpy(data[name][:, None] / np.float32(255)).contiguous(memory_format=torch.channels_last)
        for name in ("x_train", "x_test")
    )
    labels, test_labels = (torch.from_numpy(data[name].astype(np.int64)) for name in ("y_train", "y_test"))
    loss_of = nn.CrossEntropyLoss()
    state = {}

    def prepare(architecture, width, optimizer, batch_size):
        assert architecture == "cnn"
        torch.manual_seed(0)
        model = nn.Sequential(
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
        state["model"] = model
        state["optimizer"] = torch.optim.Adadelta(model.parameters(), lr=1.0, rho=0.95, eps=1e-7)
        run_epoch(2 * BATCH)
        return {}

    def run_epoch(examples):
        model, optimizer = state["model"], state["optimizer"]
        order = torch.from_numpy(np.random.default_rng(0).permutation(examples))
        begin = time.perf_counter()
        for batch in order.split(BATCH):
            optimizer.zero_grad(set_to_none=True)
            loss_of(model(images[batch]), labels[batch]).backward()
            optimizer.step()
        middle = time.perf_counter()
        with torch.no_grad():
            for batch, truth in zip(test_images.split(BATCH), test_labels.split(BATCH), strict=True):
                (model(batch).argmax(1) == truth).sum()
        return {"train": middle - begin, "evaluate": time.perf_counter() - middle}

    return prepare, run_epoch, f"pytorch {torch.__version__}"


def measure_peak() -> float:
    """Operations a second of one core: the best of several float32 products of 2048 x 2048 matrices."""
    import tensorflow as tf

    tf.random.set_seed(0)  # op determinism asks for one
    a, b = (tf.random.normal([2048, 2048]) for _ in range(2))
    tf.matmul(a, b).numpy()
    best = float("inf")
    for _ in range(10):
        begin = time.perf_counter()
        tf.matmul(a, b).numpy()
        best = min(best, time.perf_counter() - begin)
    return 2 * 2048**3 / best


def main() -> None:
    side, path = sys.argv[1:]
    with np.load(path, allow_pickle=False) as file:
        data = dict(file)
    # Only answers may reach standard output.
    answers, sys.stdout = sys.stdout, sys.stderr
    prepare, run_epoch, version = (
        pytorch_side(data) if side == "pytorch" else keras_side(data, side == "ours")
    )
    for line in sys.stdin:
        match json.loads(line):
            case {"prepare": model}:
                answer = prepare(**model)
            case {"epoch": examples}:
                answer = run_epoch(examples)
            case {"peak": _}:
                from few_weights.training.train_run import processor_name

                answer = {"peak": measure_peak(), "cpu": processor_name()}
            case {"version": _}:
                answer = {"version": version}
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
