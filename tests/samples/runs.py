"""Made-up runs, and the tables that follow from them."""

from few_weights.analysis import merge
from few_weights.plan.runs import Run


def metrics_of(run, study="tiny", correct=9_700, **changes):
    """The metrics.json of a run: 500 parameters a width, no validation images unless `changes` has some."""
    return {
        "study": study,
        "dataset": "mnist",
        "classes": 10,
        "network": {"architecture": run.architecture, "options": {}},
        "architecture": run.architecture,
        "width": run.width,
        "seed": run.seed,
        "parameters": 500 * run.width,
        "multiply_adds": 1000,
        "epochs": 2,
        "batch_size": 128,
        "optimizer": {"name": "adadelta", "learning_rate": 1.0, "rho": 0.95, "epsilon": 1e-7},
        "loss": "categorical_crossentropy",
        "train_examples": 60_000,
        "validation_examples": 0,
        "validation_correct": None,
        "validation_accuracy": None,
        "validation_loss": None,
        "test_examples": 10_000,
        "test_correct": correct,
        "test_accuracy": correct / 10_000,
        "test_loss": 0.1,
        "layers": [{"layer": "dense", "type": "Dense", "output_shape": "10", "parameters": 500 * run.width}],
        "weights": {
            "trainable": 500 * run.width,
            "non_zero": 500 * run.width,
            "at_each_use": 500 * run.width,
            "non_trainable": 0,
            "non_trainable_names": "",
            "bytes": 2000 * run.width,
        },
        "history": [
            {
                "epoch": epoch,
                "train_loss": 0.2,
                "train_accuracy": 0.9,
                "validation_loss": None,
                "validation_accuracy": None,
                "test_loss": 0.1,
                "test_accuracy": 0.97,
            }
            for epoch in (1, 2)
        ],
        "path": "general",
        "versions": {"python": "3.11", "tensorflow": "2.21", "keras": "3.15", "numpy": "2.4"},
        "code": "0123",
        "execution": {
            "train_seconds": 3.5,
            "epoch_seconds": [2.0, 1.5],
            "resumed_after_epoch": 0,
            "overhead_seconds": 4.5,
            "started": "2026-01-01T00:00:00+00:00",
            "finished": "2026-01-01T00:00:04+00:00",
            "host": "host",
            "platform": "Linux",
            "device": "CPU",
            "peak_memory_mib": 700,
        },
    } | changes


def runs_of(accuracies, validation=None):
    """runs.csv as a table, from {(architecture, width): correct test images of each seed}.

    `validation`, of the same shape, gives the correct ones of 5,000 validation images. The baseline of every
    run is a model of 4,000 parameters.
    """
    records = []
    for (architecture, width), of_seeds in accuracies.items():
        for seed, correct in enumerate(of_seeds):
            changes = {}
            if validation:
                right = validation[architecture, width][seed]
                changes = {
                    "validation_examples": 5_000,
                    "validation_correct": right,
                    "validation_accuracy": right / 5_000,
                    "validation_loss": 0.1,
                }
            records.append(metrics_of(Run(architecture, width, seed), correct=correct, **changes))
    full = {"architecture": "cnn", "width": 8}
    return merge.with_baselines(
        merge.runs_table(records),
        {architecture: full for architecture, _ in accuracies},
        [full | {"parameters": 4_000}],
    )
