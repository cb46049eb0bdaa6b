"""The study, where its files are, and the functions that the rules use.

Reads `config`, and TRAINS and NOTES of the plan that includes it. Defines STUDY (checked, with its defaults), the
paths, the lists of tables and figures, INTERRUPT, and the functions below. `search.smk` decides which runs there are;
for a report, which trains nothing, `present.smk` does.
"""

import hashlib
import json
import re
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.logging import logger

# Not `workflow.basedir`, which is another folder if this is a module of another workflow.
ROOT = Path(workflow.current_basedir.get_path_or_uri(secret_free=False)).parents[1]
SCRIPTS = ROOT / "workflow" / "scripts"
sys.path.insert(0, str(SCRIPTS))

from few_weights.data.datasets import data_sha256, KNOWN
from few_weights.data.find_facts import facts_of_study
from few_weights.data.check_fetched import data_to_fetch
from few_weights.errors import StudyError
from few_weights.plan import snakemake_private
from few_weights.plan.arguments import json_file
from few_weights.plan.certainty import certainty_rules, rules_as_values
from few_weights.plan.console.interrupt import Interrupt
from few_weights.plan.cost import CHEAP, training_cost, training_minutes, training_seconds
from few_weights.plan.finished_runs import exported_names
from few_weights.plan.fingerprints import code_fingerprint, network_fingerprint
from few_weights.plan.halving import stages_of
from few_weights.plan.model_descriptions import (
    baseline_widths,
    describe_models,
    description_code,
    description_file,
    description_request,
)
from few_weights.plan.outputs import outputs_of_study, REPORT_TABLES
from few_weights.plan.study_file.resolve import resolve_study
from few_weights.plan.preparations import (
    forget_prepared,
    Preparation,
    preparation_request,
    prepare_networks,
    prepared_file,
)
from few_weights.plan.runs import Run, RUN_FILES, seeds_after
from few_weights.plan.study_file.yaml_reader import read_study
from few_weights.training.checkpoint import forget_finished
from few_weights.plan.environment import CACHE, put_own_python_first, require_writable

put_own_python_first()

INTERRUPT = Interrupt(SCRIPTS)
if snakemake_private.is_main_process(workflow):
    INTERRUPT.install(logger)

if snakemake_private.cores(workflow) == 0:
    raise WorkflowError("--cores 0 leaves no core to work on; write 1 or more, or all")

try:
    # Not Snakemake's `config`, in which 010 is 8. As a module only `config` exists: the including workflow built it.
    STUDY = resolve_study(
        (
            read_study(workflow.configfiles, workflow.config_settings.config_args or [])
            if workflow.modifier.is_main_snakefile()
            else config
        ),
        facts_of_study,
    )
    RESULTS = f"results/{STUDY.name}"
    # Its path, with the prefix if this is a module that has one.
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
# What the rules depend on instead of the data; workflow/scripts/few_weights/data/check_fetched.py says why.
DATA_STAMP = str(CACHE / DATA_FILE.lstrip("/"))
if TRAINS and snakemake_private.is_main_process(workflow):
    if data_to_fetch(Path(DATA_FILE), STUDY.dataset, STUDY.data.sha256, Path(DATA_STAMP), FOLDER / "runs"):
        snakemake_private.run_first(workflow, DATA_FILE, Path(DATA_STAMP))

# What to make; present.smk removes what cannot be made.
ARCHITECTURES = STUDY.architectures
# The stages before the last, and all sections that are trained.
STAGES = stages_of(ARCHITECTURES, STUDY.halving.epochs) if STUDY.halving else []
TRAINED = ARCHITECTURES | {section.name: section for stage in STAGES for section in stage.sections.values()}
MODELS |= {
    (section.name, width): MODELS[name, width]
    for stage in STAGES
    for name, section in stage.sections.items()
    for width in section.widths
    if (name, width) in MODELS
}
# By what seeds are added; empty without `certainty`.
CERTAINTY = (
    certainty_rules(
        STUDY.certainty,
        {name: section.widths for name, section in ARCHITECTURES.items()},
        len(STUDY.targets),
        STUDY.refine,
    )
    if STUDY.certainty
    else {}
)
TABLE_NAMES, FIGURE_NAMES = outputs_of_study(STUDY, ARCHITECTURES, STUDY.dataset not in KNOWN)

# The files that report.html is made from, besides the code that fills them in.
REPORT_TEMPLATES = sorted(
    path.name
    for pattern in ("*.j2", "*.css", "*.js")
    for path in (ROOT / "workflow" / "report").glob(pattern)
)


wildcard_constraints:
    architecture="|".join(map(re.escape, TRAINED)),
    dataset=re.escape(STUDY.dataset),
    width=r"\d+",
    seed=r"\d+",
    round=r"\d+",
    stage=r"\d+",
    # Not any text, or the name of an architecture could end in it.
    target="|".join(re.escape(f"{target}{kind}") for target in STUDY.targets for kind in ("", "-int8")),


# The files of a study


def report_files(figures=None):
    """The report, its tables and its figures: all of the study, or those that are given."""
    return [
        f"{RESULTS}/report.html",
        *expand(f"{RESULTS}/tables/{{table}}.html", table=["breakpoints", "runs"]),
        *expand(f"{RESULTS}/{{table}}.csv", table=TABLE_NAMES),
        *expand(
            f"{RESULTS}/figures/{{figure}}.{{kind}}", figure=figures or FIGURE_NAMES, kind=["svg", "png"]
        ),
    ]


