"""A small real language model, trained on the spot: what ``traintop demo`` shows."""
