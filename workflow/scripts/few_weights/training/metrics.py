"""What a run's metrics.json holds, as types. workflow/schemas/metrics.schema.yaml says it for other programs.

Imports no TensorFlow: whoever reads results needs these types, too.
"""

from typing import Any, NotRequired, TypedDict

from few_weights.networks.count_types import LayerRow, WeightCounts
from few_weights.plan.recipe import Network


class EpochRecord(TypedDict):
    """One epoch of a run's history.

    A loss is the mean cross-entropy in nats; None where it is not a finite number, or where no images are
    held out for validation. The train figures are running means over the epoch, as Keras reports them.
    """

    epoch: int
    train_loss: float | None
    train_accuracy: float
    validation_loss: float | None
    validation_accuracy: float | None
    test_loss: float | None
    test_accuracy: float


class Progress(TypedDict):
    """How far a training has come: one entry per epoch that is done. Checkpoints hold it.

    Keys:
        history: what each epoch gave.
        epoch_seconds: how long each took, evaluation included.
    """

    history: list[EpochRecord]
    epoch_seconds: list[float]


class Execution(TypedDict):
    """What may differ between two trainings of one run: when, where and how fast it was computed.

    Keys:
        train_seconds: training and evaluation of all epochs.
        epoch_seconds: each epoch; the first includes compilation.
        resumed_after_epoch: the epoch of the checkpoint from which the training resumed; 0 if it was never
            interrupted.
        started, finished: ISO 8601, in UTC.
        host, platform, device: the machine.
        peak_memory_mib: largest resident memory of the process.
        bits: on which machines the training gives the same bits, in words; missing in older runs.
        overhead_seconds: imports, data and building of the network, all outside the epochs.
    """

    train_seconds: float
    epoch_seconds: list[float]
    resumed_after_epoch: int
    started: str
    finished: str
    host: str
    platform: str
    device: str
    peak_memory_mib: int
    bits: NotRequired[str]
    #: Added last, by train.py.
    overhead_seconds: NotRequired[float]


class Metrics(TypedDict):
    """The content of metrics.json: all but `execution` is the same each time the run is trained.

    May be absent: `schedule`, `augmentation` and `quantisation`, if the recipe has none; the keys from `code`
    on, until train.py adds them; `weight_bytes`, `weights`, the digests and the facts of the data, in files
    of earlier versions.
    """

    study: str
    dataset: str
    #: How many classes there are.
    classes: int
    architecture: str
    network: Network
    width: int
    seed: int
    #: Trainable parameters.
    parameters: int
    #: Bytes of the trainable weights as they are stored: four each, or less with quantisation.
    weight_bytes: NotRequired[int]
    #: Multiplications with their additions, for one image.
    multiply_adds: int
    #: As in `plan.recipe.Recipe`, down to `quantisation`.
    epochs: int
    batch_size: int
    optimizer: dict[str, Any]
    schedule: NotRequired[dict[str, Any]]
    augmentation: NotRequired[dict[str, Any]]
    quantisation: NotRequired[dict[str, Any]]
    loss: str
    train_examples: int
    validation_examples: int
    validation_correct: int | None
    validation_accuracy: float | None
    validation_loss: float | None
    test_examples: int
    test_correct: int
    test_accuracy: float
    test_loss: float | None
    layers: list[LayerRow]
    weights: NotRequired[WeightCounts]
    history: list[EpochRecord]
    #: The last epoch, after which training stopped because a loss was not finite; None for most runs.
    diverged_in_epoch: int | None
    #: How the engine computed the training, and why so.
    path: str
    versions: dict[str, str]
    execution: Execution
    #: Fingerprint of the training code; None for a run started by hand.
    code: NotRequired[str | None]
    #: One SHA-256 over the four arrays of the data set; empty where only its download is verified.
    data_sha256: NotRequired[str]
    #: What was done to a user's data to convert them.
    data_conversions: NotRequired[list[str]]
    #: Digests of the arrays in predictions.npz and weights.npz.
    predictions_sha256: NotRequired[str]
    weights_sha256: NotRequired[str]
