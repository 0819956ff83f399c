"""The read side: one run's file, all runs of some directories, and what changes in them."""
