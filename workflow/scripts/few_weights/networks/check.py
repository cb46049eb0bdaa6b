"""One real step of a network, and all that will be asked of it afterwards, before anything is trained.

What would fail after hours of training, or be wrong without a word, is one sentence here. The images are
black, white and noise: the study's own need not be fetched yet.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import keras
import numpy as np
import tensorflow as tf

from few_weights.engine.errors import EngineError
from few_weights.engine.optimizers import build_optimizer
from few_weights.errors import StudyError, brief
from few_weights.networks import counting, saved_models, user_files
from few_weights.networks.builder import build_network, require_probabilities

#: Images of the step, black and white among them.
IMAGES = 8


#: Images span 1; a network that shrinks the span below this was made for images from 0 to 255.
LEAST_SPAN = 0.02


#: Answers that are the same but for rounding.
TOLERANCE = 1e-4


def examine(
    name: str,
    network: Mapping,
    width: int,
    image_shape: tuple[int, int, int],
    classes: int,
    training: Mapping,
) -> tuple[keras.Model, list[str]]:
    """Build a network, train it for a step, and ask of it what a study asks of a trained one.

    Args:
        name: what the study calls it.
        network: as `networks.builder` takes it.
        training: `optimizer`, `seeds` (of the study) and `export`, whether trained networks are exported.

    Returns:
        The network after that step, and what is suspicious about it, a sentence each.

    Raises:
        StudyError: it cannot be trained, counted, stored or exported; the message says why.
    """
    label = f"{name} of width {width}"
    warnings: list[str] = []
    seed = training["seeds"][0]

    def build(seed):
        return build_network(name, network, width, image_shape, classes, seed)

    model = build(seed)
    with _sentence(label, network):
        _require_weights(model)
        _require_float32(model)
        images = _images(image_shape)
        warnings += [f"{label}: {problem}" for problem in _span_warnings(model, images)]
        first = model.get_weights()
        answer = _answer(model, images)
        require_probabilities(label, answer)
        if not np.array_equal(answer, _answer(model, images)):
            raise StudyError(
                f"{label} gives another answer each time it is asked for the same image; let its randomness "
                "depend on the argument training, as that of layers.Dropout does"
            )
        alone = _answer(model, images[-1:])
        if not np.allclose(alone, answer[-1:], atol=TOLERANCE):
            warnings.append(f"{label}: what it says of an image depends on the other images of the batch")
        _train_step(label, model, images, classes, training["optimizer"])
        trained = _answer(model, images)
        require_probabilities(f"{label}, after one step of training,", trained)
        counting.layer_table(model)
        counting.count_weights(model)
        _require_seed(label, model, first, build(_other_seed(training["seeds"])), len(training["seeds"]))

    # A process that rebuilds the network runs the user's file anew.
    if "file" in network:
        user_files.forget(network["file"])
    again = build(seed)
    with _sentence(label, network):
        _require_same_weights(label, first, again.get_weights())
        saved_models.set_weights(again, counting.named_weights(model))
        if not np.allclose(_answer(again, images), trained, atol=TOLERANCE):
            raise StudyError(
                f"{label} is another network each time it is built, even with the same weights: a random "
                "constant that follows no seed, or a state that is no weight; keep it as a weight: "
                "self.add_weight(..., trainable=False) in a layer, or draw it with numpy.random"
            )
        if training["export"]:
            _require_loadable(label, again, images, trained)
    return again, warnings


def tflite_warning(name: str, model: keras.Model) -> list[str]:
    """Why a network cannot become TFLite, in a list with that sentence, or an empty list."""
    try:
        saved_models.convert_to_tflite(model)
    except StudyError as error:
        return [f"{name} will be exported as .keras but not as .tflite: {error}"]
    return []


def width_warnings(name: str, records: Sequence[Mapping]) -> list[str]:
    """Widths of one network that make no difference, a sentence each.

    Raises:
        StudyError: none of the widths makes any.
    """
    costs: dict[tuple, list[int]] = {}
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
def _sentence(label: str, network: Mapping) -> Iterator[None]:
    """Whatever a layer of the user's does becomes one sentence."""
    try:
        yield
    except (StudyError, EngineError) as error:
        if isinstance(error, StudyError) and str(error).startswith(label):
            raise
        raise StudyError(f"{label}: {error}") from error
    except Exception as error:
        why = user_files.blame(error, network["file"]) if "file" in network else brief(error)
        raise StudyError(f"{label} cannot be computed: {why}") from error


