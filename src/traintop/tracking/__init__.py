"""The write side: what a training loop imports. Standard library and msgspec only."""
