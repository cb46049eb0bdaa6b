"""The figure of the test images that the smallest sufficient network gets wrong."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from few_weights.data.datasets import KNOWN
from few_weights.report import wording
from few_weights.report.figures.inputs import FigureInputs
from few_weights.report.figures.pictures import MOST, draw_gallery, image_note, shown_image
from few_weights.report.figures.smallest_network import SmallestNetwork, choose_network


def confusions(labels: np.ndarray, predictions: np.ndarray) -> pd.DataFrame:
    """What is taken for what: truth, guess, times, and `image`, the first one. The commonest come first."""
    wrong = np.flatnonzero(labels != predictions)
    table = pd.DataFrame({"truth": labels[wrong], "guess": predictions[wrong], "image": wrong})
    table = table.groupby(["truth", "guess"]).agg(times=("image", "size"), image=("image", "first"))
    return table.reset_index().sort_values(
        ["times", "truth", "guess"], ascending=[False, True, True], ignore_index=True
    )


def plot_mistakes(
    network: SmallestNetwork,
    images: np.ndarray,
    labels: np.ndarray,
    predictions: np.ndarray,
    ink: bool = True,
) -> tuple[Figure, str]:
    """A gallery of test images that the network gets wrong, one of each confusion; and its message.

    Args:
        images: uint8, (examples, rows, columns, channels).
        labels: the true classes, (examples,).
        predictions: the network's guesses, (examples,).
        ink: whether grey images are drawn dark on white.
    """
    table = confusions(labels, predictions)
    wrong, examples = int(table["times"].sum()), len(labels)
    message = f"{network.model} gets {wording.count(wrong)} of {wording.count(examples)} test images wrong"
    if table.empty:
        note = "There is no mistake to show."
    else:
        most = table.iloc[0]
        note = f"Most often a {most['truth']} is taken for a {most['guess']}. "
        note += f"Shown are the {min(len(table), MOST)} commonest confusions" if len(table) > MOST else ""
        note += f"Shown are all {len(table)} kinds of confusion" if len(table) <= MOST else ""
        note += ", each by its first image: the truth → its guess, and how many are like it. "
        note += f"Seed {network.run.seed}, the one closest to the mean."
        note += image_note(images.shape[1:])
    shown = table.head(MOST)
    captions = [f"{row.truth} → {row.guess}" for row in shown.itertuples()]
    counts = [f"{row.times}×" for row in shown.itertuples()]
    pictures = [shown_image(images[row.image], ink) for row in shown.itertuples()]
    return draw_gallery(pictures, message, note, captions, counts)


def draw(inputs: FigureInputs) -> tuple[Figure, str]:
    """The figure, and its message."""
    network = choose_network(inputs.runs, inputs.breakpoints)
    # The known data sets are light strokes or shapes on black, which read better dark on white.
    ink = inputs.dataset in KNOWN
    images = inputs.images
    return plot_mistakes(network, images.x_test, images.y_test, inputs.predictions(network.run), ink)
