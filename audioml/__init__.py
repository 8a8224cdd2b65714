"""audioml: run the experiments.  Task x representation x architecture, composed, trained and measured."""

__version__ = "0.1.0"
