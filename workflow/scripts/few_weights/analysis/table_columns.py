"""The columns of every table of a study, written down once: name, type, and whether readers need it.

Writers order and type their columns by these definitions (`rows.as_table`), readers check and type what
they read by them (`read_tables`), and a test compares them with the committed studies and with the documents.
"""

from collections.abc import Mapping
from dataclasses import dataclass

#: Types of columns, as pandas names them. "Int64" and "boolean" can be empty, which "int64" and "bool"
#: cannot.
TEXT, NUMBER = "str", "float64"
WHOLE, WHOLE_OR_EMPTY = "int64", "Int64"
YES_NO, YES_NO_OR_EMPTY = "bool", "boolean"


@dataclass(frozen=True)
class Column:
    """A column of a CSV.

    Attributes:
        name: its heading.
        type: its type in pandas; None leaves it to pandas, for what is only shown.
        required: whether a table without it is refused. Tables of earlier versions lack some of the others.
    """

    name: str
    type: str | None = None
    required: bool = True


@dataclass(frozen=True)
class Table:
    """A CSV of a study.

    Attributes:
        name: its file name without ".csv".
        row: what a row stands for.
        columns: its columns in the order in which they are written.
        may_be_empty: whether it may have no rows.
    """

    name: str
    row: str
    columns: tuple[Column, ...]
    may_be_empty: bool = False

    @property
    def names(self) -> list[str]:
        """The names of all columns, in order."""
        return [column.name for column in self.columns]

    @property
    def required(self) -> list[str]:
        """The names of the columns that a reader needs."""
        return [column.name for column in self.columns if column.required]

    @property
    def types(self) -> dict[str, str]:
        """Column name -> type in pandas, for the columns that have one."""
        return {column.name: column.type for column in self.columns if column.type}


def _columns(type: str | None, names: str, required: bool = True) -> tuple[Column, ...]:
    """Columns of one type from their names, separated by spaces."""
    return tuple(Column(name, type, required) for name in names.split())


#: The settings of an optimizer that not every optimizer has; empty for the others. The page lists them, too.
OPTIMIZER_SETTINGS = _columns(None, "epsilon rho momentum nesterov beta_1 beta_2 refresh", required=False)

#: The settings of schedule, augmentation and quantisation; empty where there is none. The page has them, too.
SCHEDULE_SETTINGS = _columns(None, "schedule warmup shift weight_bits rounded_after", required=False)

#: runs.csv: its columns stand in the order of metrics.json; which settings of a recipe there are depends on
#: it.
RUNS = Table(
    "runs",
    "a run",
    (
        *_columns(TEXT, "study dataset"),
        *_columns(None, "classes", required=False),
        *_columns(TEXT, "architecture"),
        *_columns(WHOLE, "width seed parameters"),
        *_columns(None, "weight_bytes", required=False),
        *_columns(WHOLE, "multiply_adds epochs batch_size"),
        *_columns(TEXT, "loss", required=False),
        *_columns(WHOLE, "train_examples validation_examples"),
        *_columns(None, "validation_correct validation_accuracy validation_loss", required=False),
        *_columns(WHOLE, "test_examples test_correct"),
        *_columns(NUMBER, "test_accuracy"),
        *_columns(NUMBER, "test_loss", required=False),
        *_columns(WHOLE_OR_EMPTY, "diverged_in_epoch", required=False),
        *_columns(TEXT, "path code"),
        *_columns(TEXT, "data_sha256 predictions_sha256 weights_sha256", required=False),
        *_columns(TEXT, "optimizer"),
        *_columns(None, "learning_rate"),
        *OPTIMIZER_SETTINGS,
        *SCHEDULE_SETTINGS,
        *_columns(TEXT, "python tensorflow keras numpy"),
        *_columns(TEXT, "llvmlite", required=False),
        *_columns(NUMBER, "train_seconds"),
        *_columns(None, "resumed_after_epoch", required=False),
        *_columns(TEXT, "started", required=False),
        *_columns(TEXT, "finished"),
        *_columns(TEXT, "host", required=False),
        *_columns(TEXT, "platform device"),
        *_columns(TEXT, "bits", required=False),
        *_columns(None, "peak_memory_mib"),
        *_columns(NUMBER, "overhead_seconds"),
        *_columns(TEXT, "baseline_architecture"),
        *_columns(WHOLE, "baseline_width baseline_parameters"),
    ),
)

