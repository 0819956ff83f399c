"""ExperimentConfig behaves like a named tuple that is open to further settings."""

from __future__ import annotations

import argparse
import contextlib
import copy
import dataclasses
import io
import json
import pickle
from pathlib import Path
from typing import Any

import pytest
from tests.runs import OpenedRun, track_run

from traintop import (
    ExperimentConfig,
    ExperimentTracker,
    compare_experiments,
    load_experiment_log,
    print_experiment_summary,
)
from traintop.analysis.run_tables import run_rows
from traintop.tracking.configuration import as_experiment_config


def test_standard_settings_have_the_documented_defaults() -> None:
    assert ExperimentConfig("baseline").to_dict() == {
        "experiment_name": "baseline",
        "d_model": 512,
        "num_heads": 8,
        "num_layers": 6,
        "d_ff": 2048,
        "vocab_size": 10000,
        "context_length": 256,
        "rope_theta": 10000.0,
        "batch_size": 64,
        "max_iters": 100000,
        "max_learning_rate": 6e-4,
        "min_learning_rate": 6e-5,
        "warmup_iters": 2000,
        "weight_decay": 0.1,
        "grad_clip": 1.0,
        "beta1": 0.9,
        "beta2": 0.95,
        "eps": 1e-8,
        "seed": 42,
        "device": "cuda",
    }


def test_the_name_is_required_and_is_a_string() -> None:
    with pytest.raises(TypeError, match="experiment_name"):
        ExperimentConfig()  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="experiment_name must be a string"):
        ExperimentConfig(experiment_name=3)  # type: ignore[arg-type]


def test_further_keywords_are_settings_and_may_nest() -> None:
    config = ExperimentConfig("muon", optimizer_name="Muon", data={"path": "corpus", "mix": [1, 2]})
    assert config.optimizer_name == "Muon"
    assert config.data["mix"] == [1, 2]
    assert config._fields[-2:] == ("optimizer_name", "data")
    assert "optimizer_name" in dir(config)


def test_it_cannot_be_changed() -> None:
    config = ExperimentConfig("baseline")
    with pytest.raises(AttributeError, match="immutable"):
        config.seed = 1  # type: ignore[misc]
    with pytest.raises(AttributeError, match="immutable"):
        del config.seed
    config.to_dict()["seed"] = 1
    assert config.seed == 42


def test_unknown_settings_raise_an_attribute_error() -> None:
    config = ExperimentConfig("baseline")
    with pytest.raises(AttributeError, match="'dropout'"):
        _ = config.dropout
    assert getattr(config, "dropout", 0.1) == 0.1


def test_named_tuple_methods() -> None:
    config = ExperimentConfig("baseline", optimizer_name="Muon")
    changed = config._replace(seed=1)
    assert (changed.seed, changed.optimizer_name, config.seed) == (1, "Muon", 42)
    assert config._asdict() == config.to_dict()
    assert tuple(config) == tuple(config._asdict().values())
    assert len(config) == len(config._fields) == 21
    assert config._fields[0] == "experiment_name"
    assert config[0] == config.experiment_name
    assert config[1:3] == (config.d_model, config.num_heads)


def test_equality_hash_and_repr() -> None:
    config = ExperimentConfig("baseline", layers=[1, 2])
    same = ExperimentConfig("baseline", layers=[1, 2])
    assert config == same
    assert hash(config) == hash(same)
    assert config != config._replace(seed=1)
    assert config != config._asdict()
    assert repr(config).startswith("ExperimentConfig(experiment_name='baseline', d_model=512, ")
    assert eval(repr(config), {"ExperimentConfig": ExperimentConfig}) == config


def pickled(config: ExperimentConfig) -> Any:
    return pickle.loads(pickle.dumps(config))


@pytest.mark.parametrize("clone", [copy.copy, copy.deepcopy, pickled])
def test_copies_are_equal(clone: Any) -> None:
    config = ExperimentConfig("baseline", data={"mix": [1, 2]})
    assert clone(config) == config


@dataclasses.dataclass
class Settings:
    experiment_name: str
    lr: float


@pytest.mark.parametrize(
    "settings",
    [
        {"experiment_name": "mine", "lr": 0.5},
        Settings("mine", 0.5),
        argparse.Namespace(experiment_name="mine", lr=0.5),
        ExperimentConfig.from_settings({"experiment_name": "mine", "lr": 0.5}),
    ],
    ids=["dict", "dataclass", "namespace", "config"],
)
def test_the_tracker_takes_settings_of_any_shape(settings: object, tmp_path: Path) -> None:
    with ExperimentTracker(settings, log_dir=tmp_path, quiet=True) as tracker:
        tracker.log_metrics(0, train_loss=1.0)
    assert json.loads(tracker.path.read_text())["config"] == {"experiment_name": "mine", "lr": 0.5}
    assert load_experiment_log(tracker.path).config.lr == 0.5


def test_the_tracker_takes_an_omegaconf_config(tmp_path: Path) -> None:
    omegaconf = pytest.importorskip("omegaconf", reason="OmegaConf is optional")
    settings = omegaconf.OmegaConf.create(
        {"experiment_name": "mine", "model": {"width": 64, "depth": "${model.width}"}}
    )
    with ExperimentTracker(settings, log_dir=tmp_path, quiet=True) as tracker:
        tracker.log_metrics(0, train_loss=1.0)
    assert load_experiment_log(tracker.path).config.model == {"width": 64, "depth": 64}


def test_a_run_says_which_settings_were_given(tmp_path: Path) -> None:
    path = track_run(tmp_path, "resnet", lr=0.1, batch_size=8)
    head = json.loads(path.read_text())
    assert head["run"]["given"] == ["experiment_name", "lr", "batch_size"]
    summary = print_summary_of(path)
    assert "device            cuda (default)" in summary
    assert "lr                0.1\n" in summary
    assert "batch_size        8\n" in summary
    assert "of 100,000" not in summary  # nobody planned that many iterations
    summary = OpenedRun(path).summary()
    [row] = run_rows([summary], {summary.id: summary.name})
    assert "device" in row["defaults"]
    assert "batch_size" not in row["defaults"]


def test_changed_and_copied_settings_stay_given() -> None:
    config = ExperimentConfig("baseline", lr=1.0)._replace(seed=1)
    assert pickled(config)._given == config._given == ("experiment_name", "seed", "lr")
    assert as_experiment_config({"experiment_name": "a", "b": 1})._given == ("experiment_name", "b")


def test_defaults_are_told_from_given_settings_in_tables(tmp_path: Path) -> None:
    paths = [track_run(tmp_path, "narrow"), track_run(tmp_path, "wide", d_model=1024)]
    assert "512 (default)" in compare_experiments(paths)
    same = [track_run(tmp_path, "default"), track_run(tmp_path, "given", d_model=512)]
    assert "d_model" not in compare_experiments(same)


def print_summary_of(path: Path) -> str:
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        print_experiment_summary(path)
    return printed.getvalue()
