"""Types of the numbers that `networks.counts` computes, for readers of results that import no Keras."""

from typing import TypedDict


class LayerRow(TypedDict):
    """One layer of a network, as in `layers` of metrics.json.

    Keys:
        layer: its name in the Keras model.
        type: its class, such as "Conv2D".
        output_shape: such as "26x26x2", without the batch; several outputs are joined by " + ".
        parameters: its trainable parameters; those that several layers share are counted at the first.
    """

    layer: str
    type: str
    output_shape: str
    parameters: int


class WeightCounts(TypedDict):
    """A network's weights by every usual way of counting, as in `weights` of metrics.json and in counts.csv.

    Keys:
        trainable: all trainable parameters, one that is used several times counted once: `parameters` of
            runs.csv.
        non_zero: those of them that are not exactly 0, as pruned networks are counted.
        at_each_use: trainable parameters, counted once per use of the layer that holds them.
        non_trainable: other variables, such as the statistics of a batch normalisation.
        non_trainable_names: the names of these, separated by spaces.
        bytes: size of all variables, trainable or not, in the types in which they are stored; file format
            and activations come on top.
    """

    trainable: int
    non_zero: int
    at_each_use: int
    non_trainable: int
    non_trainable_names: str
    bytes: int
