"""Export one architecture's trained networks.

Each becomes a .keras file, and one that was trained with few bits per weight also its packed weights.
Those at the breakpoints also become TFLite, in float32 and in int8. All go into one .zip with exports.json,
which has one record per network. For a network that cannot be exported the record says why, and the rest is
exported all the same. Of a breakpoint's seeds, the one with the most correct predictions on the selection
images becomes TFLite.
"""

import argparse
import io
import json
import os
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from few_weights.data.datasets import Dataset, load_dataset
from few_weights.errors import StudyError, entry_point
from few_weights.files import read_rows, write_atomically
from few_weights.plan.recipe import Network
from few_weights.plan.runs import Run
from few_weights.training.quiet import quiet

if TYPE_CHECKING:
    import keras

#: So many training images show TFLite the range of each activation for int8.
CALIBRATION = 500


@entry_point
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--architecture", required=True, help="whose networks to export")
    parser.add_argument("--network", required=True, type=json.loads, help="JSON: what it is")
    parser.add_argument("--breakpoints", required=True, type=Path, help="breakpoints.csv")
    parser.add_argument("--runs", required=True, type=Path, help="runs.csv, with runs/ next to it")
    parser.add_argument("--dataset", required=True, help="name of the data set")
    parser.add_argument("--data", required=True, type=Path, help="its .npz")
    parser.add_argument("--archive", required=True, type=Path, help="the .zip to write")
    arguments = parser.parse_args()

    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with quiet():
        from few_weights.networks import saved_models

    dataset = load_dataset(arguments.data, arguments.dataset)
    rows = [row for row in read_rows(arguments.runs) if row["architecture"] == arguments.architecture]
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        exporter = Exporter(archive, arguments.network, dataset, arguments.runs.parent)
        for row in rows:
            name = f"{row['architecture']}-width-{row['width']}-seed-{row['seed']}"
            exporter.export(
                row,
                "",
                f"{name}.keras",
                saved_models.keras_bytes,
                lambda _, content: saved_models.predict_keras(content, dataset.x_test),
            )
            if bits := row.get("weight_bits"):
                exporter.export(row, "", f"{name}.packed", *_packed(int(float(bits)), dataset))
        for answer in read_rows(arguments.breakpoints):
            if answer["reached"] == "True" and answer["architecture"] == arguments.architecture:
                best, target = _best_run(rows, answer), answer["target"]
                name = f"{arguments.architecture}-{target}"
                for file, calibration in ((name, None), (f"{name}-int8", dataset.x_train[:CALIBRATION])):
                    exporter.export(
                        best,
                        target,
                        f"{file}.tflite",
                        partial(saved_models.convert_to_tflite, calibration=calibration),
                        lambda _, content: saved_models.predict_tflite(content, dataset.x_test),
                        rounds=calibration is not None,
                    )
        archive.writestr("exports.json", json.dumps(exporter.records, indent=1))
    write_atomically(arguments.archive, buffer.getvalue())


def _packed(
    bits: int, dataset: Dataset
) -> tuple[
    Callable[["keras.Model"], bytes],
    Callable[["keras.Model", bytes], NDArray[np.integer]],
]:
    """How `Exporter.export` packs weights of so few bits, and predicts with what it packed."""
    from few_weights.networks import saved_models

    return (
        lambda model: saved_models.pack_weights(model, bits),
        lambda model, content: saved_models.predict_packed(content, dataset.x_test, model, bits),
    )


@dataclass
class Exporter:
    """Converts networks of one architecture into an open archive and keeps a record of each.

    Args:
        archive: the .zip to write to.
        network: what the architecture is.
        dataset: whose test images every converted network is asked for.
        folder: the study's, where runs/ lies.
    """

    archive: zipfile.ZipFile
    network: Network
    dataset: Dataset
    folder: Path
    records: list[dict[str, object]] = field(default_factory=list)

    def export(
        self,
        row: Mapping[str, str],
        target: str,
        file: str,
        convert: Callable[["keras.Model"], bytes],
        predict: Callable[["keras.Model", bytes], NDArray[np.integer]],
        rounds: bool = False,
    ) -> None:
        """Add one run's network to the archive, or record why it cannot be exported.

        Args:
            row: the run's row of runs.csv.
            target: the accuracy of the breakpoint that it is exported for, or "".
            file: the file's name in the archive.
            convert: makes the file's content of the network.
            predict: the class that the file's network gives to each test image.
            rounds: whether the conversion rounds weights or activations, and may so change any prediction.
        """
        from few_weights.training.rebuild import count_changed, trained_network

        run = Run(row["architecture"], int(row["width"]), int(row["seed"]))
        record: dict[str, object] = {"architecture": run.architecture, "target": target, "width": run.width}
        record |= {"seed": run.seed, "parameters": row["parameters"], "file": file}
        try:
            model, original = trained_network(row, self.network, self.dataset, self.folder)
            content = convert(model)
            predictions = predict(model, content)
            record["changed_predictions"] = count_changed(str(run), predictions, original, rounds)
        except StudyError as error:
            record["problem"] = str(error)
            print(f"{file} is missing: {error}", flush=True)
        else:
            self.archive.writestr(file, content)
            record |= {"bytes": len(content), "test_accuracy": row["test_accuracy"]}
            record["exported_test_accuracy"] = float(np.mean(predictions == self.dataset.y_test))
            print(f"{file}: {len(content):,} bytes", flush=True)
        self.records.append(record)


def _best_run(rows: list[dict[str, str]], answer: dict[str, str]) -> dict[str, str]:
    """The row of a breakpoint's seed with the best accuracy on the selection images; of equals, the first."""
    seeds = [row for row in rows if row["width"] == answer["width"]]
    return max(seeds, key=lambda row: float(row[f"{answer['selection']}_accuracy"]))


if __name__ == "__main__":
    main()
