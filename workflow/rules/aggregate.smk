"""From the table of runs to the answer.

Requires runs.csv. Makes models.csv, shares.csv and pareto.csv, which sum up the seeds of each model; and
breakpoints.csv, targets.csv and bootstrap.csv, which say how few weights are enough and how sure that is.
"""


rule summarise_models:
    input:
        runs=f"{RESULTS}/runs.csv",
    output:
        models=f"{RESULTS}/models.csv",
        shares=f"{RESULTS}/shares.csv",
        pareto=f"{RESULTS}/pareto.csv",
    log:
        f"{RESULTS}/logs/summarise_models.log",
    localrule: True
    conda:
        "../../envs/report.yaml"
    params:
        script=script("summarise_models.py"),
        targets=STUDY.targets,
        code=code_of("summarise_models.py"),
    shell:
        "python {params.script:q}"
        " --runs {input.runs:q}"
        " --targets {params.targets}"
        " --models {output.models:q}"
        " --shares {output.shares:q}"
        " --pareto {output.pareto:q}"
        " > {log:q} 2>&1"


rule find_breakpoints:
    input:
        runs=f"{RESULTS}/runs.csv",
    output:
        breakpoints=f"{RESULTS}/breakpoints.csv",
        by_target=f"{RESULTS}/targets.csv",
        bootstrap=f"{RESULTS}/bootstrap.csv",
    log:
        f"{RESULTS}/logs/find_breakpoints.log",
    localrule: True
    conda:
        "../../envs/report.yaml"
    params:
        script=script("find_breakpoints.py"),
        targets=STUDY.targets,
        code=code_of("find_breakpoints.py"),
    shell:
        "python {params.script:q}"
        " --runs {input.runs:q}"
        " --targets {params.targets}"
        " --breakpoints {output.breakpoints:q}"
        " --by-target {output.by_target:q}"
        " --bootstrap {output.bootstrap:q}"
        " > {log:q} 2>&1"
