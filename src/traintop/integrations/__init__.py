"""The words of other trackers and frameworks, over the public tracker: one small file each."""
