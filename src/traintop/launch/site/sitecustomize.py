"""Read by every Python below `traintop run`, before its program: it leads imports to our faces.

Any version of Python may read this, with traintop installed or without. Our folder leaves the path
at once, and the ``sitecustomize`` that would have been read is read.
"""

import os
import sys

_WATCHED = (
    "lightning.pytorch.trainer.trainer",
    "pytorch_lightning.trainer.trainer",
    "tensorboardX.writer",
    "torch.utils.tensorboard.writer",
    "transformers.trainer",
)
_HINT = ": what is logged is not recorded, only what is printed; install traintop for this Python\n"


class _FaceFinder(object):  # noqa: UP004 - see above
    """Asks traintop for a few modules, once one of them is imported, and for who brings W&B."""

    def find_spec(self, name, path=None, target=None):  # type: ignore[no-untyped-def]
        is_wandb = name == "wandb" or name.startswith("wandb.")
        if is_wandb:
            if os.environ.get("TRAINTOP_KEEP_WANDB"):
                return None
        elif name not in _WATCHED:
            return None
        faces = self._faces()  # type: ignore[no-untyped-call]
        return faces and faces.find_spec(self, name, path, target)

    def find_distributions(self, context=None):  # type: ignore[no-untyped-def]
        # Frameworks ask for the version of an installed W&B before they import it.
        if getattr(context, "name", None) != "wandb" or os.environ.get("TRAINTOP_KEEP_WANDB"):
            return ()
        faces = self._faces()  # type: ignore[no-untyped-call]
        return [faces.WandbDistribution()] if faces else ()

    def _faces(self):  # type: ignore[no-untyped-def]
        try:
            from traintop import faces
        except Exception as error:
            sys.meta_path.remove(self)
            sys.stderr.write("traintop: " + str(sys.executable) + ": " + str(error) + _HINT)
            return None
        return faces


def _begin() -> None:
    ours = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [path for path in sys.path if os.path.abspath(path) != ours]
    if os.path.exists(os.environ.get("TRAINTOP_LAUNCH", "")):
        sys.meta_path.insert(0, _FaceFinder())
    del sys.modules["sitecustomize"]
    __import__("sitecustomize")  # the user's; where there is none, site expects an ImportError


_begin()
