# few-weights: how few weights does a network need to reach a target accuracy?
#
#   config/*.yaml -> list of runs -> mnist.npz -> metrics.json (one a run) -> runs.csv -> breakpoints.csv
#                 -> figures -> report.html
#
# A study given with --configfile describes the whole study: the article's is not even read then.
from snakemake.utils import min_version

min_version("9.27")


if not workflow.overwrite_configfiles:

    configfile: workflow.current_basedir.join("config/article.yaml").get_path_or_uri(secret_free=False)


# What the rules share: this is the plan that trains, and it has nothing to add to the report.
TRAINS, NOTES = True, []


include: "workflow/rules/common.smk"
include: "workflow/rules/data.smk"
include: "workflow/rules/train.smk"
include: "workflow/rules/search.smk"
include: "workflow/rules/merge.smk"
include: "workflow/rules/aggregate.smk"
include: "workflow/rules/export.smk"
include: "workflow/rules/report.smk"


report: "workflow/report/workflow.rst"


# Everything that the documents name is a target, so that whatever somebody deleted is made again, and only that.
rule all:
    default_target: True
    input:
        report_files(),
        DATA,
        *exported_files(),
        *[files_of(architecture, *RUN_FILES) for architecture in ARCHITECTURES],


onsuccess:
    forget_finished(FOLDER / "checkpoints")
    print_summary()


onerror:
    if not INTERRUPT.received:
        print_failures()
