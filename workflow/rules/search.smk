"""The search for the exact breakpoint, where a study says `refine: true`.

Requires every seed's metrics.json at the widths tried so far. Makes search/<architecture>/round-<round>.json: which
widths to train next, or that the search is over and why; and search.csv, the paths that were searched.
"""


# A checkpoint: its answer decides which runs there are. Round 0 judges the study's own widths.
checkpoint search_widths:
    input:
        metrics_before_round,
    output:
        found=SEARCH_ROUND,
    log:
        f"{RESULTS}/logs/search_widths-{{architecture}}-{{round}}.log",
    # Before any training: it takes a second, and what it asks for is long.
    priority: 10**9
    localrule: True
    conda:
        "../../envs/report.yaml"
    params:
        script=script("search_widths.py"),
        study=STUDY["study"],
        folder=subpath(output.found, ancestor=3),
        widths=widths_before_round,
        seeds=STUDY["seeds"],
        targets=STUDY["targets"],
        code=code_of("search_widths.py", also=["workflow/schemas/metrics.schema.yaml"]),
    shell:
        "python {params.script:q}"
        " --study {params.study:q}"
        " --folder {params.folder:q}"
        " --architecture {wildcards.architecture:q}"
        " --round {wildcards.round}"
        " --widths {params.widths}"
        " --seeds {params.seeds}"
        " --targets {params.targets}"
        " --output {output.found:q}"
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
