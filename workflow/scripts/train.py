"""Train one architecture at a width with a seed, and write its metrics, predictions and weights.

By hand, from the root of the repository:

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
from pathlib import Path

from few_weights.data.datasets import data_sha256, load_dataset
from few_weights.errors import entry_point
from few_weights.files import write_atomically
from few_weights.plan.recipe import Recipe
from few_weights.plan.runs import Run
from few_weights.training.checkpoint import Checkpoint
from few_weights.training.gpus import share_gpu
from few_weights.training.quiet import quiet
from few_weights.training.run_files import arrays_sha256, npz_bytes, results_are_whole


@entry_point
def main() -> None:
    begin = time.perf_counter()
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--study", default="by-hand", help="name of the study that the run belongs to")
    parser.add_argument("--dataset", default="mnist", help="name of the data set")
    parser.add_argument("--data", required=True, type=Path, help="its .npz, as fetch_data.py writes it")
    parser.add_argument("--data-sha256", default="", help="that of a user's own data, to be compared")
    parser.add_argument(
        "--data-conversions", type=json.loads, default=[], help="JSON: what was done to them, to be recorded"
    )
    parser.add_argument("--architecture", required=True)
    parser.add_argument(
        "--network",
        type=json.loads,
        help="JSON: what the architecture is, as networks.py takes it (default: ours of that name)",
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
    parser.add_argument("--code", default=None, help="fingerprint of the training code, to be recorded")
    parser.add_argument(
        "--checkpoints",
        type=Path,
        help="folder of the states that interrupted trainings go on from",
    )
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--gpus", type=int, default=0, help="GPUs the job was given; 0 trains on the CPU")
    parser.add_argument(
        "--jobs-per-gpu",
        type=int,
        default=0,
        help="share this machine's GPUs among as many jobs each; 0: use the GPU that the scheduler gave",
    )
    parser.add_argument("--output", required=True, type=Path, help="the metrics.json to write")
    parser.add_argument("--predictions", required=True, type=Path, help="the .npz of predictions to write")
    parser.add_argument("--weights", required=True, type=Path, help="the .npz of weights to write")
    arguments = parser.parse_args()

    # The data is checked first: it takes a moment, the import of TensorFlow seconds.
    dataset = load_dataset(
        arguments.data, arguments.dataset, arguments.validation_examples, arguments.data_sha256
    )
    # Imports and compilers make millions of objects that stay. To look for garbage among them costs a second,
    # and what little there is goes with the process.
    gc.disable()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # oneDNN convolves up to three times faster; TensorFlow leaves it off on processors without AVX-512.
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    network = arguments.network or {"architecture": arguments.architecture, "options": {}}
    if "file" not in network:
        # Keras imports these where they are installed; a training job needs neither, unless a user's file
        # does, and without them it starts a quarter sooner.
        sys.modules.update(dict.fromkeys(["matplotlib", "pandas"]))
    # Held until the process ends.
    place = share_gpu(arguments.jobs_per_gpu) if arguments.jobs_per_gpu else None  # noqa: F841
    with quiet():
        from few_weights.training import train_run

        device = train_run.prepare_tensorflow(arguments.threads, arguments.gpus)
    run = Run(arguments.architecture, arguments.width, arguments.seed)
    checkpoint = None
    if arguments.checkpoints:
        identity = {
            "run": str(run),
            "network": network,
            "dataset": arguments.dataset,
            "data_sha256": arguments.data_sha256,
            "validation_examples": arguments.validation_examples,
            "recipe": arguments.recipe.as_mapping(),
            "code": arguments.code,
            # Another processor, GPU or TensorFlow may round otherwise.
            "device": device,
            "versions": train_run.versions(),
        }
        checkpoint = Checkpoint(arguments.checkpoints, identity)
    outputs = {
        "predictions.npz": arguments.predictions,
        "weights.npz": arguments.weights,
        # Last, because who finds the metrics takes the run for finished.
        "metrics.json": arguments.output,
    }
    results = checkpoint.kept_results(outputs) if checkpoint else {}
    if results and results_are_whole(results):
        print(
            f"{run}: finished at an earlier try, in a submission that failed; its results are taken up, "
            f"and its epochs are in {arguments.output}",
            flush=True,
        )
    else:
        metrics, predictions, weights = train_run.train_run(
            run, network, arguments.study, arguments.dataset, arguments.recipe, dataset, device, checkpoint
        )
        metrics["code"] = arguments.code
        metrics["data_sha256"] = data_sha256(arguments.dataset, arguments.data_sha256)
        metrics["data_conversions"] = arguments.data_conversions
        metrics["predictions_sha256"] = arrays_sha256(predictions)
        metrics["weights_sha256"] = arrays_sha256(weights)
        execution = metrics["execution"]
        trained_here = sum(execution["epoch_seconds"][execution["resumed_after_epoch"] :])
        execution["overhead_seconds"] = round(time.perf_counter() - begin - trained_here, 3)
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


if __name__ == "__main__":
    main()
