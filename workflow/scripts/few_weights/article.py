"""What the article found, to stand beside what we find.

A Japanese blog article of January 2020 shrank the Keras tutorial networks for MNIST until they no longer
reached 97 %, one run a model, and reported for each architecture the smallest that did.
"""

from dataclasses import dataclass

DATASET = "mnist"
TARGET = 0.97


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
