"""From the config to the list of runs, and every function that the rules use.

Takes `config`. Gives STUDY (validated, with its defaults), where things lie, and the helpers below.
"""

import itertools
import json
import re
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.logging import logger
from snakemake.settings.types import ExecMode

# Not `workflow.basedir`, which is another folder where this is a module of another workflow.
ROOT = Path(workflow.current_basedir.get_path_or_uri(secret_free=False)).parents[1]
SCRIPTS = ROOT / "workflow" / "scripts"
sys.path.insert(0, str(SCRIPTS))

from few_weights.checkpoint import forget_finished
from few_weights.errors import StudyError
from few_weights.failures import failed_jobs
from few_weights.files import exported_names
from few_weights.fingerprint import code_fingerprint, network_fingerprint
from few_weights.planning import (
    baseline_widths,
    CHEAP,
    describe_models,
    description_code,
    description_request,
    put_own_python_first,
    require_writable,
    training_cost,
    training_minutes,
)
from few_weights.progress import TimeLeft
from few_weights.study import resolve_study

put_own_python_first()

try:
    # As a module, the config was read by the workflow around this one.
    STUDY = resolve_study(config, workflow.configfiles if workflow.modifier.is_main_snakefile() else [])
    RESULTS = f"results/{STUDY['study']}"
    require_writable(Path(RESULTS))
    MODELS = describe_models(STUDY)
except StudyError as error:
    raise WorkflowError(str(error)) from None

DATA = f"results/data/{STUDY['dataset']}.npz"
RUN = f"{RESULTS}/runs/{{architecture}}/width-{{width}}/seed-{{seed}}"
SEARCH_ROUND = f"{RESULTS}/search/{{architecture}}/round-{{round}}.json"
ARCHITECTURES = STUDY["architectures"]

# The tables beside runs.csv and breakpoints.csv that the report shows.
EVIDENCE = ["models", "pareto", "targets", "bootstrap", "neighbours", "counts"]
if STUDY["refine"]:
    EVIDENCE.append("search")

# Its figures, beside a curve for each architecture.
FIGURES = ["comparison", "weights-by-layer", "learning", "mistakes", "first-layer", "timeline"]

# What report.html is made of, beside the code that fills it in.
REPORT_TEMPLATES = sorted(
    path.name
    for pattern in ("*.j2", "*.css", "*.js")
    for path in (ROOT / "workflow" / "report").glob(pattern)
)


wildcard_constraints:
    architecture="|".join(map(re.escape, ARCHITECTURES)),
    dataset=re.escape(STUDY["dataset"]),
    width=r"\d+",
    seed=r"\d+",
    round=r"\d+",


def searched(architecture, number):
    """What a round of a search found; Snakemake comes back here when that round is done."""
    found = checkpoints.search_widths.get(architecture=architecture, round=number).output[0]
    return json.loads(Path(found).read_text())


def search_rounds(architecture):
    """Every round of an architecture's search, in order."""
    for number in itertools.count():
        yield (found := searched(architecture, number))
        if found["finished"]:
            return


def widths_before_round(wildcards):
    """The widths that a round of the search judges: the study's own and those that earlier rounds asked for."""
    number = int(wildcards.round)
    if number == 0:
        return ARCHITECTURES[wildcards.architecture]["widths"]
    earlier = searched(wildcards.architecture, number - 1)
    return earlier["visited"] + earlier["next"]


def visited_widths(architecture):
    """The widths an architecture is trained at, those of its search with them."""
    if not STUDY["refine"]:
        return ARCHITECTURES[architecture]["widths"]
    *_, last = search_rounds(architecture)
    return last["visited"]


def all_visited_widths(wildcards):
    """Architecture -> its widths, as JSON."""
    return json.dumps({name: visited_widths(name) for name in ARCHITECTURES})


def files_at(architecture, widths, name):
    """The file of that name of every run of an architecture."""
    return expand(f"{RUN}/{name}", architecture=architecture, width=widths, seed=STUDY["seeds"])


def files_of(architecture, name):
    """The same at all its widths, as an input function.

    There is one for each architecture, because Snakemake waits for one checkpoint at a time in each function:
    so the architectures are searched side by side.
    """
    return lambda wildcards: files_at(architecture, visited_widths(architecture), name)


def metrics_before_round(wildcards):
    return files_at(wildcards.architecture, widths_before_round(wildcards), "metrics.json")


def rounds_of(architecture):
    """The JSON of every round of an architecture's search, as an input function."""
    return lambda wildcards: [
        SEARCH_ROUND.format(architecture=architecture, round=found["round"])
        for found in search_rounds(architecture)
    ]


