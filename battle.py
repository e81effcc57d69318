"""A hyperparameter battle: human=my_hp | human=prompt | ui=web | challenger=optuna. See conf/battle.yaml."""

import hydra
from omegaconf import DictConfig

from ohlora.door import enter, run_job


@hydra.main(version_base="1.3", config_path="conf", config_name="battle")
def main(cfg: DictConfig) -> float | None:
    """Play one match; return how far the challenger's best attempt lay above Oh-LoRA's."""
    return run_job(cfg)


if __name__ == "__main__":
    enter(main)
