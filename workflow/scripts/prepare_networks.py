"""Prepare networks for training: build them with Keras, and write their machine code.

Their runs then start without TensorFlow. By hand nobody needs this: train.py can prepare its network itself.
"""

import argparse
import gc
import sys

from few_weights.errors import StudyError, entry_point
from few_weights.files import write_atomically
from few_weights.plan.arguments import read_json
from few_weights.plan.preparations import Preparation, mark_done
from few_weights.plan.recipe import Recipe, file_of
from few_weights.training.prepared import prepared_identity
from few_weights.training.quiet import prepare_imports, quiet
from few_weights.training.run_files import npz_bytes


@entry_point
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--wanted", required=True, type=read_json, help="file with a JSON list: what is to be prepared"
    )
    wanted = [Preparation(*each) for each in parser.parse_args().wanted]
    # A user's file is prepared by itself.
    prepare_imports(any(file_of(each.request["network"]) for each in wanted))
    with quiet():
        from few_weights.training.device import prepare_tensorflow

        prepare_tensorflow(threads=1, gpus=0)
    # Before each seed's network, Keras looks for garbage: not among the objects that were just imported.
    gc.freeze()
    for each in wanted:
        try:
            _prepare(each)
        except StudyError as error:  # its runs will say so, too
            print(f"{each.request['architecture']}: {error}", file=sys.stderr)


def _prepare(wanted: Preparation) -> None:
    from few_weights.training.prepare import prepare_architecture

    request = wanted.request
    recipe, shape = Recipe(**request["recipe"]), tuple(request["image_shape"])
    trained_on = shape, request["classes"], request["examples"]
    arrays = prepare_architecture(
        request["architecture"],
        request["network"],
        recipe,
        {int(width): seeds for width, seeds in wanted.runs.items()},
        *trained_on,
        prepared_identity(request["network"], recipe, *trained_on, request["code"]),
    )
    write_atomically(wanted.path, npz_bytes(arrays))
    mark_done(wanted)


if __name__ == "__main__":
    main()
