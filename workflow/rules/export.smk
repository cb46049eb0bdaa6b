"""The networks for other programs, where a study says `export_models: true`.

Requires weights.npz and predictions.npz of every run, and breakpoints.csv. Makes in exports/ a .keras of every run
and a .tflite of every breakpoint that was reached; and exports.csv, which says how those do after their conversion.
"""


rule export_models:
    input:
        data=data_is_fetched(),
        runs=f"{RESULTS}/runs.csv",
        breakpoints=f"{RESULTS}/breakpoints.csv",
    output:
        exports=directory(f"{RESULTS}/exports"),
        table=f"{RESULTS}/exports.csv",
    log:
        f"{RESULTS}/logs/export_models.log",
    localrule: True
    conda:
        "../../envs/training.yaml"
    params:
        script=script("export_models.py"),
        folder=unrecorded(FOLDER),
        data=unrecorded(DATA_FILE),
        networks=networks(),
        dataset=STUDY["dataset"],
        code=code_of("export_models.py"),
    shell:
        "python {params.script:q}"
        " --breakpoints {input.breakpoints:q}"
        " --runs {input.runs:q}"
        " --folder {params.folder:q}"
        " --networks {params.networks:q}"
        " --dataset {params.dataset:q}"
        " --data {params.data:q}"
        " --exports {output.exports:q}"
        " --table {output.table:q}"
        " > {log:q} 2>&1"
