"""Training: one job for each architecture, width and seed.

Requires the data. Makes runs/<architecture>/width-<width>/seed-<seed>/metrics.json, predictions.npz (the
predicted class of each validation and test image) and weights.npz (of the trained network), with the log of the epochs
and the job's time and memory next to them.
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
    # Longest first: a long job started last would leave cores idle.
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
        # 0: the scheduler assigns GPUs. workflow/profiles/workstation shares each among this many jobs.
        jobs_per_gpu=0,
        # Trainings that share a submission take turns: workflow/profiles/slurm allows one turn at a time.
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
        # Not an output: Snakemake deletes a failed job's outputs, and the next attempt resumes from this. Finished
        # results are kept here too, until the study is done.
        checkpoints=unrecorded(FOLDER / "checkpoints"),
        code_cache=unrecorded(CACHE / "code"),
        prepared=prepared_by,
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
        " --prepared {params.prepared:q}"
        " --checkpoints {params.checkpoints:q}"
        " --code-cache {params.code_cache:q}"
        " --threads {threads}"
        " --gpus {resources.gpu}"
        " --jobs-per-gpu {resources.jobs_per_gpu}"
        " --output {output.metrics:q}"
        " --predictions {output.predictions:q}"
        " --weights {output.weights:q}"
        " > {log:q} 2>&1"
