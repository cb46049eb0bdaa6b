"""CSV files as people write them are read alike; a mistake in one is reported with its line and column."""

import pytest
from samples.data import PARTS, facts_of_file, packed, plain, refusal, write

from few_weights.data import datasets


@pytest.fixture(autouse=True)
def working_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def expected():
    return datasets.array_facts(plain()).sha256


HEADER = ["label", *(f"pixel{number}" for number in range(64))]


def rows_of(part, labels=range(4)):
    arrays = plain()
    images = arrays[f"x_{part}"].reshape(-1, 64).tolist()
    return [[labels[y], *pixels] for pixels, y in zip(images, arrays[f"y_{part}"].tolist(), strict=True)]


def text_of(rows, separator=",", end="\n"):
    return "".join(separator.join(map(str, row)) + end for row in rows).encode()


def label_last(row):
    return [*row[1:], row[0]]


@pytest.mark.parametrize(
    ("files", "text"),
    [
        ("train.csv test.csv", lambda rows: text_of([HEADER, *rows])),
        ("train.csv test.csv", text_of),
        ("fashion-mnist_train.csv fashion-mnist_test.csv", lambda rows: text_of([HEADER, *rows])),
        ("Train.CSV Test.CSV", lambda rows: text_of([["Label", *HEADER[1:]], *rows])),
        ("train.csv.gz test.csv.gz", lambda rows: packed(text_of([HEADER, *rows]))),
        ("train.csv test.csv", lambda rows: text_of([HEADER, *rows], ";", "\r\n")),
        ("train.csv test.csv", lambda rows: text_of(rows, "\t")),
        ("train.csv test.csv", lambda rows: b"\xef\xbb\xbf" + text_of([HEADER, *rows])),
        ("train.csv test.csv", lambda rows: text_of(map(label_last, [HEADER, *rows]))),
        # as pandas writes a table whose columns have no names, and one with its index
        ("train.csv test.csv", lambda rows: text_of([range(65), *rows])),
        # and one whose columns have numbers, but for that of the labels
        ("train.csv test.csv", lambda rows: text_of(map(label_last, [["digit", *range(64)], *rows]))),
        ("train.csv test.csv", lambda rows: text_of([["digit", *range(1, 65)], *rows])),
        (
            "train.csv test.csv",
            lambda rows: text_of(map(label_last, [["digit", *HEADER[1:]], *rows])),
        ),
        (
            "train.csv test.csv",
            lambda rows: text_of([["", *HEADER], *([i, *row] for i, row in enumerate(rows))]),
        ),
        (
            "train.csv test.csv",
            lambda rows: text_of([row[0], *(pixel / 255 for pixel in row[1:])] for row in rows),
        ),
    ],
)
def test_csv_files_of_all_usual_kinds_are_read(files, text, expected):
    for file, part in zip(files.split(), PARTS, strict=True):
        write(f"folder/{file}", text(rows_of(part)))
    assert facts_of_file("folder").sha256 == expected


@pytest.mark.parametrize("change", [list, label_last])
def test_labels_in_a_csv_may_be_texts_even_those_that_pandas_reads_as_missing(change, expected):
    for part in PARTS:
        write(f"folder/{part}.csv", text_of(map(change, rows_of(part, ["NA", "None", "nan", "null"]))))
    assert facts_of_file("folder").sha256 == expected
    assert "class 0 is NA, 1 is None, 2 is nan, 3 is null" in facts_of_file("folder").conversions[-2]


def with_cell(rows, line, cell, value):
    rows = [list(row) for row in rows]
    rows[line][cell] = value
    return rows


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (lambda rows: text_of(with_cell(rows, 3, 5, "")), "test.csv, line 4: column 6 is empty"),
        (
            lambda rows: text_of(with_cell([HEADER, *rows], 3, 5, "")),
            "test.csv, line 4: column 'pixel4' is empty",
        ),
        (
            lambda rows: text_of(with_cell([HEADER, *rows], 3, 0, "")),
            "test.csv, line 4: column 'label' is empty",
        ),
        (
            lambda rows: text_of(with_cell(rows, 3, 5, "x")),
            "line 4: column 6 contains 'x', which is not a number",
        ),
        (
            lambda rows: text_of(with_cell(rows, 9, 5, "1,2"), ";"),
            "column 6 contains '1,2', which is not a number",
        ),
        (
            lambda rows: text_of([*rows[:4], [*rows[4], 7]]),
            "test.csv is not a CSV with the same number of cells in each",
        ),
        (
            lambda rows: text_of([HEADER, *([*row, 7] for row in rows)]),
            "lines with more cells than its first",
        ),
        (lambda rows: text_of([*rows[:4], rows[4][:-1]]), "test.csv, line 5: column 65 is empty"),
        (lambda rows: text_of([HEADER]), "test.csv contains no row with a label and pixels"),
        (lambda rows: b"", "test.csv is not a CSV"),
        (lambda rows: b"<html>", "test.csv "),
        (
            lambda rows: text_of(row[1:] for row in rows),
            "test.csv has 64 columns, as many as an image has pixels",
        ),
        (lambda rows: "läbel,1\n1,2\n".encode("latin-1"), "test.csv is not a text in UTF-8"),
        (lambda rows: packed(text_of(rows))[:99], "test.csv is damaged"),
    ],
)
def test_a_mistake_in_a_csv_is_named_with_its_line(text, message):
    write("folder/train.csv", text_of(rows_of("train")))
    write("folder/test.csv", text(rows_of("test")))
    assert message in refusal("folder")


def test_columns_in_another_order_are_refused():
    write("folder/train.csv", text_of([HEADER, *rows_of("train")]))
    write("folder/test.csv", text_of(row[::-1] for row in [HEADER, *rows_of("test")]))
    assert " have the same columns in another order" in refusal("folder")


def test_the_message_about_one_of_two_csv_files_asks_for_their_folder():
    for part in PARTS:
        write(f"folder/{part}.csv", text_of(rows_of(part)))
    assert "one CSV: to use test.csv as well, name their folder, folder; " in refusal("folder/train.csv")
