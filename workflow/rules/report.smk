"""From the tables to what people look at.

Requires runs.csv, layers.csv, history.csv, breakpoints.csv and the tables that say how sure they are. Makes the
figures, report.html (one self-contained page) and the two tables that Snakemake's own report shows.
"""


rule plot_curve:
    input:
        runs=f"{RESULTS}/runs.csv",
        breakpoints=f"{RESULTS}/breakpoints.csv",
    output:
        svg=report(
            f"{RESULTS}/figures/curve-{{architecture}}.svg",
            caption="../report/curve.rst",
            category="Accuracy against parameters",
            labels={"architecture": "{architecture}"},
        ),
        png=f"{RESULTS}/figures/curve-{{architecture}}.png",
    log:
        f"{RESULTS}/logs/plot_curve-{{architecture}}.log",
    localrule: True
    conda:
        "../../envs/report.yaml"
    params:
        script=script("plot_curve.py"),
        code=code_of("plot_curve.py"),
    shell:
        "python {params.script:q}"
        " --runs {input.runs:q}"
        " --breakpoints {input.breakpoints:q}"
        " --architecture {wildcards.architecture:q}"
        " --svg {output.svg:q}"
        " --png {output.png:q}"
        " > {log:q} 2>&1"


rule plot_comparison:
    input:
        runs=f"{RESULTS}/runs.csv",
        breakpoints=f"{RESULTS}/breakpoints.csv",
    output:
        svg=report(
            f"{RESULTS}/figures/comparison.svg",
            caption="../report/comparison.rst",
            category="Accuracy against parameters",
            labels={"architecture": "all"},
        ),
        png=f"{RESULTS}/figures/comparison.png",
    log:
        f"{RESULTS}/logs/plot_comparison.log",
    localrule: True
    conda:
        "../../envs/report.yaml"
    params:
        script=script("plot_comparison.py"),
        published=STUDY.dataset if STUDY.published_records else "",
        code=code_of("plot_comparison.py"),
    shell:
        "python {params.script:q}"
        " --runs {input.runs:q}"
        " --breakpoints {input.breakpoints:q}"
        " --published-for={params.published}"
        " --svg {output.svg:q}"
        " --png {output.png:q}"
        " > {log:q} 2>&1"


rule plot_weights:
    input:
        runs=f"{RESULTS}/runs.csv",
        layers=f"{RESULTS}/layers.csv",
        breakpoints=f"{RESULTS}/breakpoints.csv",
    output:
        svg=report(
            f"{RESULTS}/figures/weights-by-layer.svg",
            caption="../report/weights.rst",
            category="Where the weights sit",
            labels={"figure": "weights by layer"},
        ),
        png=f"{RESULTS}/figures/weights-by-layer.png",
    log:
        f"{RESULTS}/logs/plot_weights.log",
    localrule: True
    conda:
        "../../envs/report.yaml"
    params:
        script=script("plot_weights.py"),
        code=code_of("plot_weights.py"),
    shell:
        "python {params.script:q}"
        " --runs {input.runs:q}"
        " --layers {input.layers:q}"
        " --breakpoints {input.breakpoints:q}"
        " --svg {output.svg:q}"
        " --png {output.png:q}"
        " > {log:q} 2>&1"


rule plot_timeline:
    input:
        runs=f"{RESULTS}/runs.csv",
    output:
        svg=report(
            f"{RESULTS}/figures/timeline.svg",
            caption="../report/timeline.rst",
            category="How it was made",
            labels={"figure": "timeline"},
        ),
        png=f"{RESULTS}/figures/timeline.png",
    log:
        f"{RESULTS}/logs/plot_timeline.log",
    localrule: True
    conda:
        "../../envs/report.yaml"
    params:
        script=script("plot_timeline.py"),
        code=code_of("plot_timeline.py"),
    shell:
        "python {params.script:q}"
        " --runs {input.runs:q}"
        " --svg {output.svg:q}"
        " --png {output.png:q}"
        " > {log:q} 2>&1"


rule plot_learning:
    input:
        history=f"{RESULTS}/history.csv",
        runs=f"{RESULTS}/runs.csv",
        breakpoints=f"{RESULTS}/breakpoints.csv",
    output:
        svg=report(
            f"{RESULTS}/figures/learning.svg",
            caption="../report/learning.rst",
            category="How they learned",
            labels={"figure": "accuracy by epoch"},
        ),
        png=f"{RESULTS}/figures/learning.png",
    log:
        f"{RESULTS}/logs/plot_learning.log",
    localrule: True
    conda:
        "../../envs/report.yaml"
    params:
        script=script("plot_learning.py"),
        code=code_of("plot_learning.py"),
    shell:
        "python {params.script:q}"
        " --history {input.history:q}"
        " --runs {input.runs:q}"
        " --breakpoints {input.breakpoints:q}"
        " --svg {output.svg:q}"
        " --png {output.png:q}"
        " > {log:q} 2>&1"


rule render_report:
    input:
        runs=f"{RESULTS}/runs.csv",
        breakpoints=f"{RESULTS}/breakpoints.csv",
        tables=expand(f"{RESULTS}/{{table}}.csv", table=EVIDENCE),
        figures=expand(f"{RESULTS}/figures/{{figure}}.svg", figure=all_figures()),
    output:
        report=f"{RESULTS}/report.html",
        breakpoints=report(
            f"{RESULTS}/tables/breakpoints.html",
            caption="../report/breakpoints.rst",
            category="Tables",
            labels={"table": "breakpoints"},
        ),
        runs=report(
            f"{RESULTS}/tables/runs.html",
            caption="../report/runs.rst",
            category="Tables",
            labels={"table": "runs"},
        ),
    log:
        f"{RESULTS}/logs/render_report.log",
    localrule: True
    conda:
        "../../envs/report.yaml"
    params:
        script=script("render_report.py"),
        templates=unrecorded(ROOT / "workflow" / "report"),
        notes=json.dumps(NOTES),
        code=code_of(
            "render_report.py",
            also=[f"workflow/report/{name}" for name in REPORT_TEMPLATES],
        ),
    shell:
        "python {params.script:q}"
        " --runs {input.runs:q}"
        " --breakpoints {input.breakpoints:q}"
        " --tables {input.tables:q}"
        " --figures {input.figures:q}"
        " --templates {params.templates:q}"
        " --notes {params.notes:q}"
        " --report {output.report:q}"
        " --breakpoints-table {output.breakpoints:q}"
        " --runs-table {output.runs:q}"
        " > {log:q} 2>&1"
