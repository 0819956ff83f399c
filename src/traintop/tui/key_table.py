"""The keys of all places in one table, in the order in which the footer shows them."""

from __future__ import annotations

from traintop.tui.alerts import keys as alerts
from traintop.tui.annotate import keys as annotate
from traintop.tui.compare import keys as compare
from traintop.tui.export import keys as export
from traintop.tui.kit import program_keys as program
from traintop.tui.leaderboard import keys as leaderboard
from traintop.tui.main import keys as main
from traintop.tui.plots import keys as plots

_PLACES = (main, annotate, alerts, export, compare, leaderboard, plots, program)

KEYS = tuple(key for place in _PLACES for key in place.KEYS)
