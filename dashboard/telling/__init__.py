"""The pages under /notifications: who is told of what, and what became of every message."""
