"""The study, where its files lie, and the functions that the rules use.

Takes `config`, and TRAINS and NOTES of the plan that includes it. Gives STUDY (checked, with its defaults), the
paths, the lists of tables and figures, and the functions below. Which widths and runs there are is said by
`search.smk`, or by `present.smk` for a report, which trains nothing.
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

from few_weights.data.datasets import data_sha256, KNOWN
from few_weights.data.find_facts import facts_of_study
from few_weights.data.check_fetched import data_to_fetch
from few_weights.errors import StudyError
from few_weights.plan import snakemake_private
from few_weights.plan.cost import CHEAP, training_cost, training_minutes, training_seconds
from few_weights.plan.finished_runs import exported_names
from few_weights.plan.fingerprints import code_fingerprint, network_fingerprint
from few_weights.plan.model_descriptions import (
    baseline_widths,
    describe_models,
    description_code,
    description_request,
)
from few_weights.plan.outputs import figures_of_study, REPORT_TABLES, tables_of_study
from few_weights.plan.study_file.resolve import resolve_study
from few_weights.plan.runs import RUN_FILES
from few_weights.plan.study_file.yaml_reader import read_study
from few_weights.training.checkpoint import forget_finished
from few_weights.plan.environment import CACHE, put_own_python_first, require_writable

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

NOTES += [f"Data: {warning}" for warning in STUDY.data.warnings]
NOTES += [f"Networks: {warning}" for model in MODELS.values() for warning in model["warnings"]]


# In the rules' paths, <study> is the study's folder, and <run> the folder of one run.
RUN = f"{RESULTS}/runs/{{architecture}}/width-{{width}}/seed-{{seed}}"


pathvars:
    study=RESULTS,
    run=RUN,
    figures=f"{RESULTS}/figures",
    logs=f"{RESULTS}/logs",


DATA = f"results/data/{STUDY.dataset}.npz"
DATA_SHA256 = data_sha256(STUDY.dataset, STUDY.data.sha256)
DATA_FILE = snakemake_private.with_prefix(workflow, DATA)
# What the rules depend on in place of the data: few_weights/data/check_fetched.py says why.
DATA_STAMP = str(CACHE / DATA_FILE.lstrip("/"))
if TRAINS and snakemake_private.is_main_process(workflow):
    if data_to_fetch(Path(DATA_FILE), STUDY.dataset, STUDY.data.sha256, Path(DATA_STAMP), FOLDER / "runs"):
        snakemake_private.run_first(workflow, DATA_FILE, Path(DATA_STAMP))

# What there is to make; present.smk leaves out what cannot be made.
ARCHITECTURES = STUDY.architectures
TABLE_NAMES = tables_of_study(STUDY.refine)
FIGURE_NAMES = figures_of_study(ARCHITECTURES, own_data=STUDY.dataset not in KNOWN)

# What report.html is made of, besides the code that fills it in.
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


# Which files there are


def report_files():
    """Everything that is made from the runs."""
    return [
        f"{RESULTS}/report.html",
        *expand(f"{RESULTS}/tables/{{table}}.html", table=["breakpoints", "runs"]),
        *expand(f"{RESULTS}/{{table}}.csv", table=TABLE_NAMES),
        *expand(f"{RESULTS}/figures/{{figure}}.{{kind}}", figure=FIGURE_NAMES, kind=["svg", "png"]),
    ]


def files_at(architecture, widths, *names):
    """Those files of every run of an architecture at those widths."""
    return expand(f"{RUN}/{{name}}", architecture=architecture, width=widths, seed=STUDY.seeds, name=names)


def files_of(architecture, *names):
    """Those files of every run of an architecture, as an input function.

    There is one function for each architecture, because Snakemake waits for one checkpoint at a time in each: so
    the architectures are searched at the same time.
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


def data_is_fetched():
    """The data as an input: its age says nothing, and its content is compared by a parameter."""
    return ancient(local(DATA_STAMP))


# What jobs are called with


def unrecorded(value):
    """A parameter that is passed on but not compared with the last run's, so that its change reruns nothing.

    Snakemake does so with parameters that are functions of a job's threads.
    """
    return lambda wildcards, threads: value if isinstance(value, list) else str(value)


def script(name):
    """The path of an entry point. Its content is compared, by `code_of`; a repository may move."""
    return unrecorded(SCRIPTS / name)


def code_of(name, also=()):
    """The fingerprint of an entry point and its modules, as a parameter of the rule that calls it."""
    return code_fingerprint(SCRIPTS / name, also=tuple(ROOT / path for path in also))


def code_of_figure(name):
    """The fingerprint of the entry point of all figures, and of the module that draws this one."""
    return code_of("plot.py") + code_of(f"few_weights/report/figures/{name.replace('-', '_')}.py")


def training_code_of(wildcards):
    """The fingerprint of training, in which other architectures' networks make no difference."""
    section = ARCHITECTURES[wildcards.architecture]
    file = Path(section.file) if section.file else None
    return network_fingerprint(SCRIPTS / "train.py", section.network.get("architecture"), file)


def recipe_of(wildcards):
    """How an architecture is trained, as JSON."""
    return ARCHITECTURES[wildcards.architecture].recipe.to_json()


def network_of(wildcards):
    """What an architecture is, as JSON: a built-in network, or one of the user's."""
    return json.dumps(ARCHITECTURES[wildcards.architecture].network, sort_keys=True)


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
    """What every run must have been trained with, as JSON, for the rules that read runs: see analysis/merge.py."""
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
