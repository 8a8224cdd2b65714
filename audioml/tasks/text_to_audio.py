"""Text to audio: caption -> sound."""

from __future__ import annotations

from audioml.kinds import Text, Wave
from audioml.parts import Task


class TextToAudio(Task):
    """A caption -> a sound that it describes; judged as a set against real clips, and by whether it obeys the caption."""

    def __init__(self) -> None:
        super().__init__(
            name="text_to_audio",
            inputs={"caption": Text()},
            outputs={"audio": Wave()},
            metrics=("kernel_distance", "conditioning", "neighbours", "spectral_realism"),
            primary="realism/kernel_distance",
            prefers=("diffusion", "ar", "gan", "vae"),
            baseline="coloured_noise",
            ceiling="truth",
            models=("transformer", "unet"),
        )
