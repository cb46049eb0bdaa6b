"""What a study must know about its data set before anything runs."""

from dataclasses import dataclass


@dataclass(frozen=True)
class DataFacts:
    """What is known of a data set before it is read.

    `image_shape` is (rows, columns, channels). `train_examples` counts all, before any are held out.
    `sha256` is that of a user's own arrays when the study was read; empty for a known data set. So are
    `conversions`, what was done to the user's data to make the arrays of them, and `warnings`, what is
    suspicious about them; both are plain sentences.
    """

    image_shape: tuple[int, int, int]
    classes: int
    train_examples: int
    test_examples: int
    sha256: str = ""
    conversions: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
