"""What others published: the article's breakpoints, and records of small networks with their caveats.

The article is the one whose study config/article.yaml repeats; its findings hold for one data set and target.
"""

from dataclasses import dataclass

#: The data set and the target of the article.
DATASET, TARGET = "mnist", 0.97


@dataclass(frozen=True)
class Finding:
    """A breakpoint as the article gives it; compression is against its full-size model."""

    width: int
    parameters: int
    test_accuracy: float
    compression: float


#: The accuracy of `vgg` is given as "about 97 %", its compression as "over 1000": 1,199,882 / 932.
BREAKPOINTS = {
    "mlp": Finding(width=32, parameters=26_506, test_accuracy=0.9711, compression=25.3),
    "pooled_mlp": Finding(width=64, parameters=17_418, test_accuracy=0.9704, compression=38.4),
    "cnn": Finding(width=2, parameters=4_802, test_accuracy=0.9748, compression=249.9),
    "vgg": Finding(width=2, parameters=932, test_accuracy=0.97, compression=1287.4),
}


@dataclass(frozen=True)
class Record:
    """A published network. `parameters` is the number its authors give; figures print `caveat` with it."""

    parameters: int
    test_accuracy: float
    caveat: str


#: Data set -> published networks, by parameters.
RECORDS = {
    "mnist": [
        # Three small convolutions with PReLU.
        Record(575, 0.980, "the non-zero of 820, pruned by test accuracy"),
        # A convolution, four separable ones, global average pooling.
        Record(697, 0.9903, "best epoch of about 700 runs, by test accuracy"),
        # One separable block applied three times, global average pooling.
        Record(1_936, 0.9910, "one run, chosen on validation images"),
        # Plain convolutions with batch normalisation, global average pooling.
        Record(6_260, 0.994, "augmented, tuned on the test images"),
    ]
}
