"""From the runs to the answer.

Requires every run's metrics.json and predictions.npz. Makes runs.csv, layers.csv and history.csv, which hold what
the runs say; counts.csv, their weights by every rule of counting; models.csv, shares.csv and pareto.csv, which sum up their seeds; and breakpoints.csv, targets.csv,
bootstrap.csv and neighbours.csv, which say how few weights are enough and how sure that is.
"""


# A baseline need not be trained, so its weights are counted apart from the runs.
rule count_baselines:
    output:
        models=f"{RESULTS}/baselines.json",
    log:
        f"{RESULTS}/logs/count_baselines.log",
    localrule: True
    conda:
        "../../envs/training.yaml"
    params:
        script=script("describe_models.py"),
        models=description_request(STUDY, baseline_widths(STUDY)),
        code=description_code(STUDY),
    shell:
        "python {params.script:q}"
        " --models {params.models:q}"
        " --output {output.models:q}"
        " > {log:q} 2>&1"


rule merge_runs:
    input:
        *[files_of(architecture, "metrics.json") for architecture in ARCHITECTURES],
        baselines=f"{RESULTS}/baselines.json",
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
        widths=all_visited_widths,
        seeds=STUDY["seeds"],
        baselines=baselines(),
        code=code_of("merge_runs.py", also=["workflow/schemas/metrics.schema.yaml"]),
    shell:
        "python {params.script:q}"
        " --study {params.study:q}"
        " --folder {params.folder:q}"
        " --widths {params.widths:q}"
        " --seeds {params.seeds}"
        " --baselines {params.baselines:q}"
        " --baseline-models {input.baselines:q}"
        " --runs {output.runs:q}"
        " --layers {output.layers:q}"
        " --history {output.history:q}"
        " > {log:q} 2>&1"


rule count_weights:
    input:
        *[files_of(architecture, "metrics.json") for architecture in ARCHITECTURES],
        runs=f"{RESULTS}/runs.csv",
    output:
        counts=f"{RESULTS}/counts.csv",
    log:
        f"{RESULTS}/logs/count_weights.log",
    localrule: True
    conda:
        "../../envs/training.yaml"
    params:
        script=script("count_weights.py"),
        folder=subpath(output.counts, parent=True),
        code=code_of("count_weights.py"),
    shell:
        "python {params.script:q}"
        " --runs {input.runs:q}"
        " --folder {params.folder:q}"
        " --output {output.counts:q}"
        " > {log:q} 2>&1"


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
        targets=STUDY["targets"],
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
        targets=STUDY["targets"],
        code=code_of("find_breakpoints.py"),
    shell:
        "python {params.script:q}"
        " --runs {input.runs:q}"
        " --targets {params.targets}"
        " --breakpoints {output.breakpoints:q}"
        " --by-target {output.by_target:q}"
        " --bootstrap {output.bootstrap:q}"
        " > {log:q} 2>&1"


rule compare_neighbours:
    input:
        *[files_of(architecture, "predictions.npz") for architecture in ARCHITECTURES],
        data=ancient(DATA),
        runs=f"{RESULTS}/runs.csv",
        breakpoints=f"{RESULTS}/breakpoints.csv",
    output:
        neighbours=f"{RESULTS}/neighbours.csv",
    log:
        f"{RESULTS}/logs/compare_neighbours.log",
    localrule: True
    conda:
        "../../envs/report.yaml"
    params:
        script=script("compare_neighbours.py"),
        folder=subpath(output.neighbours, parent=True),
        dataset=STUDY["dataset"],
        code=code_of("compare_neighbours.py"),
    shell:
        "python {params.script:q}"
        " --runs {input.runs:q}"
        " --breakpoints {input.breakpoints:q}"
        " --folder {params.folder:q}"
        " --dataset {params.dataset:q}"
        " --data {input.data:q}"
        " --output {output.neighbours:q}"
        " > {log:q} 2>&1"
