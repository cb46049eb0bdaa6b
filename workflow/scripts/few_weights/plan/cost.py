"""How long a training takes: for the order of jobs, their time limits, and a first guess of the time left."""

import math
from collections.abc import Mapping

#: Trainings of a lower `training_cost` are cheap: they take a minute or so, of which a cluster's own
#: overhead would be a good part.
CHEAP = 10_000


def training_cost(model: Mapping, epochs: int) -> int:
    """How long a training takes, relative to others: for ordering jobs, not for promising times.

    Forward and backward pass cost about three times the forward multiply-adds; a million of them for each
    image and epoch is a fair unit, and every model has some overhead however small it is.
    """
    return epochs * (3 * model["multiply_adds"] // 1000 + 100)


def training_seconds(cost: int, train_examples: int) -> float:
    """About how long a training of that `training_cost` takes on one core, with its start, in seconds.

    The 24 models of the article's study took 0.3 to 1.5 ms for each unit of cost and 60,000 images on an
    AMD EPYC with AVX-512, 1.0 in the middle. Only the first guess of a study's length rests on it.
    """
    return 4 + (cost or 1000) / 1000 * train_examples / 60_000


def training_minutes(cost: int, epochs: int) -> int:
    """A time limit for a training of that `training_cost`, in minutes.

    On one core of an AMD EPYC no run of the article's study took longer than cost / 400 + 5 seconds an epoch.
    Three times that leaves room for slower processors, and two minutes for the start on a busy node. Two
    hours where the cost is unknown (0).
    """
    if cost == 0:
        return 120
    return math.ceil(3 * (cost / 400 + 5 * epochs) / 60) + 2
