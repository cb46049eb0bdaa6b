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


include: "workflow/rules/common.smk"
include: "workflow/rules/data.smk"
include: "workflow/rules/train.smk"
include: "workflow/rules/search.smk"
include: "workflow/rules/aggregate.smk"
include: "workflow/rules/export.smk"
include: "workflow/rules/report.smk"


report: "workflow/report/workflow.rst"


# The runs stand beside what is made of them, so that a metrics.json that somebody deleted is trained again
# even where the report is newer.
rule all:
    default_target: True
    input:
        f"{RESULTS}/report.html",
        f"{RESULTS}/shares.csv",
        *exported_files(),
        *[files_of(architecture, "metrics.json") for architecture in ARCHITECTURES],


onsuccess:
    forget_finished(Path(f"{RESULTS}/checkpoints"))
    print_summary()


onerror:
    print_failures(log)
