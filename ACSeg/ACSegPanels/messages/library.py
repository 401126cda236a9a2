"""Sentences of ACSegLib, part library, for translators. Made by Testing/CMake/sentences.py; do not edit."""

from __future__ import annotations

from collections.abc import Callable


def sentences(_: Callable[[str], str]) -> list[str]:
    """Every sentence by a function that translates it; ``{0}`` stands for a value."""
    return [
        _("(--[a-z][a-z-]*[a-z])(?: and --(?:file-)?unit\\b| (\\d(?:[^\\s;)]*\\w)?|(?:{0})\\b))?"),
        _("--bead-reference needs the tomogram; give it with --image."),
        _("--box must be six whole numbers (I0 I1 J0 J1 K0 K1), not {0}."),
        _("--box {0}..{1} along {2} must lie within 0..{3} and not be empty."),
        _("--cells counts every segment as a cell; omit --segments and --instances."),
        _("--leave-out names all segments ({0}), so that nothing is left to fill; name fewer."),
        _("--minutes must be more than 0, not {0}."),
        _("--patch must be three numbers (I J K), not {0}."),
        _("--refine network, --tta and --tile need --native with a Biomedisa model."),
        _("--refine walk needs a model whose segments do not overlap; use --refine network."),
        _("--region has numbers that are not finite; correct them."),
        _("--region has sides of {0}; all must be above 0."),
        _("--region holds no voxel of the image; move it there, in LPS and in the unit of the image."),
        _("--region must be {0} numbers (centre and half of the sides) or {1} (with its axes), not {2}."),
        _("--roi must be six whole numbers (I0 I1 J0 J1 K0 K1), not {0}."),
        _("--slice must be x, y or z (or i, j, k), with a number for a slice that is not central, not {0}."),
        _("--slice {0} is outside the volume, which has {1} slices along {2}, counted from 0."),
        _("--slices {0} does not give a list of slice numbers for each axis."),
        _("--slices {0} is not a list of slice numbers; {1}."),
        _("--slices {0} names no axis, and --axis is {1}; {2}."),
        _("--spacing must be auto, none, or three voxel sizes such as 30,30,30, not {0}."),
        _("--tile must be three whole numbers (I J K), not {0}."),
        _("1 component holds no seed; it is one cell."),
        _("90 % intervals of a {0} held the true volume of {1} % of {2} segments in tests."),
        _(
            "Masking by intensity uses the volume {0}, which has another grid than {1}; choose {2} as source volume "
            "of Segment Editor."
        ),
        _("Masking is set to 'inside a segment' but no segment is chosen there; choose one."),
        _(
            "OpenVINO needs {0} MiB of address space to start, and the limit of {1} MiB leaves {2} MiB; raise it "
            "(ulimit -v)."
        ),
        _("ROI {0} and volume {1} differ by a transform that is not linear; harden them."),
        _("ROI {0} has no size; place it around the object, or choose no box."),
        _("ROI {0} holds no voxel of volume {1}; move it there."),
        _(
            "The worker process crashed, or was ended by the system because memory ran out: close other programs, "
            "crop the volume, choose smaller patches, or use another device. Its last lines are in the log. The "
            "scene is not affected."
        ),
        _(
            "The worker process ended unexpectedly (exit code {0}); its last lines are in the log. The scene is not "
            "affected."
        ),
        _("The worker process had to be restarted, since other work did not stop: start again."),
        _(
            "The worker process was ended by the system, most likely because memory ran out: close other programs, "
            "crop the volume, choose smaller patches, or use another device. The scene is not affected."
        ),
        _("The worker process was stopped."),
        _(
            "a Python package cannot be loaded ({0}); install the Microsoft Visual C++ Redistributable, or the "
            "package again."
        ),
        _("a Volume holds an image, and has no {0}; open labels with acseg.open(path, labels=True)."),
        _("a learning curve needs scores at two different numbers of volumes or more."),
        _("a list of slices needs one axis (x, y or z), not 'all'."),
        _("a node has a voxel size of zero; correct its spacing or its transform."),
        _("a recipe has no parameter {0}; it has: {1}."),
        _(
            "a slab of {0} voxels does not fit in the memory of device {1}; use --device auto or cpu, or label more "
            "slices so that slabs get thinner."
        ),
        _("a {0} node is needed, not {1}; {2} or select one."),
        _("all voxels of the seed {0} belong to other seeds, too; draw the dabs of different cells apart."),
        _(
            "arrays cannot be handed to the worker process: {0} cannot be written in; set the environment variable "
            "TMPDIR to a folder that can."
        ),
        _("axis must be one of k, j, i, not {0}."),
        _("axis must be one of {0}, not {1}."),
        _("axis {0} is not one of: x (i), y (j), z (k)."),
        _("cancelled; nothing half done was left behind."),
        _("capillary must be 0.1 to 0.7 of the slice's side, not {0}."),
        _("changed since they were labelled, so that corrections may change them again: {0}."),
        _("closed lines are taken for outlines: a fill takes what they enclose for their segment."),
        _(
            "closed lines were taken for outlines ({0}; slices count from 0): what they enclose is their segment; if "
            "a line is the structure itself, choose mode slices or scribbles."
        ),
        _("company must be 1 or 2 neighbours, not {0}."),
        _("comparing {0} needs two groups of {1} {2} or more; {3}."),
        _("connectivity must be 6, 18 or 26, not {0}."),
        _("device must be one of {0}, not {1}."),
        _("direction must be an invertible 3 x 3 matrix, not {0}."),
        _("disagreement needs two predictions of a volume or more."),
        _("do not trust segment {0}: its Dice may be below {1} (expected {2}, 90 % interval {3} to {4}); {5}."),
        _("do not trust {0} of {1} segments: their Dice may be below {2}, lowest that of {3}; {4}."),
        _("every must be 1 or more, not {0}."),
        _("every score is 1 already; there is no curve to fit."),
        _("every slice is labelled: there is nothing to fill. To correct a dense segmentation, use 'acseg correct'."),
        _("filling must be between 0 and 1, not {0}."),
        _("first must be a slice from 0 to {0}, not {1}."),
        _("holder 'flat' needs packing: the number of cells on it."),
        _("holder must be one of {0}, not {1}."),
        _(
            "how right this fill is cannot be told: most segments lie on a single labelled slice, so others probably "
            "lie between the slices and are lost in them. Label slices at most {0} apart."
        ),
        _(
            "how right this fill is cannot be told: no completely labelled slice lies between two others, so none "
            "can be hidden as a test. Check the fill between the slices, or label at least three."
        ),
        _("it became background where it is not labelled."),
        _("keep has shape {0}, but the segmentation has {1}."),
        _("keep must be all, largest or central, not {0}."),
        _("kind {0} is unknown; it must be one of: {1}."),
        _("label array {0} holds the negative value {1}; labels must be 0 or more."),
        _("label array {0} holds the value {1}; labels must be {2} or less."),
        _(
            "labels {0} have {1} segments, but a fill or a correction takes {2} at most; cut out a part of the "
            "volume that has fewer."
        ),
        _(
            "labels {0} have {1} voxels, {2} has {3}, and the labels state no position; save them with the voxel "
            "size and the origin of the image, or use --resample if both begin at the same voxel."
        ),
        _("labels {0} hold no labelled voxel; label at least one slice."),
        _("labels {0} mark background only; draw a stroke inside of an object too."),
        _("lengths cannot be in {0}; the unit is one of: file, px, {1}."),
        _("lengths in {0} cannot be converted to {1}: the voxel size is unknown."),
        _("mask and {0} must have the same shape, not {1} and {2}."),
        _("missing_wedge must be 0 to under 180 degrees, not {0}."),
        _("mode {0} is not one of: auto, slices, scribbles."),
        _("multi-Otsu cannot find {0} classes: {1}."),
        _("neighbour {0} is unknown; it must be one of: {1}."),
        _("no cell of {0} in {1} has the {2} {3}3 of --min-volume, so that none has a row; the largest has {4}."),
        _("no cells were found in the tomogram, so it cannot be simulated; choose another one."),
        _(
            "no label of {0} ({1}) lies inside {2} ({3}), since their axes run in other directions; check which of "
            "the two headers is right. If the labels were made on {4}, save them with its voxel size, origin and "
            "direction."
        ),
        _(
            "no label of {0} ({1}) lies inside {2} ({3}); check the unit, the voxel size and the origin of both "
            "files, and that they belong together."
        ),
        _(
            "no labelled voxel of {0} lies inside of the volume {1}; choose the volume that it was drawn on, or "
            "check the transforms of both."
        ),
        _("no learning curve describes these scores ({0})."),
        _("no part has {0} voxels; the largest, of {1} voxels, was kept."),
        _("no seed lies in a segment that is to be split; draw a dab in each cell."),
        _("no seed lies in the segment that is to be split; draw a dab in each of its cells."),
        _("no segment is named {0}; there are: {1}."),
        _("no voxel around your changes may change: they are decided already, protected, or beyond the reach."),
        _("no {0} is chosen; {1} or select one."),
        _("no {0} seams can be seen without an image; the shape decided."),
        _("node {0} has the attribute {1} = {2}; set it to one of: {3}."),
        _("not enough memory for this volume; close other programs, or use a smaller one."),
        _(
            "nothing followed from your strokes; if the error is larger than they are, draw a larger dab in its "
            "middle, or a whole slice right."
        ),
        _("nothing is drawn inside the box (--box); draw a stroke on the object, or move the box."),
        _(
            "only slice {0} on axis {1} is labelled (slices count from 0): there is nothing to fill between, and no "
            "slice to check the result with; label at least one more. If you drew strokes, use mode scribbles."
        ),
        _("outlines must be one of {0}, not {1}."),
        _("packing must be 0 to 200 cells, not {0}."),
        _("reach is {0}, but a distance in voxels must be a number from 0 to {1}."),
        _("result ({0}) and reference ({1}) have no segment name in common{2}."),
        _(
            "result and reference have {0} segments named {1}, which were compared in the order of their tables; "
            "with --cells, cells are matched by their overlap."
        ),
        _("result and reference must have the same shape, not {0} and {1}."),
        _(
            "result {0} and reference {1} have the same shape but different positions (result {2}, reference {3}); "
            "use --resample to resample the result to the grid of the reference."
        ),
        _(
            "result {0} has {1} voxels but reference {2} has {3}; use --resample to resample the result to the grid "
            "of the reference."
        ),
        _("scores must lie between 0 and 1; divide percentages by 100."),
        _("seams must be one of {0}, not {1}."),
        _("segment {0} has no labelled voxel, so the result has none of it."),
        _("segment {0} has value {1}; values must be 1 or more (0 is background)."),
        _("segment {0} is called {1} in the corrected segmentation."),
        _(
            "segment {0} is missing, or most of it, on {1} on axis {2} (slices count from 0), though the labelled "
            "slices before and behind show it at the same place, so it is background there; label all of it there, "
            "or nothing, or fill the segment from labels of its own."
        ),
        _("segment {0} is named by --only and by --leave-out; name it once, or not at all."),
        _("segment {0} is new."),
        _(
            "segment {0} lies in the place of segment {1} on {2} on axis {3} (slices count from 0), though the "
            "labelled slices before and behind show {4} there; check whether the wrong segment was selected when it "
            "was drawn."
        ),
        _("segment {0} was deleted; the result does not have it."),
        _("segmentation {0} cannot be converted from {1} to voxels; convert it in the module Segmentations."),
        _(
            "segmentation {0} has a segment named {1}, and {2} is also the id of segment {3}; rename the one that is "
            "named so."
        ),
        _("segmentation {0} has no label array."),
        _("segmentation {0} has no segment {1}; it has: {2}."),
        _("segmentation {0} has no segment {1}; it may have been deleted."),
        _("segmentation {0} has no segment, so there is nothing to correct."),
        _("segmentation {0} has no voxels to make a mesh of."),
        _("segmentation {0} has {1} layers; flatten it first."),
        _("segmentation {0} has {1} segments named {2}; choose one of: {3}."),
        _(
            "segmentation {0} is made of surfaces under the non-linear transform {1}; harden the transform (module "
            "Transforms), or convert it to a binary labelmap."
        ),
        _(
            "segmentation {0} is stored as {1}; make 'Binary labelmap' its source representation in the module "
            "Segmentations first."
        ),
        _(
            "segments of {0} overlap, but {1} has one value for each voxel; save the corrections as .seg.nrrd, which "
            "keeps overlaps."
        ),
        _("segments were added or removed, or their label values or layers changed, since the fill; start a new fill."),
        _("shake must be 0 or more voxels, not {0}."),
        _("size must be one or three whole numbers (k, j, i), j and i at least 16, not {0}."),
        _("slice {0} does not exist on axis {1}: it has slices 0 to {2}."),
        _("slice {0} does not exist: the truth has slices 0 to {1}."),
        _(
            "slice {0} on axis {1} (slices count from 0) holds only a few stray voxels, so it does not count as "
            "labelled; erase them, or {2}."
        ),
        _(
            "slice {0} on axis {1} holds labels but is not among the listed slices (slices count from 0); list it "
            "too, or erase the labels."
        ),
        _("slices cannot be listed in scribbles mode: only labelled voxels count there."),
        _(
            "slices of the image that hold one value alone, as missing ones do ({0} on axis {1}, slices count from "
            "0), were replaced by what those before and behind show; check the fill there."
        ),
        _("smooth must be 0 to {0} voxels, not {1}."),
        _("spacing must be 3 positive numbers (i, j, k), not {0}."),
        _("spacing must be positive, not {0}."),
        _("surface area method must be one of {0}, not {1}."),
        _("surface must be one of {0}, not {1}."),
        _("surface_share: the part must lie inside the mask."),
        _(
            "the Dice may be lower than expected: of so many segments in voxels that are not cubes, fewer than 90 % "
            "of the intervals held in tests."
        ),
        _("the adaptive window must be 3 voxels or more, not {0}."),
        _(
            "the axes of volume {0} are not at right angles (one angle is {1} degrees), so its voxels are not boxes; "
            "resample it with the module 'Resample Scalar/Vector/DWI Volume' first."
        ),
        _("the axis must be k, j or i, not {0}."),
        _("the bead mask must have the image's shape {0}, not {1}."),
        _("the beads of {0} have LAC {1}; normalisation needs a positive value."),
        _("the beads' reference LAC must be positive, not {0}."),
        _("the border cuts all cells of {0} in {1}, so that --exclude-border leaves none of them there."),
        _("the box {0} does not fit into the slice of {1} x {2} voxels."),
        _("the contact gap must be 0 or more, not {0}."),
        _(
            "the corrected segmentation does not differ from the segmentation{0}, so nothing says what is wrong; "
            "draw a slice right or correct some voxels, or name the slices that you checked (--slices)."
        ),
        _(
            "the data of {0} have voxels of more than {1} mm, so their unit is probably wrong; state the right voxel "
            "size with {2}."
        ),
        _(
            "the data of {0} state no unit of length, so that their values, marked px, are in the numbers of the "
            "file; state their unit with {1}."
        ),
        _("the data of {0} state no voxel size, so that lengths are numbers of voxels, marked px; state it with {1}."),
        _("the environment variable {0} must be auto or float32, not {1}."),
        _("the fill was computed in another process; ask for the slices with the request (suggest)."),
        _("the ignore mask must have the labels' shape {0}, not {1}."),
        _("the image has intensities of {0}, too large for 32 bits; divide it by a constant."),
        _("the image holds no finite value."),
        _("the image is constant within the segment and shows nothing; the shape decided."),
        _("the image shows no seams between the cells; their shape decided."),
        _(
            "the intensities of the image, {0} to {1}, can hardly be told apart in 32 bits; subtract their mean, or "
            "multiply them."
        ),
        _("the label values of {0} are others than those of {1}; its segments were found by where they lie."),
        _("the labels of {0} are not on the grid of volume {1}; resample them first (ACSegLib.resample)."),
        _("the labels of {0}{1} changed since the interval of their volume was made; they have none now."),
        _(
            "the labels {0} are dense: they are solid in three dimensions and leave no slices between labelled ones, "
            "so there is nothing to fill. Label whole slices (not with a sphere brush), or name the axis of the "
            "labelled slices (axis x, y or z). For strokes and dabs, use mode scribbles. To correct a dense "
            "segmentation, use 'acseg correct'."
        ),
        _(
            "the labels {0} are slices along {1}, but axis {2} was named: along it they leave no gap, so there is "
            "nothing to fill. Name axis {3}, or none."
        ),
        _(
            "the labels {0} lie obliquely in the volume and cross its slices as strips or lines; rotate the views to "
            "the volume ('Align views' in the module ACSeg, 'Rotate to volume plane' in a slice view of Slicer) and "
            "label whole slices, or let a segment mark the background (mode scribbles)."
        ),
        _("the layers of segmentation {0} have different shapes."),
        _("the list of labelled slices is empty; omit it, and ACSeg detects them."),
        _("the mask of {0} voxels has {1} voxels and the image has {2}; give a mask on the grid of the image."),
        _("the method must be one of {0}, not {1}."),
        _("the model gave a mask of {0} voxels for a slice of {1}."),
        _(
            "the model has a voxel size of its own, but twins are simulated at the size that a model reduces the "
            "whole field of view to, as the pretrained model does; train it on labelled volumes instead: acseg train "
            "--init."
        ),
        _("the number of cells ({0}) was not used, since the seeds give it."),
        _("the number of cells must be a whole number from 1 on, not {0}."),
        _("the number of slices to suggest must be at least 1, not {0}."),
        _(
            "the probabilities of {0} are high in other places than the segmentation; check that they are those of "
            "the network that made it, from this image with its axes in this order."
        ),
        _(
            "the probabilities of {0} go from {1} to {2}, but must lie between 0 and 1; give those that 'acseg "
            "predict' wrote."
        ),
        _(
            "the probabilities of {0} have {1} voxels and the image has {2}; give those that were predicted from "
            "this image."
        ),
        _(
            "the program {0}, Slicer's Python, is neither in {1} nor on PATH; reinstall Slicer, or start it with its "
            "launcher."
        ),
        _("the radius of thin structures must be a positive number, not {0}."),
        _("the request holds no image, and there is no earlier work whose image it could mean."),
        _("the request is not a line of JSON ({0}); send one object on one line."),
        _('the request must be an object {{"command": .., "options": {{..}}}}.'),
        _(
            "the result has {0} and the reference {1}, which have no partner of their name and count as missing on "
            "the other side; rename them if they are the same."
        ),
        _(
            "the result {0} has {1} of the segments named {2}, and the reference {3} has {4}; rename them, or "
            "compare them as cells (--cells)."
        ),
        _("the seeds {0} are empty; draw a dab in each cell."),
        _("the segmentation could not be resampled to the grid of the volume; check their transforms."),
        _("the segmentation has {0} voxels and the corrected one {1}; correct a copy of the segmentation itself."),
        _(
            "the segmentation was empty before your changes; to compute one from labelled slices or strokes, use the "
            "fill, which reaches farther."
        ),
        _("the segments or the axis of the labelled slices have changed; start a new fill."),
        _("the segments to split, {0}, have no labelled voxel; name others."),
        _("the slice holds no voxel to draw a box around; choose another slice."),
        _("the smallest size of a cell must be 0 or more voxels, not {0}."),
        _(
            "the solver stopped at its limit of {0} iterations before the error of the probabilities was below {1}; "
            "a stronger prior (--gamma) or a larger tolerance makes it end."
        ),
        _("the surface Dice tolerance must be 0 or more, not {0}."),
        _("the target score must lie between 0 and 1, not {0}."),
        _(
            "the values of {0} have no unit, so reports call them intensity; --intensity-unit 1/um says that they "
            "are LAC."
        ),
        _(
            "the volume has a spacing of 1 {0}, as Slicer gives it where a file states none; unless it is right, set "
            "the right one in the module Volumes, and repeat this."
        ),
        _(
            "the volume {0} is under a transform that {1}; sizes are measured without it. Harden it in the module "
            "Transforms if the sizes in the views are the right ones."
        ),
        _("the walk needs {0} GiB and {1} GiB may be used; use --roi."),
        _("the {0} must be a number of 0 or more, not {1}."),
        _("there are no probabilities of {0}, so those of the other segments count alone."),
        _(
            "there is no room{0} ({1}); free some space, or choose another folder for the output, and in the "
            "environment variable TMPDIR for temporary files."
        ),
        _("there is no segment of cells to split; name one of: {0}."),
        _("there is no tomogram to adapt to; give one or more."),
        _(
            "thin structures were measured with radii of {0} to {1} {2}, since the voxels differ in size; "
            "--thin-radius {3} measures all volumes alike, so that they can be compared."
        ),
        _(
            "this fill needs about {0} GiB, but {1} GiB may be used ({2} slices in the thickest slab along axis "
            "{3}); label more slices so that slabs get thinner, crop the volume, or close other programs."
        ),
        _("this model's refinement network works on a reduced image; leave --no-resample out."),
        _("twins have cytoplasm and beads alone, but the model segments {0}; adapt another model."),
        _("two segments of segmentation {0} match the segment {1}; rename one."),
        _("unit must be one of px, {0}, not {1}."),
        _("unknown command {0}; known are: {1}."),
        _("volume {0} has no voxels; load its file again."),
        _(
            "volume {0} has the same value everywhere, so it does not show where a segment ends; a fill from strokes "
            "needs another image."
        ),
        _("volume {0} has the same value everywhere, so that the shapes on the slices alone decide."),
        _("volume {0} has {1} channels; extract one with the module 'Vector to Scalar Volume'."),
        _("volume {0} holds no finite value where it was corrected."),
        _("volume {0} holds no finite value."),
        _("volume {0} holds {1}, not numbers of one channel."),
        _(
            "volume {0} is noise: its neighbouring voxels are no more alike than distant ones, so it does not show "
            "where a segment ends; do not trust what lies between the labels."
        ),
        _("volume {0} is one voxel thin ({1}); a fill needs 3 dimensions."),
        _("voxels of {0} (x, y, z) have no surface area that can be measured; check the unit of each axis."),
        _("voxels of {0} {1} are impossible for an image; check the voxel size and its unit."),
        _("write_segmentation_to_node needs volume_node where an editor's masking is to be honoured."),
        _(
            "you changed the outlines on nearly every slice, so the whole volume is taken as you left it, and "
            "nothing else is corrected; to have the rest computed, correct a few slices only."
        ),
        _(
            "you redrew a slice that lies obliquely in the volume, so your changes count as strokes; rotate the "
            "views to the volume ('Align views' in the module ACSeg, 'Rotate to volume plane' in a slice view of "
            "Slicer), and draw a slice right there."
        ),
        _("{0} % of the labelled voxels of {1} lie outside of the volume {2} and were left out."),
        _(
            "{0} % of the voxels of {1} in {2} have the value around the specimen, where the image ends; they count "
            "for intensities, unless that value is made NaN."
        ),
        _(
            "{0} GiB cannot be handed to another process: {1} have no room for it; free some space there, or set the "
            "environment variable TMPDIR to a folder with more."
        ),
        _("{0} To use labels of some slices, give the image as a folder of slices with the same names or numbers."),
        _("{0} apart from the rest of the segment, and {1} more followed; undo the change if it was a slip."),
        _("{0} cells are found if no number is given."),
        _("{0} cells of which segment? Name one of: {1}."),
        _("{0} cells were asked for, but {1} can be told apart."),
        _("{0} components hold no seed; each is one cell."),
        _("{0} connected cells of {1} segments are specks; --min-volume excludes them."),
        _(
            "{0} covers a part of {1} only; beyond it the segmentation stays as it is, also where segments were "
            "erased; save the corrections on the grid of the image if they reach farther."
        ),
        _("{0} has a single value; there is nothing to threshold."),
        _("{0} has no bead voxels; label a bead, or do not normalise by beads."),
        _("{0} has no labelled voxel; there is nothing to split."),
        _("{0} has no segment; there is nothing to measure."),
        _(
            "{0} has {1} masked voxels, and labels cannot be masked; give these voxels a value of their own and name "
            "it with ignore=, or fill the mask: labels.filled(0)."
        ),
        _("{0} holds no finite value; it cannot be described."),
        _("{0} holds no finite value; it cannot be thresholded."),
        _("{0} holds {1}; labels must be whole numbers: labels.astype(int)."),
        _(
            "{0} is a {1} array of {2} GiB, but {3} GiB of memory are free; choose a part of it. A prediction reads "
            "images part by part from a file: acseg.open(path, lazy=True)."
        ),
        _("{0} is empty: its shape is {1}."),
        _("{0} is {1}, but must be a number above 0."),
        _("{0} lies on another grid than the volume {1}; its labels were resampled (nearest voxel)."),
        _("{0} must be 0 or more, not {1}."),
        _(
            "{0} must be a 3D array (z, y, x) or an ACSeg volume, not the Slicer node {1}; use ACSegLogic, which "
            "takes nodes, or read it with ACSegLib.scene."
        ),
        _(
            "{0} must be a 3D array (z, y, x) or an ACSeg volume, not {1}; open a file with acseg.open(path), or "
            "convert with numpy.asarray."
        ),
        _("{0} must be a list of segments, not {1}."),
        _("{0} must be a number of voxels or a fraction below 1, not {1}."),
        _("{0} must be positive, not {1}."),
        _("{0} must be {1} finite numbers, not {2}."),
        _("{0} must have 3 dimensions (k, j, i), not shape {1}."),
        _("{0} must have 3 dimensions (z, y, x), not {1}: its shape is {2}{3}."),
        _(
            "{0} names the slices that were labelled, but on another grid, so they may change; give the labels that "
            "it was filled from (--sparse)."
        ),
        _("{0} numbers of volumes and {1} scores do not pair up."),
        _("{0} of the groups with fewer than {1} {2}: {3}."),
        _("{0} of up to {1} voxels became background, as the number given is {2}."),
        _(
            "{0} of up to {1} voxels did not count as cells, which have at least {2} voxels, or fewer beside another "
            "cell and at the border of the volume."
        ),
        _("{0} of up to {1} voxels did not count as cells, which have at least {2} voxels."),
        _("{0} of {1} has no voxel; the table says 0 there, and the means leave it out."),
        _(
            "{0} of {1} is doubtful: a Dice of {2} was expected when it was made; look at it, and correct or delete "
            "it, before you use its values."
        ),
        _(
            "{0} of {1} labelled voxels lie where the image has no value (not finite, or padding), and nothing is "
            "filled there; check the image."
        ),
        _("{0} of {1} labelled voxels of {2} ({3}) lie outside {4} ({5}); check the origin of both files, or {6}."),
        _("{0} of {1} seeds lie outside the segment and do not count."),
        _("{0} of {1} seeds lie outside the segments and do not count."),
        _(
            "{0} of {1} voxels of {2} in {3} have no finite value in the image, so that they do not count for "
            "intensities."
        ),
        _("{0} segments have no voxel somewhere; the table says 0 there, and the means leave them out."),
        _(
            "{0} voxels ({1} %) look unlike their segment on the labelled slices; they are the segment 'ignore', so "
            "that trainings leave them out."
        ),
        _(
            "{0} was learned from the {1} voxels that you drew, since there are no others nearby; look whether it "
            "was found, or draw a dab of 5 x 5 voxels or more in its middle."
        ),
        _("{0} was not split: {1}."),
        _(
            "{0} {1} and labels {2} have the same shape but different positions ({3} {4}, labels {5}); check which "
            "of the two headers is right. If the labels were made on this {6}, save them with its voxel size, origin "
            "and direction."
        ),
        _(
            "{0} {1} has {2} voxels but labels {3} have {4}; use --resample to resample the labels to the grid of "
            "the {5}."
        ),
        _("{0}, below a hundredth of a typical cell; look at the result, or give a smaller number of cells."),
        _(
            "{0}, given as the corrected segmentation, is as ACSeg wrote it, and {1} is not; if the two are "
            "exchanged, give the corrected one last."
        ),
        _(
            "{0}, given as the probabilities of {1} ({2} voxels, {3}), does not lie on the voxels of {4} ({5} "
            "voxels, {6}); give those that were predicted from this image."
        ),
        _(
            "{0}: a LAC of {1} {2} is far below that of cells ({3} to {4} {5}); if the values are per voxel of {6} "
            "um, it is {7} {8}: divide the image by {9}."
        ),
        _(
            "{0}: covers a part of {1} only, and labels reach the end of this part along {2}; voxels beyond it count "
            "as not labelled, so that a cell that goes on there may be cut."
        ),
        _(
            "{0}: has another shape than {1} and states no position; its first voxel was placed on the first one of "
            "the image."
        ),
        _("{0}: has the shape of {1} but lies elsewhere; its labels were moved by {2} voxels along i, j, k."),
        _("{0}: its beads read {1} % of the median of all volumes; check what is labelled bead there."),
        _("{0}: its place fits {1} by its plain numbers, not in {2}; {3} is assumed."),
        _(
            "{0}: its position and voxel size put it up to {1} voxels beside {2}; it was taken to lie on the same "
            "voxels."
        ),
        _("{0}: its voxel size was taken from {1}; if that is wrong, state it with --voxel-size."),
        _(
            "{0}: no segment with voxels has {1} in its name, so there are no beads to scale by; give --bead-name, "
            "or leave out --bead-reference."
        ),
        _("{0}: states no position; {1} was laid on {2} voxel by voxel."),
        _(
            "{0}: states no voxel size, as where Slicer found none in the image; it was placed on {1} by the voxels "
            "that it covers."
        ),
        _(
            "{0}: the labels lie on {1} only, and all others of {2} would be erased; draw the slices right in a copy "
            "of the segmentation, and give this copy."
        ),
        _(
            "{0}: the labels lie on {1} only, so that there is no segmentation to correct; fill between the slices "
            "first."
        ),
        _("{0}: the labels lie on {1} only; fill between the slices before you use them."),
        _(
            "{0}: the labels of the {1} lie on {2} only, and what the other has between these counts as wrong; fill "
            "the labels first, or compare a single slice."
        ),
        _("{0}: was laid on {1} voxel by voxel, though its planes state other positions."),
        _("{0}: was placed on {1} by the positions of the planes that both files state."),
        _("{0}: was resampled to the grid of {1}, so that its shapes stay as they are."),
        _("{0}: {1} first and {2} second values do not pair up."),
        _("{0}: {1} labelled voxels lie outside {2} and were left out."),
        _("{0}: {1} {2}, as the name says; rename it if it is a structure."),
        _("{0}: {1}, and count as labelled, also where they are empty."),
    ]
