"""The figure of the engine's speed compared with plain Keras."""

import pandas as pd
from samples.figures import file_of

from few_weights.report.figures.benchmark import plot_benchmark


def test_the_benchmark_is_drawn_alike_each_time():
    table = pd.DataFrame(
        [
            {"architecture": "cnn", "width": width, "keras_ratio": 5.0 / width, "rounds": 3}
            | {
                "optimizer": "full_matrix_adam",
                "keras_ratio_min": 4.0 / width,
                "keras_ratio_max": 6.0 / width,
            }
            for width in (1, 2)
        ]
    )
    machine = {"cpu": "a CPU", "keras": "keras 3"}
    assert file_of(plot_benchmark(table, machine)) == file_of(plot_benchmark(table, machine))