LAYERS = Table(
    "layers",
    "a layer of a model",
    (
        *_columns(TEXT, "architecture"),
        *_columns(WHOLE, "width position"),
        *_columns(TEXT, "layer", required=False),
        *_columns(TEXT, "type output_shape"),
        *_columns(WHOLE, "parameters"),
    ),
)

HISTORY = Table(
    "history",
    "an epoch of a run",
    (
        *_columns(TEXT, "architecture"),
        *_columns(WHOLE, "width seed epoch"),
        *_columns(NUMBER, "train_loss", required=False),
        *_columns(NUMBER, "train_accuracy"),
        *_columns(NUMBER, "validation_loss", required=False),
        *_columns(NUMBER, "validation_accuracy"),
        *_columns(NUMBER, "test_loss", required=False),
        *_columns(NUMBER, "test_accuracy"),
    ),
)

MODELS = Table(
    "models",
    "a model",
    (
        *_columns(TEXT, "architecture"),
        *_columns(WHOLE, "width parameters weight_bytes flops_per_image seeds collapsed"),
        *_columns(WHOLE, "diverged", required=False),
        *_columns(TEXT, "selection", required=False),
        *_columns(WHOLE, "validation_examples", required=False),
        *_columns(
            NUMBER,
            "validation_accuracy validation_accuracy_sd validation_accuracy_low validation_accuracy_high "
            "validation_binomial_half_width",
            required=False,
        ),
        *_columns(WHOLE, "test_examples"),
        *_columns(NUMBER, "test_accuracy test_accuracy_sd test_accuracy_low test_accuracy_high"),
        *_columns(NUMBER, "test_binomial_half_width", required=False),
    ),
)

SHARES = Table(
    "shares",
    "a model and target",
    (
        *_columns(TEXT, "architecture"),
        *_columns(WHOLE, "width"),
        *_columns(NUMBER, "target"),
        *_columns(WHOLE, "seeds reaching"),
        *_columns(NUMBER, "share share_low share_high"),
    ),
)

PARETO = Table(
    "pareto",
    "a model",
    (
        *_columns(TEXT, "architecture"),
        *_columns(WHOLE, "width from_parameters"),
        *_columns(WHOLE_OR_EMPTY, "to_parameters"),
        *_columns(WHOLE, "weight_bytes flops_per_image"),
        *_columns(TEXT, "selection"),
        *_columns(NUMBER, "selection_accuracy test_accuracy"),
        *_columns(WHOLE, "seeds", required=False),
    ),
)

#: Only of a study with `quantisation`.
BYTES = Table(
    "bytes",
    "a model",
    (
        *_columns(TEXT, "architecture"),
        *_columns(WHOLE, "width parameters from_bytes"),
        *_columns(WHOLE_OR_EMPTY, "to_bytes"),
        *_columns(TEXT, "selection"),
        *_columns(NUMBER, "selection_accuracy test_accuracy"),
        *_columns(WHOLE, "seeds"),
    ),
)

#: The columns of breakpoints.csv that only a study with `certainty` has. An end of a range may be empty.
OF_CERTAINTY = (
    *_columns(NUMBER, "level collapse alpha", required=False),
    *_columns(WHOLE_OR_EMPTY, "guard_seeds", required=False),
    *_columns(WHOLE_OR_EMPTY, "range_low_width range_low_parameters", required=False),
    *_columns(WHOLE_OR_EMPTY, "range_high_width range_high_parameters", required=False),
)

#: The columns of a breakpoint are empty where no width reaches the target.
BREAKPOINTS = Table(
    "breakpoints",
    "an architecture and target",
    (
        *_columns(TEXT, "architecture"),
        *_columns(NUMBER, "target"),
        *_columns(YES_NO, "reached"),
        *_columns(WHOLE_OR_EMPTY, "width parameters"),
        *_columns(NUMBER, "test_accuracy"),
        *_columns(WHOLE_OR_EMPTY, "seeds"),
        *_columns(TEXT, "baseline_architecture"),
        *_columns(WHOLE_OR_EMPTY, "baseline_width baseline_parameters"),
        *_columns(NUMBER, "compression"),
        *_columns(TEXT, "selection"),
        *_columns(NUMBER, "selection_accuracy"),
        *_columns(NUMBER, "selection_sd", required=False),
        *_columns(NUMBER, "selection_low selection_high"),
        *_columns(YES_NO_OR_EMPTY, "certain"),
        *_columns(WHOLE_OR_EMPTY, "reaching"),
        *_columns(NUMBER, "share", required=False),
        *_columns(NUMBER, "share_low share_high"),
        *_columns(YES_NO, "monotone", required=False),
        *_columns(WHOLE_OR_EMPTY, "larger_missing"),
        *_columns(WHOLE_OR_EMPTY, "weight_bytes flops_per_image", required=False),
        *_columns(WHOLE_OR_EMPTY, "article_width article_parameters"),
        *_columns(NUMBER, "article_test_accuracy article_compression"),
        *OF_CERTAINTY,
    ),
)

