"""From tables and figures to the report.

Requires the tables and figures. Makes report.html (one self-contained page) and the two tables that Snakemake's own
report shows.
"""


rule render_report:
    """Render the page, and the two tables that Snakemake's own report shows."""
    input:
        runs="<study>/runs.csv",
        breakpoints="<study>/breakpoints.csv",
        tables=expand("<study>/{table}.csv", table=[name for name in TABLE_NAMES if name in REPORT_TABLES]),
        figures=figures_reported,
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
