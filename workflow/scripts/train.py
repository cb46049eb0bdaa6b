"""Train one architecture at a width with a seed, and write its metrics, predictions and weights.

To start it by hand, from the root of the repository:

    .venv/bin/python workflow/scripts/train.py --architecture vgg --width 2 --seed 0 \\
        --recipe '{"epochs": 12, "batch_size": 128,
                   "optimizer": {"name": "adadelta", "learning_rate": 1.0, "rho": 0.95, "epsilon": 1e-7}}' \\
        --data results/data/mnist.npz --output metrics.json --predictions predictions.npz \\
        --weights weights.npz
"""

import argparse
import json
import time
from collections.abc import Mapping
from pathlib import Path

from few_weights.data.datasets import Dataset, data_sha256, load_dataset
from few_weights.errors import entry_point
from few_weights.files import write_atomically
from few_weights.plan.recipe import Network, Recipe, file_of
from few_weights.plan.runs import Run
from few_weights.training.checkpoint import Array, Checkpoint
from few_weights.training.gpus import share_gpu
from few_weights.training.metrics import Metrics
from few_weights.training.prepared import PreparedRun, prepared_identity, read_prepared
from few_weights.training.processor import processor_device
from few_weights.training.quiet import prepare_imports, quiet
from few_weights.training.run_files import arrays_sha256, npz_bytes, results_are_consistent
from few_weights.training.train_run import train_run, versions


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
    prepared, device = None, processor_device(arguments.threads)
    if arguments.prepared and not arguments.gpus:
        identity = prepared_identity(
            network,
            arguments.recipe,
            dataset.image_shape,
            dataset.classes,
            len(dataset.y_train),
            arguments.code,
        )
        prepared = read_prepared(arguments.prepared, run, identity, arguments.code_cache)
    if prepared is None:
        prepared, device = prepare_with_keras(run, network, dataset, arguments)

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
    if results and results_are_consistent(results):
        print(
            f"{run}: finished in an earlier attempt, in a cluster submission that failed; its results are "
            f"reused, and its epochs are in {arguments.output}",
            flush=True,
        )
    else:
        metrics, predictions, weights = train_run(
            run,
            prepared,
            network,
            arguments.study,
            arguments.dataset,
            arguments.recipe,
            dataset,
            device,
            checkpoint,
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
    parser.add_argument(
        "--prepared",
        type=Path,
        help="an .npz from prepare_networks.py; a network that is not in it is prepared here",
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


def prepare_with_keras(
    run: Run, network: Network, dataset: Dataset, arguments: argparse.Namespace
) -> tuple[PreparedRun, str]:
    """Build the network in this process, which imports TensorFlow; also returns the device."""
    prepare_imports(own_code=file_of(network) is not None)
    if arguments.jobs_per_gpu:
        # Held until the process ends.
        arguments.slot = share_gpu(arguments.jobs_per_gpu)
    with quiet():
        from few_weights.training.device import prepare_tensorflow
        from few_weights.training.prepare import prepare_run

        device = prepare_tensorflow(arguments.threads, arguments.gpus)
    prepared = prepare_run(
        run,
        network,
        arguments.recipe,
        dataset.image_shape,
        dataset.classes,
        len(dataset.y_train),
        arguments.code_cache,
    )
    return prepared, device


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
