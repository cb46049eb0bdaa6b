"""The breakpoint of an architecture: the fewest parameters with which it reaches a target accuracy."""

from collections.abc import Iterable, Mapping

import pandas as pd

from few_weights import article


def summarise_models(runs: pd.DataFrame) -> pd.DataFrame:
    """One row a model (architecture, width): parameters, mean test accuracy over seeds, number of seeds."""
    models = runs.groupby(["architecture", "width"], sort=False).agg(
        parameters=("parameters", "first"),
        test_correct=("test_correct", "sum"),
        test_examples=("test_examples", "sum"),
        seeds=("seed", "nunique"),
    )
    # All seeds see the same test images, so this is the mean of their accuracies, without its rounding: three
    # seeds at 0.97 must not miss a target of 0.97.
    models["test_accuracy"] = models.pop("test_correct") / models.pop("test_examples")
    return models.reset_index()


def find_breakpoints(
    runs: pd.DataFrame, targets: Iterable[float], baselines: Mapping[str, Mapping]
) -> pd.DataFrame:
    """One row for each architecture and target.

    The breakpoint is the model with the fewest parameters whose mean test accuracy over seeds is at least the
    target. `compression` is the parameters of the architecture's baseline over those of the breakpoint.

    Args:
        runs: runs.csv.
        targets: accuracies as shares of 1.
        baselines: architecture -> {"architecture": …, "width": …}, the full-size model it is compared with.
    """
    models = summarise_models(runs)
    parameters = models.set_index(["architecture", "width"])["parameters"]
    dataset = runs["dataset"].iloc[0]
    rows = []
    for architecture, its_models in models.groupby("architecture", sort=False):
        baseline = baselines[architecture]
        baseline_parameters = parameters[baseline["architecture"], baseline["width"]]
        for target in targets:
            reaching = its_models[its_models["test_accuracy"] >= target]
            row = {"architecture": architecture, "target": target, "reached": not reaching.empty}
            if not reaching.empty:
                smallest = reaching.loc[reaching["parameters"].idxmin()]
                row |= smallest[["width", "parameters", "test_accuracy", "seeds"]].to_dict()
                row["compression"] = baseline_parameters / smallest["parameters"]
            row |= {
                "baseline_architecture": baseline["architecture"],
                "baseline_width": baseline["width"],
                "baseline_parameters": baseline_parameters,
                **_article_columns(dataset, architecture, target),
            }
            rows.append(row)
    table = pd.DataFrame(rows).reindex(columns=COLUMNS)
    # Int64 keeps whole numbers whole beside the empty cells of a target that is not reached.
    return table.astype(dict.fromkeys(WHOLE_NUMBERS, "Int64"))


COLUMNS = [
    "architecture",
    "target",
    "reached",
    "width",
    "parameters",
    "test_accuracy",
    "seeds",
    "baseline_architecture",
    "baseline_width",
    "baseline_parameters",
    "compression",
    "article_width",
    "article_parameters",
    "article_test_accuracy",
    "article_compression",
]

WHOLE_NUMBERS = ["width", "parameters", "seeds", "baseline_width", "baseline_parameters", "article_width"]
WHOLE_NUMBERS += ["article_parameters"]


def _article_columns(dataset: str, architecture: str, target: float) -> dict:
    if (dataset, target) != (article.DATASET, article.TARGET) or architecture not in article.BREAKPOINTS:
        return {}
    return {f"article_{key}": value for key, value in vars(article.BREAKPOINTS[architecture]).items()}
