"""The data, fetched once for all studies.

Requires only a reachable source. Makes results/data/<dataset>.npz: x_train, y_train, x_test, y_test as uint8, verified
as config/README.md describes.
"""


rule fetch_data:
    """Fetch the data set from the first source that has it, and verify it."""
    output:
        data=DATA,
        # What the other rules depend on; workflow/scripts/few_weights/data/check_fetched.py says why.
        stamp=touch(local(DATA_STAMP)),
    log:
        f"results/data/{STUDY.dataset}.log",
    localrule: True
    conda:
        "../../envs/training.yaml"
    params:
        script=script("fetch_data.py"),
        dataset=STUDY.dataset,
        # Verified data are the same wherever they came from, so changing `sources` does not fetch again. If the
        # arrays in a user's file have changed, data_to_fetch notices at the start.
        sources=unrecorded(json.dumps(STUDY.sources)),
    shell:
        "python {params.script:q}"
        " --dataset {params.dataset:q}"
        " --sources {params.sources:q}"
        " --output {output.data:q}"
        " > {log:q} 2>&1"
