"""Training: one job for each architecture, width and seed.

Requires the data. Makes runs/<architecture>/width-<width>/seed-<seed>/metrics.json, predictions.npz (the class
given to each validation and test image) and weights.npz (the trained network's), with the log of the epochs and the
job's time and memory beside them.
"""


rule train_model:
    """Train one architecture at a width with a seed."""
    input:
        data=data_is_fetched(),
    output:
        metrics="<run>/metrics.json",
        predictions="<run>/predictions.npz",
        weights="<run>/weights.npz",
    log:
        "<run>/train.log",
    benchmark:
        "<run>/benchmark.tsv"
    # Longest first: what is started last must be short, or a core stands idle at the end.
    priority: cost_of
    group:
        submission_of
    conda:
        "../../envs/training.yaml"
    threads: 1
    resources:
        # No measured training held more than 1,424 MiB.
        mem_mb=lambda wildcards, attempt: 1800 * attempt,
        runtime=lambda wildcards, attempt: minutes_of(wildcards) * attempt,
        gpu=0,
        # 0: a GPU is the scheduler's to give. workflow/profiles/workstation shares one among as many jobs.
        jobs_per_gpu=0,
        # Those that share a submission take turns: workflow/profiles/slurm allows one turn at a time.
        turn=1,
    params:
        script=script("train.py"),
        study=STUDY.name,
        dataset=STUDY.dataset,
        data=unrecorded(DATA_FILE),
        data_sha256=STUDY.data.sha256,
        data_conversions=unrecorded(json.dumps(STUDY.data.conversions)),
        network=network_of,
        recipe=recipe_of,
        validation_examples=STUDY.validation_examples,
        # No output: Snakemake removes those of a job that failed, and this is what its next try goes on from.
        # Finished results are kept there too, until the study is done.
        checkpoints=unrecorded(FOLDER / "checkpoints"),
        code_cache=unrecorded(CACHE / "code"),
        code=training_code_of,
    message:
        "Training {wildcards.architecture} width {wildcards.width} seed {wildcards.seed}; its epochs: {log}"
    shell:
        "python {params.script:q}"
        " --study {params.study:q}"
        " --dataset {params.dataset:q}"
        " --data {params.data:q}"
        " --data-sha256={params.data_sha256}"
        " --data-conversions {params.data_conversions:q}"
        " --architecture {wildcards.architecture:q}"
        " --network {params.network:q}"
        " --width {wildcards.width}"
        " --seed {wildcards.seed}"
        " --recipe {params.recipe:q}"
        " --validation-examples {params.validation_examples}"
        " --code {params.code}"
        " --checkpoints {params.checkpoints:q}"
        " --code-cache {params.code_cache:q}"
        " --threads {threads}"
        " --gpus {resources.gpu}"
        " --jobs-per-gpu {resources.jobs_per_gpu}"
        " --output {output.metrics:q}"
        " --predictions {output.predictions:q}"
        " --weights {output.weights:q}"
        " > {log:q} 2>&1"
