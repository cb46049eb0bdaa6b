"""The figures that are drawn from images or from one run's files, too.

Requires the data, the tables, and predictions.npz and weights.npz of the smallest sufficient network. Makes
figures/mistakes, figures/first-layer, figures/all-weights, and figures/data, for your own data.
"""


# Draw the test images that the smallest sufficient network gets wrong.
use rule plot_comparison as plot_mistakes with:
    input:
        tables=["<study>/runs.csv", "<study>/breakpoints.csv"],
        data=data_is_fetched(),
    output:
        svg=report(
            "<figures>/mistakes.svg",
            caption="../report/mistakes.rst",
            category="The smallest sufficient network",
            labels={"figure": "mistakes"},
        ),
        png="<figures>/mistakes.png",
    log:
        "<logs>/plot_mistakes.log",
    localrule: True
    params:
        figure="mistakes",
        options=["--dataset", STUDY.dataset],
        data=unrecorded(["--data", DATA_FILE]),
        code=code_of_figure("mistakes"),


# Draw the weights of the first layer of the smallest sufficient network.
use rule plot_mistakes as plot_first_layer with:
    input:
        tables=["<study>/runs.csv", "<study>/breakpoints.csv", "<study>/layers.csv"],
        data=data_is_fetched(),
    output:
        svg=report(
            "<figures>/first-layer.svg",
            caption="../report/first-layer.rst",
            category="The smallest sufficient network",
            labels={"figure": "first layer"},
        ),
        png="<figures>/first-layer.png",
    log:
        "<logs>/plot_first_layer.log",
    localrule: True
    params:
        figure="first-layer",
        code=code_of_figure("first-layer"),


# Draw all weights of the smallest sufficient network.
use rule plot_comparison as plot_all_weights with:
    output:
        svg=report(
            "<figures>/all-weights.svg",
            caption="../report/all-weights.rst",
            category="The smallest sufficient network",
            labels={"figure": "all weights"},
        ),
        png="<figures>/all-weights.png",
    log:
        "<logs>/plot_all_weights.log",
    localrule: True
    params:
        figure="all-weights",
        options=[],
        code=code_of_figure("all-weights"),


# Draw some images of each class of your own data, and how many images there are.
use rule plot_mistakes as plot_data with:
    input:
        tables=[],
        data=data_is_fetched(),
    output:
        svg=report(
            "<figures>/data.svg",
            caption="../report/data.rst",
            category="The data",
            labels={"figure": "images and classes"},
        ),
        png="<figures>/data.png",
    log:
        "<logs>/plot_data.log",
    localrule: True
    params:
        figure="data",
        options=[
            *("--dataset", STUDY.dataset),
            f"--data-sha256={STUDY.data.sha256}",
            f"--validation-examples={STUDY.validation_examples}",
        ],
        code=code_of_figure("data"),
