"""Which runs are there, for a report that trains nothing: what `search.smk` says where they may be trained.

Gives RUNS_HERE, KEPT (what is used as it is, because the runs that it was made from are not here) and the functions
that `merge.smk` asks. Reduces ARCHITECTURES, TABLE_NAMES and FIGURE_NAMES to what can be made, and says in NOTES
what is missing.
"""

from few_weights.data.check_fetched import data_is_intact
from few_weights.plan.finished_runs import (
    group_seeds,
    name_runs,
    nothing_to_report,
    planned_runs,
    runs_in_table,
    runs_with_files,
)
from few_weights.plan.outputs import FIGURES, kind_of_figure, TABLES

PLANNED = planned_runs(STUDY, FOLDER)
RUNS_HERE = runs_with_files(FOLDER, PLANNED)
# Without the runs' files, as in a copy of results/reference, the tables that were made from them serve.
REPORTED = RUNS_HERE or [run for run in PLANNED if run in runs_in_table(FOLDER / "runs.csv")]
if not REPORTED:
    raise WorkflowError(nothing_to_report(STUDY, FOLDER, PLANNED))
if missing := [run for run in PLANNED if run not in set(REPORTED)]:
    NOTES.append(f"{len(missing)} of {len(PLANNED)} runs are missing: {name_runs(missing)}.")
KEPT = []
ARCHITECTURES = {name: ARCHITECTURES[name] for name in group_seeds(REPORTED)}


def rounds_of(architecture):
    """The JSON of every round of an architecture's search."""
    rounds = [Path(RESULTS, "search", architecture, f"round-{number}.json") for number in range(100)]
    return [str(path) for path in rounds if (FOLDER.parent / path.relative_to("results")).exists()]


def files_of(architecture, *names):
    """Those files of every run of an architecture that is there."""
    return [
        str(run.metrics_path(RESULTS).with_name(name))
        for run in RUNS_HERE
        if run.architecture == architecture
        for name in names
    ]


def runs_to_merge(wildcards):
    """Architecture -> width -> the seeds that are there, as JSON."""
    return json.dumps(group_seeds(RUNS_HERE))


def reason_missing(output, is_search=False):
    """Why a table or figure cannot be made here, in words; None where it can."""
    if output.run_files and not RUNS_HERE:
        return "it is made where the runs' files are, and they are not here"
    if is_search and not all(map(rounds_of, ARCHITECTURES)):
        return "it is made from the rounds of the search"
    if output.data and not DATA_IS_HERE:
        return f"it needs {DATA_FILE}, which `snakemake --cores 1 -- {DATA}` fetches"
    missing = [f"{table}.csv" for table in output.tables if table not in TABLE_NAMES]
    return f"it is made from {' and '.join(missing)}" if missing else None


def available_outputs(outputs, *paths):
    """Those of the tables or figures that can be made, or were made from runs that are no longer here."""
    there = []
    for name, output in outputs.items():
        files = [f"{RESULTS}/{path.format(name)}" for path in paths]
        reason = reason_missing(output, name == "search")
        if reason and not RUNS_HERE and all((FOLDER / path.format(name)).exists() for path in paths):
            reason = None
            KEPT.extend(files)
        if reason is None:
            there.append(name)
        else:
            NOTES.append(f"{files[0]} is missing: {reason}.")
    return there


DATA_IS_HERE = data_is_intact(Path(DATA_FILE), STUDY.dataset, STUDY.data.sha256, Path(DATA_STAMP))
TABLE_NAMES = available_outputs({name: TABLES[name] for name in TABLE_NAMES}, "{}.csv")
FIGURE_NAMES = available_outputs(
    {
        name: FIGURES[kind_of_figure(name)]
        for name in figures_of_study(ARCHITECTURES, own_data=STUDY.dataset not in KNOWN)
    },
    "figures/{}.svg",
    "figures/{}.png",
)
