"""From the config to the list of runs, and every function that the rules use.

Takes `config`. Gives STUDY (validated, with its defaults), where things lie, and the helpers below. Which widths
and runs there are is said by `search.smk`, or by `report.smk` next to this folder, which trains nothing.
"""

import hashlib
import json
import re
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.logging import logger

# Not `workflow.basedir`, which is another folder where this is a module of another workflow.
ROOT = Path(workflow.current_basedir.get_path_or_uri(secret_free=False)).parents[1]
SCRIPTS = ROOT / "workflow" / "scripts"
sys.path.insert(0, str(SCRIPTS))

from few_weights.plan import snakemake_private
from few_weights.training.checkpoint import forget_finished
from few_weights.data.datasets import data_sha256
from few_weights.data.datasets import KNOWN
from few_weights.errors import StudyError
from few_weights.plan.console.failures import Failures
from few_weights.plan.finished_runs import exported_names
from few_weights.plan.fingerprints import code_fingerprint
from few_weights.plan.fingerprints import network_fingerprint
from few_weights.plan.checksums import changed_files
from few_weights.plan.checksums import ChecksumRecorder
from few_weights.data.check_fetched import data_to_fetch
from few_weights.plan.checksums import plan_changed
from few_weights.plan.console.interrupt import Interrupt
from few_weights.plan.model_descriptions import baseline_widths
from few_weights.plan.environment import CACHE
from few_weights.plan.cost import CHEAP
from few_weights.plan.model_descriptions import describe_models
from few_weights.plan.model_descriptions import description_code
from few_weights.plan.model_descriptions import description_request
from few_weights.plan.environment import put_own_python_first
from few_weights.plan.environment import require_writable
from few_weights.plan.cost import training_cost
from few_weights.plan.cost import training_minutes
from few_weights.plan.cost import training_seconds
from few_weights.plan.console.progress import Progress
from few_weights.plan.console.progress import Training
from few_weights.plan.runs import RUN_FILES
from few_weights.data.find_facts import facts_of_study
from few_weights.plan.study_file.resolve import resolve_study
from few_weights.plan.study_file.yaml_reader import read_study

put_own_python_first()

if snakemake_private.cores(workflow) == 0:
    raise WorkflowError("--cores 0 leaves no core to work on; write 1 or more, or all")

try:
    # Not Snakemake's `config`, in which 010 is 8. As a module there is no other: the workflow around this one made it.
    STUDY = resolve_study(
        (
            read_study(workflow.configfiles, workflow.config_settings.config_args or [])
            if workflow.modifier.is_main_snakefile()
            else config
        ),
        facts_of_study,
    )
    RESULTS = f"results/{STUDY.name}"
    # Where that lies: under a prefix, where this is a module that was given one.
    FOLDER = Path(snakemake_private.with_prefix(workflow, RESULTS))
    for folder in (FOLDER, FOLDER.with_name("data"), CACHE):
        require_writable(folder)
    MODELS = describe_models(STUDY) if TRAINS else {}
except StudyError as error:
    raise WorkflowError(str(error)) from None

DATA = f"results/data/{STUDY.dataset}.npz"
DATA_SHA256 = data_sha256(STUDY.dataset, STUDY.data.sha256)
DATA_FILE = snakemake_private.with_prefix(workflow, DATA)
# What the rules depend on in place of the data: few_weights/data/check_fetched.py says why.
DATA_STAMP = str(CACHE / DATA_FILE.lstrip("/"))
if TRAINS and snakemake_private.is_main_process(workflow):
    if data_to_fetch(
        Path(DATA_FILE), STUDY.dataset, STUDY.data.sha256, Path(DATA_STAMP), FOLDER / "runs"
    ):
        snakemake_private.run_first(workflow, DATA_FILE, Path(DATA_STAMP))
RUN = f"{RESULTS}/runs/{{architecture}}/width-{{width}}/seed-{{seed}}"
SEARCH_ROUND = f"{RESULTS}/search/{{architecture}}/round-{{round}}.json"
ARCHIVE = f"{RESULTS}/exports/archives/{{architecture}}.zip"
ARCHITECTURES = STUDY.architectures

# The tables that the report shows in addition to runs.csv and breakpoints.csv.
EVIDENCE = ["models", "pareto", "targets", "bootstrap", "neighbours", "counts"]
if STUDY.refine:
    EVIDENCE.append("search")