#: targets.csv has a further column for each architecture; one may be called "target", too, hence no type.
TARGETS = Table("targets", "a target", _columns(None, "target"))

#: A study of a single seed has no rows here.
BOOTSTRAP = Table(
    "bootstrap",
    "an architecture, target and width",
    (
        *_columns(TEXT, "architecture"),
        *_columns(NUMBER, "target"),
        *_columns(WHOLE_OR_EMPTY, "width"),
        *_columns(WHOLE_OR_EMPTY, "parameters", required=False),
        *_columns(WHOLE, "times"),
        *_columns(NUMBER, "share"),
    ),
    may_be_empty=True,
)

#: A breakpoint that is the smallest model tried has no rows here.
NEIGHBOURS = Table(
    "neighbours",
    "a pair of models and a seed",
    (
        *_columns(TEXT, "architecture"),
        *_columns(WHOLE, "width"),
        *_columns(WHOLE, "parameters", required=False),
        *_columns(WHOLE, "smaller_width"),
        *_columns(WHOLE, "smaller_parameters", required=False),
        *_columns(WHOLE_OR_EMPTY, "seed"),
        *_columns(WHOLE, "images only_breakpoint_right only_smaller_right", required=False),
        *_columns(TEXT, "test", required=False),
        *_columns(NUMBER, "p", required=False),
        *_columns(NUMBER, "p_holm"),
    ),
    may_be_empty=True,
)

COUNTS = Table(
    "counts",
    "a model",
    (
        *_columns(TEXT, "architecture"),
        *_columns(WHOLE, "width trainable"),
        *_columns(NUMBER, "non_zero"),
        *_columns(WHOLE, "at_each_use non_trainable"),
        *_columns(TEXT, "non_trainable_names", required=False),
        *_columns(WHOLE, "bytes"),
    ),
)

SEARCH = Table(
    "search",
    "an architecture, round and target",
    (
        *_columns(TEXT, "architecture"),
        *_columns(WHOLE, "round"),
        *_columns(NUMBER, "target"),
        *_columns(WHOLE_OR_EMPTY, "missing_width reaching_width next_width", required=False),
        *_columns(TEXT, "verdict", required=False),
        *_columns(TEXT, "message"),
        *_columns(TEXT, "visited", required=False),
    ),
)

#: Only of a study with `certainty`. An architecture that lacks runs of its first round has no rows here.
CERTAINTY = Table(
    "certainty",
    "an architecture, round, width and target",
    (
        *_columns(TEXT, "architecture"),
        *_columns(WHOLE, "round width parameters"),
        *_columns(NUMBER, "target"),
        *_columns(WHOLE, "seeds"),
        *_columns(NUMBER, "mean low high alpha"),
        *_columns(WHOLE, "guard_seeds"),
        *_columns(TEXT, "verdict"),
        *_columns(WHOLE, "next_seeds"),
    ),
    may_be_empty=True,
)

#: Only of a study with `halving`.
STAGES = Table(
    "stages",
    "a stage and model",
    (
        *_columns(WHOLE, "stage epochs"),
        *_columns(TEXT, "architecture"),
        *_columns(WHOLE, "width parameters weight_bytes seeds"),
        *_columns(NUMBER, "validation_accuracy train_seconds"),
        *_columns(WHOLE, "beaten_by"),
        *_columns(YES_NO, "goes_on"),
    ),
)

#: Table name -> its columns.
TABLES: Mapping[str, Table] = {
    table.name: table
    for table in (
        *(RUNS, LAYERS, HISTORY, MODELS, SHARES, PARETO, BYTES),
        *(BREAKPOINTS, TARGETS, BOOTSTRAP, NEIGHBOURS, COUNTS, SEARCH, CERTAINTY, STAGES),
    )
}
