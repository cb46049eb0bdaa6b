"""Compiled code and its cache: the same functions with and without, and nothing taken from a damaged file."""

import os

import keras
import numpy as np
import pytest
from samples.model_trainer import ModelTrainer
from samples.networks import ADADELTA, ADAM, build, images_of

from few_weights.engine import compilation
from few_weights.engine.machine_code import LANES, Program, constant


def run_doubling(cache=None, factor=2.0):
    """What a function that multiplies the numbers 0 to 7 by a factor makes of them."""
    program = Program("doubling")
    code = program.define("double", ["numbers"])
    numbers = code.named["numbers"]
    code.store(code.builder.fmul(constant(factor), code.load(numbers, 0)), numbers, 0)
    code.finish()
    values = np.arange(LANES, dtype=np.float32)
    compiled = compilation.compile_functions(str(program.module), program.name, ["double"], cache)
    compiled["double"](values.ctypes.data)
    return list(values)


DOUBLED = [2 * number for number in range(LANES)]


def test_code_from_the_cache_is_run(tmp_path, monkeypatch):
    cache = tmp_path / "not" / "yet"
    assert run_doubling(cache) == DOUBLED
    monkeypatch.setattr(compilation, "_optimised", lambda *_: pytest.fail("compiled again"))
    assert run_doubling(cache) == DOUBLED


def test_another_program_is_another_file(tmp_path):
    assert run_doubling(tmp_path, 2.0) != run_doubling(tmp_path, 3.0)
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("damage", [b"", b"short", bytes(100)])
def test_a_damaged_file_is_compiled_and_written_anew(tmp_path, damage):
    run_doubling(tmp_path)
    (file,) = tmp_path.iterdir()
    whole = file.read_bytes()
    for content in (damage, whole[:-1], whole[:40] + b"?" + whole[41:]):
        file.write_bytes(content)
        assert run_doubling(tmp_path) == DOUBLED
        assert file.read_bytes() == whole


def test_a_cache_that_cannot_be_written_does_no_harm(tmp_path):
    (tmp_path / "file").touch()
    assert run_doubling(tmp_path / "file" / "folder") == DOUBLED


def test_the_oldest_files_are_deleted(tmp_path, monkeypatch):
    monkeypatch.setattr(compilation, "MOST_PROGRAMS", 2)
    for age, factor in enumerate((3.0, 2.0)):
        run_doubling(tmp_path, factor)
        for file in tmp_path.iterdir():
            os.utime(file, (1000 - age, 1000 - age))
    kept = set(tmp_path.iterdir())
    run_doubling(tmp_path, 2.0)  # needed again: newer than the first
    run_doubling(tmp_path, 5.0)
    assert len(list(tmp_path.iterdir())) == 2
    assert len(kept & set(tmp_path.iterdir())) == 1
    monkeypatch.setattr(compilation, "_optimised", lambda *_: pytest.fail("compiled again"))
    assert run_doubling(tmp_path, 2.0) == DOUBLED


def test_code_that_llvm_refuses_is_not_run():
    program = Program()
    program.define("unfinished", ["numbers"])
    with pytest.raises(RuntimeError):
        program.compile()


def test_listings_are_written_where_the_environment_says(tmp_path, monkeypatch):
    monkeypatch.setenv("FEW_WEIGHTS_CODE", str(tmp_path / "listings"))
    for _ in range(2):  # whether or not the cache has the code
        assert run_doubling(tmp_path / "cache") == DOUBLED
        source, assembly = sorted((tmp_path / "listings").iterdir())
        assert 'float* %"numbers"' in source.read_text() or 'ptr %"numbers"' in source.read_text()
        assert "double:" in assembly.read_text()
        assert source.name.startswith("doubling-")
        source.unlink()
        assembly.unlink()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "optimizer", "options"),
    [("cnn", ADADELTA, {}), ("recurrent", ADAM, {}), ("mlp", ADAM, {"dropout": True})],
)
def test_equal_networks_share_their_code(tmp_path, name, optimizer, options):
    """Whatever their weights: no address, weight or seed is in the code, and the bits are the same."""
    images, labels = images_of(50, (28, 28, 1))
    losses = []
    for seed, cache in ((1, None), (2, tmp_path), (1, tmp_path)):
        keras.utils.set_random_seed(seed)
        model = build(name, 2, images.shape[1:], **options)
        trainer = ModelTrainer(model, optimizer, 20, images, labels, epochs=1000, cache=cache)
        assert trainer.path.startswith("by machine code")
        losses.append([trainer.train_epoch(np.arange(50)) for _ in range(2)])
    assert losses[0] == losses[2] != losses[1]
    assert len(list(tmp_path.iterdir())) == 1