def recipe_of(wildcards):
    """How an architecture is trained, as JSON: what may change a run's result, beside the run itself."""
    section = ARCHITECTURES[wildcards.architecture]
    keys = ("epochs", "batch_size", "optimizer", "schedule", "augmentation")
    # Sorted, so that keys in another order are the same recipe.
    return json.dumps({key: section[key] for key in keys if key in section}, sort_keys=True)


def network_of(wildcards):
    """What an architecture is, as JSON: one of our networks, or one of the user's."""
    return json.dumps(ARCHITECTURES[wildcards.architecture]["network"], sort_keys=True)


def networks():
    """Architecture -> what it is, as JSON."""
    return json.dumps({name: section["network"] for name, section in ARCHITECTURES.items()}, sort_keys=True)


def unrecorded(value):
    """A parameter that is passed on but not compared with the last run's, so that its change reruns nothing.

    Snakemake does so with parameters that are functions of a job's threads.
    """
    return lambda wildcards, threads: str(value)


def checkpoints_beside(wildcards, output, threads):
    """The study's folder of checkpoints, from where its runs lie: as a module it may lie under a prefix.

    A function of threads for the same reason as `unrecorded`.
    """
    return str(Path(output.metrics).parents[4] / "checkpoints")


def data_to_train_on():
    """The data as an input. Those that we know are verified against fixed hashes, so their age says nothing.

    A user's own are fetched anew when they have changed, and then every run is to be repeated. Snakemake would
    not see that behind `ancient`: it looks for no other reason in a job whose input is made anew.
    """
    return DATA if STUDY["data"]["sha256"] else ancient(DATA)


def script(name):
    """The path of an entry point. Its content is compared, by `code_of`; a repository may move."""
    return unrecorded(SCRIPTS / name)


def code_of(name, also=()):
    """The fingerprint of an entry point and its modules, as a parameter of the rule that calls it."""
    return code_fingerprint(SCRIPTS / name, also=tuple(ROOT / path for path in also))


def training_code_of(wildcards):
    """The same for training, where the other architectures' networks make no difference."""
    network = ARCHITECTURES[wildcards.architecture]["network"]
    file = Path(network["file"]) if "file" in network else None
    return network_fingerprint(SCRIPTS / "train.py", network.get("architecture"), file)


def cost_of(wildcards):
    """How long a run takes, relative to others; 0 where the models are not known.

    A width that a search added counts as the next larger one that the study names, which it lies below.
    """
    described = [
        width
        for architecture, width in MODELS
        if architecture == wildcards.architecture and width >= int(wildcards.width)
    ]
    if not described:
        return 0
    model = MODELS[wildcards.architecture, min(described)]
    return training_cost(model, ARCHITECTURES[wildcards.architecture]["epochs"])


def minutes_of(wildcards):
    """The time limit of a training on a cluster."""
    return training_minutes(cost_of(wildcards), ARCHITECTURES[wildcards.architecture]["epochs"])


def submission_of(wildcards):
    """The group whose members may share a cluster's submission: cheap runs; others have their own.

    The cost of a model is unknown (0) where nothing could build it, and such a run has its own, too.
    """
    return "cheap" if 0 < cost_of(wildcards) < CHEAP else None


def baselines():
    """Architecture -> the full-size model that its breakpoint is compared with, as JSON."""
    return json.dumps({name: section["baseline"] for name, section in ARCHITECTURES.items()})


def planned_trainings():
    """(job id, relative cost, finished?) of every training that this start has to do."""
    return [
        (job.jobid, cost_of(job.wildcards), workflow.dag.finished(job))
        for job in workflow.dag.needrun_jobs(exclude_finished=False)
        # By its output too: as a module, this may stand beside another copy of itself.
        if job.rule.name.endswith("train_model") and f"{RESULTS}/" in job.output.metrics
    ]


def print_failures(logs):
    """Which jobs failed, why, and where to read on, at the end of a run that had failures.

    Snakemake hands over the paths of its logs as a list.
    """
    for name, why, path in failed_jobs("".join(Path(log).read_text() for log in logs)):
        print(f"\n{name} failed: {why}\n  its log: {path}", file=sys.stderr)
    print("\nStart again to train what is missing; what is finished stays.", file=sys.stderr)


def print_summary():
    """What the study found, at the end of a run."""
    table = Path(RESULTS, "logs", "find_breakpoints.log")
    if table.exists():
        print(f"\n{table.read_text()}\nReport: {Path(RESULTS, 'report.html').resolve()}", file=sys.stderr)


# Not in the processes that Snakemake starts for the jobs of a cluster.
if workflow.exec_mode == ExecMode.DEFAULT:
    logger.addHandler(TimeLeft(logger, planned_trainings, more_to_come=STUDY["refine"]))
