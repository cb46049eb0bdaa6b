"""Which runs there are, if a study says `refine: true` or has a section `certainty` or `halving`.

Requires the metrics.json of every run so far. Makes search/<architecture>/round-<round>.json: which widths to train
next, and with `certainty` which seeds; or that the search is over and why. With `halving` it makes
stages/stage-<stage>.json: which models to train for more epochs. Without all three nothing is searched: the widths and
seeds are those of the study.
"""

import itertools

# The last content read of each round and stage.
JUDGED = {}


def judged_by(job):
    """What a round or stage found; Snakemake calls this again when it is done.

    What was done at the start is judged again if one of its runs is repeated. Snakemake may still ask for it
    meanwhile; then the previous answer is used, because the repeated run gives the same result.
    """
    path = Path(job.output[0])
    try:
        JUDGED[path] = json.loads(path.read_bytes())
    except FileNotFoundError:
        if path not in JUDGED:
            raise snakemake_private.not_done_yet(job) from None
    except ValueError:
        raise WorkflowError(f"{path} is damaged: delete it and start again; it will be made again") from None
    return JUDGED[path]


def searched(architecture, number):
    """What a round of a search found."""
    return judged_by(checkpoints.search_widths.get(architecture=architecture, round=number))


def search_rounds(architecture):
    """Every round of an architecture's search, in order."""
    for number in itertools.count():
        yield (found := searched(architecture, number))
        if found["finished"]:
            return


def seeds_before_round(wildcards):
    """Width -> the seeds that a round of the search judges: the section's and those that earlier rounds added."""
    number, section = int(wildcards.round), ARCHITECTURES[wildcards.architecture]
    if number == 0:
        return dict.fromkeys(section.widths, section.seeds)
    return seeds_after(searched(wildcards.architecture, number - 1), section.seeds)


def seeds_of(architecture):
    """Width -> the seeds that an architecture is trained with, including those added by its search."""
    section = ARCHITECTURES[architecture]
    if STUDY.halving:
        return dict.fromkeys(widths_after(len(STAGES), architecture), section.seeds)
    if not (STUDY.refine or STUDY.certainty):
        return dict.fromkeys(section.widths, section.seeds)
    *_, last = search_rounds(architecture)
    return seeds_after(last, section.seeds)


def runs_to_merge(wildcards):
    """Architecture -> width -> the seeds it is trained with."""
    return {name: seeds_of(name) for name in ARCHITECTURES}


def metrics_before_round(wildcards):
    """The metrics.json of every run that a round of the search judges."""
    return files_at(wildcards.architecture, seeds_before_round(wildcards), "metrics.json")


def trained_before_round(wildcards):
    """Width -> the seeds that a round of the search judges, as a file."""
    return json_file(seeds_before_round(wildcards))


def certainty_options(wildcards):
    """With `certainty`, the rules of an architecture as an option of the search."""
    if not STUDY.certainty:
        return []
    return ["--certainty", json.dumps(vars(CERTAINTY[wildcards.architecture]))]


def preparation_of(wildcards, threads):
    """How a round prepares the runs that it adds, as options; not recorded, as for every function of threads."""
    name = wildcards.architecture
    request = preparation_request(STUDY, TRAINED[name], training_code(name))
    return ["--prepare", json.dumps(request), "--prepared", str(prepared_file(STUDY.name, name))]


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
        seeds=lambda wildcards: ARCHITECTURES[wildcards.architecture].seeds,
        targets=STUDY.targets,
        certainty=certainty_options,
        prepare=preparation_of,
        expected=lambda wildcards: json.dumps(expected_runs()[wildcards.architecture], sort_keys=True),
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


def widths_after(stages, architecture):
    """The widths of an architecture that are left after so many stages."""
    if stages == 0:
        return ARCHITECTURES[architecture].widths
    return judged_by(checkpoints.choose_models.get(stage=stages))["next"].get(architecture, [])


def trained_in_stage(number):
    """Section of a stage, counted from 1 -> width -> the seeds it is trained with."""
    return {
        section.name: dict.fromkeys(widths_after(number - 1, name), section.seeds)
        for name, section in STAGES[number - 1].sections.items()
    }


def files_of_stage(number, *names):
    """The named files of every run of a stage."""
    return [
        path
        for section, seeds in trained_in_stage(number).items()
        for path in files_at(section, seeds, *names)
    ]


def sections_of_stage(wildcards):
    """Section of a stage -> architecture."""
    sections = STAGES[int(wildcards.stage) - 1].sections
    return {section.name: name for name, section in sections.items()}


def preparations_after_stage(wildcards, threads):
    """How the stage prepares the runs of the next one; not recorded, as for every function of threads."""
    number = int(wildcards.stage)
    sections = STAGES[number].sections if number < len(STAGES) else ARCHITECTURES
    return json_file(
        {
            name: [
                preparation_request(STUDY, section, training_code(section.name)),
                str(prepared_file(STUDY.name, section.name)),
            ]
            for name, section in sections.items()
        }
    )


def stage_files():
    """The JSON of every stage before the last."""
    return [f"{RESULTS}/stages/stage-{number}.json" for number in range(1, len(STAGES) + 1)]


def files_of_stages():
    """Every file of every run of the stages before the last, as input functions."""
    return [
        lambda wildcards, number=number: files_of_stage(number, *RUN_FILES)
        for number in range(1, len(STAGES) + 1)
    ]


def reported(wildcards):
    """The report, its tables and its figures; no curve of an architecture that no model of is left."""
    dropped = {f"curve-{name}" for name in ARCHITECTURES if STUDY.halving and not seeds_of(name)}
    return report_files([name for name in FIGURE_NAMES if name not in dropped])


def figures_reported(wildcards):
    """The figures that the report shows."""
    return [path for path in reported(wildcards) if path.endswith(".svg")]


checkpoint choose_models:
    """Judge one stage: which models to train for more epochs."""
    input:
        lambda wildcards: files_of_stage(int(wildcards.stage), "metrics.json"),
    output:
        judged="<study>/stages/stage-{stage}.json",
    log:
        "<logs>/choose_models-{stage}.log",
    priority: 10**9
    localrule: True
    conda:
        "../../envs/report.yaml"
    params:
        script=script("choose_models.py"),
        study=STUDY.name,
        folder=unrecorded(FOLDER),
        sections=lambda wildcards: json_file(sections_of_stage(wildcards)),
        trained=lambda wildcards: json_file(trained_in_stage(int(wildcards.stage))),
        expected=json_file(expected_runs()),
        keep=STUDY.halving.keep if STUDY.halving else 1,
        seeds=json_file({name: section.seeds for name, section in ARCHITECTURES.items()}),
        prepare=preparations_after_stage,
        code=code_of("choose_models.py", also=["workflow/schemas/metrics.schema.yaml"]),
    shell:
        "python {params.script:q}"
        " --study {params.study:q}"
        " --folder {params.folder:q}"
        " --stage {wildcards.stage}"
        " --sections {params.sections:q}"
        " --trained {params.trained:q}"
        " --expected {params.expected:q}"
        " --keep {params.keep}"
        " --seeds {params.seeds:q}"
        " --prepare {params.prepare:q}"
        " --output {output.judged:q}"
        " > {log:q} 2>&1"
