"""From the runs' files to tables, and to the pictures of one network.

Requires every run's files. Makes runs.csv, layers.csv and history.csv, which hold what the runs say;
search.csv, the paths of the searches; counts.csv, their weights by every rule of counting; neighbours.csv,
the breakpoints against the next smaller models image by image; figures/mistakes and figures/first-layer;
and figures/data, of data of the user's own.

Only `merge_runs` names the runs' files as its input: it checks all of them. The other rules read some of them, and
depend on the table that it makes.
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
        *[files_of(architecture, *RUN_FILES) for architecture in ARCHITECTURES],
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
        study=STUDY.name,
        folder=unrecorded(FOLDER),
        runs=runs_to_merge,
        expected=expected_runs(),
        baselines=baselines(),
        code=code_of("merge_runs.py", also=["workflow/schemas/metrics.schema.yaml"]),
    shell:
        "python {params.script:q}"
        " --study {params.study:q}"
        " --folder {params.folder:q}"
        " --planned {params.runs:q}"
        " --expected {params.expected:q}"
        " --baselines {params.baselines:q}"
        " --baseline-models {input.baselines:q}"
        " --runs {output.runs:q}"
        " --layers {output.layers:q}"
        " --history {output.history:q}"
        " > {log:q} 2>&1"


rule merge_searches:
    input:
        *[rounds_of(architecture) for architecture in ARCHITECTURES],
    output:
        search=f"{RESULTS}/search.csv",
    log:
        f"{RESULTS}/logs/merge_searches.log",
    localrule: True
    conda:
        "../../envs/report.yaml"
    params:
        script=script("merge_searches.py"),
        code=code_of("merge_searches.py"),
    shell:
        "python {params.script:q}" " --rounds {input:q}" " --output {output.search:q}" " > {log:q} 2>&1"


rule count_weights:
    input:
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
        folder=unrecorded(FOLDER),
        code=code_of("count_weights.py"),
    shell:
        "python {params.script:q}"
        " --runs {input.runs:q}"
        " --folder {params.folder:q}"
        " --output {output.counts:q}"
        " > {log:q} 2>&1"


rule compare_neighbours:
    input:
        data=data_is_fetched(),
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
        folder=unrecorded(FOLDER),
        data=unrecorded(DATA_FILE),
        dataset=STUDY.dataset,
        code=code_of("compare_neighbours.py"),
    shell:
        "python {params.script:q}"
        " --runs {input.runs:q}"
        " --breakpoints {input.breakpoints:q}"
        " --folder {params.folder:q}"
        " --dataset {params.dataset:q}"
        " --data {params.data:q}"
        " --output {output.neighbours:q}"
        " > {log:q} 2>&1"


rule plot_exhibit:
    input:
        data=data_is_fetched(),
        runs=f"{RESULTS}/runs.csv",
        layers=f"{RESULTS}/layers.csv",
        breakpoints=f"{RESULTS}/breakpoints.csv",
    output:
        mistakes_svg=report(
            f"{RESULTS}/figures/mistakes.svg",
            caption="../report/mistakes.rst",
            category="The smallest sufficient network",
            labels={"figure": "mistakes"},
        ),
        mistakes_png=f"{RESULTS}/figures/mistakes.png",
        first_layer_svg=report(
            f"{RESULTS}/figures/first-layer.svg",
            caption="../report/first-layer.rst",
            category="The smallest sufficient network",
            labels={"figure": "first layer"},
        ),
        first_layer_png=f"{RESULTS}/figures/first-layer.png",
    log:
        f"{RESULTS}/logs/plot_exhibit.log",
    localrule: True
    conda:
        "../../envs/report.yaml"
    params:
        script=script("plot_exhibit.py"),
        folder=unrecorded(FOLDER),
        data=unrecorded(DATA_FILE),
        dataset=STUDY.dataset,
        code=code_of("plot_exhibit.py"),
    shell:
        "python {params.script:q}"
        " --runs {input.runs:q}"
        " --breakpoints {input.breakpoints:q}"
        " --layers {input.layers:q}"
        " --folder {params.folder:q}"
        " --dataset {params.dataset:q}"
        " --data {params.data:q}"
        " --mistakes {output.mistakes_svg:q} {output.mistakes_png:q}"
        " --first-layer {output.first_layer_svg:q} {output.first_layer_png:q}"
        " > {log:q} 2>&1"


rule plot_data:
    input:
        data=data_is_fetched(),
    output:
        svg=report(
            f"{RESULTS}/figures/data.svg",
            caption="../report/data.rst",
            category="The data",
            labels={"figure": "images and classes"},
        ),
        png=f"{RESULTS}/figures/data.png",
    log:
        f"{RESULTS}/logs/plot_data.log",
    localrule: True
    conda:
        "../../envs/report.yaml"
    params:
        script=script("plot_data.py"),
        data=unrecorded(DATA_FILE),
        dataset=STUDY.dataset,
        data_sha256=STUDY.data.sha256,
        validation_examples=STUDY.validation_examples,
        code=code_of("plot_data.py"),
    shell:
        "python {params.script:q}"
        " --dataset {params.dataset:q}"
        " --data {params.data:q}"
        " --data-sha256={params.data_sha256}"
        " --validation-examples {params.validation_examples}"
        " --svg {output.svg:q}"
        " --png {output.png:q}"
        " > {log:q} 2>&1"
