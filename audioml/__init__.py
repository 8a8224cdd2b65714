"""audioml: run the experiments.  Task x representation x architecture, composed, trained and measured."""

from audioml.compat import guard_torchaudio

__version__ = "0.1.0"

guard_torchaudio()
