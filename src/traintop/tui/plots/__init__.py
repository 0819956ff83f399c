"""The charts: records loaded off the UI thread, curves, zoom and cursor."""
