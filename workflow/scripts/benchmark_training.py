"""How fast is the engine? Times it and plain Keras in turn, one thread each, over every built-in network.

Each network is trained with the recipe of a study that uses it. Each side is a separate process, and waits
while the others compute. An epoch includes the evaluation on the test images. Start and preparation (building
and compiling a model, three batches, one evaluation) are listed apart. Writes a CSV (one row per model), a
figure and a description of the machine. See `make benchmark`.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from few_weights.errors import StudyError, entry_point
from few_weights.files import write_atomically
from few_weights.report.figures import benchmark, style

SCRIPTS = Path(__file__).parent
TRAIN_EXAMPLES = 60_000
TEST_EXAMPLES = 10_000

#: The built-in networks, by the study in config/ whose widths and recipes are used.
STUDIES = {
    "article": ("mlp", "pooled_mlp", "cnn", "vgg"),
    "frontier": ("looped", "looped_doubled"),
    "frontier-search": ("separable", "deep_separable", "recurrent", "strided_recurrent"),
}

#: These take minutes per epoch, so they train on a third of the images, and their time is scaled up.
SHORTENED = ("cnn", "vgg")
SHORTENED_EXAMPLES = 20_096  # 157 whole batches of 128

#: The keys of a study's section that say how it is trained.
RECIPE = ("epochs", "batch_size", "optimizer", "schedule", "augmentation")


class Side:
    """One contender, as a process that trains an epoch each time it is asked to.

    Args:
        python: the interpreter to run it with.
        side: its name, as benchmark_side.py takes it.
        data: the .npz of the data set.
        core: the processor core to pin it to; None pins it to none.
    """

    def __init__(self, python: str, side: str, data: Path, core: int | None) -> None:
        command = [python, str(SCRIPTS / "benchmark_side.py"), side, str(data)]
        if core is not None:
            command = ["taskset", "--cpu-list", str(core), *command]
        self.name = side
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )

    def ask(self, **request: Any) -> dict[str, Any]:
        """Send a request and wait for the answer; benchmark_side.py lists the requests.

        Raises:
            StudyError: the process has ended, or does not support the request.
        """
        assert self.process.stdin and self.process.stdout, "both are pipes"
        print(json.dumps(request), file=self.process.stdin, flush=True)
        line = self.process.stdout.readline()
        if not line:
            raise StudyError(f"the {self.name} process ended; run benchmark_side.py by hand to see why")
        answer: dict[str, Any] = json.loads(line)
        if "problem" in answer:
            raise StudyError(answer["problem"])
        return answer

    def close(self) -> None:
        self.process.communicate()


def measure_model(
    sides: list[Side], study: str, architecture: str, width: int, section: Mapping[str, Any], rounds: int
) -> dict[str, Any]:
    """A row of benchmark.csv: the seconds per epoch of each side, measured in turn.

    Args:
        study: where the section is from.
        section: the architecture's section of the study.
        rounds: epochs of each side.

    Raises:
        StudyError: a side does not support the model, or has built another one.
    """
    examples = SHORTENED_EXAMPLES if architecture in SHORTENED else TRAIN_EXAMPLES
    recipe = {key: section[key] for key in RECIPE if key in section}
    model = {"architecture": architecture, "width": width, "recipe": recipe, "examples": examples}
    row: dict[str, Any] = {"study": study, "architecture": architecture, "width": width}
    row["optimizer"] = recipe["optimizer"]["name"]
    preparation = {}
    for side in sides:
        facts = side.ask(prepare=model)
        preparation[side.name] = facts.pop("preparation")
        if facts["parameters"] != row.get("parameters", facts["parameters"]):
            raise StudyError(f"{side.name} has built another {architecture} {width}: {facts} and {row}")
        row |= facts
    seconds: dict[str, list[float]] = {side.name: [] for side in sides}
    cpu_seconds: dict[str, list[float]] = {side.name: [] for side in sides}
    loads = []
    for _ in range(rounds):
        for side in sides:
            answer = side.ask(epoch=examples)
            scale = TRAIN_EXAMPLES / examples
            seconds[side.name].append(answer["train"] * scale + answer["evaluate"])
            cpu_seconds[side.name].append(answer["train_cpu"] * scale + answer["evaluate_cpu"])
        loads.append(os.getloadavg()[0])
    # One of the processes measured here is always running.
    row |= {"examples": examples, "rounds": rounds, "load": round(statistics.median(loads), 2)}
    for name, values in seconds.items():
        row[f"{name}_seconds"] = round(statistics.median(values), 3)
        row[f"{name}_seconds_all"] = " ".join(f"{value:.3f}" for value in values)
        row[f"{name}_cpu_seconds"] = round(statistics.median(cpu_seconds[name]), 3)
        row[f"{name}_preparation_seconds"] = round(preparation[name], 3)
    for name in seconds.keys() - {"ours"}:
        ratios = [theirs / ours for theirs, ours in zip(seconds[name], seconds["ours"], strict=True)]
        row[f"{name}_ratio"] = round(statistics.median(ratios), 2)
        row[f"{name}_ratio_min"] = round(min(ratios), 2)
        row[f"{name}_ratio_max"] = round(max(ratios), 2)
    return row


def share_of_peak(row: Mapping[str, Any], peak: float) -> float:
    """The operations that an epoch takes, over those that one core could do in its time.

    Counted are two operations, a multiplication and an addition, for each multiplication of layers with
    weights that is really done: of Winograd's algorithm 36 for 16 pixels, and no gradient of the images.
    Transforms, activations and optimizers are not counted.

    Args:
        row: of benchmark.csv.
        peak: operations per second of one core.
    """
    training, evaluation = row["training_multiplications"], row["multiplications"]
    operations = 2 * (training * TRAIN_EXAMPLES + evaluation * TEST_EXAMPLES)
    return round(operations / row["ours_seconds"] / peak, 3)


def models_of(names: list[str] | None) -> list[tuple[str, str, int, dict[str, Any]]]:
    """The models to measure, each as study, architecture, width and section; all, or those of some names.

    Raises:
        StudyError: a name, such as "cnn:2", is that of no model.
    """
    models = []
    for study, architectures in STUDIES.items():
        text = Path("config", f"{study}.yaml").read_text(encoding="utf-8")
        sections = yaml.safe_load(text)["architectures"]
        models += [
            (study, name, width, sections[name])
            for name in architectures
            for width in sorted(sections[name]["widths"])
            if not names or f"{name}:{width}" in names
        ]
    unknown = set(names or []) - {f"{name}:{width}" for _, name, width, _ in models}
    if unknown:
        raise StudyError(f"no study of the benchmark has {', '.join(sorted(unknown))}")
    return models


def describe(row: Mapping[str, Any], sides: list[Side]) -> str:
    """A row as a line for the terminal."""
    parts = [f"{row['architecture']:<17}{row['width']:>4}"]
    parts += [
        f"{side.name} {row[f'{side.name}_seconds']:.2f} s (CPU {row[f'{side.name}_cpu_seconds']:.2f} s)"
        for side in sides
    ]
    parts += [
        f"{side.name} / ours {row[f'{side.name}_ratio']:.2f} "
        f"({row[f'{side.name}_ratio_min']:.2f} to {row[f'{side.name}_ratio_max']:.2f})"
        for side in sides
        if side.name != "ours"
    ]
    return "  ".join([*parts, f"{row['share_of_peak']:.1%} of peak", f"load {row['load']}"])


@entry_point
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("results/data/mnist.npz"))
    parser.add_argument("--rounds", type=int, default=3, help="epochs per side and model")
    parser.add_argument("--core", type=int, help="pin all sides to this core (Linux)")
    parser.add_argument("--models", nargs="+", help="only these models, such as cnn:2 mlp:32")
    parser.add_argument("--pytorch", help="a Python with PyTorch: adds it, with and without torch.compile")
    parser.add_argument("--output", required=True, type=Path, help="folder of benchmark.csv and the figure")
    arguments = parser.parse_args()

    models = models_of(arguments.models)
    pythons = {"ours": sys.executable, "keras": sys.executable}
    if arguments.pytorch:
        pythons |= dict.fromkeys(("pytorch", "pytorch_compiled"), arguments.pytorch)
    sides, versions, start_seconds = [], {}, {}
    for name, python in pythons.items():
        begin = time.perf_counter()
        side = Side(python, name, arguments.data, arguments.core)
        # The answer comes when the side has imported its libraries and loaded the data.
        versions[name] = side.ask(version=True)["version"]
        start_seconds[name] = round(time.perf_counter() - begin, 2)
        sides.append(side)
    speed = sides[0].ask(peak=True)
    peak = speed["peak"]
    machine = {
        "cpu": speed["cpu"],
        "cores": os.cpu_count(),
        "platform": platform.platform(),
        "date": time.strftime("%F"),
        "peak_gflops_one_core": round(peak / 1e9, 1),
    }
    machine |= {**versions, "start_seconds": start_seconds}
    print(json.dumps(machine), flush=True)

    rows = []
    for study, name, width, section in models:
        row = measure_model(sides, study, name, width, section, arguments.rounds)
        row["share_of_peak"] = share_of_peak(row, peak)
        rows.append(row)
        print(describe(row, sides), flush=True)
        # After every model: if a later one fails, what has been measured is not lost.
        table = pd.DataFrame(rows)
        write_atomically(arguments.output / "benchmark.csv", table.to_csv(index=False, lineterminator="\n"))
    mean = statistics.geometric_mean(table["keras_ratio"])
    print(f"geometric mean of the ratios of {len(table)} models: {mean:.2f}")
    for side in sides:
        side.close()

    write_atomically(arguments.output / "machine.json", json.dumps(machine, indent=1) + "\n")
    figure, title = benchmark.plot_benchmark(table, machine)
    for kind in ("svg", "png"):
        write_atomically(arguments.output / f"benchmark.{kind}", style.figure_bytes(figure, kind, title))


if __name__ == "__main__":
    main()
