"""audioml: run the experiments.  Task x representation x architecture, composed, trained and measured."""

from audioml.compat import guard_torchaudio, put_off_torchmetrics

__version__ = "0.1.0"

guard_torchaudio()
put_off_torchmetrics()
