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
    network: str
    caveat: str


RECORDS = {
    "mnist": [
        Record(575, 0.980, "three small convolutions, PReLU", "575 non-zero of 820, pruned by test accuracy"),
        Record(
            697, 0.9903, "four separable convolutions, GAP", "best epoch of about 700 runs, by test accuracy"
        ),
        Record(1_936, 0.9910, "one separable block three times, GAP", "one run, chosen on validation images"),
        Record(6_260, 0.994, "plain convolutions, batch norm, GAP", "augmented, tuned on the test images"),
    ]
}
