# `make report`: the report of the runs and tables that there are. No rule here trains or fetches anything; whatever is
# missing is named in the terminal and in the report.
#
#   snakemake --snakefile workflow/report.smk --configfile config/NAME.yaml --cores all
TRAINS, NOTES = False, []


if not workflow.overwrite_configfiles:

    configfile: workflow.current_basedir.join("../config/article.yaml").get_path_or_uri(secret_free=False)


include: "rules/common.smk"  # the study, its paths, and the functions of the rules
include: "rules/present.smk"  # which runs there are


if RUNS_HERE:

    include: "rules/merge.smk"  # the runs' files as tables


include: "rules/aggregate.smk"  # the answer, and how certain it is
include: "rules/figures.smk"  # figures, from tables


if RUNS_HERE:

    include: "rules/pictures.smk"  # figures, from images and one network too


include: "rules/report.smk"  # report.html
include: "rules/console.smk"  # what the terminal shows


rule all:
    """Make the report of the runs and tables that there are."""
    default_target: True
    input:
        report_files(),


# Always rebuild these, whatever their age.
snakemake_private.force(workflow, [path for path in report_files() if path not in KEPT])


onsuccess:
    print_summary()
    print(*NOTES, sep="\n", file=sys.stderr)


onerror:
    if not INTERRUPT.received:
        print_failures()
