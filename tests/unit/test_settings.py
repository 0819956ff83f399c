"""The settings file: what is right in it applies, and mistakes are reported."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

import traintop
from traintop import ExperimentAnalyzer, ExperimentTracker
from traintop.cli import main
from traintop.rule import Action
from traintop.settings import (
    DEFAULT_FILE,
    Settings,
    expanded_roots,
    load_settings,
    parse_settings,
    settings_path,
)


def test_everything_can_be_set():
    data = b'theme = "light"\nsmoothing = 0.9\nbell = true\ndesktop_notices = true\n[keys]\npin="P"'
    data += b'\n[directions]\nalpha = "lower"\n[roots]\nlab = ["ssh://gpu01/runs", "logs"]'
    roots = {"lab": ("ssh://gpu01/runs", "logs")}
    expected = Settings("light", 0.9, True, True, {"alpha": "lower"}, {"pin": "P"}, roots=roots)
    assert parse_settings(data) == (expected, ())


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('theme = "blue"', 'theme = \'blue\': must be "dark" or "light"'),
        ("theme = []", 'must be "dark" or "light"'),
        (
            'directions = {alpha = "down"}',
            'directions.alpha = \'down\': must be "lower" or "higher"',
        ),
        ("bell = 1", "bell = 1: must be true or false"),
        ('desktop_notices = "yes"', "must be true or false"),
        ("smoothing = 1.0", "must be a number from 0 to below 1"),
        ("smoothing = nan", "must be a number from 0 to below 1"),
        ("smoothing = true", "must be a number from 0 to below 1"),
        ("keys = 3", "keys = 3: must be a text under [keys]"),
        ('keys = {mark = "m", pin = 3}', "keys.pin = 3: must be a text under [keys]"),
        ("them = 3", "them: unknown; did you mean 'theme'?"),
        ('roots = {lab = "x"}', "roots.lab = 'x': must be a list of roots under [roots]"),
        ("roots = {lab = []}", "roots.lab = []: must be a list of roots"),
        ('roots = {lab = [""]}', "must be a list of roots"),
        ('roots = {lab = ["@all"]}', "none is another name"),
        ('roots = {best = ["x"]}', "by a word that is neither latest nor best"),
        ("x = 3", "x: unknown; there are 'theme'"),
    ],
)
def test_a_wrong_value_is_reported_and_the_rest_applies(line, said):
    settings, problems = parse_settings(
        f"{line}\n{'' if 'bell' in line else 'bell = true'}".encode()
    )
    (problem,) = problems
    assert said in problem
    assert settings.bell is ("bell" not in line)


def test_rules_are_read_and_a_wrong_one_costs_no_other():
    text = """
    [[rules]]
    when = "train_loss == nan"
    for = "5m"
    do = ["notify", "exec: ./stop.sh 'a b' $HOME", "signal: SIGUSR1"]
    [[rules]]
    when = "x < 3"
    do = ["exec:"]
    [[rules]]
    when = "x < 3"
    do = ["signal: SIGNONE"]
    [[rules]]
    for = "5m"
    [[rules]]
    when = "x < 3"
    for = "a while"
    [[rules]]
    whn = "x < 3"
    """
    settings, problems = parse_settings(text.encode())
    (rule,) = settings.rules
    assert (rule.when, rule.seconds) == ("train_loss == nan", 300)
    stop = Action("exec", ("./stop.sh", "a b", "$HOME"))
    assert rule.actions == (Action("notify"), stop, Action("signal", ("SIGUSR1",)))
    assert [problem.partition(":")[0] for problem in problems] == [
        f"rule {place}" for place in range(2, 7)
    ]
    assert "'exec:' must be" in problems[0]
    assert "there is no signal 'SIGNONE'" in problems[1]
    assert "`when`" in problems[2]
    assert "'a while' is no length of time" in problems[3]
    assert "`whn`" in problems[4]


def test_the_command_lists_the_rules(tmp_path, monkeypatch):
    path = tmp_path / "settings.toml"
    path.write_text('[[rules]]\nwhen = "loss <"\n[[rules]]\nwhen = "diverged"\ndo = ["exec: x"]\n')
    monkeypatch.setenv("TRAINTOP_CONFIG", str(path))
    result = CliRunner().invoke(main, ["settings"])
    assert re.search(r"# built in +not finite +notify", result.stdout)
    assert re.search(r"# yours +diverged +exec: x", result.stdout)
    assert "rule 'loss <': something is missing at the end" in result.stderr


@pytest.mark.parametrize("data", [b"= 3", b"\xff", b"[" * 5000, b"x" * 2_000_000, b"\x00"])
def test_what_is_not_toml_means_the_defaults(data):
    settings, problems = parse_settings(data)
    assert settings == Settings()
    assert len(problems) == 1


@given(st.one_of(st.binary(max_size=200), st.text(max_size=200).map(str.encode)))
def test_any_content_is_read(data):
    settings, problems = parse_settings(data)
    assert isinstance(settings, Settings)
    assert all(isinstance(problem, str) for problem in problems)


def test_a_problem_names_the_file_and_is_safe_to_draw(tmp_path):
    path = tmp_path / "settings.toml"
    path.write_text('theme = "\\u001b]0;pwned\\u0007"')
    _, (problem,) = load_settings(path)
    assert problem.startswith(f"{path} theme = ")
    assert problem.isprintable()


def test_no_file_is_no_problem_and_a_directory_is_one(tmp_path):
    assert load_settings(tmp_path / "none.toml") == (Settings(), ())
    settings, (problem,) = load_settings(tmp_path)
    assert settings == Settings()
    assert "cannot be read" in problem


def test_the_environment_may_name_the_file(tmp_path):
    assert settings_path({"TRAINTOP_CONFIG": "/x/y.toml"}) == Path("/x/y.toml")
    assert settings_path({}).parts[-2:] == ("traintop", "settings.toml")


def test_the_example_is_right_when_it_is_uncommented():
    lines = [
        line.removeprefix("# ") for line in DEFAULT_FILE.splitlines() if "=" in line or "[" in line
    ]
    text = "\n".join(lines[1:]) if not lines[0].startswith("theme") else "\n".join(lines)
    assert tomllib.loads(text)
    settings, problems = parse_settings(text.encode())
    assert problems == ()
    assert settings.theme == "dark"


def test_the_command_prints_the_path_and_what_is_wrong(tmp_path, monkeypatch):
    path = tmp_path / "settings.toml"
    path.write_text('bell = 3\n[keys]\npin = "j"\n')
    monkeypatch.setenv("TRAINTOP_CONFIG", str(path))
    result = CliRunner().invoke(main, ["settings"])
    assert result.exit_code == 0
    assert str(path) in result.stdout
    assert re.search(r"# +unmark_all += u +remove all marks", result.stdout)
    assert "bell = 3: must be true or false" in result.stderr
    assert "keys.pin = 'j': means down" in result.stderr


def test_the_page_about_settings_names_every_setting():
    page = (Path(__file__).parents[2] / "docs" / "settings.md").read_text(encoding="utf-8")
    names = [*Settings.__struct_fields__]
    forms = ("`{}`", "`[{}]`", "`[[{}]]`")
    assert [name for name in names if not any(form.format(name) in page for form in forms)] == []


def test_a_name_stands_for_its_roots(tmp_path, monkeypatch):
    settings = tmp_path / "settings.toml"
    monkeypatch.setenv("TRAINTOP_CONFIG", str(settings))
    monkeypatch.setenv("HOME", "/home/me")
    with pytest.raises(ValueError, match=r"settings\.toml has no @lab; it would be"):
        expanded_roots(["@lab"])
    settings.write_text('[roots]\nlab = ["ssh://gpu01/runs", "~/logs"]\nmine = ["a"]')
    assert expanded_roots(["a", "@lab", "@mine"]) == ("a", "ssh://gpu01/runs", "/home/me/logs")
    with pytest.raises(ValueError, match=r"has @lab, @mine under \[roots\], and no @labs"):
        expanded_roots(["@labs"])


def test_a_name_of_roots_stands_wherever_a_root_does(tmp_path, monkeypatch):
    for name in ("one", "two"):
        with ExperimentTracker({"experiment_name": name}, tmp_path / name, quiet=True) as tracker:
            tracker.log_metrics(0, train_loss=1.0)
    (tmp_path / "settings.toml").write_text(
        f'[roots]\nlab = ["{tmp_path}/one", "{tmp_path}/two"]\nlatest = ["x"]'
    )
    monkeypatch.setenv("TRAINTOP_CONFIG", str(tmp_path / "settings.toml"))
    for line in (["list", "@lab", "--csv"], ["list", "-d", "@lab", "--csv"]):
        assert CliRunner().invoke(main, line).stdout.count(".json,") == 2
    assert {run.name for run in traintop.open_runs("@lab")} == {"one", "two"}
    assert ExperimentAnalyzer("@lab").get_best_experiment("train_loss") is not None
    monkeypatch.setenv("TRAINTOP_DIR", "@lab")
    assert "two" in CliRunner().invoke(main, ["show", "two"]).stdout
    refused = CliRunner().invoke(main, ["list", "@latest"])
    assert refused.exit_code == 2
    assert "no @latest" in refused.stderr
    assert "neither latest nor best" in refused.stderr


def test_a_directory_may_be_called_as_a_name_of_roots(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with ExperimentTracker({"experiment_name": "one"}, "@lab", quiet=True) as tracker:
        tracker.log_metrics(0, train_loss=1.0)
    assert "one" in CliRunner().invoke(main, ["list", "./@lab"]).stdout
