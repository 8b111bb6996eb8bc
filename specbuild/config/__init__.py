"""specbuild.toml: its text as settings and rules, and what they decide about a task."""

from specbuild.config.decide import Decider, Decision, ExecutorDefaults
from specbuild.config.executors import check_executors
from specbuild.config.reading import parse
from specbuild.config.settings import Build, Config, Gate, Hooks, Plugins, Report, Rule, Runs, TaskSource

__all__ = [
    "Build",
    "Config",
    "Decider",
    "Decision",
    "ExecutorDefaults",
    "Gate",
    "Hooks",
    "Plugins",
    "Report",
    "Rule",
    "Runs",
    "TaskSource",
    "check_executors",
    "parse",
]
