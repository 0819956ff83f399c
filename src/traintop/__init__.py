"""traintop: htop for training runs."""
