"""The styled lines of :mod:`traintop.lines`, until all panes import them from there."""

from traintop.lines import *  # noqa: F403
