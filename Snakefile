# few-weights: how few weights does a network need to reach a target accuracy?
#
#   config/*.yaml -> list of runs -> data -> metrics.json (one per run) -> runs.csv -> breakpoints.csv
#                 -> figures -> report.html
#
# A study given with --configfile describes the whole study; article.yaml is then not read.
from snakemake.utils import min_version

min_version("9.27")


if not workflow.overwrite_configfiles:

    configfile: workflow.current_basedir.join("config/article.yaml").get_path_or_uri(secret_free=False)


# This plan trains; workflow/report.smk does not. NOTES are the sentences at the top of the report.
TRAINS, NOTES = True, []


include: "workflow/rules/common.smk"  # the study, its paths, and the functions of the rules
include: "workflow/rules/data.smk"  # the data, fetched and verified
include: "workflow/rules/train.smk"  # one training job per architecture, width and seed
include: "workflow/rules/search.smk"  # the widths: those given, and those that a search adds
include: "workflow/rules/merge.smk"  # the runs' files as tables
include: "workflow/rules/aggregate.smk"  # the answer, and how certain it is
include: "workflow/rules/export.smk"  # the networks as files for other programs
include: "workflow/rules/figures.smk"  # figures, from tables
include: "workflow/rules/pictures.smk"  # figures, from images and one network too
include: "workflow/rules/report.smk"  # report.html
include: "workflow/rules/console.smk"  # what the terminal shows


report: "workflow/report/workflow.rst"


# Every file that the documents name is a target: whatever is deleted is made again, and nothing else.
rule all:
    """Make everything that the study asks for."""
    default_target: True
    input:
        reported,
        DATA,
        *exported_files(),
        *[files_of(architecture, *RUN_FILES) for architecture in ARCHITECTURES],
        *files_of_stages(),


onstart:
    prepare_trainings()


onsuccess:
    forget_finished(FOLDER / "checkpoints")
    forget_prepared(STUDY.name)
    print_summary()


onerror:
    if not INTERRUPT.received:
        print_failures()
