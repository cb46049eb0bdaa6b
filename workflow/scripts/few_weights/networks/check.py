"""One real training step of a network, and everything that a study asks of it later, before any run starts.

What would fail after hours of training, or be wrong without a message, is refused here in one sentence. The
images are black, white and noise: the study's own may not have been fetched yet.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypedDict

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from few_weights.engine.errors import EngineError
from few_weights.engine.optimizers import build_optimizer
from few_weights.errors import StudyError, brief
from few_weights.networks import counts, saved_models, user_files
from few_weights.networks.builder import build_network, require_probabilities
from few_weights.networks.call_graph import graph_of, run_graph
from few_weights.networks.weights import named_weights, set_weights
from few_weights.plan.model_descriptions import TrainingRequest
from few_weights.plan.recipe import Network

#: Images of the step, black and white among them.
IMAGES = 8


#: Images span 1; a network that shrinks the span below this was made for images from 0 to 255.
LEAST_SPAN = 0.02


#: Probabilities that differ by less are considered equal: the difference is rounding.
TOLERANCE = 1e-4

#: Images, or a network's outputs for them.
Pixels = NDArray[np.floating]

#: All weights of a model, as `keras.Model.get_weights` returns them.
Weights = list[NDArray[Any]]


class WidthRecord(TypedDict):
    """How large an architecture is at a width; see `networks.counts`."""

    architecture: str
    width: int
    parameters: int
    multiply_adds: int
    warnings: list[str]


def examine(
    name: str,
    network: Network,
    width: int,
    image_shape: tuple[int, int, int],
    classes: int,
    training: TrainingRequest,
) -> tuple[keras.Model, list[str]]:
    """Build a network, train it for one step, and ask of it what a study asks of a trained one.

    Args:
        name: what the study calls the architecture.
        network: what the architecture is.
        image_shape: rows, columns, channels.
        classes: how many there are.
        training: how the study trains it.

    Returns:
        The network after that step, and warnings about it, one sentence each.

    Raises:
        StudyError: it cannot be trained, counted, stored or exported; the message says why.
    """
    label = f"{name} of width {width}"
    seeds = training["seeds"]

    def build(seed: int) -> keras.Model:
        return build_network(name, network, width, image_shape, classes, seed)

    model = build(seeds[0])
    images = _test_images(image_shape)
    with _one_sentence(label, network):
        _require_weights(model)
        _require_float32(model)
        warnings = [f"{label}: {problem}" for problem in _span_warnings(model, images)]
        initial = model.get_weights()
        warnings += _check_outputs(label, model, images)
        _train_step(label, model, images, classes, training["optimizer"])
        trained = _predict(model, images)
        require_probabilities(f"{label}, after one step of training,", trained)
        counts.layer_table(model)
        counts.count_weights(model)
        _require_seed(label, model, initial, build(_other_seed(seeds)), len(seeds))

    # A process that rebuilds the network runs the user's file again.
    if "file" in network:
        user_files.forget(network["file"])
    rebuilt = build(seeds[0])
    with _one_sentence(label, network):
        _require_same_weights(label, initial, rebuilt.get_weights())
        set_weights(rebuilt, named_weights(model))
        if not np.allclose(_predict(rebuilt, images), trained, atol=TOLERANCE):
            raise StudyError(
                f"{label} is another network each time it is built, even with the same weights: it "
                "contains a random constant that does not depend on the seed, or a state that is no weight; "
                "keep it as a weight: self.add_weight(..., trainable=False) in a layer, or draw it with "
                "numpy.random"
            )
        if training["export"]:
            _require_loadable(label, rebuilt, images, trained)
    return rebuilt, warnings


def _check_outputs(label: str, model: keras.Model, images: Pixels) -> list[str]:
    """Check the outputs of an untrained network, and return warnings.

    Raises:
        StudyError: they are not probabilities, or not the same each time.
    """
    warnings = []
    probabilities = _predict(model, images)
    require_probabilities(label, probabilities)
    if not np.array_equal(probabilities, _predict(model, images)):
        raise StudyError(
            f"{label} returns different probabilities each time it is given the same image; let its "
            "randomness depend on the argument training, as that of layers.Dropout does"
        )
    alone = _predict(model, images[-1:])
    if not np.allclose(alone, probabilities[-1:], atol=TOLERANCE):
        warnings.append(f"{label}: what it returns for an image depends on the other images of the batch")
    return warnings


def tflite_warning(name: str, model: keras.Model) -> list[str]:
    """A list with one sentence, why a network cannot be converted to TFLite; empty if it can."""
    try:
        saved_models.convert_to_tflite(model)
    except StudyError as error:
        return [f"{name} will be exported as .keras but not as .tflite: {error}"]
    return []


def width_warnings(name: str, records: Sequence[WidthRecord]) -> list[str]:
    """Warnings about widths at which an architecture is the same network, one sentence per group of widths.

    Raises:
        StudyError: it is the same network at all its widths.
    """
    costs: dict[tuple[int, int], list[int]] = {}
    for record in records:
        costs.setdefault((record["parameters"], record["multiply_adds"]), []).append(record["width"])
    if len(records) > 1 and len(costs) == 1:
        raise StudyError(
            f"{name} is the same network at all its widths ({records[0]['parameters']:,} parameters); let it "
            "use width, or give one width"
        )
    return [
        f"{name} is the same network at the widths {', '.join(map(str, same))}"
        for same in costs.values()
        if len(same) > 1
    ]


@contextmanager
def _one_sentence(label: str, network: Network) -> Iterator[None]:
    """Turn whatever a user's code raises into a StudyError of one sentence."""
    try:
        yield
    except (StudyError, EngineError) as error:
        if isinstance(error, StudyError) and str(error).startswith(label):
            raise
        raise StudyError(f"{label}: {error}") from error
    except Exception as error:
        why = user_files.blame(error, network["file"]) if "file" in network else brief(error)
        raise StudyError(f"{label} cannot be computed: {why}") from error