def _images(image_shape: tuple[int, int, int]) -> np.ndarray:
    pixels = np.random.default_rng(0).integers(0, 256, (IMAGES, *image_shape), np.uint8)
    pixels[0], pixels[1] = 0, 255
    return pixels / np.float32(255)


def _answer(model: keras.Model, images: np.ndarray) -> np.ndarray:
    return np.asarray(model(images, training=False))


def _require_weights(model: keras.Model) -> None:
    if counting.trainable_parameters(model) == 0:
        raise StudyError("it has no weights to train; give it a layer such as Dense")


def _require_float32(model: keras.Model) -> None:
    """Refuse other precisions, for which neither loss scaling nor the counts of bytes are made."""
    for layer in model._flatten_layers(include_self=False):
        wrong = [dtype for dtype in (layer.compute_dtype, layer.variable_dtype) if _is_other_float(dtype)]
        if wrong or getattr(layer, "quantization_mode", None):
            kind = wrong[0] if wrong else layer.quantization_mode
            raise StudyError(
                f"the layer {layer.name} computes in {kind}; networks are trained in float32 here: take out "
                "keras.config.set_dtype_policy, set_floatx, quantize or dtype"
            )


def _is_other_float(dtype: str | None) -> bool:
    return dtype is not None and "float" in dtype and dtype != "float32"


def _span_warnings(model: keras.Model, images: np.ndarray) -> list[str]:
    """What makes nearly the same of all images before a layer with weights: a sentence for the first one.

    Raises:
        StudyError: all images become the very same.
    """
    raw: set[int] = set()
    warnings: list[str] = []

    def compute(operation, *arguments, **options):
        tensors = [x for x in keras.tree.flatten([arguments, options]) if keras.ops.is_tensor(x)]
        graph = counting.graph_of(operation)
        if graph is not None:
            return counting.run_graph(graph, arguments[0], compute)
        outputs = operation(*arguments, **options)
        if tensors and all(id(x) in raw for x in tensors) and not getattr(operation, "trainable_weights", []):
            for output in keras.tree.flatten(outputs):
                warnings.extend(_span_warning(operation.name, np.asarray(output)))
                raw.add(id(output))
                kept.append(output)
        return outputs

    tensor = tf.constant(images)
    kept = [tensor]  # so that no other tensor takes over an id
    raw.add(id(tensor))
    counting.run_graph(counting.graph_of(model), [tensor], compute)
    return warnings[:1]


def _span_warning(layer: str, values: np.ndarray) -> list[str]:
    span = float(values.max()) - float(values.min())
    if span == 0:
        raise StudyError(
            f"all images look the same behind the layer {layer}, a black one and a white one; they arrive as "
            "float32 from 0 to 1, and are not to be cast to whole numbers"
        )
    if span < LEAST_SPAN:
        return [
            f"images arrive divided by 255 already, and the layer {layer} makes them span {span:.2g} instead "
            "of 1, so that the network learns little; leave the layer out"
        ]
    return []


