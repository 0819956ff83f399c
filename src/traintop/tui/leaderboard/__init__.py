"""The runs by the best value of any metric."""
