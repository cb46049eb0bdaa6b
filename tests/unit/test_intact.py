"""Which files are still what was written."""

import shutil

import numpy as np
import pytest

from few_weights.data.check_fetched import data_is_intact, data_to_fetch
from few_weights.data.sources import RESOURCES
from few_weights.errors import StudyError
from few_weights.plan.checksums import changed_files, plan_changed, record_checksums
from few_weights.plan.runs import Run
from few_weights.training.run_files import arrays_sha256, npz_bytes, read_run_arrays, results_are_whole

RUN = Run("vgg", 2, 1)


def test_a_changed_file_is_noticed_and_a_touched_or_deleted_one_is_not(tmp_path):
    paths = [tmp_path / "runs.csv", tmp_path / "figures" / "a.svg", tmp_path / "gone.csv"]
    paths[1].parent.mkdir()
    for path in paths:
        path.write_text(f"{path}\nmore\n")
    record_checksums(tmp_path, [*paths, tmp_path.parent / "elsewhere.csv", tmp_path / "figures"])
    assert changed_files(tmp_path) == []
    for path in paths:
        path.touch()
    paths[2].unlink()
    assert changed_files(tmp_path) == []
    paths[0].write_text(paths[0].read_text().replace("more", "less"))  # of the same size
    shutil.copyfile(paths[0], paths[1])
    assert sorted(changed_files(tmp_path)) == sorted(paths[:2])
    record_checksums(tmp_path, paths[:1])
    assert changed_files(tmp_path) == [paths[1]]


def test_runs_csv_belongs_to_what_the_study_said(tmp_path):
    assert not plan_changed(tmp_path, "a")
    (tmp_path / "runs.csv").write_text("runs\n")
    record_checksums(tmp_path, [tmp_path / "runs.csv"], "a")
    record_checksums(tmp_path, [tmp_path / "models.csv"], "b")
    assert not plan_changed(tmp_path, "a")
    assert plan_changed(tmp_path, "b")
    assert changed_files(tmp_path) == []


@pytest.mark.parametrize("content", ["", "[]", "{", None])
def test_without_usable_notes_files_are_taken_as_they_are(tmp_path, content):
    if content is not None:
        (tmp_path / "checksums.json").write_text(content)
    assert changed_files(tmp_path) == []


def test_data_is_known_by_its_content(tmp_path):
    path, stamp, runs = tmp_path / "digits.npz", tmp_path / "cache" / "stamp", tmp_path / "runs"
    shutil.copyfile(RESOURCES / "digits.npz", path)
    assert data_is_intact(path, "digits", "", stamp)
    verified = stamp.read_text()
    path.touch()
    assert data_is_intact(path, "digits", "", stamp)
    assert stamp.read_text() != verified
    assert not data_is_intact(path, "mnist", "", stamp)
    path.write_bytes(path.read_bytes()[:-50])
    # Nothing depends on it yet: the stamp goes, and the data is fetched because it is missing.
    assert not data_to_fetch(path, "digits", "", stamp, runs)
    assert not stamp.exists()
    metrics = RUN.metrics_path(tmp_path)
    metrics.parent.mkdir(parents=True)
    metrics.touch()
    assert data_to_fetch(path, "digits", "", stamp, runs)
    assert stamp.exists()
    path.unlink()
    assert data_to_fetch(path, "digits", "", stamp, runs)


def test_the_arrays_of_another_run_are_refused_by_their_reader(tmp_path):
    arrays = {"a/kernel": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.zeros(3, np.uint8)}
    path = tmp_path / "weights.npz"
    path.write_bytes(npz_bytes(arrays))
    sha256 = arrays_sha256(arrays)
    assert list(read_run_arrays(path, RUN, sha256)) == list(arrays)
    others = [
        {"b": arrays["b"], "a/kernel": arrays["a/kernel"]},  # another order
        {"a/kernel": arrays["a/kernel"].reshape(3, 2), "b": arrays["b"]},
        {"a/kernel": arrays["a/kernel"], "b": arrays["b"].astype(np.int8)},
        {"a/bias": arrays["a/kernel"], "b": arrays["b"]},
        {"a/kernel": arrays["a/kernel"] + 1, "b": arrays["b"]},
        {},
    ]
    for other in others:
        path.write_bytes(npz_bytes(other))
        with pytest.raises(StudyError, match=f"{path} does not hold what the training of {RUN} wrote"):
            read_run_arrays(path, RUN, sha256)
        read_run_arrays(path, RUN, None)  # a run from before its digest was recorded
    for content in (npz_bytes(arrays)[:-30], b"", b"no zip"):
        path.write_bytes(content)
        with pytest.raises(StudyError, match=rf"{path} is damaged: .*; delete it and start again, {RUN} is"):
            read_run_arrays(path, RUN, sha256)
    path.unlink()
    with pytest.raises(StudyError, match="is missing"):
        read_run_arrays(path, RUN, sha256)


def test_kept_results_are_used_only_where_they_belong_together():
    arrays = {"a": np.ones(2)}
    files = {f"{kind}.npz": npz_bytes(arrays) for kind in ("predictions", "weights")}
    digests = {f"{kind}_sha256": arrays_sha256(arrays) for kind in ("predictions", "weights")}
    whole = files | {"metrics.json": str(digests).replace("'", '"').encode()}
    assert results_are_whole(whole)
    for name, content in whole.items():
        assert not results_are_whole(whole | {name: content[: len(content) // 2]})
    assert not results_are_whole(whole | {"weights.npz": npz_bytes({"a": np.zeros(2)})})
