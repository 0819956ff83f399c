"""The terminal UI: thin Textual widgets over pure functions that turn state into lines."""
