"""The arrays of a run are read only if they are the ones that its training wrote."""

import numpy as np
import pytest

from few_weights.errors import StudyError
from few_weights.plan.runs import Run
from few_weights.training.run_files import arrays_sha256, npz_bytes, read_run_arrays, results_are_consistent

RUN = Run("vgg", 2, 1)


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
    assert results_are_consistent(whole)
    for name, content in whole.items():
        assert not results_are_consistent(whole | {name: content[: len(content) // 2]})
    assert not results_are_consistent(whole | {"weights.npz": npz_bytes({"a": np.zeros(2)})})