def _train_step(label: str, model: keras.Model, images, classes: int, optimizer: Mapping) -> None:
    """One step as training takes it, then one of a single image, as the last of an epoch may be.

    Raises:
        StudyError: a weight that the network uses is not one that is trained and counted, or the other way
            round; or the loss is not finite.
    """
    optimizer = build_optimizer(optimizer)
    weights = model.trainable_variables
    optimizer.build(weights)
    unused: list[str] = []

    @tf.function(input_signature=[tf.TensorSpec([None, *images.shape[1:]]), tf.TensorSpec([None], tf.int32)])
    def step(batch, labels):
        with tf.GradientTape() as tape:
            probabilities = model(batch, training=True)
            losses = keras.losses.sparse_categorical_crossentropy(labels, probabilities)
            loss = tf.reduce_mean(losses) + sum(model.losses)
        gradients = tape.gradient(loss, weights)
        unused[:] = [w.path for w, g in zip(weights, gradients, strict=True) if g is None]
        if not unused:
            optimizer.apply(gradients, weights)
        return loss

    graph = step.get_concrete_function().graph
    if unused:
        raise StudyError(
            f"{label}: what it answers does not depend on its weight {unused[0]}, which would be counted but "
            "never trained; use it, or make it trainable=False"
        )
    known = {id(variable.value) for variable in [*model.variables, *optimizer.variables]}
    # The state of a random generator is two whole numbers.
    unknown = [v for v in graph.variables if id(v) not in known and v.dtype.is_floating]
    if unknown:
        largest = max(unknown, key=lambda variable: (np.prod(variable.shape), variable.name))
        raise StudyError(
            f"{label} uses a weight of shape {tuple(largest.shape)} ({largest.name}) that Keras does "
            "not know of, so it is neither counted nor trained; make it, or the layer that holds it, an "
            "attribute of the layer that uses it"
        )
    labels = (np.arange(len(images)) % classes).astype(np.int32)
    for batch in (slice(None), slice(1)):
        loss = float(step(tf.constant(images[batch]), tf.constant(labels[batch])))
        if not np.isfinite(loss):
            raise StudyError(
                f"{label} has the loss {loss} before it is trained; look for a division by 0, a log or root "
                "of 0, or weights that begin too large"
            )


def _other_seed(seeds: Sequence[int]) -> int:
    return seeds[1] if len(seeds) > 1 else seeds[0] + 1


def _require_loadable(label: str, model: keras.Model, images: np.ndarray, answer: np.ndarray) -> None:
    """Save the network as .keras and read it back."""
    try:
        loaded = saved_models.load_keras(saved_models.keras_bytes(model))
    except StudyError as error:
        raise StudyError(f"{label} cannot be exported: {error}") from error
    if not np.allclose(_answer(loaded, images), answer, atol=TOLERANCE):
        raise StudyError(
            f"{label} answers otherwise after it was saved as .keras and read back; let the get_config of "
            "its own layers hold all their settings, or leave export_models out"
        )


def _require_seed(label: str, model: keras.Model, first: list, other: keras.Model, seeds: int) -> None:
    """Refuse a network whose weights outlive it, or follow no seed where a study has several.

    Args:
        model: trained for a step.
        first: its initial weights.
        other: built afterwards with another seed.
        seeds: how many the study has.
    """
    own = {id(variable) for variable in model.variables}
    shared = [variable.path for variable in other.variables if id(variable) in own]
    if shared:
        raise StudyError(
            f"{label} shares its weight {shared[0]} with every other network of its file; make its layers "
            "inside the function"
        )
    initial = other.get_weights()
    if seeds > 1 and all(map(np.array_equal, first, initial)):
        if all(np.all(weights == weights.flat[0]) for weights in first if weights.size):
            cause = "all of them are constants: give a layer a random initializer"
        else:
            cause = (
                "take out what fixes them, such as keras.utils.set_random_seed, seed=... in an initializer "
                "or weights that are loaded"
            )
        raise StudyError(
            f"{label} begins from the same weights with every seed, so its seeds say nothing about chance; "
            f"{cause}; or give the study one seed"
        )


def _require_same_weights(label: str, first: list, again: list) -> None:
    if [w.shape for w in first] != [w.shape for w in again] or not all(map(np.array_equal, first, again)):
        raise StudyError(
            f"{label} begins from other weights each time, with the same seed; draw with keras.random, "
            "keras.initializers or numpy.random.random and the like, which follow the run's seed, not with a "
            "generator of its own such as numpy.random.default_rng()"
        )
