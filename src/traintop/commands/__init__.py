"""The sub-commands, one module each: its `command` is loaded by :mod:`traintop.cli` on demand."""
