"""The 3D U-Net: plan, train, keep, apply. Volumes and arrays in, networks and segmentations out; no files but models.

``model``
    the network from its description, the normalisation of images, and the model file.
``train``
    checks of the data, planning, patches, the training loop, calibration.
``predict``
    backends, tiles, and labels on the image's grid.
``refinement``
    the refinement network, which corrects the boundary of a prediction.
``biomedisa``
    models of Biomedisa.
"""
