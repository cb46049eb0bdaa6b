"""Train some runs of the committed studies again, and compare their bits with those that are committed.

The runs are drawn at random, and the workflow trains them in results/<study>-reproduced/. The last line is
one word, over all studies:

    equal      all runs have the same bits
    allowed    some runs differ, and none of them must be the same on this machine
    different  a run differs that must be the same; only then the exit status is not 0
"""

import argparse
import subprocess
import sys
from pathlib import Path
from random import randrange

from few_weights.analysis.merge import history_table, read_metrics, runs_table
from few_weights.analysis.read_tables import read_history, read_runs
from few_weights.analysis.reproduction import (
    Results,
    compare_circumstances,
    draw_runs,
    find_differences,
    name_of,
    records_of,
    uncompared_columns,
    why_bits_may_differ,
)
from few_weights.errors import StudyError, entry_point
from few_weights.plan.runs import Run
from few_weights.plan.study_file.networks import LONGEST_NAME
from few_weights.plan.study_file.resolve import results_folder

ROOT = Path(__file__).parents[2]
REFERENCE = Path("results", "reference")


@entry_point
def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--configfile", type=Path, help="a study's YAML; default: all committed studies")
    parser.add_argument("--runs", type=int, default=3, help="how many runs of each study; default: 3")
    parser.add_argument("--seed", type=int, help="draws the same runs as an earlier start with this seed")
    parser.add_argument("--cores", default="all", help="the number of cores, or all; default: all")
    arguments = parser.parse_args()
    if arguments.runs < 1:
        raise StudyError(f"--runs is {arguments.runs}; write 1 or more")
    files = [arguments.configfile] if arguments.configfile else committed_studies()
    seed = randrange(10**6) if arguments.seed is None else arguments.seed
    print(f"Draws {arguments.runs} runs of each study; SEED={seed} draws the same runs again.", flush=True)
    verdicts = []
    for file in files:
        verdicts += reproduce(file, arguments.runs, seed, arguments.cores)
    print()
    for verdict, sentence in (
        ("equal", "have the same bits"),
        ("allowed", "differ, but need not have the same bits here"),
        ("different", "differ, and must not"),
    ):
        if number := verdicts.count(verdict):
            print(f"{number} of {len(verdicts)} runs {sentence}")
    worst = max(verdicts, key=("equal", "allowed", "different").index)
    print(f"\n{worst}")
    if worst == "different":
        sys.exit(1)


def committed_studies() -> list[Path]:
    """The YAML files of the studies of which runs are committed.

    Raises:
        StudyError: there are none, or a study's file is missing.
    """
    files = {}
    for file in sorted(Path("config").rglob("*.yaml")):
        try:
            files[results_folder(file).name] = file
        except StudyError:
            continue  # a file that is no study, or one that is being written
    committed = sorted(path.parent.name for path in REFERENCE.glob("*/runs.csv"))
    if missing := [study for study in committed if study not in files]:
        raise StudyError(f"no file in config/ is the study {', '.join(missing)} of {REFERENCE}")
    if not committed:
        raise StudyError(f"there is no runs.csv in {REFERENCE}: no runs are committed")
    return [files[study] for study in committed]


def reproduce(file: Path, number: int, seed: int, cores: str) -> list[str]:
    """Train some runs of a study again, and print what differs.

    Args:
        file: the study's YAML.
        number: how many runs.
        seed: draws them.
        cores: for Snakemake.

    Returns:
        "equal", "allowed" or "different" for each run.

    Raises:
        StudyError: nothing is committed of this study, or a run could not be trained.
    """
    study = results_folder(file).name
    folder = REFERENCE / study
    if not (folder / "runs.csv").exists():
        raise StudyError(f"there is no {folder / 'runs.csv'}: no runs of this study are committed")
    # Without the baselines, which come from the study and not from a training.
    runs = read_runs(folder / "runs.csv").filter(regex="^(?!baseline_)")
    committed, drawn = Results(runs, read_history(folder / "history.csv")), draw_runs(runs, number, seed)
    reference, fresh = committed.of(drawn), train(file, reproduced(study), drawn, cores)

    here, there = records_of(fresh.runs), records_of(reference.runs)
    differences = find_differences(fresh, reference)
    print(f"\nThe study {study} of {file}; values are new / committed", flush=True)
    verdicts = []
    for run in drawn:
        since = "; the training code has changed since" if here[run]["code"] != there[run]["code"] else ""
        if run not in differences:
            verdicts.append("equal")
            print(f"{name_of(run)}: equal{since}")
            continue
        difference = differences[run]
        why = why_bits_may_differ(here[run], there[run]) if difference.in_bits else ""
        verdicts.append("allowed" if why else "different")
        must = "the bits must be the same" if difference.in_bits else "the settings must be the same"
        print(f"{name_of(run)}: {difference.text} ({f'allowed: {why}' if why else must}{since})")
    if skipped := uncompared_columns(fresh, reference):
        print(f"Not compared, because the committed table does not record it: {', '.join(skipped)}")
    print("What may differ, and does:")
    for line in compare_circumstances(fresh.runs, reference.runs):
        print(f"  {line}")
    return verdicts


def reproduced(study: str) -> str:
    """The name of the study in which runs of a study are trained again: not longer than a name may be."""
    suffix = "-reproduced"
    return f"{study[: LONGEST_NAME - len(suffix)]}{suffix}"


def train(file: Path, name: str, runs: list[Run], cores: str) -> Results:
    """Train runs of a study by the workflow, as runs of a study of another name.

    Args:
        file: the study's YAML.
        name: the other name.
        runs: what to train, whether it has been trained before or not.
        cores: for Snakemake.

    Raises:
        StudyError: a run could not be trained.
    """
    folder = Path("results", name)
    job = subprocess.run(
        [
            *(sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile")),
            *("--configfile", str(file), "--config", f"study={name}", "--cores", cores, "--force", "--"),
            *(str(run.metrics_path(folder)) for run in runs),
        ],
        # Standard output is for the comparison.
        stdout=sys.stderr,
    )
    if job.returncode != 0:
        raise StudyError(f"not all runs of {file} could be trained again; Snakemake's lines above say why")
    records = read_metrics(folder, name, runs)
    return Results(runs_table(records), history_table(records))


if __name__ == "__main__":
    main()
