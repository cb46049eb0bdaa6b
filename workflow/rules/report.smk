"""From the tables to what people look at.

Requires the tables and, of one run, its predictions and weights. Makes the figures, report.html (one self-contained page) and the two tables that
Snakemake's own report shows.
"""


rule plot_comparison:
    """Draw all architectures in one figure."""
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


use rule plot_comparison as plot_curve with:
    """Draw one architecture: accuracy against weights, with its breakpoints."""
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
    params:
        figure="curve",
        options=lambda wildcards: ["--architecture", wildcards.architecture],
        code=code_of_figure("curve"),


use rule plot_comparison as plot_weights with:
    """Draw the share of the weights in each layer, at full size and at the breakpoint."""
    input:
        tables=["<study>/runs.csv", "<study>/breakpoints.csv", "<study>/layers.csv"],
    output:
        svg=report(
            "<figures>/weights-by-layer.svg",
            caption="../report/weights.rst",
            category="Where the weights sit",
            labels={"figure": "weights by layer"},
        ),
        png="<figures>/weights-by-layer.png",
    log:
        "<logs>/plot_weights.log",
    params:
        figure="weights-by-layer",
        options=[],
        code=code_of_figure("weights-by-layer"),


use rule plot_comparison as plot_learning with:
    """Draw accuracy by epoch around each breakpoint."""
    input:
        tables=["<study>/runs.csv", "<study>/breakpoints.csv", "<study>/history.csv"],
    output:
        svg=report(
            "<figures>/learning.svg",
            caption="../report/learning.rst",
            category="How they learned",
            labels={"figure": "accuracy by epoch"},
        ),
        png="<figures>/learning.png",
    log:
        "<logs>/plot_learning.log",
    params:
        figure="learning",
        options=[],
        code=code_of_figure("learning"),


use rule plot_comparison as plot_timeline with:
    """Draw when each training job ran."""
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
    params:
        figure="timeline",
        options=[],
        code=code_of_figure("timeline"),


use rule plot_comparison as plot_mistakes with:
    """Draw the test images that the smallest sufficient network gets wrong."""
    input:
        tables=["<study>/runs.csv", "<study>/breakpoints.csv"],
        data=data_is_fetched(),
    output:
        svg=report(
            "<figures>/mistakes.svg",
            caption="../report/mistakes.rst",
            category="The smallest sufficient network",
            labels={"figure": "mistakes"},
        ),
        png="<figures>/mistakes.png",
    log:
        "<logs>/plot_mistakes.log",
    params:
        figure="mistakes",
        options=["--dataset", STUDY.dataset],
        data=unrecorded(["--data", DATA_FILE]),
        code=code_of_figure("mistakes"),


use rule plot_mistakes as plot_first_layer with:
    """Draw the weights of the first layer of the smallest sufficient network."""
    input:
        tables=["<study>/runs.csv", "<study>/breakpoints.csv", "<study>/layers.csv"],
        data=data_is_fetched(),
    output:
        svg=report(
            "<figures>/first-layer.svg",
            caption="../report/first-layer.rst",
            category="The smallest sufficient network",
            labels={"figure": "first layer"},
        ),
        png="<figures>/first-layer.png",
    log:
        "<logs>/plot_first_layer.log",
    params:
        figure="first-layer",
        code=code_of_figure("first-layer"),


use rule plot_mistakes as plot_data with:
    """Draw some images of each class of a user's own data, and how many there are."""
    input:
        tables=[],
        data=data_is_fetched(),
    output:
        svg=report(
            "<figures>/data.svg",
            caption="../report/data.rst",
            category="The data",
            labels={"figure": "images and classes"},
        ),
        png="<figures>/data.png",
    log:
        "<logs>/plot_data.log",
    params:
        figure="data",
        options=[
            *("--dataset", STUDY.dataset),
            f"--data-sha256={STUDY.data.sha256}",
            f"--validation-examples={STUDY.validation_examples}",
        ],
        code=code_of_figure("data"),


rule render_report:
    """Render the page, and the two tables that Snakemake's own report shows."""
    input:
        runs="<study>/runs.csv",
        breakpoints="<study>/breakpoints.csv",
        tables=expand("<study>/{table}.csv", table=[name for name in TABLE_NAMES if name in REPORT_TABLES]),
        figures=expand("<figures>/{figure}.svg", figure=FIGURE_NAMES),
    output:
        report="<study>/report.html",
        breakpoints=report(
            "<study>/tables/breakpoints.html",
            caption="../report/breakpoints.rst",
            category="Tables",
            labels={"table": "breakpoints"},
        ),
        runs=report(
            "<study>/tables/runs.html",
            caption="../report/runs.rst",
            category="Tables",
            labels={"table": "runs"},
        ),
    log:
        "<logs>/render_report.log",
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
