"""The widgets: each draws lines that a pure function made, and only those that changed."""
