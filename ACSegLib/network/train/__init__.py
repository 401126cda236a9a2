"""From volumes and labels to a trained model: checks, planning, patches, the training loop, calibration."""
