"""From a folder of images to a classifier: advice, a training, and what it sees on further images."""
