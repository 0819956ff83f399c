"""The main screen: the list of runs, the filter, the details of the selected run."""
