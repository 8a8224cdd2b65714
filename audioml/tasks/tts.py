"""Text to speech."""

from __future__ import annotations

from audioml.kinds import Phones, Text, Wave
from audioml.parts import Task


class Tts(Task):
    """Text -> speech of a length of its own; judged by mel-cepstral distortion under the best warping and by the length.

    Times of phonemes, where the data hold them, teach durations and are never asked for in use.
    """

    def __init__(self) -> None:
        super().__init__(
            name="tts",
            inputs={"text": Text()},
            outputs={"speech": Wave()},
            metrics=("mel_dtw", "duration"),
            primary="fidelity/mel_cepstral_distortion",
            prefers=("stretch", "ar"),
            baseline="mean_speech",
            ceiling="round_trip",
            models=("cnn1d", "rnn", "transformer"),
            whole_clips=True,
            hints={"phones": Phones()},
        )
