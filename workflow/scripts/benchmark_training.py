"""How fast is the engine? Times it and plain Keras in turn, one thread each, over every model of the article.

Each side is a separate process with its own TensorFlow, and waits while the other computes. Data, compilation
and a warm-up are not timed; the evaluation on the test images is. Writes a CSV (one row per model), a figure
and a description of the machine. See `make benchmark`.
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

#: These take minutes per epoch, so they train on a third of the images, and their time is scaled up.
SHORTENED = ("cnn", "vgg")
SHORTENED_EXAMPLES = 20_096  # 157 whole batches of 128


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
    sides: list[Side], architecture: str, width: int, section: Mapping[str, Any], rounds: int
) -> dict[str, Any]:
    """A row of benchmark.csv: the seconds per epoch of each side, measured in turn.

    Args:
        section: the architecture's section of the study.
        rounds: epochs of each side.
    """
    examples = SHORTENED_EXAMPLES if architecture in SHORTENED else TRAIN_EXAMPLES
    model = {"architecture": architecture, "width": width, "optimizer": section["optimizer"]}
    facts: dict[str, Any] = {}
    for side in sides:
        facts |= side.ask(prepare=model | {"batch_size": section["batch_size"]})
    seconds: dict[str, list[float]] = {side.name: [] for side in sides}
    for _ in range(rounds):
        for side in sides:
            answer = side.ask(epoch=examples)
            whole = answer["train"] * TRAIN_EXAMPLES / examples + answer["evaluate"]
            seconds[side.name].append(whole)
    row: dict[str, Any] = {"architecture": architecture, "width": width, **facts}
    row |= {"examples": examples, "rounds": rounds}
    for name, values in seconds.items():
        row[f"{name}_seconds"] = round(statistics.median(values), 3)
        row[f"{name}_seconds_all"] = " ".join(f"{value:.3f}" for value in values)
    for name in seconds.keys() - {"ours"}:
        ratios = [theirs / ours for theirs, ours in zip(seconds[name], seconds["ours"], strict=True)]
        row[f"{name}_ratio"] = round(statistics.median(ratios), 2)
        row[f"{name}_ratio_min"] = round(min(ratios), 2)
        row[f"{name}_ratio_max"] = round(max(ratios), 2)
    return row


def share_of_peak(row: Mapping[str, Any], peak: float) -> float:
    """The operations that an epoch needs, over those that one core could do in its time.

    Counted are two operations per multiply-add; three passes per training image (forward, and backward to
    inputs and to weights, although the first layer's inputs need no gradient) and one per test image.
    Convolutions are counted as the plain sum. Winograd's algorithm takes a quarter of its multiplications, so
    the share can be above 1.

    Args:
        row: of benchmark.csv.
        peak: operations per second of one core.
    """
    operations = 2 * row["multiply_adds"] * (3 * TRAIN_EXAMPLES + 10_000)
    return round(operations / row["ours_seconds"] / peak, 3)


@entry_point
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", type=Path, default=Path("config/article.yaml"))
    parser.add_argument("--data", type=Path, default=Path("results/data/mnist.npz"))
    parser.add_argument("--rounds", type=int, default=3, help="epochs per side and model")
    parser.add_argument("--core", type=int, help="pin both sides to this core (Linux)")
    parser.add_argument("--models", nargs="+", help="only these models, such as cnn:2 mlp:32")
    parser.add_argument("--pytorch", help="a Python with PyTorch: adds it as a third side, only for cnn")
    parser.add_argument("--output", required=True, type=Path, help="folder of benchmark.csv and the figure")
    arguments = parser.parse_args()

    study = yaml.safe_load(arguments.config.read_text(encoding="utf-8"))
    models = [
        (name, width, section)
        for name, section in study["architectures"].items()
        for width in sorted(section["widths"])
        if not arguments.models or f"{name}:{width}" in arguments.models
    ]
    ours = Side(sys.executable, "ours", arguments.data, arguments.core)
    keras = Side(sys.executable, "keras", arguments.data, arguments.core)
    pytorch = (
        Side(arguments.pytorch, "pytorch", arguments.data, arguments.core) if arguments.pytorch else None
    )
    sides = [side for side in (ours, keras, pytorch) if side]
    speed = ours.ask(peak=True)
    peak = speed["peak"]
    machine = {
        "cpu": speed["cpu"],
        "cores": os.cpu_count(),
        "platform": platform.platform(),
        "date": time.strftime("%F"),
        "peak_gflops_one_core": round(peak / 1e9, 1),
    }
    machine |= {side.name: side.ask(version=True)["version"] for side in sides}
    print(json.dumps(machine), flush=True)

    rows = []
    for name, width, section in models:
        chosen = [side for side in sides if side is not pytorch or name == "cnn"]
        row = measure_model(chosen, name, width, section, arguments.rounds)
        row["share_of_peak"] = share_of_peak(row, peak)
        rows.append(row)
        print(
            f"{name:<11}{width:>4}  keras {row['keras_seconds']:>8.2f} s  ours {row['ours_seconds']:>7.2f} s"
            f"  ratio {row['keras_ratio']:.2f} ({row['keras_ratio_min']:.2f} to {row['keras_ratio_max']:.2f})"
            f"  {row['share_of_peak']:>6.1%} of peak"
            + (f"  pytorch {row['pytorch_seconds']:.2f} s" if "pytorch_seconds" in row else ""),
            flush=True,
        )
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
