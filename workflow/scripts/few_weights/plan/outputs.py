"""The tables and figures of a study, defined once for rules, report, `make reference` and documents."""

from collections.abc import Iterable
from dataclasses import dataclass

from few_weights.plan.study import Study


@dataclass(frozen=True)
class Output:
    """A table or figure of a study.

    Args:
        shows: what it holds, for the documents.
        tables: the tables that it is made from.
        run_files: whether it is made from the files of runs, not only from tables.
        data: whether it is made from the images of the data set, too.
    """

    shows: str
    tables: tuple[str, ...] = ()
    run_files: bool = False
    data: bool = False


#: The tables, <name>.csv in the study's folder.
TABLES = {
    "runs": Output("one row per run: its settings and results", run_files=True),
    "layers": Output("one row per layer of each model", run_files=True),
    "history": Output("one row per epoch of each run", run_files=True),
    "models": Output("one row per model: its size, and its accuracy over seeds", ("runs",)),
    "shares": Output("one row per model and target: how many seeds reach it", ("runs",)),
    "pareto": Output("the models that no other beats in both size and accuracy", ("runs",)),
    # Only of a study with `quantisation`.
    "bytes": Output("the models that no other beats in both bytes and accuracy", ("runs",)),
    "breakpoints": Output("one row per architecture and target: the answer", ("runs",)),
    "targets": Output("the breakpoints' weights, one row per target, one column per architecture", ("runs",)),
    "bootstrap": Output("how often each model would be the breakpoint with other seeds", ("runs",)),
    "neighbours": Output(
        "McNemar's test of each breakpoint against the next smaller model",
        ("runs", "breakpoints"),
        run_files=True,
        data=True,
    ),
    "counts": Output("the weights of each model by every way of counting", ("runs",), run_files=True),
    # Only of a study with `certainty`.
    "certainty": Output("the seeds and the interval of each width, one row per round and target", ("runs",)),
    # Only of a study with `halving`.
    "stages": Output("the models of each stage, and which went on", ("runs",), run_files=True),
    # Only of a study with `refine: true`.
    "search": Output("the path of each search, one row per round and target", run_files=True),
}

#: The tables that report.html shows, in addition to runs and breakpoints.
REPORT_TABLES = (
    "models",
    "pareto",
    "bytes",
    "targets",
    "bootstrap",
    "neighbours",
    "counts",
    "certainty",
    "search",
    "stages",
)

#: The figures, figures/<name>.svg and .png; report.html shows them all.
FIGURES = {
    "comparison": Output(
        "all architectures: the weights each needs, and their curves", ("runs", "breakpoints")
    ),
    "weights-by-layer": Output("the share of the weights in each layer", ("runs", "breakpoints", "layers")),
    "learning": Output("accuracy by epoch around each breakpoint", ("runs", "breakpoints", "history")),
    "mistakes": Output(
        "the test images that the smallest sufficient network gets wrong",
        ("runs", "breakpoints"),
        run_files=True,
        data=True,
    ),
    "first-layer": Output(
        "the weights of its first layer", ("runs", "breakpoints", "layers"), run_files=True, data=True
    ),
    "all-weights": Output("all of its weights", ("runs", "breakpoints"), run_files=True),
    "timeline": Output("when each training job ran", ("runs",)),
    # One for each architecture, curve-<architecture>.
    "curve": Output("accuracy against weights of one architecture", ("runs", "breakpoints")),
    # One for each architecture of a study with `certainty`, certainty-<architecture>.
    "certainty": Output(
        "the interval of each width that decides, by seeds", ("runs", "breakpoints", "certainty")
    ),
    # Only of a user's own data set.
    "data": Output("some images of each class, and how many there are", data=True),
}

#: The figures that there are for each architecture, <name>-<architecture>.
EACH = ("curve", "certainty")


def tables_of_study(refine: bool, certainty: bool, halving: bool, quantised: bool) -> list[str]:
    """The names of a study's tables.

    Args:
        refine: whether it searches for widths.
        certainty: whether it adds seeds until it is sure.
        halving: whether it trains its models in stages.
        quantised: whether it trains weights of few bits.
    """
    there = {"search": refine, "certainty": certainty, "stages": halving, "bytes": quantised}
    return [name for name in TABLES if there.get(name, True)]


def figures_of_study(architectures: Iterable[str], own_data: bool, certainty: bool = False) -> list[str]:
    """The names of a study's figures.

    Args:
        architectures: the names of its sections.
        own_data: whether its data set is a user's own.
        certainty: whether it adds seeds until it is sure.
    """
    common = [name for name in FIGURES if name not in EACH and (own_data or name != "data")]
    each = [kind for kind in EACH if certainty or kind != "certainty"]
    return [*common, *(f"{kind}-{architecture}" for kind in each for architecture in architectures)]


def outputs_of_study(
    study: Study, architectures: Iterable[str], own_data: bool
) -> tuple[list[str], list[str]]:
    """The names of a study's tables and figures.

    Args:
        study: the study.
        architectures: the names of its sections that have runs; with `halving` some may have none.
        own_data: whether its data set is a user's own.
    """
    quantised = any(section.recipe.quantisation for section in study.architectures.values())
    tables = tables_of_study(study.refine, bool(study.certainty), bool(study.halving), quantised)
    return tables, figures_of_study(architectures, own_data, bool(study.certainty))


def kind_of_figure(name: str) -> str:
    """The figure of FIGURES that a study's figure is: "curve" for curve-<architecture>."""
    return next((kind for kind in EACH if name.startswith(f"{kind}-")), name)
