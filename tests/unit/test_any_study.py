"""Every figure and the report can be made of any study: random ones, with odd values of all kinds."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import render_report as script
from samples.runs import metrics_of

from few_weights.analysis import merge, read_tables
from few_weights.analysis.bootstrap import bootstrap_breakpoints
from few_weights.analysis.breakpoints import find_breakpoints, targets_table
from few_weights.analysis.divergence import has_diverged
from few_weights.analysis.mcnemar import compare_neighbours
from few_weights.analysis.model_tables import models_table, pareto_table
from few_weights.analysis.published import Record
from few_weights.analysis.table_columns import TABLES
from few_weights.data import datasets
from few_weights.plan.runs import Run
from few_weights.report.figures import all_weights, data, first_layer, mistakes, smallest_network, style
from few_weights.report.figures.comparison import plot_comparison
from few_weights.report.figures.curve import plot_curve
from few_weights.report.figures.learning import plot_learning
from few_weights.report.figures.timeline import plot_timeline
from few_weights.report.figures.weights_by_layer import plot_weights
from few_weights.report.page import render_report

TEMPLATES = Path(script.__file__).parents[1] / "report"
STUDIES = 16

NAMES = ["mlp", "vgg", "nan", "target", "1e3", "cost_$x$", "a_network_whose_name_has_forty_letters_xx", "x"]
LAYERS = ["Conv2D", "Dense", "BatchNormalization", "LSTM", "PReLU", "Embedding", "MultiHeadAttention"]


class Study:
    """A random study: its tables as files would hold them, its data, and the weights of one network."""

    def __init__(self, seed: int, folder: Path):
        self.folder = folder
        # Each kind of peculiarity comes up in about every third study, so that they meet.
        self.rng = rng = np.random.default_rng([15, seed])
        self.targets = sorted(
            rng.choice([0.001, 0.1, 0.5, 0.9, 0.97, 0.999], rng.integers(1, 4), replace=False)
        )
        self.classes = int(rng.choice([2, 10, 256]))
        self.epochs = int(rng.choice([1, 3, 12]))
        # The figures of the report take a second each: few studies have many architectures.
        self.names = (
            [f"own_{n}" for n in range(12)]
            if seed % 10 == 9
            else list(rng.permutation(NAMES)[: rng.integers(1, 4)])
        )
        self.dataset = str(rng.choice(["mnist", "mine"]))
        self.examples = int(rng.choice([1, 3, 360, 10_000]))
        self.validation = int(rng.choice([0, 0, 50, 5_000]))
        self.accuracies = str(rng.choice(["all 0", "all 1", "all equal", "chance", "any", "good"]))
        self.span = str(rng.choice(["equal", "decade", "usual", "six decades"]))
        self.diverging = float(rng.choice([0, 0, 0.3, 1]))
        seeds = range(int(rng.choice([1, 2, 3])))
        widths = {
            name: sorted(rng.choice(range(1, 100), rng.integers(1, 6), replace=False)) for name in self.names
        }
        planned = [
            Run(name, int(width), seed) for name in self.names for width in widths[name] for seed in seeds
        ]
        keep = 0.7 if rng.random() < 0.3 else 1
        runs = [run for run in planned if rng.random() < keep] or planned[:1]
        self._read(runs, widths)

    def _accuracy(self) -> float:
        rng = self.rng
        return {
            "all 0": 0.0,
            "all 1": 1.0,
            "all equal": 0.6,
            "chance": 1 / self.classes,
            "any": rng.random(),
            "good": 1 - 10 ** rng.uniform(-4, -1),
        }[self.accuracies]

    def _parameters(self, width: int) -> int:
        return {
            "equal": 500,
            "decade": 500 + width,
            "usual": 100 * width,
            "six decades": int(10 ** (width / 15)),
        }[self.span]

    def _back(self, read, name: str, table: pd.DataFrame) -> pd.DataFrame:
        """A table after it was written and read, as the next entry point sees it."""
        path = self.folder / f"{name}.csv"
        table.to_csv(path, index=False, lineterminator="\n")
        return read(path)

    def _metrics(self, run: Run) -> dict:
        diverged = int(self.rng.integers(1, self.epochs + 1)) if self.rng.random() < self.diverging else None
        scores = {}
        for part, examples in (("validation", self.validation), ("test", self.examples)):
            correct = round(examples * self._accuracy()) if examples else None
            accuracy = correct / examples if examples else None
            loss = None if diverged or not examples else 0.5
            scores |= {f"{part}_examples": examples, f"{part}_correct": correct, f"{part}_accuracy": accuracy}
            scores[f"{part}_loss"] = loss
        epoch = {key: scores[key] for key in scores if key.endswith(("accuracy", "loss"))}
        history = [
            epoch
            | {"epoch": number, "train_loss": None if number == diverged else 0.3, "train_accuracy": 0.5}
            for number in range(1, (diverged or self.epochs) + 1)
        ]
        parameters = self._parameters(run.width)
        kinds = self.rng.choice(LAYERS, self.rng.integers(1, 20))
        layers = [
            {
                "layer": f"layer_{n}",
                "type": kind,
                "output_shape": str(self.rng.choice(["8x8x2", "Nonex16", "10", ""])),
            }
            for n, kind in enumerate(kinds)
        ]
        share = parameters // len(layers)
        for layer in layers:
            layer["parameters"] = share
        layers[-1]["parameters"] += parameters - share * len(layers)
        return metrics_of(
            run,
            dataset=self.dataset,
            classes=self.classes,
            parameters=parameters,
            epochs=self.epochs,
            history=history,
            layers=layers,
            diverged_in_epoch=diverged,
            **scores,
        )

    def _read(self, runs: list[Run], widths: dict) -> None:
        records = [self._metrics(run) for run in runs]
        baselines = {name: {"architecture": name, "width": int(max(widths[name]))} for name in self.names}
        models = [full | {"parameters": self._parameters(full["width"])} for full in baselines.values()]
        table = merge.with_baselines(merge.runs_table(records), baselines, models)
        self.runs = self._back(read_tables.read_runs, "runs", table)
        self.history = self._back(read_tables.read_history, "history", merge.history_table(records))
        self.layers = self._back(read_tables.read_layers, "layers", merge.layers_table(records))
        found = find_breakpoints(self.runs, self.targets)
        self.breakpoints = self._back(read_tables.read_breakpoints, "breakpoints", found)
        right = {run: self.rng.random(self.examples) < 0.5 for run in runs}
        evidence = {
            "models": models_table(self.runs),
            "pareto": pareto_table(self.runs),
            "targets": targets_table(found),
            "bootstrap": bootstrap_breakpoints(self.runs, self.targets),
            "neighbours": compare_neighbours(self.runs, self.breakpoints, lambda run: right[run]),
        }
        self.evidence = {
            name: self._back(lambda path: read_tables.read_table(path, TABLES[path.stem]), name, table)
            for name, table in evidence.items()
        }

    def images(self) -> datasets.Dataset:
        """Data of the study's classes, of any number of channels and of odd sizes."""
        rng = self.rng
        sizes = [(28, 28), (1, 1), (1, 50), (3, 100), (100, 3), (200, 130), (9, 7)]
        shape = (*sizes[rng.integers(len(sizes))], int(rng.choice([1, 2, 3, 4, 6])))
        labels = (np.arange(2 * self.classes) % self.classes).astype(np.uint8)
        images = rng.integers(0, int(rng.choice([1, 256])), (len(labels), *shape)).astype(np.uint8)
        arrays = dict.fromkeys(("x_train", "x_test"), images) | dict.fromkeys(("y_train", "y_test"), labels)
        return datasets.Dataset(**datasets.hold_out(arrays, int(rng.choice([0, 1, self.classes]))))

    def weights(self, image_shape: tuple[int, ...]) -> dict[str, np.ndarray]:
        """Arrays as networks hold them, in any order, some without a finite number."""
        rows, columns, channels = image_shape
        arrays = {
            "dense/kernel": (rows * columns * channels, 40),
            "conv2d/kernel": (3, 5, channels, 2),
            "conv1d/kernel": (5, 3, 4),
            "conv3d/kernel": (3, 3, 3, 2, 4),
            "conv2d_transpose/kernel": (3, 3, 4, channels),
            "depthwise_conv2d/kernel": (3, 3, channels, 1),
            "batch_normalization/gamma": (7,),
            "embedding/embeddings": (256, 8),
            "p_re_lu/alpha": (4, 4, 2),
            "multi_head_attention/query/kernel": (16, 2, 8),
            "scale/value": (),
            "nothing/kernel": (0, 3),
        }
        chosen = self.rng.permutation(list(arrays))[: self.rng.integers(1, 4)]
        weights = {name: self.rng.normal(size=arrays[name]) for name in chosen}
        broken = float(self.rng.choice([0, 0, 0.1, 1]))
        with np.errstate(divide="ignore", invalid="ignore"):
            return {
                name: np.where(
                    self.rng.random(array.shape) < broken, self.rng.choice([np.nan, np.inf]), array
                )
                for name, array in weights.items()
            }

    def drawings(self) -> dict:
        """Every figure of the report, by name, with its message."""
        runs, breakpoints, images = self.runs, self.breakpoints, self.images()
        chosen = smallest_network.choose_network(runs, breakpoints)
        guesses = self.rng.permutation(images.y_test)
        types = first_layer.layer_types(self.layers, chosen.run)
        shape = first_layer.shape_before_weights(self.layers, chosen.run, images.image_shape)
        records = [Record(575, 0.98, "pruned")] if self.dataset == "mnist" else ()
        figures = {
            "comparison": plot_comparison(runs, breakpoints, records),
            "weights-by-layer": plot_weights(self.layers, runs, breakpoints),
            "learning": plot_learning(self.history, runs, breakpoints),
            "mistakes": mistakes.plot_mistakes(chosen, images.x_test, images.y_test, guesses),
            "first-layer": first_layer.plot_first_layer(
                chosen, self.weights(images.image_shape), shape, types
            ),
            "all-weights": all_weights.plot_all_weights(chosen, self.weights(images.image_shape)),
            "timeline": plot_timeline(runs),
            "data": data.plot_data(self.dataset, images, datasets.summarise(images)),
        }
        curves = list(dict.fromkeys(breakpoints["architecture"]))[:2]
        return figures | {f"curve-{name}": plot_curve(runs, breakpoints, name) for name in curves}


