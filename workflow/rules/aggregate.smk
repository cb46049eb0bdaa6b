"""From the runs to the answer.

Requires every run's metrics.json. Makes runs.csv, layers.csv, history.csv and breakpoints.csv.
"""


rule merge_runs:
    input:
        metrics=metrics_of_all_runs(),
    output:
        runs=f"{RESULTS}/runs.csv",
        layers=f"{RESULTS}/layers.csv",
        history=f"{RESULTS}/history.csv",
    log:
        f"{RESULTS}/logs/merge_runs.log",
    localrule: True
    conda:
        "../../envs/report.yaml"
    params:
        script=script("merge_runs.py"),
        study=STUDY["study"],
        folder=subpath(output.runs, parent=True),
        widths=json.dumps(widths()),
        seeds=STUDY["seeds"],
        code=code_of("merge_runs.py", also=["workflow/schemas/metrics.schema.yaml"]),
    shell:
        "python {params.script:q}"
        " --study {params.study:q}"
        " --folder {params.folder:q}"
        " --widths {params.widths:q}"
        " --seeds {params.seeds}"
        " --runs {output.runs:q}"
        " --layers {output.layers:q}"
        " --history {output.history:q}"
        " > {log:q} 2>&1"


rule find_breakpoints:
    input:
        runs=f"{RESULTS}/runs.csv",
    output:
        breakpoints=f"{RESULTS}/breakpoints.csv",
    log:
        f"{RESULTS}/logs/find_breakpoints.log",
    localrule: True
    conda:
        "../../envs/report.yaml"
    params:
        script=script("find_breakpoints.py"),
        targets=STUDY["targets"],
        baselines=baselines(),
        code=code_of("find_breakpoints.py"),
    shell:
        "python {params.script:q}"
        " --runs {input.runs:q}"
        " --targets {params.targets}"
        " --baselines {params.baselines:q}"
        " --output {output.breakpoints:q}"
        " > {log:q} 2>&1"
