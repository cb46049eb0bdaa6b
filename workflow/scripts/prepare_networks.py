"""Prepare an architecture's networks for training: build them with Keras, and write their machine code.

Its runs then start without TensorFlow. By hand nobody needs this: train.py can prepare its network itself.
"""

import argparse
import gc
import json
from pathlib import Path

from few_weights.errors import entry_point
from few_weights.files import write_atomically
from few_weights.plan.recipe import Recipe
from few_weights.training.prepared import prepared_identity
from few_weights.training.quiet import prepare_imports, quiet
from few_weights.training.run_files import npz_bytes


@entry_point
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--architecture", required=True)
    parser.add_argument("--network", required=True, type=json.loads, help="JSON: as train.py takes it")
    parser.add_argument(
        "--recipe",
        required=True,
        type=lambda text: Recipe(**json.loads(text)),
        help="JSON: as train.py takes it",
    )
    parser.add_argument("--runs", required=True, type=json.loads, help="JSON: width -> its seeds")
    parser.add_argument("--image-shape", required=True, nargs=3, type=int, help="rows, columns and channels")
    parser.add_argument("--classes", required=True, type=int)
    parser.add_argument("--examples", required=True, type=int, help="images to train on")
    parser.add_argument("--code", help="fingerprint of the training code")
    parser.add_argument("--output", required=True, type=Path, help="the .npz to write")
    arguments = parser.parse_args()
    shape = tuple(arguments.image_shape)
    prepare_imports(arguments.network)
    with quiet():
        from few_weights.training.device import prepare_tensorflow
        from few_weights.training.prepare import prepare_architecture

        prepare_tensorflow(threads=1, gpus=0)
    # Before each seed's network, Keras looks for garbage: not among the objects that were just imported.
    gc.freeze()
    identity = prepared_identity(
        arguments.network, arguments.recipe, shape, arguments.classes, arguments.examples, arguments.code
    )
    arrays = prepare_architecture(
        arguments.architecture,
        arguments.network,
        arguments.recipe,
        {int(width): seeds for width, seeds in arguments.runs.items()},
        shape,
        arguments.classes,
        arguments.examples,
        identity,
    )
    write_atomically(arguments.output, npz_bytes(arrays))


if __name__ == "__main__":
    main()
