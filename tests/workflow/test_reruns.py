"""What a change makes the workflow do again, on the finished smoke study, by dry runs and one real run."""

import os
import time

import yaml

SMOKE = ("--configfile", "config/smoke.yaml")
TRAINING = "workflow/scripts/few_weights/training/train_run.py"
RUNS = 8


def change_study(smoke, change):
    path = smoke.folder / "config" / "smoke.yaml"
    study = yaml.safe_load(path.read_text())
    change(study)
    path.write_text(yaml.safe_dump(study))


def metrics_times(smoke):
    return {
        path: path.stat().st_mtime_ns for path in smoke.folder.glob("results/smoke/runs/*/*/*/metrics.json")
    }


def test_a_new_width_trains_that_width_alone(smoke):
    before = metrics_times(smoke)
    change_study(smoke, lambda study: study["architectures"]["mlp"]["widths"].append(8))
    assert smoke.planned_jobs(*SMOKE)["train_model"] == 1
    smoke.snakemake(*SMOKE)
    after = metrics_times(smoke)
    new = after.keys() - before.keys()
    assert [path.parts[-3] for path in new] == ["width-8"]
    assert {path: after[path] for path in before} == before
    assert smoke.planned_jobs(*SMOKE) == {}


def test_a_new_seed_trains_that_seed_alone(smoke):
    change_study(smoke, lambda study: study["seeds"].append(1))
    job = smoke.snakemake(*SMOKE, "--dry-run")
    assert smoke.planned_jobs(*SMOKE)["train_model"] == RUNS
    assert "seed-0/train.log" not in job.stdout + job.stderr


def test_other_epochs_for_one_architecture_train_it_alone(smoke):
    change_study(smoke, lambda study: study["architectures"]["vgg"].update(epochs=2))
    job = smoke.snakemake(*SMOKE, "--dry-run")
    assert smoke.planned_jobs(*SMOKE)["train_model"] == 2
    assert (job.stdout + job.stderr).count("Training vgg width") == 2


def test_touched_files_do_nothing(smoke):
    later = time.time() + 10
    for folder in ("workflow", "config", "envs", "results/data"):
        for path in (smoke.folder / folder).rglob("*"):
            os.utime(path, (later, later))
    assert smoke.planned_jobs(*SMOKE) == {}


def test_comments_and_layout_do_nothing(smoke):
    path = smoke.folder / TRAINING
    path.write_text("# A new comment.\n\n" + path.read_text().replace("return {", "return  {"))
    assert smoke.planned_jobs(*SMOKE) == {}


def test_changed_training_code_trains_everything(smoke):
    smoke.edit(TRAINING, "default_rng([seed, epoch])", "default_rng([epoch, seed])")
    assert smoke.planned_jobs(*SMOKE)["train_model"] == RUNS


def test_a_changed_network_trains_its_own_runs(smoke):
    networks = "workflow/scripts/few_weights/networks/architectures.py"
    smoke.edit(networks, "dense(4 * width)", "dense(3 * width)")
    assert smoke.planned_jobs(*SMOKE)["train_model"] == 2


def test_a_changed_figure_trains_nothing(smoke):
    path = smoke.folder / "workflow" / "scripts" / "few_weights" / "report" / "figures" / "comparison.py"
    path.write_text(path.read_text() + "\nSOMETHING_NEW = 1\n")
    planned = smoke.planned_jobs(*SMOKE)
    assert planned["plot_comparison"] == 1
    assert planned["render_report"] == 1
    assert not planned.keys() & {"train_model", "merge_runs", "find_breakpoints", "fetch_data"}


def test_a_run_that_was_deleted_is_trained_again(smoke):
    (smoke.folder / "results/smoke/runs/vgg/width-1/seed-0/metrics.json").unlink()
    assert smoke.planned_jobs(*SMOKE)["train_model"] == 1


def test_a_study_of_its_own_holds_nothing_of_the_default(smoke):
    """A single architecture with its own widths, seeds and epochs is all that is planned."""
    recipe = {"epochs": 3, "batch_size": 50, "optimizer": {"name": "sgd", "learning_rate": 0.1}}
    own = {
        "study": "own",
        "dataset": "mnist",
        "targets": [0.5, 0.9],
        "seeds": [3, 4],
        "architectures": {"vgg": {"widths": [3, 5, 6], **recipe}},
    }
    (smoke.folder / "own.yaml").write_text(yaml.safe_dump(own))
    planned = smoke.planned_jobs("--configfile", "own.yaml")
    assert planned["train_model"] == 6
    assert planned["plot_curve"] == 1
