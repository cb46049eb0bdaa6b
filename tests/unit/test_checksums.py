"""Which tables and figures still have the content that was written."""

import shutil

import pytest

from few_weights.plan.checksums import changed_files, plan_changed, record_checksums


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
