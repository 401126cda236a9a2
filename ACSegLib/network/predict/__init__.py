"""From a volume and a model to a segmentation, in memory that does not grow with the volume."""
