"""How long a training takes: for the order of jobs, their time limits, and the estimate of the time left."""

import math

#: Trainings with a lower `training_cost` are cheap: they take about a minute, so that a cluster's overhead
#: per job would be a large part of it.
CHEAP = 10_000


def training_cost(multiply_adds: int, epochs: int) -> int:
    """The relative cost of a training: for ordering jobs, not for promising times.

    A forward and a backward pass together cost about three times the multiply-adds of the forward pass. Every
    epoch counts 100 in addition, because even the smallest model has some overhead.

    Args:
        multiply_adds: multiply-adds of one forward pass of one image.
        epochs: passes over the training images.

    Returns:
        The cost; 1,000 stands for a million multiply-adds, forward and backward, per training image.
    """
    return epochs * (3 * multiply_adds // 1000 + 100)


def training_seconds(cost: int, train_examples: int) -> float:
    """Roughly how many seconds a training takes on one core, including its start.

    The 24 models of the article's study took 0.3 to 1.5 ms (median 1.0) per unit of cost with 60,000 images,
    on an AMD EPYC with AVX-512. Only the first estimate of a study's duration uses this.

    Args:
        cost: see `training_cost`; 0 where it is unknown, which counts as 1,000.
        train_examples: the number of training images.
    """
    return 4 + (cost or 1000) / 1000 * train_examples / 60_000


def training_minutes(cost: int, epochs: int) -> int:
    """A time limit for a training, in minutes.

    On one core of an AMD EPYC no run of the article's study took longer than cost / 400 seconds plus 5
    seconds per epoch. The limit is three times that, for slower processors, plus two minutes for the start on
    a busy node.

    Args:
        cost: see `training_cost`; 0 where it is unknown, which gives two hours.
        epochs: passes over the training images.
    """
    if cost == 0:
        return 120
    return math.ceil(3 * (cost / 400 + 5 * epochs) / 60) + 2
