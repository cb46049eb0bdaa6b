"""Which runs there are, if a study says `refine: true` or has a section `certainty`.

Requires the metrics.json of every run so far. Makes search/<architecture>/round-<round>.json: which widths to train
next, and with `certainty` which seeds; or that the search is over and why. Without both nothing is searched: the
widths and seeds are those of the study.
"""

import itertools

# The last content read of each round.
ROUNDS = {}


def searched(architecture, number):
    """What a round of a search found; Snakemake calls this again when that round is done.

    A round that was done at the start is judged again if one of its runs is repeated. Snakemake may still ask
    for it meanwhile; then the previous answer is used, because the repeated run gives the same result.
    """
    job = checkpoints.search_widths.get(architecture=architecture, round=number)
    path = Path(job.output[0])
    try:
        ROUNDS[path] = json.loads(path.read_bytes())
    except FileNotFoundError:
        if path not in ROUNDS:
            raise snakemake_private.not_done_yet(job) from None
    except ValueError:
        raise WorkflowError(f"{path} is damaged: delete it and start again; it will be made again") from None
    return ROUNDS[path]


def search_rounds(architecture):
    """Every round of an architecture's search, in order."""
    for number in itertools.count():
        yield (found := searched(architecture, number))
        if found["finished"]:
            return


def seeds_before_round(wildcards):
    """Width -> the seeds that a round of the search judges: the study's own and those that earlier rounds added."""
    number = int(wildcards.round)
    if number == 0:
        return dict.fromkeys(ARCHITECTURES[wildcards.architecture].widths, STUDY.seeds)
    return seeds_after(searched(wildcards.architecture, number - 1), STUDY.seeds)


def seeds_of(architecture):
    """Width -> the seeds that an architecture is trained with, including those added by its search."""
    if not (STUDY.refine or STUDY.certainty):
        return dict.fromkeys(ARCHITECTURES[architecture].widths, STUDY.seeds)
    *_, last = search_rounds(architecture)
    return seeds_after(last, STUDY.seeds)


def runs_to_merge(wildcards):
    """Architecture -> width -> the seeds it is trained with, as JSON."""
    return json.dumps({name: seeds_of(name) for name in ARCHITECTURES})


def metrics_before_round(wildcards):
    """The metrics.json of every run that a round of the search judges."""
    return files_at(wildcards.architecture, seeds_before_round(wildcards), "metrics.json")


def trained_before_round(wildcards):
    """Width -> the seeds that a round of the search judges, as JSON."""
    return json.dumps(seeds_before_round(wildcards))


def certainty_options(wildcards):
    """With `certainty`, the rules of an architecture as an option of the search."""
    if not STUDY.certainty:
        return []
    return ["--certainty", json.dumps(vars(CERTAINTY[wildcards.architecture]))]


def preparation_of(wildcards, threads):
    """How a round prepares the runs that it adds, as options; not recorded, as for every function of threads."""
    name = wildcards.architecture
    command = preparation_command(STUDY, name, training_code(name))
    return ["--prepare", json.dumps(command), "--prepared", str(prepared_file(STUDY.name, name))]


def rounds_of(architecture):
    """The JSON of every round of an architecture's search, as an input function."""
    return lambda wildcards: [
        f"{RESULTS}/search/{architecture}/round-{found['round']}.json"
        for found in search_rounds(architecture)
    ]


# A checkpoint, because its answer decides which runs there are. Round 0 judges the study's own widths.
checkpoint search_widths:
    """Judge one round of a search: which widths and seeds to train next, or what it found."""
    input:
        metrics_before_round,
    output:
        found="<study>/search/{architecture}/round-{round}.json",
    log:
        "<logs>/search_widths-{architecture}-{round}.log",
    # Before any training: it takes seconds, and the trainings it requests are long.
    priority: 10**9
    localrule: True
    conda:
        "../../envs/report.yaml"
    params:
        script=script("search_widths.py"),
        study=STUDY.name,
        folder=unrecorded(FOLDER),
        trained=trained_before_round,
        given=lambda wildcards: ARCHITECTURES[wildcards.architecture].widths,
        seeds=STUDY.seeds,
        targets=STUDY.targets,
        certainty=certainty_options,
        prepare=preparation_of,
        expected=expected_runs(),
        code=code_of("search_widths.py", also=["workflow/schemas/metrics.schema.yaml"]),
    shell:
        "python {params.script:q}"
        " --study {params.study:q}"
        " --folder {params.folder:q}"
        " --architecture {wildcards.architecture:q}"
        " --round {wildcards.round}"
        " --trained {params.trained:q}"
        " --given {params.given}"
        " --seeds {params.seeds}"
        " --targets {params.targets}"
        " {params.certainty:q}"
        " {params.prepare:q}"
        " --expected {params.expected:q}"
        " --output {output.found:q}"
        " > {log:q} 2>&1"
