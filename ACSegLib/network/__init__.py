"""The 3D U-Net: plan, train, keep, apply. Volumes and arrays in, networks and segmentations out; no files but models.

``architecture``
    `build_network` makes a torch module from a plain description.
``model_file``
    one safetensors file holds a trained model and everything needed to apply and to trust it.
``data``, ``fingerprint``
    pairs of image and labels, the checks made before training, and the plan derived from them.
``preprocessing``
    intensity normalisation, shared by training and inference.
``augmentation``, ``sampling``, ``losses``, ``training``
    what happens in one training run.
"""
