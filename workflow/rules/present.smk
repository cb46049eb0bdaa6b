"""Which runs there are, for a report that trains nothing. It replaces `search.smk`.

Defines RUNS_HERE, KEPT (files that are used as they are, because the runs that they were made from are not here) and
the functions that `merge.smk` calls. Reduces ARCHITECTURES, TABLE_NAMES and FIGURE_NAMES to what can be made, and
says in NOTES what is missing.
"""

from few_weights.data.check_fetched import data_is_intact
from few_weights.plan.finished_runs import (
    group_seeds,
    name_runs,
    nothing_to_report,
    planned_runs,
    runs_in_table,
    runs_with_files,
    search_rounds,
)
from few_weights.plan.outputs import FIGURES, kind_of_figure, outputs_of_study, TABLES

PLANNED = planned_runs(STUDY, FOLDER)
RUNS_HERE = runs_with_files(FOLDER, PLANNED)
# Without the runs' files, as in a copy of results/reference, use the tables that were made from them.
IN_TABLE = runs_in_table(FOLDER / "runs.csv")
REPORTED = RUNS_HERE or [run for run in PLANNED if run in IN_TABLE]
if not REPORTED:
    raise WorkflowError(nothing_to_report(STUDY, FOLDER, PLANNED))
# The rounds of a search, which are not copied, may have added widths and seeds, but no architecture.
others = [
    run
    for run in IN_TABLE.difference(PLANNED)
    if run.architecture not in STUDY.architectures or not (STUDY.refine or STUDY.certainty)
]
if others and not RUNS_HERE:
    raise WorkflowError(
        f"{FOLDER / 'runs.csv'} has runs that the study does not ask for: {name_runs(sorted(others, key=str))}; their "
        "files are not here to make it again without them: use the study that they belong to"
    )
if missing := [run for run in PLANNED if run not in set(REPORTED)]:
    NOTES.append(f"{len(missing)} of {len(PLANNED)} runs are missing: {name_runs(missing)}.")
KEPT = []
ARCHITECTURES = {name: ARCHITECTURES[name] for name in group_seeds(REPORTED)}


def rounds_of(architecture):
    """The JSON of every round of an architecture's search that is here."""
    number = len(search_rounds(STUDY, FOLDER, architecture))
    return [f"{RESULTS}/search/{architecture}/round-{each}.json" for each in range(number)]


def files_of(architecture, *names):
    """The named files of an architecture's runs that are here."""
    return [
        str(run.metrics_path(RESULTS).with_name(name))
        for run in RUNS_HERE
        if run.architecture == architecture
        for name in names
    ]


def stage_files():
    """The JSON of every stage that is here."""
    paths = [Path(RESULTS, "stages", f"stage-{number}.json") for number in range(1, len(STAGES) + 1)]
    return [str(path) for path in paths if (FOLDER.parent / path.relative_to("results")).exists()]


def figures_reported(wildcards):
    """The figures that the report shows."""
    return expand("<figures>/{figure}.svg", figure=FIGURE_NAMES)


def runs_to_merge(wildcards):
    """Architecture -> width -> the seeds whose runs are here."""
    return group_seeds(RUNS_HERE)


def reported_plan():
    """The plan that the tables of the report fulfil; none if runs are missing, or a search has not ended."""
    searched = (search_rounds(STUDY, FOLDER, name) for name in STUDY.architectures)
    ended = all(rounds and rounds[-1]["finished"] for rounds in searched)
    return plan_digest() if not missing and (ended or not (STUDY.refine or STUDY.certainty)) else ""


def reason_missing(output, name):
    """The reason why a table or figure cannot be made here, as a clause; None if it can."""
    if output.run_files and not RUNS_HERE:
        return "it is made from the runs' files, which are not here"
    if name == "search" and not all(map(rounds_of, ARCHITECTURES)):
        return "it is made from the rounds of the search, which are not here"
    if name == "stages" and len(stage_files()) < len(STAGES):
        return "it is made from the stages before the last, which are not here"
    if output.data and not DATA_IS_HERE:
        study = " ".join(map(str, workflow.configfiles))
        return f"it needs {DATA_FILE}, which `snakemake --configfile {study} --cores 1 -- {DATA}` fetches"
    missing = [f"{table}.csv" for table in output.tables if table not in TABLE_NAMES]
    return f"it is made from {' and '.join(missing)}, which cannot be made" if missing else None


def available_outputs(outputs, *paths):
    """The tables or figures that can be made, or that were made from runs that are no longer here."""
    there = []
    for name, output in outputs.items():
        files = [f"{RESULTS}/{path.format(name)}" for path in paths]
        reason = reason_missing(output, name)
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
        for name in outputs_of_study(STUDY, ARCHITECTURES, STUDY.dataset not in KNOWN)[1]
    },
    "figures/{}.svg",
    "figures/{}.png",
)
