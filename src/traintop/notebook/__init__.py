"""How runs look in IPython and Jupyter, and their plots from Python."""
