"""Text to tasks and back: what a task file says, and its boxes."""

from specbuild.taskfile.parser import parse

__all__ = ["parse"]
