"""The figure of the test images that the smallest sufficient network gets wrong."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import NDArray

from few_weights.analysis.rows import rows
from few_weights.data.datasets import KNOWN
from few_weights.report import wording
from few_weights.report.figures.gallery import MOST, draw_gallery, image_note, shown_image
from few_weights.report.figures.inputs import FigureInputs
from few_weights.report.figures.smallest_network import SmallestNetwork, choose_network


def confusions(labels: NDArray[np.uint8], predictions: NDArray[np.uint8]) -> pd.DataFrame:
    """One row per pair of true and predicted class that differ, the most frequent first.

    The columns are `truth`, `guess`, `times` and `image`, the index of the first such image.
    """
    wrong = np.flatnonzero(labels != predictions)
    table = pd.DataFrame({"truth": labels[wrong], "guess": predictions[wrong], "image": wrong})
    table = table.groupby(["truth", "guess"]).agg(times=("image", "size"), image=("image", "first"))
    return table.reset_index().sort_values(
        ["times", "truth", "guess"], ascending=[False, True, True], ignore_index=True
    )


def plot_mistakes(
    network: SmallestNetwork,
    images: NDArray[np.uint8],
    labels: NDArray[np.uint8],
    predictions: NDArray[np.uint8],
    ink: bool = True,
) -> tuple[Figure, str]:
    """Test images that the network gets wrong, one of each confusion; and the title.

    Args:
        network: the run that is shown.
        images: uint8, (examples, rows, columns, channels).
        labels: the true classes, (examples,).
        predictions: the classes that the network predicts, (examples,).
        ink: whether grey images are drawn dark on white, as if written on paper.
    """
    table = confusions(labels, predictions)
    wrong, examples = int(table["times"].sum()), len(labels)
    title = f"{network.model} gets {wording.count(wrong)} of {wording.count(examples)} test images wrong"
    if table.empty:
        note = "There are no mistakes to show."
    else:
        most = table.iloc[0]
        note = f"Most often class {most['truth']} is taken for class {most['guess']}. "
        note += f"Shown are the {MOST} most frequent confusions" if len(table) > MOST else ""
        note += f"Shown are all {len(table)} kinds of confusion" if len(table) <= MOST else ""
        note += ", each by its first image: true → predicted class, and how many such images. "
        note += f"Seed {network.run.seed}, which is closest to the mean."
        note += image_note(images.shape[1:])
    shown = table.head(MOST)
    captions = [f"{row.truth} → {row.guess}" for row in rows(shown)]
    counts = [f"{row.times}×" for row in rows(shown)]
    pictures = [shown_image(images[row.image], ink) for row in rows(shown)]
    return draw_gallery(pictures, title, note, captions, counts)


def draw(inputs: FigureInputs) -> tuple[Figure, str]:
    """The figure and its title, from the files that it is drawn from."""
    network = choose_network(inputs.runs, inputs.breakpoints)
    # The known data sets are light strokes or shapes on black, which read better dark on white.
    ink = inputs.dataset in KNOWN
    images = inputs.images
    return plot_mistakes(network, images.x_test, images.y_test, inputs.predictions(network.run), ink)
