"""Sentences of ACSegLib, part network, for translators. Made by Testing/CMake/sentences.py; do not edit."""

from __future__ import annotations

from collections.abc import Callable


def sentences(_: Callable[[str], str]) -> list[str]:
    """Every sentence by a function that translates it; ``{0}`` stands for a value."""
    return [
        _(" To train all the same, add --force."),
        _("--backend must be one of {0}, not {1}."),
        _('--backend openvino was asked for, but it is not installed; pip install "acseg[predict]".'),
        _('--backend pytorch was asked for, but it is not installed; pip install "acseg[network]".'),
        _("--roi {0}..{1} along {2} must lie within 0..{3} and not be empty."),
        _("--spacing asks for a voxel size, but {0} has none; write it into the file."),
        _(
            "--spacing {0} {1} is {2} times {3} than the voxels of {4} ({5}); give voxel sizes in {6}, the unit of "
            "the first volume."
        ),
        _("--tile {0} must be multiples of {1} for this network."),
        _("OpenVINO runs on the CPU, not on {0}; leave --device or --backend out."),
        _("a network needs a list of {0}, not {1}."),
        _("a network needs filters for 2 to {0} levels, not {1}."),
        _("a network of {0} levels needs as many {1}, not {2}."),
        _("a plan has no {0} to override; it has: {1}."),
        _('a prediction needs OpenVINO or PyTorch, and neither is installed; pip install "acseg[predict]".'),
        _("a refinement network has no refinement network of its own; the model is damaged."),
        _("a tile of {0} voxels does not fit in memory; choose a smaller --tile, or close programs."),
        _("cannot write {0}: it is a folder; name a file in it, such as {1}{2}."),
        _("cannot write {0}: it needs {1} MiB, and {2} has {3} MiB free; free some space or {4}."),
        _("contrast must be one of {0}, not {1}."),
        _("ema must be from 0 to below 1, not {0}."),
        _("fixed normalisation needs the statistics of the training volumes."),
        _("give either minutes or epochs, not both."),
        _(
            "memory ran out with batch {0} and patch {1}; close other programs, or choose a smaller --patch or fewer "
            "--base-filters."
        ),
        _("missing must be background or unknown, not {0}."),
        _("network kind {0} is unknown; known are: {1}. Update ACSeg."),
        _("network output must be softmax or sigmoid, not {0}."),
        _("network {0} must be a whole number from 1 to {1}, not {2}."),
        _("network {0} must be three of {1} per level, not {2}."),
        _("no label volume has a segment; label at least one."),
        _("no training volume has a labelled voxel, so there is nothing to learn; label at least one of them."),
        _("no training volume has a surface to learn from: the segments are empty or fill the image."),
        _("normalisation must be volume, fixed or none, not {0}."),
        _("normalisation must be volume, fixed or none, not {0}; or update ACSeg."),
        _(
            "not all volumes have the segments {0}; where one is missing, it counts {1}. Rename it if it is spelt "
            "differently there."
        ),
        _("overlap must be from 0 to 0.5, not {0}."),
        _("percentiles must be 0 to 100, the lower one first, not {0} and {1}."),
        _("precision float16 is for GPUs; use bfloat16 or float32 with OpenVINO."),
        _("precision float16 needs a GPU; use auto, bfloat16 or float32."),
        _("precision must be one of {0}, not {1}."),
        _(
            "predicting a volume of {0} voxels needs at least {1} GiB and {2} GiB may be used; close other programs, "
            "or predict a part with --roi."
        ),
        _("preset must be one of {0}, not {1}."),
        _("resume needs a checkpoint to continue from."),
        _("stride must be 1 to {0} for this model, not {1}."),
        _("the checkpoint {0} is damaged ({1}); start without --resume."),
        _("the checkpoint {0} was written by another version; start without --resume."),
        _("the description of the refinement network is invalid; the model file is damaged."),
        _("the first stride of a network must be 1, not {0}."),
        _("the image holds no finite value; check how it was written."),
        _("the image {0} has the value {1} everywhere, so there is nothing to segment; check how it was written."),
        _("the label volumes have {0} different segments; at most {1} can be trained."),
        _("the loss became {0} at step {1}; lower --learning-rate (now {2}), or check the images for extreme values."),
        _(
            "the loss of the refinement network became {0} at step {1}; check the images for extreme values, or "
            "train it with a lower learning rate (now {2})."
        ),
        _(
            "the method of Biomedisa needs {0} GiB for {1} voxels, and {2} GiB are free; use --native, which "
            "processes the volume in tiles."
        ),
        _("the model file {0} does not exist; check the path."),
        _("the model file {0} has format version {1}, but this ACSeg reads up to {2}; update ACSeg."),
        _("the model file {0} is damaged (its header is no object); copy or train it again."),
        _("the model file {0} is damaged (its header: {1}); copy or train it again."),
        _("the model file {0} is damaged ({1} bytes instead of {2}); copy or train it again."),
        _("the model file {0} is damaged ({1}); copy or train it again."),
        _("the model has no refinement network; train one with --surface-refinement, or use --refine walk."),
        _("the model has {0} outputs but names {1}; it is damaged."),
        _("the model takes images of {0} channels, but {1} has one."),
        _("the model takes images of {0} channels, but {1} has one; choose a model trained on images like this one."),
        _("the model was not imported from Biomedisa; predict with it as with any other."),
        _("the model's weights do not fit its network ({0} is missing); the file is damaged."),
        _("the model's weights do not fit its network ({0}); the file is damaged."),
        _("the network's description lacks {0}; the model is damaged."),
        _("the pretrained model of ACSeg is missing ({0}); install ACSeg again, or give a model: -m."),
        _("the surface can be refined only with probabilities; predict with keep_probabilities."),
        _(
            "the training data or labels have changed since the checkpoint {0} was written; put them back, or start "
            "without --resume."
        ),
        _("the training of the checkpoint {0} had other options ({1}); use those, or start without --resume."),
        _("the volumes tell no voxel size: the model will work on voxels, and expects images of the same scale."),
        _("the voxels of {0} differ {1} times in size; correct the unit or the voxel size of one of them."),
        _("the weights of the model to start with do not fit its network; it is damaged."),
        _("there is no checkpoint {0} to resume from; start the training without --resume."),
        _("there is no pair of image and labels to train on; check the image and label folders."),
        _("there is no pair of image and labels to train the refinement network on."),
        _("there is no validation case."),
        _("thin must be above 0 and at most 0.5, not {0}."),
        _("this Biomedisa model separates instances, which is not supported; use --native."),
        _(
            "training with the smallest patch ({0} voxels) needs about {1} MiB, but only {2} MiB may be used; close "
            "other programs or choose fewer --base-filters."
        ),
        _("validation_part must be from 0 to below 1, not {0}."),
        _("{0} (validation) has the segment {1}, which no training volume has (those have: {2}); rename or remove it."),
        _("{0} and {1} are the same image; remove one of them."),
        _("{0} cannot be read as a Biomedisa model ({1}); the file is damaged or of another program."),
        _("{0} does not exist; name a model that Biomedisa wrote (.h5)."),
        _(
            "{0} has the segments {1}, and the other volumes {2}: what is a segment in one would be background in "
            "the others. Give the same structure the same name in all files. If they are different structures, add "
            "--missing unknown."
        ),
        _(
            "{0} has {1} numbered segments of about one size ({2}), but a network learns kinds, and not single "
            "cells. Give all cells of a kind one value and name; acseg predict --cells splits the cells of a "
            "prediction."
        ),
        _("{0} has {1} voxels{2}, too few to learn from; leave it out, or correct its voxel size or --spacing."),
        _("{0} holds weights that are not finite ({1}); train or fetch it again."),
        _("{0} is a folder, not a model file."),
        _(
            "{0} is a pickled or zipped checkpoint (PyTorch), which could run code when opened and is never read; "
            "choose a file that 'acseg train' wrote."
        ),
        _(
            "{0} is among the training and (as {1}) among the validation images, which would make the validation "
            "Dice meaningless; remove it from one."
        ),
        _("{0} is not a Biomedisa U-Net: {1}; import a model trained by Biomedisa (.h5)."),
        _("{0} is not a model file of ACSeg, or is cut short; choose a file that 'acseg train' wrote."),
        _("{0} is not a model file of ACSeg; choose a file that 'acseg train' wrote."),
        _("{0} must be 1 to {1} voxels, not {2}."),
        _("{0} must be more than 0, not {1}."),
        _(
            "{0} of {1} volumes tell no voxel size ({2}); all volumes are taken voxel by voxel, without resampling. "
            "Write the voxel size into the files, or give --spacing none to choose this."
        ),
        _("{0}: its labels are empty; draw something, or leave the volume out."),
        _("{0}: the image has the one value {1}; check how it was written."),
        _("{0}: the image holds no finite value; check how it was written."),
        _(
            "{0}: the image looks like labels, whole numbers that hardly change from voxel to voxel; give the "
            "tomogram in its place."
        ),
        _("{0}: too different; correct the voxel size of the image (--voxel-size, --unit), or use --no-resample."),
        _(
            "{0}: {1} voxels of the image are not finite (NaN or infinity); they are replaced by the mean, as in a "
            "prediction."
        ),
    ]
