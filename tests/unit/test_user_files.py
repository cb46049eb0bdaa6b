"""A user's file runs as `python file.py` would in its folder, and its side effects are contained."""

import codecs
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from samples.networks import ADAM

from few_weights.errors import StudyError
from few_weights.networks import user_files
from few_weights.plan import fingerprints, model_descriptions

NET = """
import keras
from keras import layers

def net(width, image_shape, classes):
    return keras.Sequential([
        layers.Input(image_shape), layers.Flatten(), layers.Dense(width), layers.Dense(classes, "softmax")
    ])
"""


def write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return str(path)


@pytest.mark.parametrize(
    "content",
    [
        codecs.BOM_UTF8 + NET.encode(),
        b"# -*- coding: latin-1 -*-\n# Gr\xf6\xdfe\nNAME = '\xe9'\nassert NAME == chr(233)\n" + NET.encode(),
        NET.replace("\n", "\r\n").encode(),
        NET.replace("\n", "\r").encode(),
    ],
    ids=["byte-order mark", "latin-1 with its line", "CRLF", "CR"],
)
def test_a_file_is_read_as_python_reads_it(tmp_path, content):
    file = write(tmp_path / "nets.py", content)
    assert user_files.load_function(file, "net")(2, (3, 3, 1), 4).count_params() == 9 * 2 + 2 + 2 * 4 + 4
    assert fingerprints.network_fingerprint(model_descriptions.SCRIPT, file=Path(file))


@pytest.mark.parametrize(
    "content", [b"x = 'Gr\xf6\xdfe'\n", b"x = 'a\x00b'\n", b"def net(:\n"], ids=["latin-1", "zero", "syntax"]
)
def test_a_file_that_python_cannot_read_is_reported_in_one_sentence(tmp_path, content):
    file = write(tmp_path / "nets.py", NET.encode() + content)
    with pytest.raises(StudyError, match="nets.py.*: this is not valid Python"):
        fingerprints.network_fingerprint(model_descriptions.SCRIPT, file=Path(file))
    with pytest.raises(StudyError, match="nets.py"):
        user_files.load_function(file, "net")


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("import sys\nsys.exit(0)", r"nets.py, line 11: Python is ended here; put code that is for running"),
        ("exit()", "nets.py, line 10: Python is ended here"),
        (
            "import argparse\np = argparse.ArgumentParser()\np.add_argument('--epochs', required=True)\n"
            "p.parse_args()",
            "nets.py, line 13: Python is ended here .*: error: .* arguments are required: --epochs",
        ),
        ("input('width? ')", "nets.py, line 10: EOFError"),
        ("1 / 0", "nets.py, line 10: ZeroDivisionError: division by zero"),
        ("import helper", r"helper.py, line 3: NameError: name 'undefined' is not defined"),
        ("import not_there", "nets.py, line 10: ModuleNotFoundError: No module named 'not_there'"),
        (
            "import time\ntry:\n    time.sleep(9)\nexcept Exception:\n    pass",
            "nets.py, line 12: the file has not run to its end after 2 seconds; put code that is for running",
        ),
        (
            "import threading, time\nthreading.Thread(target=time.sleep, args=(9,)).start()",
            "nets.py starts a thread .* that keeps running after the file is loaded",
        ),
    ],
)
def test_an_error_at_import_is_reported_in_one_sentence(tmp_path, monkeypatch, code, message):
    monkeypatch.setattr(user_files, "THREAD_SECONDS", 0.1)
    monkeypatch.setattr(user_files, "FILE_SECONDS", 2.0)
    write(tmp_path / "helper.py", "\n\nundefined\n")
    file = write(tmp_path / "nets.py", f"{NET}\n{code}\n")
    with pytest.raises(StudyError, match=message) as error:
        user_files.load_function(file, "net")
    assert "\n" not in str(error.value)


def test_side_effects_at_import_are_undone(tmp_path, capsys):
    code = """
import argparse, os, sys
arguments, _ = argparse.ArgumentParser().parse_known_args()
assert sys.argv == [__file__] and sys.stdin.read() == ""
os.chdir("/")
print("hello")
print("careful", file=sys.stderr)
if __name__ == "__main__":
    1 / 0
"""
    before = Path.cwd(), list(sys.argv), sys.stdin
    file = write(tmp_path / "nets.py", NET + code)
    user_files.load_function(file, "net")
    assert (Path.cwd(), sys.argv, sys.stdin) == before
    assert "careful" in capsys.readouterr().err


def test_a_notebook_is_refused(tmp_path):
    with pytest.raises(StudyError, match="is a notebook; save its code as a .py file"):
        user_files.load_function(write(tmp_path / "nets.ipynb", "{}"), "net")


