"""The screen of the terminal kept equal to what is to be shown, over a line of any speed.

The UI draws into a :class:`~.grid.CellGrid`. Whenever the line is free, what differs from what the
terminal shows goes out as one frame (:mod:`~.frames`); :mod:`~.pacing` says when that is, and how
large a frame may be. Whatever was drawn meanwhile is part of that frame, so nothing ever queues.
"""
