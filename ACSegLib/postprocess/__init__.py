"""From probabilities to labels: the rules that a fill and a prediction share, and the clean-up of a segmentation."""
