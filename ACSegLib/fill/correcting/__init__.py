"""Changes of a person in a segmentation, carried into the voxels around them."""
