"""The data, fetched once for all studies.

Requires nothing but a source that answers. Makes results/data/<dataset>.npz: x_train, y_train, x_test, y_test
as uint8, verified against the SHA-256 of the published data, or of the user's own.
"""


rule fetch_data:
    """Fetch the data set from the first source that has it, and verify it."""
    output:
        data=DATA,
        # What the other rules depend on: few_weights/data/check_fetched.py says why.
        stamp=touch(local(DATA_STAMP)),
    log:
        f"results/data/{STUDY.dataset}.log",
    localrule: True
    conda:
        "../../envs/training.yaml"
    params:
        script=script("fetch_data.py"),
        dataset=STUDY.dataset,
        # Verified data are the same wherever they came from, so other sources fetch nothing again; a file of the
        # user's that holds other arrays than before is noticed at the start, see data_to_fetch.
        sources=unrecorded(json.dumps(STUDY.sources)),
    shell:
        "python {params.script:q}"
        " --dataset {params.dataset:q}"
        " --sources {params.sources:q}"
        " --output {output.data:q}"
        " > {log:q} 2>&1"