def files_at(architecture, seeds, *names):
    """The named files of every run of an architecture, from width -> seeds."""
    return [
        path
        for width, of_width in seeds.items()
        for path in expand(
            f"{RUN}/{{name}}", architecture=architecture, width=width, seed=of_width, name=names
        )
    ]


def files_of(architecture, *names):
    """The named files of every run of an architecture, as an input function.

    There is one function per architecture, because Snakemake waits for only one checkpoint at a time in each
    function. That way, the architectures are searched simultaneously.
    """
    return lambda wildcards: files_at(architecture, seeds_of(architecture), *names)


def exported(architecture):
    """The exported networks of an architecture, as an input function; Snakemake calls it again after the export."""

    def files(wildcards):
        archive = checkpoints.export_models.get(architecture=architecture).output.archive
        return [f"{RESULTS}/exports/{name}" for name in exported_names(Path(archive))]

    return files


def exported_files():
    """Every file that the study exports, as inputs of `all`; none unless the study asks for exports."""
    if not STUDY.export_models:
        return []
    return [f"{RESULTS}/exports.csv", *map(exported, ARCHITECTURES)]


def data_is_fetched():
    """The data as an input: its age is irrelevant, and a parameter compares its content."""
    return ancient(local(DATA_STAMP))


# Parameters of jobs


def unrecorded(value):
    """A parameter that is passed to the job but not recorded, so that changing it reruns nothing.

    Snakemake does not record parameters that are functions of a job's threads.
    """
    return lambda wildcards, threads: value if isinstance(value, list) else str(value)


def script(name):
    """The path of an entry point. It is not recorded, because the repository may move; `code_of` covers the content."""
    return unrecorded(SCRIPTS / name)


def code_of(name, also=()):
    """The fingerprint of an entry point and its modules, as a parameter of the rule that calls it."""
    return code_fingerprint(SCRIPTS / name, also=tuple(ROOT / path for path in also))


def code_of_figure(name):
    """The fingerprint of the entry point of all figures and of the module that draws this figure."""
    return code_of("plot.py") + code_of(f"few_weights/report/figures/{name.replace('-', '_')}.py")


def training_code_of(wildcards):
    """The fingerprint of the code that trains a run."""
    return training_code(wildcards.architecture)


def training_code(architecture):
    """The fingerprint of the training code, without the networks of other architectures."""
    section = TRAINED[architecture]
    file = Path(section.file) if section.file else None
    return network_fingerprint(SCRIPTS / "train.py", section.network.get("architecture"), file)


def prepared_by(wildcards, threads):
    """Where a run may find its network prepared; few_weights/plan/preparations.py says why this is no input."""
    return str(prepared_file(STUDY.name, wildcards.architecture))


def recipe_of(wildcards):
    """How an architecture is trained, as JSON."""
    return TRAINED[wildcards.architecture].recipe.to_json()


def network_of(wildcards):
    """The network of an architecture, as JSON: a built-in network or one of the user's."""
    return json.dumps(TRAINED[wildcards.architecture].network, sort_keys=True)


def cost_of(wildcards):
    """How long a run takes, relative to other runs; 0 if its model is unknown.

    A width that a search added counts like the next larger width of the study.
    """
    described = [
        width
        for architecture, width in MODELS
        if architecture == wildcards.architecture and width >= int(wildcards.width)
    ]
    if not described:
        return 0
    model = MODELS[wildcards.architecture, min(described)]
    return training_cost(model["multiply_adds"], TRAINED[wildcards.architecture].recipe.epochs)


def minutes_of(wildcards):
    """The time limit of a training on a cluster, in minutes."""
    return training_minutes(cost_of(wildcards), TRAINED[wildcards.architecture].recipe.epochs)


def submission_of(wildcards):
    """The group of runs that may share a submission to a cluster: cheap runs; expensive runs get their own.

    If the model could not be built, its cost is unknown (0), and the run gets its own submission.
    """
    return "cheap" if 0 < cost_of(wildcards) < CHEAP else None


def baselines():
    """Architecture -> the full-size model that its breakpoint is compared with."""
    return {name: vars(section.baseline) for name, section in ARCHITECTURES.items()}


def expected_runs():
    """Architecture -> what its runs must have been trained with, so that the rules that read runs can check it."""
    common = {
        "dataset": STUDY.dataset,
        "data_sha256": DATA_SHA256,
        "validation_examples": STUDY.validation_examples,
    }
    return {
        name: {**common, **vars(section.recipe), "network": section.network}
        for name, section in TRAINED.items()
    }


def plan_digest():
    """A digest of the runs that the study asks for."""
    sections = {name: [section.widths, section.seeds] for name, section in ARCHITECTURES.items()}
    plan = json.dumps([expected_runs(), sections], sort_keys=True)
    if STUDY.refine or STUDY.certainty:
        plan += json.dumps(STUDY.targets)
    if STUDY.certainty:
        plan += json.dumps(rules_as_values(CERTAINTY))
    if STUDY.halving:
        plan += json.dumps(vars(STUDY.halving))
    return hashlib.sha256(plan.encode()).hexdigest()
