"""`traintop archive`: runs that are out of the way, and can come back."""

from __future__ import annotations

import click

from traintop.commands.runs import runs_as_arguments


@click.command()
@runs_as_arguments
@click.option("--restore", is_flag=True, help="Bring archived runs back instead.")
def command(roots: tuple[str, ...], references: tuple[str, ...], query: str, restore: bool) -> None:
    """Archive runs: `traintop archive -f 'status == crashed and age > 30d'`.

    Archived runs are left out wherever runs are not named; the UI shows them with A. Nothing is
    moved or deleted: that a run is archived stands beside its file.
    """
    from traintop.commands.annotating import change_annotations, named_or_matching
    from traintop.store.annotations import AnnotationChange

    runs = named_or_matching(roots, references, query)
    change_annotations(
        runs, AnnotationChange(archived=not restore), "restored" if restore else "archived"
    )
