"""A study that Snakemake itself cannot read also ends in one sentence, without a traceback."""

import re

import pytest

STUDY = """study: mine
dataset: digits
targets: [0.5]
seeds: [0]
architectures:
  mlp:
    widths: [8]
    epochs: 1
    batch_size: 128
    optimizer: {name: rmsprop, learning_rate: 0.01, rho: 0.9}
"""


def outcome(fresh, content, *arguments):
    """The exit status and the output of a dry run of this study."""
    (fresh.folder / "study.yaml").write_bytes(content if isinstance(content, bytes) else content.encode())
    job = fresh.snakemake("--dry-run", "--configfile", "study.yaml", *arguments, check=False)
    output = job.stdout + job.stderr
    assert "Traceback" not in output, output
    assert not re.search(r"^\w+Error(?<!WorkflowError)\b", output, re.MULTILINE), output
    return job.returncode, output


@pytest.mark.parametrize(
    ("content", "arguments", "sentence"),
    [
        (
            STUDY.replace("    epochs", "\tepochs"),
            (),
            "study.yaml, line 8: there is a tab; indent with spaces",
        ),
        (("# größer\n" + STUDY).encode("latin-1"), (), "study.yaml, line 1: is not UTF-8"),
        (STUDY.replace("mine", "!mine x"), (), "study.yaml, line 1: the tag !mine has no meaning in a study"),
        (STUDY.replace("[8]", "!!python/tuple [8]"), (), "line 7: the tag !!python/tuple has no meaning"),
        (STUDY.replace("[8]", "&w [*w]"), (), "line 7: this value contains itself"),
        (STUDY.replace("[8]", "[010]"), (), "write 10 or 8 (line 7)"),
        (STUDY.replace("mine", "k" * 300), (), "study: must have at most 64 characters, not 300 (line 1)"),
        (STUDY.replace("mine", '"a\\nb"'), (), "study: must be letters, digits"),
        (STUDY, ("--config", "n=1"), "--config n=1: 'n' is not a key of a study"),
        (
            STUDY,
            ("--config", "seeds=3"),
            "seeds: must be a list such as [1, 2], not 3; write [3] for that one seed",
        ),
        (
            STUDY.replace(
                "  mlp:", "  mine:\n    layers: [Flatten, Dense: {units: Width, kernel_regularizer: l2(0.1)}]"
            ),
            (),
            "(Dense) kernel_regularizer: Keras has no regularizer 'l2(0.1)'; write {class_name: L2, ",
        ),
    ],
)
def test_a_bad_study_is_one_sentence(fresh, content, arguments, sentence):
    status, output = outcome(fresh, content, *arguments)
    assert status != 0
    assert sentence in output
    assert len(output.splitlines()) < 9, output
    assert not (fresh.folder / "results").exists()


def test_a_study_in_unusual_notation_is_planned_as_meant(fresh):
    tabbed = '{\n\t"study": "2026-01-01", "dataset": "digits", "targets": 0.5, "seeds": "(0, 1)",'
    tabbed += (
        '\n\t"architectures": {"mlp": {"widths": 8.0, "epochs": 1e0, "batch_size": "128",\n\t"optimizer": '
    )
    tabbed += '{"name": "rmsprop", "learning_rate": "1e-2", "rho": 0.9}}}\n}\n'
    status, output = outcome(fresh, tabbed, "--config", "seeds=[0,1,2]", "study=on")
    assert status == 0, output
    assert re.search(r"^train_model +3$", output, re.MULTILINE), output
    assert "results/on/report.html" in output


def test_a_broken_default_study_is_named_with_its_line(fresh):
    fresh.edit("config/article.yaml", "seeds: [0]", "seeds: [0")
    job = fresh.snakemake("--dry-run", check=False)
    assert job.returncode != 0
    assert "config/article.yaml, line 7: a bracket is not closed" in job.stderr
    assert "Traceback" not in job.stderr


@pytest.mark.parametrize(
    "more", ["", "validation_examples: 200\nhalving: {epochs: [1], keep: 0.5}\n"], ids=["plain", "halving"]
)
def test_commands_do_not_grow_with_the_study(fresh, more):
    """The command of a rule may have 128 KiB; a name in a list of files is all that a section may add."""
    head, section = STUDY.replace("epochs: 1\n", "epochs: 2\n").split("  mlp:\n")
    longest = []
    for sections in (1, 11):
        names = [f"a-candidate-with-a-long-name-{number}" for number in range(sections)]
        architectures = "".join(f"  {name}:\n    architecture: mlp\n{section}" for name in names)
        status, output = outcome(fresh, head + architectures + more, "--printshellcmds")
        assert status == 0, output
        commands = [line for line in output.splitlines() if "python " in line and "--" in line]
        assert len(commands) > sections
        longest.append(max(map(len, commands)))
    assert longest[1] - longest[0] < 10 * 200