# Its figures, in addition to a curve for each architecture.
FIGURES = ["comparison", "weights-by-layer", "learning", "mistakes", "first-layer", "timeline"]
if STUDY.dataset not in KNOWN:
    FIGURES.append("data")

# What report.html is made of, beside the code that fills it in.
REPORT_TEMPLATES = sorted(
    path.name
    for pattern in ("*.j2", "*.css", "*.js")
    for path in (ROOT / "workflow" / "report").glob(pattern)
)


wildcard_constraints:
    architecture="|".join(map(re.escape, ARCHITECTURES)),
    dataset=re.escape(STUDY.dataset),
    width=r"\d+",
    seed=r"\d+",
    round=r"\d+",


def all_figures():
    """The names of all figures."""
    return [*FIGURES, *(f"curve-{architecture}" for architecture in ARCHITECTURES)]


def report_files():
    """Everything that is made from the runs."""
    tables = ["runs", "layers", "history", "breakpoints", "shares", *EVIDENCE]
    return [
        f"{RESULTS}/report.html",
        *expand(f"{RESULTS}/tables/{{table}}.html", table=["breakpoints", "runs"]),
        *expand(f"{RESULTS}/{{table}}.csv", table=dict.fromkeys(tables)),
        *expand(f"{RESULTS}/figures/{{figure}}.{{kind}}", figure=all_figures(), kind=["svg", "png"]),
    ]


def files_at(architecture, widths, *names):
    """Those files of every run of an architecture at those widths."""
    return expand(f"{RUN}/{{name}}", architecture=architecture, width=widths, seed=STUDY.seeds, name=names)


def files_of(architecture, *names):
    """Those files of every run of an architecture, as an input function.

    There is one function for each architecture, because Snakemake waits for one checkpoint at a time in each: so
    the architectures are searched side by side.
    """
    return lambda wildcards: files_at(architecture, visited_widths(architecture), *names)


def exported(architecture):
    """The files of one architecture's networks; Snakemake comes back here when they are exported."""

    def files(wildcards):
        archive = checkpoints.export_models.get(architecture=architecture).output.archive
        return [f"{RESULTS}/exports/{name}" for name in exported_names(Path(archive))]

    return files


def exported_files():
    """Every file that a study exports, as inputs of `all`: none where it does not ask for any."""
    if not STUDY.export_models:
        return []
    return [f"{RESULTS}/exports.csv", *map(exported, ARCHITECTURES)]


def recipe_of(wildcards):
    """How an architecture is trained, as JSON."""
    return ARCHITECTURES[wildcards.architecture].recipe.to_json()


def network_of(wildcards):
    """What an architecture is, as JSON: one of our networks, or one of the user's."""
    return json.dumps(ARCHITECTURES[wildcards.architecture].network, sort_keys=True)


def unrecorded(value):
    """A parameter that is passed on but not compared with the last run's, so that its change reruns nothing.

    Snakemake does so with parameters that are functions of a job's threads.
    """
    return lambda wildcards, threads: str(value)


def data_is_fetched():
    """The data as an input: its age says nothing, and its content is compared by a parameter."""
    return ancient(local(DATA_STAMP))


def script(name):
    """The path of an entry point. Its content is compared, by `code_of`; a repository may move."""
    return unrecorded(SCRIPTS / name)


def code_of(name, also=()):
    """The fingerprint of an entry point and its modules, as a parameter of the rule that calls it."""
    return code_fingerprint(SCRIPTS / name, also=tuple(ROOT / path for path in also))


def training_code_of(wildcards):
    """The same for training, where the other architectures' networks make no difference."""
    section = ARCHITECTURES[wildcards.architecture]
    file = Path(section.file) if section.file else None
    return network_fingerprint(SCRIPTS / "train.py", section.network.get("architecture"), file)


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
    return training_cost(model["multiply_adds"], ARCHITECTURES[wildcards.architecture].recipe.epochs)


def minutes_of(wildcards):
    """The time limit of a training on a cluster."""
    return training_minutes(cost_of(wildcards), ARCHITECTURES[wildcards.architecture].recipe.epochs)


