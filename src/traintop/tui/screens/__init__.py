"""The screens: the main one, those that open over it, and the actions of their keys."""
