"""Which runs are there, for a report that trains nothing: what `search.smk` says where they may be trained.

Gives RUNS_HERE, KEPT (what is used as it is, because the runs that it was made from are not here) and the functions
that `merge.smk` asks. Reduces ARCHITECTURES, EVIDENCE and FIGURES to what there can be, and says in NOTES what is
missing.
"""

from few_weights.data.check_fetched import data_is_intact
from few_weights.plan.finished_runs import by_architecture
from few_weights.plan.finished_runs import name_runs
from few_weights.plan.finished_runs import nothing_to_report
from few_weights.plan.finished_runs import planned_runs
from few_weights.plan.finished_runs import runs_in_table
from few_weights.plan.finished_runs import runs_with_files

PLANNED = planned_runs(STUDY, FOLDER)
RUNS_HERE = runs_with_files(FOLDER, PLANNED)
# Without the runs' files, as in a copy of results/reference, the tables that were made from them serve.
REPORTED = RUNS_HERE or [run for run in PLANNED if run in runs_in_table(FOLDER / "runs.csv")]
if not REPORTED:
    raise WorkflowError(nothing_to_report(STUDY, FOLDER, PLANNED))
if missing := [run for run in PLANNED if run not in set(REPORTED)]:
    NOTES.append(f"{len(missing)} of {len(PLANNED)} runs are missing: {name_runs(missing)}.")
KEPT = [] if RUNS_HERE else [f"{RESULTS}/{table}.csv" for table in ("runs", "layers", "history")]
ARCHITECTURES = {name: ARCHITECTURES[name] for name in by_architecture(REPORTED)}


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
    return json.dumps(by_architecture(RUNS_HERE))


def can_be_made(name):
    """Why a table or figure cannot be made here, in words; None where it can."""
    if name == "search":
        have_rounds = RUNS_HERE and all(map(rounds_of, ARCHITECTURES))
        return None if have_rounds else "it is made from the rounds of the search"
    if name in ("counts", "neighbours", "mistakes", "first-layer", "data"):
        if not RUNS_HERE:
            return "it is made where the runs' files are, and they are not here"
        if not DATA_IS_HERE:
            return f"it needs {DATA_FILE}, which `snakemake --cores 1 -- {DATA}` fetches"
    if name in ("weights-by-layer", "learning") and not RUNS_HERE:
        table = {"weights-by-layer": "layers", "learning": "history"}[name]
        return None if (FOLDER / f"{table}.csv").exists() else f"it is made from {table}.csv"
    return None


def what_there_can_be(names, *paths):
    """Those of the tables or figures that can be made, or were made from runs that are no longer here."""
    there = []
    for name in names:
        files = [f"{RESULTS}/{path.format(name)}" for path in paths]
        why_not = can_be_made(name)
        if why_not and not RUNS_HERE and all((FOLDER / path.format(name)).exists() for path in paths):
            why_not = None
            KEPT.extend(files)
        if why_not is None:
            there.append(name)
        else:
            NOTES.append(f"{files[0]} is missing: {why_not}.")
    return there


DATA_IS_HERE = data_is_intact(Path(DATA_FILE), STUDY.dataset, STUDY.data.sha256, Path(DATA_STAMP))
EVIDENCE = what_there_can_be(EVIDENCE, "{}.csv")
FIGURES = what_there_can_be(FIGURES, "figures/{}.svg", "figures/{}.png")
