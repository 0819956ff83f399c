"""Which kind of place a root lies in."""

from __future__ import annotations

from traintop.mounts import is_fuse, may_hang
from traintop.run_ids import location_of
from traintop.store.files import Files
from traintop.store.files.local import LocalFiles
from traintop.store.files.mounted import MountedFiles


def files_of(place: str, path: str = "") -> Files:
    """What reads the files of a place, given its address, and those below a path there.

    The address of this machine is empty. Raises ``ValueError`` for an address that is none.
    """
    if not place and is_fuse(path):
        from traintop.store.files.fuse import FuseFiles

        return FuseFiles()
    if not place:
        return LocalFiles()
    if place.startswith(("s3://", "gs://", "az://")):
        from traintop.store.files.object_store import ObjectStoreFiles

        return ObjectStoreFiles(place)
    if place.startswith("ssh://"):
        from traintop.store.files.ssh import SshFiles

        return SshFiles(place)
    from traintop.store.files.piped import CommandFiles

    return CommandFiles(place.removeprefix("pipe:").removesuffix("/"))


def asked_once(files: Files, root: str) -> Files:
    """The files below a root for whoever waits for what is asked of one run: not for ever."""
    place, path = location_of(root)
    return MountedFiles(files, path) if not place and may_hang(path) else files


def share_a_fate(root: str) -> str:
    """What a root has in common with all those that fail with it.

    Roots on network filesystems fail alone, too, although they are paths of this machine.
    """
    place, path = location_of(root)
    return place or (path if may_hang(path) else "")
