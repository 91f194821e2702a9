"""TRL's trainers with a weight and a label probability for each row; needs the extra `trainers`."""

from curate.trl.weighted import WeightedDPOTrainer, WeightedRewardTrainer, two_sided

__all__ = ["WeightedDPOTrainer", "WeightedRewardTrainer", "two_sided"]
