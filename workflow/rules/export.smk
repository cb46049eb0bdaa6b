"""The networks as files for other programs, if a study says `export_models: true`.

Requires weights.npz and predictions.npz of every run, and breakpoints.csv. Makes in exports/ a .keras file of every
run, and a .packed file if it was trained with few bits per weight; two .tflite files of every breakpoint that was
reached; and exports.csv, with their accuracy after conversion.
Which files there are is known only when an architecture has been exported to its archive: a network that cannot be
exported is recorded there with the reason; the job does not fail.
"""


# One checkpoint per architecture, so that each has its own process: user files do not affect each other.
checkpoint export_models:
    """Export all trained networks of an architecture into one archive."""
    input:
        data=data_is_fetched(),
        runs="<study>/runs.csv",
        breakpoints="<study>/breakpoints.csv",
    output:
        archive="<study>/exports/archives/{architecture}.zip",
    log:
        "<logs>/export_models-{architecture}.log",
    localrule: True
    conda:
        "../../envs/training.yaml"
    params:
        script=script("export_models.py"),
        data=unrecorded(DATA_FILE),
        network=network_of,
        dataset=STUDY.dataset,
        code=code_of("export_models.py"),
    shell:
        "python {params.script:q}"
        " --architecture {wildcards.architecture:q}"
        " --network {params.network:q}"
        " --breakpoints {input.breakpoints:q}"
        " --runs {input.runs:q}"
        " --dataset {params.dataset:q}"
        " --data {params.data:q}"
        " --archive {output.archive:q}"
        " > {log:q} 2>&1"


rule unpack_keras:
    """Extract an exported network from its architecture's archive."""
    input:
        archive="<study>/exports/archives/{architecture}.zip",
    output:
        network="<study>/exports/{architecture}-width-{width}-seed-{seed}.keras",
    log:
        "<logs>/unpack_keras-{architecture}-width-{width}-seed-{seed}.log",
    localrule: True
    conda:
        "../../envs/training.yaml"
    params:
        script=script("unpack_export.py"),
        code=code_of("unpack_export.py"),
    shell:
        "python {params.script:q}"
        " --archive {input.archive:q}"
        " --output {output.network:q}"
        " > {log:q} 2>&1"


# Extract the packed weights of a run from its architecture's archive.
use rule unpack_keras as unpack_packed with:
    output:
        network="<study>/exports/{architecture}-width-{width}-seed-{seed}.packed",
    log:
        "<logs>/unpack_packed-{architecture}-width-{width}-seed-{seed}.log",
    localrule: True


# Extract a .tflite file of a breakpoint from its architecture's archive.
use rule unpack_keras as unpack_tflite with:
    output:
        network="<study>/exports/{architecture}-{target}.tflite",
    log:
        "<logs>/unpack_tflite-{architecture}-{target}.log",
    localrule: True


rule list_exports:
    """List the exported networks, their accuracy after conversion, and why others are missing."""
    input:
        archives=expand("<study>/exports/archives/{architecture}.zip", architecture=ARCHITECTURES),
    output:
        table="<study>/exports.csv",
    log:
        "<logs>/list_exports.log",
    localrule: True
    conda:
        "../../envs/training.yaml"
    params:
        script=script("list_exports.py"),
        code=code_of("list_exports.py"),
    shell:
        "python {params.script:q}" " {input.archives:q}" " --table {output.table:q}" " > {log:q} 2>&1"