def _test_images(image_shape: tuple[int, int, int]) -> Pixels:
    """Images from 0 to 1: a black one, a white one, and noise."""
    pixels = np.random.default_rng(0).integers(0, 256, (IMAGES, *image_shape), np.uint8)
    pixels[0], pixels[1] = 0, 255
    return pixels / np.float32(255)


def _predict(model: keras.Model, images: Pixels) -> Pixels:
    """A network's outputs (images, classes) outside of training."""
    return np.asarray(model(images, training=False))


def _require_weights(model: keras.Model) -> None:
    if counts.trainable_parameters(model) == 0:
        raise StudyError("it has no weights to train; give it a layer such as Dense")


def _require_float32(model: keras.Model) -> None:
    """Refuse other precisions: neither the loss scaling nor the counts of bytes are made for them."""
    for layer in model._flatten_layers(include_self=False):
        wrong = [dtype for dtype in (layer.compute_dtype, layer.variable_dtype) if _is_other_float(dtype)]
        if wrong or getattr(layer, "quantization_mode", None):
            kind = wrong[0] if wrong else layer.quantization_mode
            raise StudyError(
                f"the layer {layer.name} computes in {kind}; few-weights trains in float32: remove "
                "keras.config.set_dtype_policy, set_floatx, quantize or dtype"
            )


def _is_other_float(dtype: str | None) -> bool:
    return dtype is not None and "float" in dtype and dtype != "float32"


def _span_warnings(model: keras.Model, images: Pixels) -> list[str]:
    """A warning about the first layer, before any weights, that makes all images nearly the same.

    Raises:
        StudyError: a layer makes all images exactly the same.
    """
    raw: set[int] = set()
    warnings: list[str] = []

    def compute(operation: keras.Operation, *arguments: Any, **options: Any) -> Any:
        tensors = [x for x in keras.tree.flatten([arguments, options]) if keras.ops.is_tensor(x)]
        graph = graph_of(operation)
        if graph is not None:
            return run_graph(graph, arguments[0], compute)
        outputs = operation(*arguments, **options)
        if tensors and all(id(x) in raw for x in tensors) and not getattr(operation, "trainable_weights", []):
            for output in keras.tree.flatten(outputs):
                warnings.extend(_span_warning(operation.name, np.asarray(output)))
                raw.add(id(output))
                kept.append(output)
        return outputs

    tensor = tf.constant(images)
    kept = [tensor]  # so that no other tensor reuses an id
    raw.add(id(tensor))
    run_graph(graph_of(model), [tensor], compute)
    return warnings[:1]


def _span_warning(layer: str, values: NDArray[Any]) -> list[str]:
    span = float(values.max()) - float(values.min())
    if span == 0:
        raise StudyError(
            f"all images are the same after the layer {layer}, even a black and a white one; images are "
            "given as float32 from 0 to 1, so do not cast them to integers"
        )
    if span < LEAST_SPAN:
        return [
            f"images are given divided by 255 already, and the layer {layer} makes them span {span:.2g} "
            "instead of 1, so that the network learns little; remove the layer"
        ]
    return []


