"""The random walk: its linear system on a slab or on a list of voxels, and what solves it on each device."""
