"""Sentences of ACSegLib, part commands, for translators. Made by Testing/CMake/sentences.py; do not edit."""

from __future__ import annotations

from collections.abc import Callable


def sentences(_: Callable[[str], str]) -> list[str]:
    """Every sentence by a function that translates it; ``{0}`` stands for a value."""
    return [
        _("--box and --region are both given; give one of them."),
        _("--counts asks for {0} volumes but there are {1}; lower it."),
        _("--crop must be six whole numbers (I0 I1 J0 J1 K0 K1), not {0}."),
        _(
            "--crop {0} {1} on axis {2} does not lie in the image; the numbers must be between 0 and {3}, and the "
            "first one smaller."
        ),
        _("--ending is for a folder of files; the name of the output ({0}) has one."),
        _("--exclude-border excludes whole segments; it cannot be combined with --cells or --slice."),
        _("--largest {0}: the model has no such segment; it has: {1}."),
        _("--length-unit {0} is not one of: {1}."),
        _("--model and --box-from belong together; give both or neither."),
        _("--names must give a name for each of the {0} segments of {1}, not {2}."),
        _("--names {0} is not VALUE=NAME, such as 1=cytoplasm."),
        _("--names {0}: its value or its name is given twice."),
        _("--names: the segments of {0} overlap, so that values do not tell them apart."),
        _("--options {0}: cannot be read ({1}); check the name."),
        _("--options {0}: holds no options; give a run report that --json wrote."),
        _("--options {0}: is not a JSON file; give a run report that --json wrote."),
        _("--options {0}: is the report of 'acseg {1}', not of 'acseg {2}'."),
        _("--options {0}: {1} has no option {2}; take it out."),
        _("--output {0} is a file, but the input is a folder of images; name a folder."),
        _("--output {0} is a file, but there are {1} images; name a folder."),
        _("--output {0} is the name of a file, but {1} a folder; name one."),
        _("--output {0} is the name of a file; name a folder, in which each segmentation has the name of its image."),
        _("--probabilities, --uncertainty and --picture need a single image; give one, not a folder."),
        _("--seeds needs a single segmentation; give one, not a folder."),
        _("--size takes one number or three (I J K), not {0}."),
        _("--val-images and --val-labels belong together; give both or neither."),
        _("--voxel-size {0} is not a voxel size; write it along x, y and z, as 30,30,40."),
        _("--voxel-size {0} needs a unit; add for example {1} nm."),
        _("CLI module of {0}: {1} is no option of that command."),
        _("Correct a segmentation around the places where you changed it: a slice drawn right, or a few strokes."),
        _("Dice of {0} on other twins: {1} before, {2} after."),
        _("Fill a segmentation between the slices on which it was drawn, by a random walk over the whole image."),
        _("Follows Erozan et al., iScience 27 (2024) 109856, doi:10.1016/j.isci.2024.109856."),
        _("From a few labelled slices to 3D segmentations, trained networks and measurements."),
        _("Measure volume, surface, filopodia, contacts and absorption of the cells of a segmentation."),
        _("Note: the adaptation did not help on the twins; use the model that it started from."),
        _("Run 'acseg COMMAND --help' for the options of a command."),
        _("Segment a volume with a trained network: your own, one of Biomedisa's, or the one that ships with ACSeg."),
        _("Split touching cells of a segmentation into segments of their own, by seams in the image, necks or seeds."),
        _("The page is closed. Your work is in {0}; open the same image to go on with it."),
        _("Train a 3D U-Net on a folder of images and a folder of their labels, paired by name."),
        _("Trained on {0} digital twins for {1} steps."),
        _("a comparison of folders needs a table to write; give it with --output."),
        _(
            "a worker process ended unexpectedly, most likely because memory ran out; run again with --workers 1 "
            "(finished volumes are kept)."
        ),
        _("cancelled; what is finished ({0}) is noted in {1}; the same command continues."),
        _("cannot create the folder {0}: {1}; choose another with -o."),
        _("cannot write in {0}: {1}; choose another folder."),
        _("give --images, --labels, --test-images and --test-labels; or --simulate; or --scores."),
        _("give either --table, or --images and --labels, not both."),
        _("images and labels were paired by their order, since their names differ: {0}{1}."),
        _("its {0} {1} goes with {2} as well; rename one of them."),
        _("needs the package {0}; the module ACSeg installs it."),
        _("no segment is named {0} in any of the files; acseg info FILE lists the names of its segments."),
        _("no test volume has a segment named {0} to score; there are: {1}."),
        _("not everything could be done."),
        _("option {0} is missing."),
        _("several {0}s in {1} have this name ({2}); keep one of them."),
        _(
            "the images and labels are paired by their order, since their names differ, but {0} comes with {1}, and "
            "{2} has its number; give both lists in one order, or rename the files alike."
        ),
        _("the labels of the test volumes hold no segment; there is nothing to score."),
        _("the region is turned against the voxels; the box of voxels around it was used."),
        _("the table {0} cannot be read ({1}); give a CSV file in UTF-8."),
        _("the table {0} has no training pair; add rows of image and labels."),
        _("the table {0} has the columns {1}; it needs {2}."),
        _("the training of {0} is complete, with its refinement network; start a new one without --resume."),
        _("the {0} images and labels cannot be paired: {1}."),
        _("there is no run; give --counts."),
        _("there is no {0} of this name in {1}."),
        _("there is nothing to train on: give --images and --labels, or --table."),
        _("unknown option {0}; known are: {1}."),
        _("{0} and {1} have the same name; rename one of them, or move it elsewhere."),
        _("{0} exists, and is not replaced unless you name it; give {1} with this or another name."),
        _("{0} has no column {1}; give a table with the columns volumes and dice, as acseg learning-curve writes it."),
        _("{0} has no option {1}{2}. 'acseg {3} --help' lists all."),
        _("{0} holds another simulation ({1}); choose another --output."),
        _("{0} images are named {1}; rename all but one."),
        _("{0} inputs are named {1}; rename all but one."),
        _("{0} is both a training image and a test image; remove it from one of the two sets."),
        _("{0} is empty; name a file or a folder."),
        _("{0} is given for two outputs ({1} and {2}); choose another name for one of them."),
        _("{0} must be a list, not {1}."),
        _("{0} must be {1}, not {2}."),
        _("{0} takes {1} by place, so {2} is one too many{3}."),
        _("{0} {1} contains the input {2}, which would be lost; choose another name for the output."),
        _(
            "{0} {1} exists and contains files that ACSeg did not write ({2}), so it is not replaced; choose another "
            "name, or remove it first."
        ),
        _("{0} {1} is a file; name a folder."),
        _("{0} {1} is a folder; name a file in it."),
        _("{0} {1} is an input of this step; choose another name for the output."),
        _("{0} {1} is inside the input {2}; choose another folder for the output."),
        _("{0} {1} is not one of: {2}."),
        _("{0} {1} is not {2}; correct it."),
        _("{0} {1} is out of range; it must be a finite number."),
        _("{0} {1} is out of range; it must be {2}."),
        _("{0} {1} is the name of a folder; name a file."),
        _("{0} {1} must end in {2}."),
        _("{0}: --names names the value {1}, which no voxel has, but not {2}."),
        _("{0}: neither the result nor the reference has a segment to compare."),
        _("{0}: no voxel is labelled, so there is no box for {1}."),
        _("{0}: no voxel is labelled. Give the labels that the segmentation was filled from."),
        _("{0}: no voxel is labelled; there is nothing to make a mesh of."),
        _("{0}: no voxel is labelled; there is nothing to measure."),
        _(
            "{0}: states no voxel size, so that its voxels are taken as 1 x 1 x 1 {1}; state their size with "
            "--voxel-size."
        ),
        _("{0}: the folder holds no image ({1})."),
        _("{0}: the folder holds no image, and its sub-folders are not searched; name one of them."),
        _("{0}: the result was resampled, whose steps enlarge its surface; acseg measure has it without."),
        _(
            "{0}: there is no such file of the probabilities of {1}; check the name. Cells that were split have "
            "none: correct them without --probabilities."
        ),
        _("{0}: there is no such file or folder; check the name."),
        _("{0}: there is no truth of this name in {1}."),
        _("{0}: these labels cover nearly the whole segmentation. Give the sparse labels that it was filled from."),
        _("{0}; --help lists the options."),
        _("{0}; the state is in {1}; add --resume to continue."),
    ]