def submission_of(wildcards):
    """The group whose members may share a cluster's submission: cheap runs; others have their own.

    The cost of a model is unknown (0) where nothing could build it, and such a run has its own, too.
    """
    return "cheap" if 0 < cost_of(wildcards) < CHEAP else None


def baselines():
    """Architecture -> the full-size model that its breakpoint is compared with, as JSON."""
    return json.dumps({name: vars(section.baseline) for name, section in ARCHITECTURES.items()})


def expected_runs():
    """What every run must have been trained with, as JSON, for whoever merges them: see aggregation.read_runs."""
    common = {
        "dataset": STUDY.dataset,
        "data_sha256": DATA_SHA256,
        "validation_examples": STUDY.validation_examples,
    }
    return json.dumps(
        {
            name: {**common, **vars(section.recipe), "network": section.network}
            for name, section in ARCHITECTURES.items()
        },
        sort_keys=True,
    )


def plan_digest():
    """A digest of what the study says of its runs."""
    widths = {name: section.widths for name, section in STUDY.architectures.items()}
    plan = expected_runs() + json.dumps([widths, STUDY.seeds])
    return hashlib.sha256(plan.encode()).hexdigest()


def search_goes_on():
    """Whether a search has rounds ahead, which may ask for more runs."""
    return any(
        job.rule.name.endswith("search_widths") and not done for job, done in snakemake_private.jobs(workflow)
    )


def trainings():
    """Every training of the plan, for the lines that say how far the study is."""
    for job, done in snakemake_private.jobs(workflow):
        # By its output too: as a module, this may stand next to another copy of itself.
        if job.rule.name.endswith("train_model") and Path(job.output.metrics).is_relative_to(FOLDER):
            yield Training(
                jobid=job.jobid,
                name=f"{job.wildcards.architecture} width {job.wildcards.width} seed {job.wildcards.seed}",
                architecture=job.wildcards.architecture,
                epochs=ARCHITECTURES[job.wildcards.architecture].recipe.epochs,
                seconds=training_seconds(cost_of(job.wildcards), STUDY.data.train_examples),
                log=Path(job.log[0]),
                done=done,
            )


def made_here(jobid):
    """What a job made that is checked by its checksum: not a run's files, which are checked wherever they are read."""
    return [
        path for path in snakemake_private.outputs_of(workflow, jobid) if Path(path).name not in RUN_FILES
    ]


def say_how_far():
    """The line at the end of a study that was interrupted."""
    done, planned = PROGRESS.counts()
    return f"Interrupted: {done} of {planned} runs are done. Start again to continue."


def print_failures():
    """Which jobs failed, why, and where to read on, at the end of a start that had failures."""
    failed = FAILURES.failed
    for failure in failed:
        where = f"\n  its log: {failure.log}" if failure.log else ""
        print(f"\n{failure.name} failed: {failure.reason}{where}", file=sys.stderr)
    if any(failure.training for failure in failed):
        print("\nStart again to train what is missing; what is finished stays.", file=sys.stderr)
    elif failed:
        print("\nStart again to make what is missing; nothing is trained again for it.", file=sys.stderr)


def print_summary():
    """What the study found, at the end of a run."""
    table = FOLDER / "logs" / "find_breakpoints.log"
    if table.exists():
        print(f"\n{table.read_text()}\nReport: {(FOLDER / 'report.html').resolve()}", file=sys.stderr)


PROGRESS = Progress(logger, trainings, search_goes_on)
FAILURES = Failures()
INTERRUPT = Interrupt(SCRIPTS, say_how_far)

NOTES += [f"Data: {warning}" for warning in STUDY.data.warnings]
NOTES += [f"Networks: {warning}" for model in MODELS.values() for warning in model["warnings"]]

if snakemake_private.is_main_process(workflow):
    for warning in STUDY.data.warnings:
        print(f"Warning: {STUDY.dataset}: {warning}", file=sys.stderr)
    logger.addHandler(PROGRESS)
    logger.addHandler(FAILURES)
    logger.addHandler(ChecksumRecorder(FOLDER, plan_digest(), made_here))
    INTERRUPT.install(logger)
    for path in (changed := changed_files(FOLDER)):
        print(f"{path} is not what it was when it was made; it is made again.", file=sys.stderr)
    if TRAINS and plan_changed(FOLDER, plan_digest()):
        changed.append(FOLDER / "runs.csv")
    snakemake_private.force(workflow, map(str, changed))
