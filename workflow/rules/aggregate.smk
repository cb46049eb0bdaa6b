"""From the table of runs to the answer.

Requires runs.csv. Makes models.csv, shares.csv and pareto.csv, which summarise the seeds of each model; with
`quantisation` also bytes.csv; breakpoints.csv, targets.csv and bootstrap.csv, which say how few weights are enough and
how certain that is; with `certainty` also certainty.csv, which says why each seed was added.
"""


rule summarise_models:
    """Summarise the seeds of each model, and find the models that no other beats."""
    input:
        runs="<study>/runs.csv",
    output:
        models="<study>/models.csv",
        shares="<study>/shares.csv",
        pareto="<study>/pareto.csv",
    log:
        "<logs>/summarise_models.log",
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


rule find_byte_front:
    """Find the models that no other beats in both bytes and accuracy."""
    input:
        runs="<study>/runs.csv",
    output:
        front="<study>/bytes.csv",
    log:
        "<logs>/find_byte_front.log",
    localrule: True
    conda:
        "../../envs/report.yaml"
    params:
        script=script("find_byte_front.py"),
        code=code_of("find_byte_front.py"),
    shell:
        "python {params.script:q}" " --runs {input.runs:q}" " --output {output.front:q}" " > {log:q} 2>&1"


rule find_breakpoints:
    """Find the fewest weights with which each architecture reaches each target, and how certain that is."""
    input:
        runs="<study>/runs.csv",
    output:
        breakpoints="<study>/breakpoints.csv",
        by_target="<study>/targets.csv",
        bootstrap="<study>/bootstrap.csv",
    log:
        "<logs>/find_breakpoints.log",
    localrule: True
    conda:
        "../../envs/report.yaml"
    params:
        script=script("find_breakpoints.py"),
        targets=STUDY.targets,
        certainty=["--certainty", json_file(rules_as_values(CERTAINTY))] if STUDY.certainty else [],
        code=code_of("find_breakpoints.py"),
    shell:
        "python {params.script:q}"
        " --runs {input.runs:q}"
        " --targets {params.targets}"
        " {params.certainty:q}"
        " --breakpoints {output.breakpoints:q}"
        " --by-target {output.by_target:q}"
        " --bootstrap {output.bootstrap:q}"
        " > {log:q} 2>&1"


rule list_rounds:
    """List the rounds that added seeds, and what was certain in each."""
    input:
        runs="<study>/runs.csv",
    output:
        rounds="<study>/certainty.csv",
    log:
        "<logs>/list_rounds.log",
    localrule: True
    conda:
        "../../envs/report.yaml"
    params:
        script=script("list_rounds.py"),
        targets=STUDY.targets,
        given=json_file({name: section.widths for name, section in STUDY.architectures.items()}),
        seeds=json_file({name: section.seeds for name, section in STUDY.architectures.items()}),
        certainty=json_file(rules_as_values(CERTAINTY)),
        code=code_of("list_rounds.py"),
    shell:
        "python {params.script:q}"
        " --runs {input.runs:q}"
        " --targets {params.targets}"
        " --given {params.given:q}"
        " --seeds {params.seeds:q}"
        " --certainty {params.certainty:q}"
        " --output {output.rounds:q}"
        " > {log:q} 2>&1"
