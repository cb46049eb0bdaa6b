"""What every kind of layer is: functions of a forward and a backward pass over one group of images."""

from typing import ClassVar, Protocol

from few_weights.engine.machine_code import Code, Program


class Kind(Protocol):
    """A layer with its shapes, which writes its functions.

    The names of a function's arguments say what it is given: `values` (`values_1` and so on for further
    inputs), `output`, `upstream` (the gradient of the output), `values_gradient`; each weight by the name
    that the step has for it, and `<weight>_gradient`; `scratch`, memory of each group that the forward pass
    leaves to the backward pass; `shared`, memory of all groups, or for one call. Of numbers: `count` is how
    many lanes of the group hold images, `batch` how many images the step has, `step` the number of the step
    and `first` that of the group's first image. Gradients are added to what is there. A later activation or
    dropout may replace the output in its buffer, so each forward pass writes all of it. The border of
    `values` is 0, as long as no kind writes to that of its output; that of `upstream` may hold anything.

    BatchNormalization alone has more methods, since a batch's sums lie between two phases: `write_sums` and
    `write_finish` before `write_forward`, the same with `backward` before `write_backward`, and
    `write_inference_setup`. `GroupProgram` calls them by name.

    Attributes:
        cheap: whether the output is computed again where it is needed, rather than kept: it takes a few
            instructions per value. It matters in networks with batch normalisation only.
        overwrites: whether `write_backward` can write over the gradients of all its inputs instead: it
            reaches each value of each input exactly once.
        needs_output: whether `write_backward` reads the output, which a later activation or dropout then may
            not replace in place.
    """

    @property
    def cheap(self) -> bool: ...

    @property
    def overwrites(self) -> bool: ...

    @property
    def needs_output(self) -> bool: ...

    @property
    def scratch_size(self) -> int:
        """Numbers of `scratch`."""

    @property
    def shared_size(self) -> int:
        """Numbers of `shared`."""

    def write_forward(self, program: Program, name: str) -> Code:
        """The layer in training."""

    def write_inference(self, program: Program, name: str) -> Code | None:
        """The layer outside training; None where that is the same."""

    def write_backward(self, program: Program, name: str, to_values: bool, overwrite: bool = False) -> Code:
        """The gradients. `overwrite`: see `overwrites`.

        `to_values` is False if one of the inputs is the image, which needs no gradient. A kind with one input
        may then leave that gradient out; a kind with several must ignore it.
        """


class Plain:
    """What most kinds have in common: no memory of their own, and the same computation outside training."""

    cheap: ClassVar[bool] = False

    @property
    def overwrites(self) -> bool:
        """False: gradients are only added."""
        return False

    @property
    def needs_output(self) -> bool:
        """False: the gradients follow from the inputs."""
        return False

    @property
    def scratch_size(self) -> int:
        """None."""
        return 0

    @property
    def shared_size(self) -> int:
        """None."""
        return 0

    def write_inference(self, program: Program, name: str) -> Code | None:
        """None: as in training."""
        return None
