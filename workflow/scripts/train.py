"""Train one network once and write its metrics and predictions: one architecture, width and seed a process.

By hand, from the root of the repository:

    .venv/bin/python workflow/scripts/train.py --architecture vgg --width 2 --seed 0 \\
        --recipe '{"epochs": 12, "batch_size": 128,
                   "optimizer": {"name": "adadelta", "learning_rate": 1.0, "rho": 0.95, "epsilon": 1e-7}}' \\
        --data results/data/mnist.npz --output metrics.json --predictions predictions.npz
"""

import argparse
import io
import json
import os
import sys
import time
from pathlib import Path

import numpy as np

from few_weights.datasets import load_dataset
from few_weights.errors import entry_point
from few_weights.files import write_atomically
from few_weights.runs import Run


@entry_point
def main() -> None:
    begin = time.perf_counter()
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--study", default="by-hand", help="name of the study that the run belongs to")
    parser.add_argument("--dataset", default="mnist", help="name of the data set")
    parser.add_argument("--data", required=True, type=Path, help="its .npz, as fetch_data.py writes it")
    parser.add_argument("--architecture", required=True)
    parser.add_argument("--width", required=True, type=int)
    parser.add_argument("--seed", required=True, type=int)
    parser.add_argument(
        "--recipe",
        required=True,
        type=json.loads,
        help="JSON: epochs, batch_size, optimizer, perhaps schedule",
    )
    parser.add_argument(
        "--validation-examples", type=int, default=0, help="how many of the last training images to hold out"
    )
    parser.add_argument("--code", default=None, help="fingerprint of the training code, to be recorded")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--gpus", type=int, default=0, help="GPUs the job was given; 0 trains on the CPU")
    parser.add_argument("--output", required=True, type=Path, help="the metrics.json to write")
    parser.add_argument("--predictions", required=True, type=Path, help="the .npz to write")
    arguments = parser.parse_args()

    # The data is checked first: it takes a moment, the import of TensorFlow seconds.
    dataset = load_dataset(arguments.data, arguments.dataset, arguments.validation_examples)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # oneDNN convolves up to three times faster; TensorFlow leaves it off on processors without AVX-512.
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    # Keras imports these where they are installed; a training job needs neither, and without them it starts
    # a quarter sooner.
    sys.modules.update(dict.fromkeys(["matplotlib", "pandas"]))
    from few_weights import training

    device = training.prepare_tensorflow(arguments.threads, arguments.gpus)
    run = Run(arguments.architecture, arguments.width, arguments.seed)
    metrics, predictions = training.train_run(
        run, arguments.study, arguments.dataset, arguments.recipe, dataset, device
    )
    metrics["code"] = arguments.code
    execution = metrics["execution"]
    execution["overhead_seconds"] = round(time.perf_counter() - begin - execution["train_seconds"], 3)
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **predictions)
    write_atomically(arguments.predictions, buffer.getvalue())
    # Last, because who finds the metrics takes the run for finished.
    write_atomically(arguments.output, json.dumps(metrics, indent=1) + "\n")


if __name__ == "__main__":
    main()