def _train_step(
    label: str, model: keras.Model, images: Pixels, classes: int, settings: Mapping[str, Any]
) -> None:
    """Take one step as training takes it, then one with a single image, as the last of an epoch may be.

    Raises:
        StudyError: a weight that the network uses is not trained and counted, or the other way round; or the
            loss is not finite.
    """
    optimizer = build_optimizer(settings)
    weights = model.trainable_variables
    optimizer.build(weights)
    unused: list[str] = []

    def take_step(batch: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            probabilities = model(batch, training=True)
            losses = keras.losses.sparse_categorical_crossentropy(labels, probabilities)
            loss = tf.reduce_mean(losses) + sum(model.losses)
        gradients = tape.gradient(loss, weights)
        unused[:] = [w.path for w, g in zip(weights, gradients, strict=True) if g is None]
        if not unused:
            optimizer.apply(gradients, weights)
        return loss

    signature = [tf.TensorSpec([None, *images.shape[1:]]), tf.TensorSpec([None], tf.int32)]
    step = tf.function(take_step, input_signature=signature)
    graph = step.get_concrete_function().graph
    if unused:
        raise StudyError(
            f"{label}: its output does not depend on its weight {unused[0]}, which would be counted but "
            "never trained; use it, or make it trainable=False"
        )
    known = {id(variable.value) for variable in [*model.variables, *optimizer.variables]}
    _require_known(label, [variable for variable in graph.variables if id(variable) not in known])
    labels = (np.arange(len(images)) % classes).astype(np.int32)
    for batch in (slice(None), slice(1)):
        loss = float(step(tf.constant(images[batch]), tf.constant(labels[batch])))
        if not np.isfinite(loss):
            raise StudyError(
                f"{label} has the loss {loss} before it is trained; look for a division by 0, a log or root "
                "of 0, or initial weights that are too large"
            )


def _require_known(label: str, unknown: Sequence[tf.Variable]) -> None:
    """Refuse a network that uses weights, or whole numbers, which Keras does not know of."""
    weights = [variable for variable in unknown if variable.dtype.is_floating]
    if states := [variable.name for variable in unknown if not variable.dtype.is_floating]:
        raise StudyError(
            f"{label} uses whole numbers ({states[0]}) that Keras does not store with it, such as the state "
            "of a random generator, so a training that is resumed would not go on from them; give the layer "
            "its own generator, `self.seed_generator = keras.random.SeedGenerator()`, and pass it as `seed`"
        )
    if weights:
        largest = max(weights, key=lambda variable: (np.prod(variable.shape), variable.name))
        raise StudyError(
            f"{label} uses a weight of shape {tuple(largest.shape)} ({largest.name}) that Keras does "
            "not know of, so it is neither counted nor trained; make it, or the layer that holds it, an "
            "attribute of the layer that uses it"
        )


def _other_seed(seeds: Sequence[int]) -> int:
    return seeds[1] if len(seeds) > 1 else seeds[0] + 1


def _require_loadable(label: str, model: keras.Model, images: Pixels, probabilities: Pixels) -> None:
    """Save the network as .keras, read it back, and compare its outputs."""
    try:
        loaded = saved_models.load_keras(saved_models.keras_bytes(model))
    except StudyError as error:
        raise StudyError(f"{label} cannot be exported: {error}") from error
    if not np.allclose(_predict(loaded, images), probabilities, atol=TOLERANCE):
        raise StudyError(
            f"{label} returns other probabilities after it was saved as .keras and read back; return all "
            "settings of its own layers from get_config, or remove export_models from the study"
        )


def _require_seed(label: str, model: keras.Model, initial: Weights, other: keras.Model, seeds: int) -> None:
    """Refuse a network that shares weights with others, or ignores the seed although a study has several.

    Args:
        model: trained for a step.
        initial: its initial weights.
        other: built afterwards with another seed.
        seeds: how many the study has.
    """
    ids = {id(variable) for variable in model.variables}
    shared = [variable.path for variable in other.variables if id(variable) in ids]
    if shared:
        raise StudyError(
            f"{label} shares its weight {shared[0]} with every other network of its file; create its layers "
            "inside the function"
        )
    if seeds > 1 and all(map(np.array_equal, initial, other.get_weights())):
        if all(np.all(weights == weights.flat[0]) for weights in initial if weights.size):
            cause = "all of them are constants: give a layer a random initializer"
        else:
            cause = (
                "remove what fixes them, such as keras.utils.set_random_seed, seed=... in an initializer "
                "or weights that are loaded"
            )
        raise StudyError(
            f"{label} starts from the same weights with every seed, so its seeds say nothing about chance; "
            f"{cause}; or give the study one seed"
        )


def _require_same_weights(label: str, first: Weights, second: Weights) -> None:
    if [w.shape for w in first] != [w.shape for w in second] or not all(map(np.array_equal, first, second)):
        raise StudyError(
            f"{label} starts from other weights each time it is built with the same seed; draw with "
            "keras.random, keras.initializers or functions such as numpy.random.random, which follow the "
            "run's seed, not with a separate generator such as numpy.random.default_rng()"
        )
