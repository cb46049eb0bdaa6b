"""One row per model: models.csv, shares.csv and the Pareto front, pareto.csv."""

from collections.abc import Iterable, Iterator

import pandas as pd

from few_weights.analysis.seeds import (
    MODEL,
    accuracy_statistics,
    has_collapsed,
    has_diverged,
    selection_of,
    share_reaching,
)


def flops_per_image(multiply_adds: int) -> int:
    """Floating-point operations of one image's forward pass: two for each multiply-add.

    Counted are the multiplications and additions of convolutions and dense layers; biases, activations and
    pooling are not.
    """
    return 2 * multiply_adds


def weight_bytes(parameters: int) -> int:
    """Bytes of the trainable weights as float32, four each; file format and activations come on top."""
    return 4 * parameters


def models_table(runs: pd.DataFrame) -> pd.DataFrame:
    """models.csv: one row a model, with its size, and its accuracy on both kinds of images over seeds."""
    rows = []
    for model, its_runs in _each_model(runs):
        first = its_runs.iloc[0]
        row = model | {
            "parameters": first["parameters"],
            "weight_bytes": weight_bytes(first["parameters"]),
            "flops_per_image": flops_per_image(first["multiply_adds"]),
            "seeds": len(its_runs),
            "collapsed": int(has_collapsed(its_runs).sum()),
            "diverged": int(has_diverged(its_runs).sum()),
            "selection": selection_of(runs),
        }
        for images in ("validation", "test"):
            row[f"{images}_examples"] = first[f"{images}_examples"]
            statistics = accuracy_statistics(its_runs, images)
            row[f"{images}_accuracy"] = statistics.pop("accuracy")
            row |= {
                f"{images}_{key}" if key == "binomial_half_width" else f"{images}_accuracy_{key}": value
                for key, value in statistics.items()
            }
        rows.append(row)
    return pd.DataFrame(rows)


def shares_table(runs: pd.DataFrame, targets: Iterable[float]) -> pd.DataFrame:
    """shares.csv: one row for each model and target, how many of its seeds reach it."""
    targets = list(targets)
    return pd.DataFrame(
        [
            model | {"target": target, "seeds": len(its_runs), **share_reaching(its_runs, target)}
            for model, its_runs in _each_model(runs)
            for target in targets
        ]
    )


def _each_model(runs: pd.DataFrame) -> Iterator[tuple[dict, pd.DataFrame]]:
    for (architecture, width), its_runs in runs.groupby(MODEL, sort=False):
        yield {"architecture": architecture, "width": width}, its_runs


def pareto_table(runs: pd.DataFrame) -> pd.DataFrame:
    """pareto.csv: the models that no other beats, by parameters and mean accuracy on the selection images.

    A model is on the front when every model with as many parameters or fewer is less accurate. Each is the
    best choice, and its architecture owns the range, for a budget of `from_parameters` up to `to_parameters`
    (empty for the last: any larger budget). Of models equal in both, the first in runs.csv counts.
    """
    models = models_table(runs)
    models["selection_accuracy"] = models[f"{selection_of(runs)}_accuracy"]
    models = models.sort_values(
        ["parameters", "selection_accuracy"], ascending=[True, False], kind="stable", ignore_index=True
    )
    best_before = models["selection_accuracy"].cummax().shift(fill_value=-1.0)
    front = models[models["selection_accuracy"] > best_before].reset_index(drop=True)
    front["from_parameters"] = front["parameters"]
    front["to_parameters"] = (front["parameters"].shift(-1) - 1).astype("Int64")
    columns = [*MODEL, "from_parameters", "to_parameters", "weight_bytes", "flops_per_image"]
    return front[[*columns, "selection", "selection_accuracy", "test_accuracy", "seeds"]]
