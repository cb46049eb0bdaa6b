"""A study is read as it is written; a file that cannot be read is one sentence with line and fix."""

import re

import pytest
from samples.studies import resolve_values

from few_weights.errors import StudyError
from few_weights.plan.study_file.yaml_reader import read_study

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
AS_JSON = (
    '{\n\t"study": "mine", "dataset": "digits",\n\t"targets": [0.5], "seeds": [0],\n'
    '\t"architectures": {"mlp": {"widths": [8], "epochs": 1, "batch_size": 128,\n'
    '\t\t"optimizer": {"name": "rmsprop", "learning_rate": 1e-2, "rho": 0.9}}}\n}\n'
)


@pytest.fixture
def read(tmp_path):
    def read(*contents, settings=()):
        files = []
        for i, content in enumerate(contents):
            files.append(tmp_path / f"{i}.yaml")
            files[-1].write_bytes(content if isinstance(content, bytes) else content.encode())
        return read_study(files, settings)

    return read


@pytest.mark.parametrize(
    "content",
    [
        STUDY.replace("\n", "\r\n"),
        STUDY.replace("\n", "\r"),
        b"\xef\xbb\xbf" + STUDY.encode(),
        f"%YAML 1.2\n---\n{STUDY}...\n",
        f"# größer\n\n{STUDY}",
        STUDY.replace("\n", "  \n"),
        AS_JSON,
        b"\xef\xbb\xbf" + AS_JSON.encode(),
        AS_JSON.replace("\n\t", "\r\n\t"),
        STUDY.replace("optimizer: {", "optimizer: &o\n      <<: {").replace("rho: 0.9}", "rho: 0.9}\n"),
    ],
    ids=["crlf", "cr", "bom", "marks", "utf8", "trailing spaces", "json", "json bom", "json crlf", "merge"],
)
def test_files_are_read_as_all_editors_write_them(read, content):
    assert resolve_values(read(content)) == resolve_values(read(STUDY))


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (STUDY.replace("    epochs", "\tepochs"), "line 8: there is a tab; indent with spaces"),
        (STUDY.replace("    epochs: 1", "    epochs:\u00a01"), "line 8: there is a no-break space"),
        (STUDY.replace("mine", "a: b"), "line 1: there is a second ': '; put braces or quotes"),
        (STUDY.replace("    epochs", "     epochs"), "line 8: it is not indented like the lines around it"),
        (STUDY.replace("    epochs", "  epochs"), "line 9: it is not indented like the lines around it"),
        (STUDY.replace("epochs: 1", "epochs:1"), "line 8: there is no ': ' after the key"),
        (STUDY.replace("epochs: 1", "epochs = 1"), "line 8: there is no ': ' after the key"),
        (
            STUDY.replace("[8]", "[8"),
            "line 7: a bracket is not closed, or a comma is missing before line 8",
        ),
        (STUDY.replace("[8]", "8]"), "widths"),
        (STUDY.replace("mine", "'mine"), "a quote is not closed"),
        (STUDY.replace("mine", "@mine"), "put quotes around the text"),
        (STUDY.replace("[8]", "*w"), "line 7: *w refers to an anchor (&w) that is not defined before it"),
        (STUDY.replace("[8]", "&w [*w]"), "line 7: this value contains itself"),
        (STUDY.replace("mine", "!mine x"), "line 1: the tag !mine has no meaning in a study; remove it"),
        (
            STUDY.replace("mine", "!!python/object/apply:os.getcwd []"),
            "the tag !!python/object/apply:os.getcwd has no",
        ),
        (STUDY.replace("[8]", "!!python/tuple [8]"), "line 7: the tag !!python/tuple has no meaning"),
        (STUDY.replace("[8]", "!!set {8}"), "line 7: the tag !!set has no meaning"),
        (STUDY.replace("mine", "!!binary aGk="), "line 1: the tag !!binary has no meaning"),
        (STUDY + "? [1, 2]\n: 3\n", "line 11: there is a list or a mapping where a key should be"),
        (STUDY + "---\n" + STUDY, "line 11: a second study begins with ---; keep one study per file"),
        (STUDY.replace("mine", "mi\x07ne"), "line 1: there is the control character U+0007; delete it"),
        (STUDY + "\0", "line 11: there is the control character U+0000"),
        (("# größer\n" + STUDY).encode("latin-1"), "line 1: is not UTF-8 ('# größer'?); save it as UTF-8"),
        (STUDY.encode("utf-16"), "is in UTF-16; save it as UTF-8"),
        ("", "is empty; config/README.md explains what a study contains"),
        ("# nothing\n", "is empty"),
        ("- a\n- b\n", "contains a list instead of a study's keys"),
        ("mine", "contains 'mine' instead of a study's keys"),
        ("a: " + "[" * 5000 + "]" * 5000, "is nested too deeply"),
        (
            "a: &a [1,1,1,1,1,1,1,1,1]\n"
            + "".join(
                f"{y}: &{y} [{','.join(['*' + x] * 9)}]\n" for x, y in zip("abcdef", "bcdefg", strict=True)
            ),
            "its anchors expand to more than 100,000 values",
        ),
        (AS_JSON.replace("}\n}", "},\n}"), "there is a tab; indent with spaces"),
        (
            STUDY.replace("[8]", "[8]\n    layers:\n      - Conv2D {filters: 8, kernel_size: 3}"),
            "write Conv2D: {…}",
        ),
    ],
)
def test_a_file_that_cannot_be_read_is_one_sentence(read, content, problem):
    with pytest.raises(StudyError) as error:
        resolve_values(read(content))
    message = str(error.value)
    assert problem in message
    assert "0.yaml" in message
    assert "Traceback" not in message
    assert len(message.removesuffix("config/README.md explains every key.").strip().splitlines()) <= 2, (
        message
    )


