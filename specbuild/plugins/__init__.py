"""Plugins: which there are, what is known of them without running code, and how they run tasks."""

from specbuild.plugins.registry import Described, Registry

__all__ = ["Described", "Registry"]
