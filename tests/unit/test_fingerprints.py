"""A fingerprint changes with the meaning of the code that a job runs, and with nothing else."""

import functools
import itertools
import shutil
from pathlib import Path

import pytest

from few_weights.errors import StudyError
from few_weights.plan import fingerprints

#: The modules of plan/ whose change trains everything again: all others must stay out of training.
TRAINING_NEEDS = ["data_facts", "recipe", "runs", "yaml_scalars"]
SCRIPTS = Path(__file__).parents[2] / "workflow" / "scripts"


@pytest.fixture
def scripts(tmp_path, monkeypatch):
    """A copy of the scripts that may be changed."""
    copy = tmp_path / "scripts"
    shutil.copytree(SCRIPTS, copy, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(fingerprints, "PACKAGE", copy / "few_weights")
    monkeypatch.chdir(tmp_path)  # where it keeps what it has read
    return copy


def forget_files():
    """Files are read once per process, but tests change them."""
    for cached in (
        "code_fingerprint",
        "network_fingerprint",
        "_read",
        "_tree",
        "_imported_files",
        "_is_file",
    ):
        getattr(fingerprints, cached).cache_clear()


def fingerprint(scripts):
    forget_files()
    return fingerprints.code_fingerprint(scripts / "train.py")


def fingerprint_for(scripts, *network):
    """The fingerprint of a network: the name of a built-in one, or None and a user's file."""
    forget_files()
    return fingerprints.network_fingerprint(scripts / "train.py", *network)


def edit(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_comments_docstrings_and_layout_do_not_count(scripts):
    before = fingerprint(scripts)
    path = scripts / "few_weights" / "training" / "train_run.py"
    path.write_text("# a comment\n" + path.read_text().replace("    return ", "    return  ", 1))
    edit(path, '"""The order in which', '"""The sequence in which')
    assert fingerprint(scripts) == before


def test_what_was_read_is_kept_and_where_it_is_damaged_or_cannot_be_kept_is_read_again(scripts, monkeypatch):
    before = fingerprint(scripts)
    kept = list(Path(fingerprints.CACHE, "sources").iterdir())
    assert len(kept) > 20
    with monkeypatch.context() as patch:
        patch.setattr(fingerprints, "_tree", functools.cache(lambda path: pytest.fail("parsed again")))
        assert fingerprint(scripts) == before
        # Another version of the module may read a file otherwise.
        patch.setattr(fingerprints, "_own_source", lambda: b"")
        with pytest.raises(pytest.fail.Exception, match="parsed again"):
            fingerprint(scripts)
    for path, content in zip(kept, itertools.cycle([b"", b"{}", b"[1, 2, 3]", b'["", [1]]']), strict=False):
        path.write_bytes(content)
    assert fingerprint(scripts) == before
    shutil.rmtree(".snakemake")
    Path(".snakemake").write_text("not a folder")
    assert fingerprint(scripts) == before


def test_a_change_in_a_module_that_is_imported_counts(scripts):
    before = fingerprint(scripts)
    edit(
        scripts / "few_weights" / "training" / "train_run.py",
        "default_rng([seed, epoch])",
        "default_rng([epoch, seed])",
    )
    assert fingerprint(scripts) != before


def test_every_module_that_training_imports_counts(scripts):
    """The fingerprint covers each module of the package that Python loads for a training."""
    import subprocess
    import sys

    loaded = subprocess.run(
        [sys.executable, "-c", "import sys, few_weights.training.train_run; print(*sys.modules, sep='\\n')"],
        cwd=scripts,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    covered = {path.relative_to(scripts) for path in fingerprints._closure(scripts / "train.py")}
    for module in loaded:
        if module.startswith("few_weights"):
            path = Path(*module.split("."))
            assert {path.with_suffix(".py"), path / "__init__.py"} & covered, module


def test_plots_and_statistics_do_not_count_for_training(scripts):
    before = fingerprint(scripts)
    package = scripts / "few_weights"
    later = [*(package / "analysis").rglob("*.py"), *(package / "report").rglob("*.py")]
    plan = {path for path in (package / "plan").rglob("*.py") if path.name != "__init__.py"}
    needed = {package / "plan" / f"{name}.py" for name in TRAINING_NEEDS}
    for path in [*later, *(plan - needed)]:
        path.write_text(path.read_text() + "\nSOMETHING_NEW = 1\n")
    assert fingerprint(scripts) == before
    for path in needed:
        path.write_text(path.read_text() + "\nSOMETHING_NEW = 1\n")
        assert fingerprint(scripts) != before, path.name


def test_only_its_own_network_counts_for_an_architecture(scripts):
    names = ("mlp", "cnn", "vgg")
    before = {name: fingerprint_for(scripts, name) for name in names}
    path = scripts / "few_weights" / "networks" / "architectures.py"
    edit(path, "dense(4 * width)", "dense(3 * width)")
    path.write_text(
        path.read_text() + "\n@architecture\ndef tiny(width, image_shape, classes):\n    return None\n"
    )
    after = {name: fingerprint_for(scripts, name) for name in names}
    assert [name for name in names if before[name] != after[name]] == ["cnn"]


def test_a_users_file_counts_with_the_code_that_it_uses(scripts, tmp_path):
    """Its code, the modules in its folder, and a built-in network that it calls; not the other networks."""
    own, sibling = tmp_path / "nets.py", tmp_path / "sibling.py"
    own.write_text(
        "from few_weights.networks.architectures import cnn\nimport sibling\n\n"
        "def mine(*a):\n    return cnn(*a)\n"
    )
    sibling.write_text("SIZE = 3\n")
    built_in = scripts / "few_weights" / "networks" / "architectures.py"
    before = fingerprint_for(scripts, None, own)
    others = fingerprint_for(scripts, "mlp")
    own.write_text("# a comment\n" + own.read_text())
    edit(built_in, "dense(width)", "dense(width + 1)")
    assert fingerprint_for(scripts, None, own) == before
    edit(sibling, "3", "4")
    changed = fingerprint_for(scripts, None, own)
    edit(built_in, "dense(4 * width)", "dense(3 * width)")
    again = fingerprint_for(scripts, None, own)
    edit(own, "cnn(*a)", "cnn(*a[:3])")
    assert len({before, changed, again, fingerprint_for(scripts, None, own)}) == 4
    edit(built_in, "dense(width + 1)", "dense(width)")
    assert fingerprint_for(scripts, "mlp") == others
    own.write_text("def mine(:\n")
    with pytest.raises(StudyError, match="nets.py, line 1: this is not valid Python"):
        fingerprint_for(scripts, None, own)


def test_a_network_that_another_calls_counts_for_both(scripts):
    path = scripts / "few_weights" / "networks" / "architectures.py"
    signature = "(width, image_shape, classes)"
    caller = f"@architecture\ndef twice{signature}:\n    return mlp{signature}"
    path.write_text(f"{path.read_text()}\n{caller}\n")
    before = fingerprint_for(scripts, "twice")
    edit(path, "            layers.Flatten(),\n            dense(width),", "            dense(width),")
    assert fingerprint_for(scripts, "twice") != before