def test_every_file_has_its_own_siblings(tmp_path):
    """By any name but those of Python itself: of a module here, an installed package, another's sibling."""
    for name in ("blocks", "train", "models", "training", "yaml", "rich", "packaging", "utils"):
        for folder, size in (("a", 3), ("b", 5)):
            write(tmp_path / folder / f"{name}.py", f"SIZE = {size}\n")
            write(tmp_path / folder / "nets.py", f"from {name} import SIZE\n\ndef size():\n    return SIZE\n")
        for folder, size in (("a", 3), ("b", 5), ("a", 3)):
            file = str(tmp_path / folder / "nets.py")
            user_files.forget(file)
            assert user_files.load_function(file, "size")() == size, name
    import yaml

    assert Path(yaml.__file__).is_relative_to(tmp_path)  # in this process, as in that of `python file.py`
    for name in ("yaml", "rich", "packaging"):
        sys.modules.pop(name, None)
    sys.path[:] = [path for path in sys.path if not path.startswith(str(tmp_path))]
    import yaml

    assert yaml.safe_load("1") == 1


def test_a_sibling_that_is_imported_late_is_the_files_own(tmp_path):
    late = "def size():\n    with_late_import = __import__('late')\n    return with_late_import.SIZE\n"
    files = []
    for folder, size in (("a", 3), ("b", 5)):
        write(tmp_path / folder / "late.py", f"SIZE = {size}\n")
        files.append(write(tmp_path / folder / "nets.py", late))
    functions = [user_files.load_function(file, "size") for file in files]
    for file, function, size in zip(files * 2, functions * 2, [3, 5] * 2, strict=True):
        with user_files.running(file):
            assert function() == size


def test_packages_of_siblings_count_for_the_fingerprint(tmp_path):
    file = write(tmp_path / "nets.py", "from parts.block import SIZE\n")
    write(tmp_path / "parts" / "__init__.py", "")
    write(tmp_path / "parts" / "block.py", "from . import deeper\nfrom .other import SIZE\n")
    write(tmp_path / "parts" / "other.py", "SIZE = 1\n")
    write(tmp_path / "parts" / "deeper.py", "from .. import nets\n")
    covered = {path.name for path in fingerprints._closure(Path(file), with_folder=True)}
    assert covered == {"nets.py", "__init__.py", "block.py", "other.py", "deeper.py"}


def describe(tmp_path, files):
    """Describe networks as Snakemake does when it starts; the finished process, and the records or None."""
    networks = {
        name: {
            "network": {"file": str(file), "function": "net", "options": {}}
            if file
            else {"architecture": "cnn", "options": {}},
            "widths": [2],
            "full_matrix": [],
        }
        | ({"training": {"optimizer": ADAM, "seeds": [0, 1], "export": False}} if file else {})
        for name, file in files.items()
    }
    request = {"image_shape": [12, 12, 1], "classes": 3, "networks": networks}
    models, output = tmp_path / "request.json", tmp_path / "models.json"
    models.write_text(json.dumps(request))
    job = subprocess.run(
        [sys.executable, model_descriptions.SCRIPT, "--models", models, "--output", output],
        capture_output=True,
        text=True,
    )
    return job, json.loads(output.read_text()) if output.exists() else None


@pytest.mark.slow
def test_settings_of_a_file_affect_no_other_network(tmp_path):
    first = write(
        tmp_path / "first.py",
        NET.replace("def net", "keras.config.set_image_data_format('channels_first')\ndef net")
        + "\nkeras.utils.set_random_seed(1)\n",
    )
    second = write(
        tmp_path / "second.py", f"{NET}\nassert keras.config.image_data_format() == 'channels_last'\n"
    )
    job, records = describe(tmp_path, {"mine": first, "other": second, "zz_cnn": None})
    assert job.returncode == 0, job.stderr
    assert [record["architecture"] for record in records] == ["mine", "other", "zz_cnn"]
    assert records[0]["parameters"] == records[1]["parameters"] == 144 * 2 + 2 + 2 * 3 + 3
    assert all(record["warnings"] == [] for record in records)


@pytest.mark.slow
def test_a_file_that_kills_its_process_is_named(tmp_path):
    expected = {
        "exits": ("import os; os._exit(0)", "Python ended with status 0 while its networks were built"),
        "killed": ("import os; os.kill(os.getpid(), 9)", r"killed by signal 9 while .* \(out of memory\?\)"),
    }
    files = {name: write(tmp_path / f"{name}.py", f"{NET}\n{code}\n") for name, (code, _) in expected.items()}
    job, records = describe(tmp_path, files)
    assert job.returncode == 1 and records is None
    lines = job.stderr.strip().removeprefix("error: ").splitlines()
    assert len(lines) == 2
    for line, (name, (_, message)) in zip(lines, expected.items(), strict=True):
        assert line.startswith(f"{files[name]}: ")
        assert re.search(message, line), line


def test_a_run_follows_its_seed_whatever_the_file_sets(tmp_path):
    """The seed is set after the file has run, so that two seeds differ and one is always the same."""
    from few_weights.networks.builder import build_network

    file = write(tmp_path / "nets.py", f"{NET}\nkeras.utils.set_random_seed(1)\n")
    network = {"file": file, "function": "net", "options": {}}

    def weights(seed):
        user_files.forget(file)
        return build_network("mine", network, 4, (3, 3, 1), 2, seed).get_weights()[0].tolist()

    assert weights(0) == weights(0) != weights(1)
