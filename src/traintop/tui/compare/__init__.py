"""The comparison of marked runs."""
