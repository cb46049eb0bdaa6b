"""The facts of a user's own data: what they are, when they are kept, and which data is refused."""

from pathlib import Path

import numpy as np
import pytest
from samples.data import bars, facts_of_file, plain, write

from few_weights.data import datasets, find_facts, sources
from few_weights.data.find_facts import facts_of_study, own_facts
from few_weights.errors import StudyError


@pytest.fixture(autouse=True)
def working_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def expected():
    return datasets.array_facts(plain()).sha256


def own_arrays(**changes):
    """Seven classes of colour images of 9 x 11."""
    rng = np.random.default_rng(1)
    arrays = {
        "x_train": rng.integers(0, 256, (21, 9, 11, 3), dtype=np.uint8),
        "y_train": np.arange(21) % 7,
        "x_test": rng.integers(0, 256, (7, 9, 11, 3), dtype=np.uint8),
        "y_test": np.arange(7).reshape(7, 1),
    }
    return {name: array for name, array in (arrays | changes).items() if array is not None}


def write_own(path, **changes):
    np.savez(path, **own_arrays(**changes))
    return {"sources": [{"file": str(path)}], "dataset": "mine", "validation_examples": 0}


def facts_of(study):
    found, _, problems = facts_of_study(study)
    assert not (found and problems)
    return found, "".join(problems)


def test_the_facts_of_a_users_data_come_from_its_arrays(tmp_path):
    """By their arrays: another compression is the same data, another pixel is not."""
    facts, _ = facts_of(write_own(tmp_path / "a.npz"))
    assert (facts.image_shape, facts.classes) == ((9, 11, 3), 7)
    assert (facts.train_examples, facts.test_examples) == (21, 7)
    np.savez_compressed(tmp_path / "b.npz", **own_arrays())
    assert facts_of(write_own(tmp_path / "b.npz"))[0] == facts
    changed = own_arrays()["x_test"]
    changed[0, 0, 0, 0] ^= 1
    assert facts_of(write_own(tmp_path / "c.npz", x_test=changed))[0].sha256 != facts.sha256

    arrays, _ = sources.fetch_arrays([{"file": str(tmp_path / "a.npz")}], "mine")
    np.savez(tmp_path / "fetched.npz", **arrays)
    # All images of class 6 are held out: there are seven classes all the same.
    loaded = datasets.load_dataset(tmp_path / "fetched.npz", "mine", 20, facts.sha256)
    assert (loaded.classes, loaded.image_shape) == (7, (9, 11, 3))
    arrays, _ = sources.fetch_arrays([{"file": str(tmp_path / "c.npz")}], "mine")
    np.savez(tmp_path / "c.npz", **arrays)
    with pytest.raises(StudyError, match="is not the file that the study was started with"):
        datasets.load_dataset(tmp_path / "c.npz", "mine", 0, facts.sha256)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"y_test": None}, "contains no y_test, but x_train, y_train, x_test; it must contain x_train,"),
        (
            {"x_train": np.ones((21, 99)), "x_test": np.ones((7, 99))},
            "x_train has the shape (21, 99), and 99 is not the square",
        ),
        ({"x_train": own_arrays()["x_train"][1:]}, "20 images in x_train and 21 labels in y_train"),
        (
            {"x_test": np.zeros((7, 9, 9, 3), np.uint8)},
            "x_train are (9, 11, 3), those of x_test (9, 9, 3)",
        ),
        ({"y_train": np.arange(21) % 7 * 2}, "y_train has labels from 0 to 12, but none is 1; if that class"),
        (
            {"y_train": np.arange(21) - 1},
            "y_train has labels from -1 to 19; if -1 stands for images without a label",
        ),
        (
            {"y_train": np.arange(21) / 2},
            "y_train contains float64 such as 0.5; labels must be whole numbers",
        ),
        ({"y_test": np.arange(7) + 1}, "y_test has the label 7, which no training image has"),
    ],
)
def test_a_mistake_in_a_users_data_is_one_sentence(tmp_path, changes, message):
    facts, problem = facts_of(write_own(tmp_path / "mine.npz", **changes))
    assert facts is None
    assert problem.startswith(f"sources[0].file: {tmp_path / 'mine.npz'} cannot be used: ")
    assert message in problem
    assert "\n" not in problem


def test_holding_out_all_images_of_a_class_is_refused():
    order = np.argsort(plain()["y_train"], kind="stable")
    np.savez("data.npz", **plain() | {name: plain()[name][order] for name in ("x_train", "y_train")})
    assert facts_of_file("data.npz", 9).warnings[1] == "all 9 held-out images are of class 3"
    with pytest.raises(
        StudyError, match="its last 15 training images, .* of class 3; shuffle images and labels"
    ):
        facts_of_file("data.npz", 15)


def test_data_is_read_once_as_long_as_its_content_is_the_same(monkeypatch, expected):
    np.savez("data.npz", **plain())
    first = facts_of_file("data.npz")
    content = Path("data.npz").read_bytes()
    Path("data.npz").unlink()
    write("data.npz", content)
    with monkeypatch.context() as patch:
        patch.setattr(find_facts, "read_path", None)
        assert facts_of_file("data.npz") == first
        for other in (lambda: facts_of_file("data.npz", 5), lambda: own_facts(Path("data.npz"), "other", 0)):
            with pytest.raises(TypeError):
                other()
    for kept in Path(".snakemake").rglob("data-*.json"):
        kept.write_text("{")
    assert facts_of_file("data.npz") == first
    np.savez("data.npz", **plain() | {"y_test": plain()["y_test"][::-1]})
    assert facts_of_file("data.npz").sha256 != expected


def test_validation_images_are_held_out_only_if_the_study_says_so():
    held = bars(12, 2)
    np.savez("data.npz", **plain(), val_images=held[0], val_labels=held[1])
    assert facts_of_file("data.npz").train_examples == 52
    assert facts_of_file("data.npz", 12).warnings == ()
    (warning,) = facts_of_file("data.npz").warnings
    assert warning.startswith(
        "the data has 12 validation images, but they are used for training; validation_examples: 12"
    )
    assert "but the study holds out 20; validation_examples: 12" in facts_of_file("data.npz", 20).warnings[0]
