from ohlora.predictor.sampler import OhLoRASampler


__all__ = ["OhLoRASampler"]
