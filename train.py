"""One run: ``python train.py task=separation model=unet``; ``--help`` lists every axis, ``-m`` runs several."""

from audioml.cli import train

if __name__ == "__main__":
    train()
