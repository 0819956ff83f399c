"""`python -m traintop`."""

from traintop.cli import main

main(prog_name="traintop")
