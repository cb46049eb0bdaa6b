"""Train one architecture at a width with a seed, and write its metrics, predictions and weights.

To start it by hand, from the root of the repository:

    .venv/bin/python workflow/scripts/train.py --architecture vgg --width 2 --seed 0 \\
        --recipe '{"epochs": 12, "batch_size": 128,
                   "optimizer": {"name": "adadelta", "learning_rate": 1.0, "rho": 0.95, "epsilon": 1e-7}}' \\
        --data results/data/mnist.npz --output metrics.json --predictions predictions.npz \\
        --weights weights.npz
"""

import argparse
import gc
import json
import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from few_weights.data.datasets import data_sha256, load_dataset
from few_weights.errors import entry_point
from few_weights.files import write_atomically
from few_weights.plan.recipe import Network, Recipe
from few_weights.plan.runs import Run
from few_weights.training.checkpoint import Array, Checkpoint
from few_weights.training.gpus import share_gpu
from few_weights.training.metrics import Metrics
from few_weights.training.quiet import quiet
from few_weights.training.run_files import arrays_sha256, npz_bytes, results_are_whole


@entry_point
def main() -> None:
    begin = time.perf_counter()
    arguments = parse_arguments()
    run = Run(arguments.architecture, arguments.width, arguments.seed)
    network: Network = {"architecture": arguments.architecture, "options": {}}
    if arguments.network:
        network = arguments.network
    # The data is checked first: it takes a moment, the import of TensorFlow seconds.
    dataset = load_dataset(
        arguments.data, arguments.dataset, arguments.validation_examples, arguments.data_sha256
    )
    prepare_imports(network)
    # Held until the process ends.
    slot = share_gpu(arguments.jobs_per_gpu) if arguments.jobs_per_gpu else None  # noqa: F841
    with quiet():
        from few_weights.training.device import prepare_tensorflow
        from few_weights.training.train_run import train_run, versions

        device = prepare_tensorflow(arguments.threads, arguments.gpus)

    checkpoint = None
    if arguments.checkpoints:
        checkpoint = checkpoint_of(run, network, device, versions(), arguments)
    outputs = {
        "predictions.npz": arguments.predictions,
        "weights.npz": arguments.weights,
        # Last: whoever finds the metrics considers the run finished.
        "metrics.json": arguments.output,
    }
    results = checkpoint.kept_results(outputs) if checkpoint else {}
    if results and results_are_whole(results):
        print(
            f"{run}: finished in an earlier attempt, in a cluster submission that failed; its results are "
            f"reused, and its epochs are in {arguments.output}",
            flush=True,
        )
    else:
        metrics, predictions, weights = train_run(
            run,
            network,
            arguments.study,
            arguments.dataset,
            arguments.recipe,
            dataset,
            device,
            checkpoint,
            arguments.code_cache,
        )
        complete_metrics(metrics, predictions, weights, arguments, begin)
        results = {
            "predictions.npz": npz_bytes(predictions),
            "weights.npz": npz_bytes(weights),
            "metrics.json": (json.dumps(metrics, indent=1) + "\n").encode(),
        }
    for name, path in outputs.items():
        write_atomically(path, results[name])
    if checkpoint:
        checkpoint.keep_results(outputs)
    print(f"finished: {', '.join(str(path) for path in outputs.values())}", flush=True)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--study", default="by-hand", help="name of the study that the run belongs to")
    parser.add_argument("--dataset", default="mnist", help="name of the data set")
    parser.add_argument("--data", required=True, type=Path, help="its .npz, as fetch_data.py writes it")
    parser.add_argument("--data-sha256", default="", help="SHA-256 that a user's own data must have")
    parser.add_argument(
        "--data-conversions",
        type=json.loads,
        default=[],
        help="JSON: how they were converted, for the record",
    )
    parser.add_argument("--architecture", required=True)
    parser.add_argument(
        "--network",
        type=json.loads,
        help="JSON: what the architecture is, as few_weights/networks/builder.py takes it "
        "(default: the built-in one of that name)",
    )
    parser.add_argument("--width", required=True, type=int)
    parser.add_argument("--seed", required=True, type=int)
    parser.add_argument(
        "--recipe",
        required=True,
        type=lambda text: Recipe(**json.loads(text)),
        help="JSON: epochs, batch_size, optimizer, and schedule and augmentation if there are any",
    )
    parser.add_argument(
        "--validation-examples", type=int, default=0, help="how many of the last training images to hold out"
    )
    parser.add_argument("--code", default=None, help="fingerprint of the training code, for the record")
    parser.add_argument(
        "--checkpoints", type=Path, help="folder of the states from which interrupted trainings resume"
    )
    parser.add_argument(
        "--code-cache", type=Path, help="folder in which compiled code is kept, for runs of the same model"
    )
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--gpus", type=int, default=0, help="GPUs the job was given; 0 trains on the CPU")
    parser.add_argument(
        "--jobs-per-gpu",
        type=int,
        default=0,
        help="share each of this machine's GPUs among so many jobs; 0: use the GPU that the scheduler gave",
    )
    parser.add_argument("--output", required=True, type=Path, help="the metrics.json to write")
    parser.add_argument("--predictions", required=True, type=Path, help="the .npz of predictions to write")
    parser.add_argument("--weights", required=True, type=Path, help="the .npz of weights to write")
    return parser.parse_args()


def prepare_imports(network: Network) -> None:
    """Set what must be set before TensorFlow and Keras are imported."""
    # Imports and compilers create millions of objects that stay. Looking for garbage among them takes a
    # second, and the little there is goes with the process.
    gc.disable()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # oneDNN convolves up to three times faster; TensorFlow leaves it off on processors without AVX-512.
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    if "file" not in network:
        # Keras imports these where they are installed; a training job needs neither, unless a user's file
        # does, and starts in three quarters of the time without them. None makes an import fail.
        for name in ("matplotlib", "pandas"):
            sys.modules[name] = None  # type: ignore[assignment]  # documented, but not in the stubs


def checkpoint_of(
    run: Run, network: Network, device: str, versions: Mapping[str, str], arguments: argparse.Namespace
) -> Checkpoint:
    """The checkpoint of a run, identified by everything that its result depends on."""
    identity = {
        "run": str(run),
        "network": network,
        "dataset": arguments.dataset,
        "data_sha256": arguments.data_sha256,
        "validation_examples": arguments.validation_examples,
        "recipe": arguments.recipe.as_mapping(),
        "code": arguments.code,
        # Another processor, GPU or TensorFlow may round differently.
        "device": device,
        "versions": versions,
    }
    return Checkpoint(arguments.checkpoints, identity)


def complete_metrics(
    metrics: Metrics,
    predictions: Mapping[str, Array],
    weights: Mapping[str, Array],
    arguments: argparse.Namespace,
    begin: float,
) -> None:
    """Add to a run's metrics what only this script knows; `begin` is when the process started."""
    metrics["code"] = arguments.code
    metrics["data_sha256"] = data_sha256(arguments.dataset, arguments.data_sha256)
    metrics["data_conversions"] = arguments.data_conversions
    metrics["predictions_sha256"] = arrays_sha256(predictions)
    metrics["weights_sha256"] = arrays_sha256(weights)
    execution = metrics["execution"]
    trained_here = sum(execution["epoch_seconds"][execution["resumed_after_epoch"] :])
    execution["overhead_seconds"] = round(time.perf_counter() - begin - trained_here, 3)


if __name__ == "__main__":
    main()
