"""Pure analysis of runs: columns in, answers out."""
