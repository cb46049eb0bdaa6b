# The report of the runs and tables that are there: `make report`. Nothing is trained or fetched, because no rule here
# does it; what is missing is named, in the terminal and in the report.
#
#   snakemake --snakefile workflow/report.smk --configfile config/NAME.yaml --cores all
TRAINS, NOTES = False, []


if not workflow.overwrite_configfiles:

    configfile: workflow.current_basedir.join("../config/article.yaml").get_path_or_uri(secret_free=False)


include: "rules/common.smk"
include: "rules/present.smk"


if RUNS_HERE:

    include: "rules/merge.smk"


include: "rules/aggregate.smk"
include: "rules/report.smk"


rule all:
    default_target: True
    input:
        report_files(),


# Made anew, whatever their age.
snakemake_private.force(workflow, [path for path in report_files() if path not in KEPT])


onsuccess:
    print_summary()
    print(*NOTES, sep="\n", file=sys.stderr)


onerror:
    if not INTERRUPT.received:
        print_failures()
