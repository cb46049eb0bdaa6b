"""What a study must know about its data set before anything runs."""

from dataclasses import dataclass


@dataclass(frozen=True)
class DataFacts:
    """What is known about a data set before it is fetched.

    Args:
        image_shape: (rows, columns, channels).
        classes: the number of classes.
        train_examples: the number of training images, before any are held out for validation.
        test_examples: the number of test images.
        sha256: the SHA-256 of a user's own arrays when the study was read; empty for a built-in data set.
        conversions: how a user's own data was converted, one sentence each.
        warnings: what is suspicious about a user's own data, one sentence each.
    """

    image_shape: tuple[int, int, int]
    classes: int
    train_examples: int
    test_examples: int
    sha256: str = ""
    conversions: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