def overhang(figure) -> float:
    """How far what is drawn reaches out of the figure, in inches."""
    drawn, (width, height) = figure.get_tightbbox(figure.canvas.get_renderer()), figure.get_size_inches()
    return max(-drawn.x0, -drawn.y0, drawn.x1 - width, drawn.y1 - height, 0.0)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("seed", range(STUDIES))
def test_any_study_has_its_figures_and_its_report(seed, tmp_path):
    study = Study(seed, tmp_path)
    figures = {}
    for name, (figure, message) in study.drawings().items():
        figures[name] = style.figure_bytes(figure, "svg", message).decode()
        assert overhang(figure) == 0, name
    page = render_report(TEMPLATES / "report.html.j2", study.runs, study.breakpoints, figures, study.evidence)
    assert page.count("<svg") == len(figures)
    assert ("diverged" in page) == has_diverged(study.runs).any()


def test_the_random_studies_are_of_all_kinds(tmp_path):
    studies = [Study(seed, tmp_path) for seed in range(STUDIES)]
    kinds = {
        "accuracies": 6,
        "span": 4,
        "classes": 3,
        "epochs": 3,
        "examples": 4,
        "dataset": 2,
        "diverging": 3,
    }
    for kind, number in kinds.items():
        assert len({getattr(study, kind) for study in studies}) == number, kind
    assert any(not study.breakpoints["reached"].any() for study in studies)
    assert any(study.evidence["bootstrap"].empty for study in studies)
