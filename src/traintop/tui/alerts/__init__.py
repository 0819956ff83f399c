"""What a person should know now: toasts, and the log of past notices."""
