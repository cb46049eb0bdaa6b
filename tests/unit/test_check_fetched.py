"""Whether a fetched data set is intact."""

import shutil

from few_weights.data.check_fetched import data_is_intact, data_to_fetch
from few_weights.data.sources import RESOURCES
from few_weights.plan.runs import Run

RUN = Run("vgg", 2, 1)


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
