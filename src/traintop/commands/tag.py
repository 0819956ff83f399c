"""`traintop tag`: short words by which runs are found again."""

from __future__ import annotations

import click

from traintop.commands.runs import runs_as_arguments


@click.command()
@click.argument("tag")
@runs_as_arguments
@click.option("--remove", is_flag=True, help="Remove the tag instead.")
def command(
    tag: str, roots: tuple[str, ...], references: tuple[str, ...], query: str, remove: bool
) -> None:
    """Add a tag to runs: `traintop tag paper baseline lr_3e-03`.

    The tags of a run are a column of the list, and the filter finds them: `traintop list -f paper`.
    They stand beside the file of the run, which is left as it is.
    """
    from traintop.commands.annotating import change_annotations, named_or_matching
    from traintop.store.annotations import AnnotationChange
    from traintop.text import safe_text

    if not tag.strip() or tag != safe_text(tag):
        raise click.BadParameter("a tag is a word of visible characters", param_hint="TAG")
    runs = named_or_matching(roots, references, query)
    if remove:
        change_annotations(runs, AnnotationChange(removed_tags=(tag,)), f"removed {tag!r} from")
    else:
        change_annotations(runs, AnnotationChange(added_tags=(tag,)), f"added {tag!r} to")
