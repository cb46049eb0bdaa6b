"""From the runs' files to tables.

Requires the files of every run. Makes runs.csv, layers.csv and history.csv, with the content of the runs' metrics;
search.csv, with the steps of each search; stages.csv, with the models of each stage; counts.csv, with the weights by every way of counting; and neighbours.csv,
which compares each breakpoint with the next smaller model, image by image.

Only `merge_runs` names the runs' files as its input, and it checks all of them. The other rules depend on runs.csv,
and read some of the files next to it.
"""


rule count_baselines:
    """Count the weights of the full-size models, which the study does not have to train."""
    output:
        models="<study>/baselines.json",
    log:
        "<logs>/count_baselines.log",
    localrule: True
    conda:
        "../../envs/training.yaml"
    params:
        script=script("describe_models.py"),
        models=json_file(description_request(STUDY, baseline_widths(STUDY))),
        code=description_code(STUDY),
        # The start of a study has described them; TensorFlow takes seconds to do it again.
        known=unrecorded(description_file(STUDY)),
    shell:
        "python {params.script:q}"
        " --models {params.models:q}"
        " --known {params.known:q}"
        " --output {output.models:q}"
        " > {log:q} 2>&1"


rule merge_runs:
    """Check the files of every run, and merge their metrics into tables."""
    input:
        # Not passed one by one: 10,000 runs have 30,000 files. The script finds them in the study's folder.
        *[files_of(architecture, *RUN_FILES) for architecture in ARCHITECTURES],
        baselines="<study>/baselines.json",
    output:
        runs="<study>/runs.csv",
        layers="<study>/layers.csv",
        history="<study>/history.csv",
    log:
        "<logs>/merge_runs.log",
    localrule: True
    conda:
        "../../envs/report.yaml"
    params:
        script=script("merge_runs.py"),
        study=STUDY.name,
        folder=unrecorded(FOLDER),
        runs=lambda wildcards: json_file(runs_to_merge(wildcards)),
        expected=json_file(expected_runs()),
        baselines=json_file(baselines()),
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
    """Merge the rounds of all searches into one table."""
    input:
        # Unnamed: a list of functions cannot have a name.
        *[rounds_of(architecture) for architecture in ARCHITECTURES],
    output:
        search="<study>/search.csv",
    log:
        "<logs>/merge_searches.log",
    localrule: True
    conda:
        "../../envs/report.yaml"
    params:
        script=script("merge_searches.py"),
        rounds=lambda wildcards, input, threads: json_file(list(input)),
        code=code_of("merge_searches.py"),
    shell:
        "python {params.script:q}"
        " --rounds {params.rounds:q}"
        " --output {output.search:q}"
        " > {log:q} 2>&1"


rule merge_stages:
    """Merge the stages of successive halving into one table."""
    input:
        stages=stage_files(),
        runs="<study>/runs.csv",
    output:
        stages="<study>/stages.csv",
    log:
        "<logs>/merge_stages.log",
    localrule: True
    conda:
        "../../envs/report.yaml"
    params:
        script=script("merge_stages.py"),
        code=code_of("merge_stages.py"),
    shell:
        "python {params.script:q}"
        " --stages {input.stages:q}"
        " --runs {input.runs:q}"
        " --output {output.stages:q}"
        " > {log:q} 2>&1"


rule count_weights:
    """Count the weights of the trained networks in every usual way."""
    input:
        runs="<study>/runs.csv",
    output:
        counts="<study>/counts.csv",
    log:
        "<logs>/count_weights.log",
    localrule: True
    conda:
        "../../envs/training.yaml"
    params:
        script=script("count_weights.py"),
        code=code_of("count_weights.py"),
    shell:
        "python {params.script:q}" " --runs {input.runs:q}" " --output {output.counts:q}" " > {log:q} 2>&1"


rule compare_neighbours:
    """Test each breakpoint against the next smaller model, image by image."""
    input:
        data=data_is_fetched(),
        runs="<study>/runs.csv",
        breakpoints="<study>/breakpoints.csv",
    output:
        neighbours="<study>/neighbours.csv",
    log:
        "<logs>/compare_neighbours.log",
    localrule: True
    conda:
        "../../envs/report.yaml"
    params:
        script=script("compare_neighbours.py"),
        data=unrecorded(DATA_FILE),
        dataset=STUDY.dataset,
        code=code_of("compare_neighbours.py"),
    shell:
        "python {params.script:q}"
        " --runs {input.runs:q}"
        " --breakpoints {input.breakpoints:q}"
        " --dataset {params.dataset:q}"
        " --data {params.data:q}"
        " --output {output.neighbours:q}"
        " > {log:q} 2>&1"
