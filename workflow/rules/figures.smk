"""The figures that are drawn only from tables.

Requires runs.csv, layers.csv, history.csv, breakpoints.csv and, with `certainty`, certainty.csv. Makes figures/*.svg
and *.png.
"""


rule plot_comparison:
    """Draw a figure of the study."""
    input:
        tables=["<study>/runs.csv", "<study>/breakpoints.csv"],
    output:
        svg=report(
            "<figures>/comparison.svg",
            caption="../report/comparison.rst",
            category="Accuracy against parameters",
            labels={"architecture": "all"},
        ),
        png="<figures>/comparison.png",
    log:
        "<logs>/plot_comparison.log",
    localrule: True
    conda:
        "../../envs/report.yaml"
    params:
        script=script("plot.py"),
        figure="comparison",
        options=["--published-for", STUDY.dataset] if STUDY.published_records else [],
        data=[],
        code=code_of_figure("comparison"),
    shell:
        "python {params.script:q} {params.figure}"
        " {input.tables:q}"
        " {params.options:q}"
        " {params.data:q}"
        " --svg {output.svg:q}"
        " --png {output.png:q}"
        " > {log:q} 2>&1"


# Draw one architecture: accuracy against weights, with its breakpoints.
use rule plot_comparison as plot_curve with:
    output:
        svg=report(
            "<figures>/curve-{architecture}.svg",
            caption="../report/curve.rst",
            category="Accuracy against parameters",
            labels={"architecture": "{architecture}"},
        ),
        png="<figures>/curve-{architecture}.png",
    log:
        "<logs>/plot_curve-{architecture}.log",
    localrule: True
    params:
        figure="curve",
        options=lambda wildcards: ["--architecture", wildcards.architecture],
        code=code_of_figure("curve"),


# Draw how the intervals of one architecture narrow as seeds are added.
use rule plot_comparison as plot_certainty with:
    input:
        tables=["<study>/runs.csv", "<study>/breakpoints.csv", "<study>/certainty.csv"],
    output:
        svg=report(
            "<figures>/certainty-{architecture}.svg",
            caption="../report/certainty.rst",
            category="Certainty",
            labels={"architecture": "{architecture}"},
        ),
        png="<figures>/certainty-{architecture}.png",
    log:
        "<logs>/plot_certainty-{architecture}.log",
    localrule: True
    params:
        figure="certainty",
        options=lambda wildcards: ["--architecture", wildcards.architecture],
        code=code_of_figure("certainty"),


# Draw the share of the weights in each layer, at full size and at the breakpoint.
use rule plot_comparison as plot_weights with:
    input:
        tables=["<study>/runs.csv", "<study>/breakpoints.csv", "<study>/layers.csv"],
    output:
        svg=report(
            "<figures>/weights-by-layer.svg",
            caption="../report/weights.rst",
            category="Weights by layer",
            labels={"figure": "share of each layer"},
        ),
        png="<figures>/weights-by-layer.png",
    log:
        "<logs>/plot_weights.log",
    localrule: True
    params:
        figure="weights-by-layer",
        options=[],
        code=code_of_figure("weights-by-layer"),


# Draw accuracy by epoch around each breakpoint.
use rule plot_comparison as plot_learning with:
    input:
        tables=["<study>/runs.csv", "<study>/breakpoints.csv", "<study>/history.csv"],
    output:
        svg=report(
            "<figures>/learning.svg",
            caption="../report/learning.rst",
            category="Learning curves",
            labels={"figure": "accuracy by epoch"},
        ),
        png="<figures>/learning.png",
    log:
        "<logs>/plot_learning.log",
    localrule: True
    params:
        figure="learning",
        options=[],
        code=code_of_figure("learning"),


# Draw when each training job ran.
use rule plot_comparison as plot_timeline with:
    input:
        tables=["<study>/runs.csv"],
    output:
        svg=report(
            "<figures>/timeline.svg",
            caption="../report/timeline.rst",
            category="How it was made",
            labels={"figure": "timeline"},
        ),
        png="<figures>/timeline.png",
    log:
        "<logs>/plot_timeline.log",
    localrule: True
    params:
        figure="timeline",
        options=[],
        code=code_of_figure("timeline"),
