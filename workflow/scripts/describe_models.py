"""Build and check the models of a study without training them, and write their size and cost as JSON.

The output is a list with one record per model: architecture, width, parameters, multiply_adds (of one image)
and warnings, which are sentences. The networks of each user file are described in a separate process, so that
settings that one file makes do not affect other networks.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypedDict

from few_weights.errors import StudyError, entry_point
from few_weights.files import write_atomically
from few_weights.plan.arguments import read_json
from few_weights.plan.model_descriptions import (
    Description,
    DescriptionRequest,
    NetworkRequest,
    read_descriptions,
)
from few_weights.plan.recipe import file_of

#: From this many models to train for a step, a second process saves time.
LARGE = 12


class Described(TypedDict):
    """What one process has found out: the models, and what is wrong, one sentence each."""

    records: list[Description]
    problems: list[str]


@entry_point
def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--models",
        required=True,
        type=read_json,
        help="file with JSON: image_shape, classes, and networks by name, each "
        '{"network": …, "widths": […], "full_matrix": [widths to train with full_matrix_adam], '
        '"training": {"optimizer": …, "seeds": […], "export": true or false}}; '
        "a network without training is only built and counted",
    )
    parser.add_argument("--output", required=True, type=Path, help="the JSON to write")
    parser.add_argument(
        "--alone", action="store_true", help="describe all in this process, and write problems as well"
    )
    parser.add_argument(
        "--known", type=Path, help="the output for other models, which need not exist; used if it has all"
    )
    arguments = parser.parse_args()

    if arguments.alone:
        write_atomically(arguments.output, json.dumps(_describe(arguments.models)))
        sys.stdout.flush()
        # A thread started by a user's file would keep Python from ending.
        os._exit(0)
    networks = arguments.models["networks"]
    wanted = [(name, width) for name in networks for width in networks[name]["widths"]]
    known = read_descriptions(arguments.known, wanted) if arguments.known else None
    by_model = known or _describe_all(arguments.models)
    records = [by_model[model] for model in wanted]
    write_atomically(arguments.output, json.dumps(records, indent=1) + "\n")
    for name in networks:
        counts = ", ".join(
            f"{record['parameters']:,} at width {record['width']}"
            for record in sorted(records, key=lambda record: record["width"])
            if record["architecture"] == name
        )
        print(f"Parameters of {name}: {counts}")


def _describe_all(request: DescriptionRequest) -> dict[tuple[str, int], Description]:
    """Describe all models, by architecture and width."""
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        described = list(pool.map(_describe_apart, _parts(request)))
    if problems := [problem for part in described for problem in part["problems"]]:
        raise StudyError("\n".join(problems))
    return {(r["architecture"], r["width"]): r for part in described for r in part["records"]}


def _parts(request: DescriptionRequest) -> list[DescriptionRequest]:
    """Divide a request: one part for each user file, and one for all networks that are not in a file.

    Large parts are halved while there are cores left; a process takes about four seconds to start.
    """
    by_file: dict[str, dict[str, NetworkRequest]] = {}
    for name, wanted in request["networks"].items():
        by_file.setdefault(file_of(wanted["network"]) or "", {})[name] = wanted
    parts = list(by_file.values())
    while len(parts) < len(os.sched_getaffinity(0)):
        largest = max(parts, key=_size)
        if _size(largest) < LARGE or len(largest) < 2:
            break
        parts.remove(largest)
        items = list(largest.items())
        parts += [dict(items[: len(items) // 2]), dict(items[len(items) // 2 :])]
    return [{**request, "networks": networks} for networks in parts]


def _size(networks: Mapping[str, NetworkRequest]) -> int:
    """The number of models to train for a step."""
    return sum(len(wanted["widths"]) for wanted in networks.values() if "training" in wanted)


def _describe_apart(request: DescriptionRequest) -> Described:
    """Describe networks in a separate process."""
    names = list(request["networks"])
    network = request["networks"][names[0]]["network"]
    with tempfile.TemporaryDirectory() as folder:
        models, output = Path(folder, "models.json"), Path(folder, "described.json")
        models.write_text(json.dumps(request))
        command = [sys.executable, __file__, "--alone", "--models", str(models), "--output", str(output)]
        job = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace"
        )
        if output.exists():
            described: Described = json.loads(output.read_text())
            return described
    error = f"\n{job.stderr}".rpartition("\nerror: ")[2].strip() if "\nerror: " in f"\n{job.stderr}" else ""
    if not error:
        what = file_of(network) or ", ".join(names)
        if job.returncode < 0:
            error = f"{what}: Python was killed by signal {-job.returncode} while its networks were built"
            error += " (out of memory?)" if job.returncode == -9 else ""
        else:
            last = job.stderr.strip().splitlines()[-1:]
            error = f"{what}: Python ended with status {job.returncode} while its networks were built"
            error += f" ({last[0]})" if last else "; perhaps it calls os._exit"
    return {"records": [], "problems": [error]}


def _describe(request: DescriptionRequest) -> Described:
    """Describe networks in this process."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    from few_weights.engine.errors import EngineError
    from few_weights.engine.full_matrix_adam import require_few
    from few_weights.networks import check, counts
    from few_weights.networks.builder import build_network, check_network

    rows, columns, channels = request["image_shape"]
    image_shape, classes = (rows, columns, channels), request["classes"]
    records: list[Description] = []
    problems: list[str] = []
    for name, wanted in request["networks"].items():
        network, training = wanted["network"], wanted.get("training")
        described: list[Description] = []
        try:
            for width in wanted["widths"]:
                if training:
                    model, warnings = check.examine(name, network, width, image_shape, classes, training)
                    if training["export"] and width == min(wanted["widths"]):
                        warnings += check.tflite_warning(name, model)
                else:
                    model, warnings = build_network(name, network, width, image_shape, classes), []
                    check_network(name, width, model)
                parameters = counts.trainable_parameters(model)
                if width in wanted["full_matrix"]:
                    require_few(f"{name} of width {width}", parameters)
                described.append(
                    {
                        "architecture": name,
                        "width": width,
                        "parameters": parameters,
                        "multiply_adds": counts.multiply_adds(model),
                        "warnings": warnings,
                    }
                )
            if training:
                described[0]["warnings"] += check.width_warnings(name, described)
        except (StudyError, EngineError) as error:
            # What is wrong at one width is usually wrong at all widths, so it is reported once.
            problems.append(str(error))
        records += described
    return {"records": records, "problems": problems}


if __name__ == "__main__":
    main()