def test_a_missing_file_and_a_folder_are_reported(tmp_path):
    for path, problem in ((tmp_path / "no.yaml", "No such file"), (tmp_path, "Is a directory")):
        with pytest.raises(StudyError, match=problem):
            read_study([path])


def test_later_files_and_settings_change_earlier_ones(read):
    other = "architectures: {mlp: {epochs: 3, widths: ['4']}}\nrefine: yes\n"
    study = resolve_values(
        read(STUDY, other, settings=["seeds=[0, 1e0]", "architectures={mlp: {epochs: 5.0}}"])
    )
    assert (study["seeds"], study["refine"]) == ([0, 1], True)
    assert study["architectures"]["mlp"]["epochs"] == 5
    assert study["architectures"]["mlp"]["widths"] == [4]
    assert study["architectures"]["mlp"]["batch_size"] == 128


@pytest.mark.parametrize(
    ("setting", "key", "value"),
    [
        ("seeds=[0,1]", "seeds", [0, 1]),
        ("seeds=0", "seeds", [0]),
        ("targets=0.97", "targets", [0.97]),
        ("study=010", "study", "010"),
        ("study=2026-01-01", "study", "2026-01-01"),
        ("refine=yes", "refine", True),
        ("validation_examples=1e2", "validation_examples", 100),
        ("sources=[bundled]", "sources", ["bundled"]),
        ("sources=bundled", "sources", ["bundled"]),
    ],
)
def test_a_setting_means_on_the_command_line_what_it_means_in_a_file(read, setting, key, value):
    assert resolve_values(read(STUDY, settings=[setting]))[key] == value


@pytest.mark.parametrize(
    ("setting", "problem"),
    [
        ("seeds=3", "seeds: must be a list such as [1, 2], not 3; write [3] for that one seed"),
        ("epochs=3", "unknown key 'epochs'; it belongs in a section under architectures"),
        ("n=1", "--config n=1: 'n' is not a key of a study"),
        ("architectures.mlp.epochs=2", "is not a key of a study; write nested keys as"),
        ("seeds", "--config seeds: write KEY=VALUE"),
        ("seeds=[0", "--config seeds: a bracket is not closed"),
        ("seeds=", "seeds: must be a list such as [1, 2], not empty"),
        ("study=", "study: must be a text, not empty"),
    ],
)
def test_a_wrong_setting_is_one_sentence(read, setting, problem):
    with pytest.raises(StudyError, match=re.escape(problem)) as error:
        resolve_values(read(STUDY, settings=[setting]))
    assert "--config" in str(error.value)


def test_problems_name_their_line(read):
    text = STUDY.replace("seeds", "seed").replace("epochs: 1", "epochs: 0").replace("[8]", "[8, x]")
    with pytest.raises(StudyError) as error:
        resolve_values(read(text + "targets: [0.6]\n"))
    lines = str(error.value).splitlines()[1:-1]
    assert [line.partition(" (line")[2] for line in lines if "(line" in line] == [" 4)", " 7)", " 8)"]
    assert "line 11: the key 'targets' is already on line 3" in str(error.value)


def test_a_problem_names_its_file_if_there_are_several(read):
    with pytest.raises(StudyError, match=r"epochs: must be at least 1, not 0 \(1.yaml, line 2\)"):
        resolve_values(read(STUDY, "architectures:\n  mlp: {epochs: 0}\n"))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("{size: (3, 3), strides: (1, 1), n: 2}", {"size": "(3, 3)", "strides": "(1, 1)", "n": 2}),
        ("{units: max(1, 2, width), a: }", {"units": "max(1, 2, width)", "a": None}),
        ("[(1, 2), max(3, 4), 5]", ["(1, 2)", "max(3, 4)", 5]),
        ("{a: '(3', b: 3}", {"a": "(3", "b": 3}),
        ("{a: (3, b: 3}", {"a": "(3", "b": 3}),
    ],
)
def test_commas_within_parentheses_do_not_split_a_value(read, text, value):
    assert read(f"key: {text}\n").values == {"key": value}
