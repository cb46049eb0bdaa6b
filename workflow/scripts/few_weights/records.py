"""What others have reached on MNIST with few weights, to stand beside what we find.

Read from their repositories. None reports several seeds with an interval, and all but one chose by the test
images; each caveat says what keeps the figure from being compared with a mean over seeds.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Record:
    """A published network. `parameters` are those its authors count; `caveat` stands beside it in figures."""

    parameters: int
    test_accuracy: float
    caveat: str


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
