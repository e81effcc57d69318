"""Train what `model=` names: cnn (a sweep of trials), autoencoder, hp_predictor. See conf/train.yaml."""

import hydra
from omegaconf import DictConfig

from ohlora.door import enter, run_job


@hydra.main(version_base="1.3", config_path="conf", config_name="train")
def main(cfg: DictConfig) -> float | None:
    """Build the job the config names, run it, hand its score to the sweeper."""
    return run_job(cfg)


if __name__ == "__main__":
    enter(main)
