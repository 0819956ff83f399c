"""`traintop settings`: the settings file, its problems, and an example."""

from __future__ import annotations

from collections.abc import Mapping

import click

from traintop.commands.output import print_text, warn
from traintop.text import safe_text


@click.command()
def command() -> None:
    """Show the settings file: its path, problems, and an example."""
    from traintop.analysis.rules import BUILT_IN_RULES, usable_rules
    from traintop.settings import DEFAULT_FILE, load_settings, settings_path
    from traintop.tui.key_table import KEYS

    path = settings_path()
    settings, problems = load_settings(path)
    rules, misunderstood = usable_rules(settings.rules)
    unusable = _unusable_keys(settings.keys) if settings.keys else ()
    print_text(f"# {safe_text(path, 1000)}{'' if path.exists() else ' (does not exist yet)'}\n")
    print_text(DEFAULT_FILE)
    print_text("# The actions that [keys] may name, with their default keys:")
    for key in KEYS:
        print_text(f"# {key.name:<26} = {key.keys:<24} {key.help}")
    print_text("# The rules; one of yours with the `when` of another stands in its place:")
    own = {rule.when: rule for rule in rules}
    for rule in {**BUILT_IN_RULES, **own}.values():
        source = "yours" if rule.when in own else "built in"
        asks = safe_text(rule.when, 200) + (f" for {rule.lasting}" if rule.seconds else "")
        print_text(f"# {source:<8}  {asks:<26}  {safe_text(', '.join(rule.do), 200)}")
    warn(*problems, *unusable, *misunderstood)


def _unusable_keys(wanted: Mapping[str, str]) -> tuple[str, ...]:
    """What is wrong with a person's own keys; only Textual knows what is a key."""
    from traintop.tui.key_table import KEYS
    from traintop.tui.kit.keymap import remapped_keys

    return remapped_keys(KEYS, wanted)[1]
