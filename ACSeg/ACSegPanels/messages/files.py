"""Sentences of ACSegLib, part files, for translators. Made by Testing/CMake/sentences.py; do not edit."""

from __future__ import annotations

from collections.abc import Callable


def sentences(_: Callable[[str], str]) -> list[str]:
    """Every sentence by a function that translates it; ``{0}`` stands for a value."""
    return [
        _(", as in Amira, and is background."),
        _(", because there are as many values."),
        _("MRC has no 64-bit floating point; convert to float32 first, or save as .nrrd."),
        _("MRC has no {0}, and the values ({1} to {2}) do not fit into 16 bits; save as .nrrd or .tif."),
        _("MRC has no {0}; the values, which fit, were written as float32."),
        _("MetaImage has no 16-bit floating point; the values were written as 32-bit."),
        _("NIfTI has no 16-bit floating point; the values were written as 32-bit."),
        _("NRRD has no 16-bit floating point; the values were written as 32-bit."),
        _("OME-TIFF has no {0}; choose .tif, or another type of number."),
        _("[+-]?(?:(?:0|[1-9]\\d*)(?P<part>\\.\\d*)?|(?P<small>\\.\\d+))(?P<power>[eE][+-]?\\d+)?"),
        _("cannot write to {0}: {1} is a file; choose another folder."),
        _("cannot write {0}: it is a folder; name a file in it."),
        _(
            "cannot write {0}: it is open in another program, or write-protected; close it there, or choose another "
            "name."
        ),
        _("cannot write {0}: no permission to write in {1}; choose another folder."),
        _("cannot write {0}: nothing was written."),
        _("cannot write {0}: the folder {1} does not exist; create it first."),
        _("cannot write {0}: the name has {1} bytes, and files may have {2}."),
        _("cannot write {0}: the name must end in one of: {1}."),
        _("cannot write {0}: the name of a mesh must end in one of: {1}."),
        _("cannot write {0}: the path has {1} characters, too many for Windows; choose a shorter one."),
        _("cannot write {0}: {1} holds one mesh, not {2}; choose .obj or .glb."),
        _("cannot write {0}: {1}; choose another name."),
        _("cannot write {0}: {1}; free some space or choose another folder."),
        _("does not state if its bytes are signed; they were read as signed, so some values are negative."),
        _("gives {0} the voxels of {1} (value {2}, layer {3}); it was left out."),
        _("has OME metadata that are cut short; the voxel size is unknown."),
        _("has OME metadata that {0}; the voxel size is unknown."),
        _("has a calibration of its values that ACSeg does not know; the values are those of the file."),
        _(
            "has a palette of greys, of which the indices were read ({0} for grey {1}), as is right for labels; save "
            "an image as greyscale without a palette."
        ),
        _("has a row {0} in its table {1} that states no label-value; it was left out."),
        _("has no XML file of BigDataViewer beside it; the voxel size is unknown."),
        _("has no number that counts its slices; they are in the order of their names."),
        _(
            "has no place (the codes of qform and sform are 0); it was placed at 0 with unrotated axes, as ITK and "
            "Slicer do."
        ),
        _("has the unknown unit code {0}; millimetres are assumed."),
        _("has {0} more pages of another size or type, which were left out."),
        _("has {0} voxels that its attributes state to hold no value; they count as missing."),
        _(
            "holds {0} bytes of image data, but its header states {1}; the rest was left out. Check the type and the "
            "size of the voxels in the header."
        ),
        _("holds {0} channels and no slices; they were read as slices."),
        _("holds {0} images; the largest, {1}, was read. To take another, {2}: {3}."),
        _("holds {0} images; {1} was read. To take another, {2}: {3}."),
        _("holds {0} multiscale images in one group; the first was read."),
        _("holds {0} planes, of which its metadata state {1}; the others were left out."),
        _("holds {0} time points and no slices; the time points were read as slices."),
        _("is a fractional segmentation; voxels of at least 0.5 are labelled."),
        _("is a single slice; give the folder of all slices for a volume."),
        _(
            "is a tilt series, with the angles {0} to {1} degrees in {2}: its sections are projections and no slices "
            "of a volume; reconstruct it first."
        ),
        _("is in Analyze 7.5, which does not tell left from right; it was placed at 0 with unrotated axes, as in ITK."),
        _("its TransformMatrix has a direction of length 0; correct the header."),
        _(
            "its attribute {0} ({1}) may be a voxel size, but its order of axes and unit are not known; give the "
            "voxel size with --voxel-size."
        ),
        _("its frames are not in the order of their places; they were sorted."),
        _(
            "its level {0} is {1} long along {2}, and its finest level {3}, so that the voxel size of one of them is "
            "wrong; state the right one with --voxel-size."
        ),
        _("its qform and sform place the image differently; the {0} is used, as in ITK."),
        _("its voxel size is that of {0}."),
        _("its {0} ({1}) is not three sizes above 0; it was not used."),
        _("its {0} states voxels of {1}, its pixdim {2}; pixdim is used, as in ITK."),
        _("keeps a {0} in an array of its own, which is not read; its voxel size may be wrong."),
        _("keeps greys of {0} bits, whose values were multiplied by {1}, as in other programs."),
        _("names no unit for {0}, but for the other axes; the voxel size is unknown."),
        _("states a cell of {0} voxels but contains {1}; the voxel size is that of the cell's voxels."),
        _("states a scale of {0} where SPM does; its values were multiplied by it."),
        _(
            "states a table from its values to others (ModalityLUTSequence), which was not applied, as in ITK and "
            "Slicer."
        ),
        _("states cell angles of {0} degrees, but 90 is assumed."),
        _(
            "states in {0} that its values are to be multiplied by {1} and {2} to be added, which was not done, as "
            "in ITK and Slicer."
        ),
        _("states its voxel size in inches, which most often is the resolution of a print or a screen."),
        _("states no PhysicalSizeZ; the distance of its planes by their positions, {0} um, is used."),
        _("states no distance of slices; 1 {0} is assumed, as in ImageJ."),
        _("states no positions of its slices; they are sorted by their numbers."),
        _("states no spacings but other lengths, which do not give a voxel size, as in ITK; check it."),
        _("states no voxel size along {0} (pixdim); 1 {1} is used, as in ITK."),
        _("states no voxel size along {0}; that of {1} is used."),
        _("states no {0} of its slices; they were taken as parallel planes in the order of their {1}."),
        _(
            "states orientation {0} for its first plane and {1} for plane {2}; all were read as they are stored, so "
            "that some may be mirrored against others. Save the stack again with one orientation."
        ),
        _("states orientation {0}; its planes were read as they are stored, as in ImageJ, but Slicer may mirror them."),
        _("states pixels of {0} angstrom in its extended header and {1} by its cell; the cell is used."),
        _(
            "states pixels of {0} um by its resolution, which is not used, because most programs mean a print by it; "
            "if it is right, give the voxel size with --voxel-size."
        ),
        _(
            "states planes that are {0} um apart by their positions, and {1} um by PhysicalSizeZ, which is used; if "
            "it is wrong, state the right one with --voxel-size."
        ),
        _("states that its lowest value is white; the values are those of the file, which other programs invert."),
        _("states that {0} is in layer {1}, but holds {2}; it was left out."),
        _("states the intercept {0} (scl_inter); it was taken as 0, as in ITK and Slicer."),
        _("states the slice distance {0}, which is none; 1 is used, as in ImageJ."),
        _("states the space {0}, which NRRD does not have; its axes were taken as left-posterior-superior."),
        _("states the spacing {0}, which is not one number or three; it was not used."),
        _("states values of {0} to {1}, so its bytes were read as unsigned."),
        _(
            "states voxels of 1 angstrom, as programs write that know no voxel size, so it is unknown; state it with "
            "--voxel-size."
        ),
        _(
            "states voxels of {0} {1}, {2} times as long along {3} as along {4}; check the voxel size, and state the "
            "right one with --voxel-size."
        ),
        _("states {0} in pixels, but not the other axes; the voxel size is unknown."),
        _("stores its values from white to black (MONOCHROME1); they are inverted, as in ITK and Slicer."),
        _(
            "takes the hyphen before its numbers for a separator, so {0} is the first slice and {1} the last; if the "
            "numbers are negative, write them as z--10."
        ),
        _("the data set holds {0} tomograms; there is no number {1}."),
        _("the file list of {0} could not be read from {1}: {2}."),
        _("the table {0} must end in one of {1}."),
        _("the unit of {0} is no unit of length that ACSeg knows; the voxel size is unknown."),
        _(
            "the voxel size {0} um is that of the group {1}, which also holds {2} of another shape; check that it is "
            "the one of {3}."
        ),
        _(
            "{0} GiB are needed in {1}, which has {2} GiB free; free some space, or name another folder in the "
            "environment variable TMPDIR."
        ),
        _("{0} also turns or shifts the view, which is not done here."),
        _("{0} and the axistags or coordinates state different voxel sizes ({1} and {2} um along {3}); {4} is used."),
        _("{0} and {1} {2}; that of the first is used."),
        _("{0} arrived damaged (its {1} checksum differs); try again."),
        _("{0} cannot hold a rotated direction; ACSeg keeps it, other programs will show the axes unrotated."),
        _("{0} could not be downloaded from {1}: {2}."),
        _("{0} data set {1} was written; all other voxels are {2}."),
        _("{0} has no data sets, so {1} chooses nothing."),
        _("{0} has no resolution levels, so level {1} chooses nothing."),
        _("{0} is longer than the {1} bytes that {2} lists; the download was stopped."),
        _("{0} is not ACSeg's and was left as it is; its names may not be those of the labels."),
        _("{0} states no voxel size of setup {1}; the voxel size is unknown."),
        _("{0}, in which SPM keeps the place of the image, was not read."),
        _(
            "{0}: ITK, which reads and writes this format, cannot use names with {1} on Windows; choose a folder and "
            "a name of plain letters, or another format."
        ),
        _("{0}: MRC mode {1} is not supported; convert it to mode 0, 1, 2, 6 or 12."),
        _(
            "{0}: a TorchScript model can write any file of this computer, so it is not opened; export it as ONNX "
            "(torch.onnx.export)."
        ),
        _("{0}: a prompt model must end in one of {1}."),
        _(
            "{0}: all its voxels are labelled, so that it has no background; if label {1} is it, name it so: acseg "
            "convert with --names {2}=background."
        ),
        _("{0}: asks for the codec pickle, which could run any program; save it with another codec."),
        _("{0}: cannot be read ({1}); check its permissions."),
        _("{0}: cannot be read as a table ({1}); give a .csv, .xlsx or .json table."),
        _("{0}: cannot be read as a workbook ({1}); save it as .xlsx or .csv."),
        _("{0}: contains {1} layers of overlapping segments, not one image."),
        _("{0}: data section @{1} belongs to no lattice, so the next cannot be found."),
        _("{0}: data set {1} holds {2}, not numbers of one channel."),
        _("{0}: data set {1} of {2}, a part of it, is missing."),
        _("{0}: does not fit into memory ({1}); close other programs, or open a coarser level or a part of it."),
        _("{0}: has 16 bits of each colour, which are not read; save the slices as 16-bit greyscale."),
        _(
            "{0}: has a coordinate transform of type {1}, and ACSeg reads scales and translations; resample the "
            "image to a straight grid first."
        ),
        _("{0}: has no Zarr group or array {1}."),
        _("{0}: has no data set {1}; it has: {2}."),
        _("{0}: has no image {1}; it has: {2}."),
        _("{0}: has no lattice{1}; it has: {2}."),
        _("{0}: has the encoding {1}, which NRRD does not know; save it again as raw."),
        _("{0}: has {1} channels; save one channel as a volume."),
        _("{0}: has {1} colour channels; save one channel as a volume."),
        _("{0}: has {1} coordinates, so its voxels are not of one size; resample it in Amira."),
        _("{0}: has {1} dimensions ({2}); save one time point or channel as a volume."),
        _("{0}: has {1} dimensions; a folder must hold 2D slices. Open a 3D file by itself."),
        _("{0}: has {1} resolution levels; there is no level {2}."),
        _("{0}: has {1} {2} ({3}); save one channel as a greyscale volume."),
        _("{0}: has {1} {2} ({3}); save one time point as a volume."),
        _("{0}: holds DICOM files in folders below; give one of them: {1}{2}."),
        _("{0}: holds no 3D data set; it has: {1}."),
        _("{0}: holds no array of three dimensions; open another group, or the whole Zarr."),
        _(
            "{0}: holds objects of Python, which may run any program, and no plain array, as _seg.npy of Cellpose "
            "does; save its masks as TIFF, or with numpy.save."
        ),
        _("{0}: holds packed parts of over 2 GiB; unpack the archive and open its folder."),
        _("{0}: holds several 3D data sets; {1}: {2}."),
        _("{0}: holds several lattices; {1}: {2}."),
        _("{0}: holds the negative value {1}; labels must be 0 or more."),
        _("{0}: holds the value {1}; labels must be below 2^63."),
        _("{0}: holds the voxels of {1}; open {2}."),
        _("{0}: holds voxels alone; put the .hdr file of the same name into the same folder."),
        _("{0}: holds voxels of type {1}, which are not numbers of one channel."),
        _("{0}: holds {1} DICOM series; {2}: {3}."),
        _("{0}: holds {1} of shape {2}, not one number per voxel."),
        _(
            "{0}: holds {1} of the {2} planes that its metadata state; it is cut short, or other files belong to it; "
            "copy it again, with all its parts, from its source."
        ),
        _("{0}: holds {1} voxels, which are not numbers of one channel."),
        _("{0}: holds {1}, not numbers of one channel; save it as a greyscale volume."),
        _("{0}: is Zarr format 3 (OME-Zarr 0.5), which needs Python 3.11 and zarr 3."),
        _("{0}: is a ROI set of ImageJ, which ACSeg cannot read; {1}."),
        _("{0}: is a VTK file, which ACSeg cannot read; save it as .nrrd in Slicer or ParaView."),
        _("{0}: is a colour image; save the slices as greyscale (one channel)."),
        _(
            "{0}: is a file of DeltaVision, whose lengths are in um and whose channels may lie between its slices; "
            "export it as OME-TIFF in Fiji."
        ),
        _("{0}: is a file of MINC, which ACSeg cannot read; convert it to .nii with mnc2nii."),
        _("{0}: is a film (MP4, MOV), which ACSeg cannot read; {1}."),
        _("{0}: is a folder, but not of slices, DICOM files or Zarr; name a file in it, or one of its folders: {1}."),
        _("{0}: is a folder, but not of slices, DICOM files or Zarr; name a file in it."),
        _("{0}: is a network, and no image; 'acseg model info' shows it, 'acseg predict' uses it."),
        _(
            "{0}: is a project of ilastik, whose labels lie in blocks; export them (Prediction Export, source "
            "Labels), and open what was exported."
        ),
        _("{0}: is a segmentation with {1} dimensions; save it again in Slicer."),
        _("{0}: is a segmentation; its label values are used as intensities."),
        _("{0}: is a single 2D image, not a volume; give the folder of all slices."),
        _(
            "{0}: is a {1}D image ({2}); ACSeg needs a 3D volume. If each file is one slice, give the folder that "
            "holds them."
        ),
        _("{0}: is an archive of NumPy arrays; save the one you need with numpy.save, as .npy."),
        _("{0}: is an archive without a Zarr image; unpack it, and open what lies in it."),
        _("{0}: is an empty file; copy it again from its source."),
        _(
            "{0}: is an image, and Slicer opens files of this name as segmentations; use .nrrd, or read the file as "
            "labels (acseg convert --as labels)."
        ),
        _("{0}: is in version {1} of NumPy's format; save it again with plain numbers."),
        _("{0}: is in {1}, which ACSeg cannot read; convert it to OME-Zarr."),
        _("{0}: is no ONNX or OpenVINO model that can be loaded ({1}); export it again."),
        _("{0}: is not OME-Zarr; {1}: {2}."),
        _("{0}: is not a regular file but a pipe or a device; copy its content into a file first."),
        _("{0}: is not a table, which is a list of rows; save it again."),
        _(
            "{0}: is not in a format that ACSeg can read; save it in one of these, in the program that wrote it or "
            "in Fiji: {1}."
        ),
        _("{0}: is not valid JSON ({1}); save the table again."),
        _(
            "{0}: is open for writing in another program, or was not closed by it; close it there, or repair it with "
            "h5clear -s."
        ),
        _("{0}: is open for writing in another program; close it there, and try again."),
        _(
            "{0}: is packed by JPEG, which changes values, so that other labels appear at the edges of each; save "
            "the labels without JPEG, as PNG or TIFF."
        ),
        _("{0}: is the list of the DICOM files beside it, and no image; give one of their folders: {1}."),
        _("{0}: is {1} x {2} {3} but {4} is {5} x {6} {7}; all slices must be of one size and type."),
        _("{0}: is {1}, which ACSeg cannot read; {2}."),
        _("{0}: its MRC header does not fit its data; the file is damaged."),
        _(
            "{0}: its axes are not at right angles (one angle is {1} degrees), so its voxels are not boxes; resample "
            "it to a straight grid first."
        ),
        _("{0}: its axis order (mapc, mapr, maps) is {1}, which must be 1, 2 and 3 in some order; correct the header."),
        _("{0}: its compression needs imagecodecs."),
        _("{0}: its compression {1} is unknown; save it uncompressed in Amira."),
        _("{0}: its data file {1} is missing; put both in one folder."),
        _(
            "{0}: its data file {1} lies outside the header's folder; put both in one folder, or allow it "
            "(--external-data) if you trust the header."
        ),
        _("{0}: its data set {1} is made of parts of parts; copy it into one file."),
        _("{0}: its data set {1} is packed by the filter {2} ({3}), which is not installed; save it again with gzip."),
        _("{0}: its first sheet holds no table; the first row must name the columns."),
        _("{0}: its header defines no lattice; ACSeg reads voxel data of AmiraMesh only."),
        _("{0}: its header does not end; the file is damaged."),
        _("{0}: its header has an invalid 'byte skip' or 'line skip'; correct it."),
        _("{0}: its header has no ElementDataFile; the file is cut short or not a MetaImage."),
        _("{0}: its header has no {1}; the file is damaged."),
        _("{0}: its header skips more bytes than the file holds; the header is damaged."),
        _("{0}: its header skips more lines than the file holds; correct 'line skip'."),
        _("{0}: its label values lie up to {1} beside whole numbers; they were rounded."),
        _("{0}: its names are those of {1}."),
        _(
            "{0}: its page {1} ({2}) is not as the others ({3}), between which it lies; save all slices in one size "
            "and type."
        ),
        _(
            "{0}: its palette gives index {1} another colour than that of {2}, so that the indices do not tell the "
            "labels; save the slices with one palette, or as greyscale."
        ),
        _(
            "{0}: its qform and sform have the same position but opposite axes, so that its place is not known; set "
            "the code of one of them to 0."
        ),
        _(
            "{0}: its resolution level {1}, {2}, is not there; copy it from its source, or choose another one with "
            "--level."
        ),
        _("{0}: its size is {1}; an image needs at least one voxel along each axis."),
        _(
            "{0}: its slice {1} has {2} x {3} pixels, but {4} of {5} have {6} x {7}; move what does not belong to "
            "the volume elsewhere."
        ),
        _(
            "{0}: its slices are displaced sideways (a tilted gantry), so its axes are not at right angles; resample "
            "them to a straight grid first."
        ),
        _("{0}: its slices are {1} to {2} mm apart; resample them to one distance."),
        _("{0}: its slices have pixels of different sizes ({1} and {2} mm); resample them to one size."),
        _("{0}: its slices lie in different directions; keep only those of one direction in the folder."),
        _("{0}: its value {1} has two names; {2} is used, not {3}."),
        _("{0}: its values begin at -128, as those of masks in signed bytes do; 128 was added."),
        _("{0}: its values change from voxel to voxel, as those of an image do; give the file with the labels."),
        _(
            "{0}: its values look like labels, since they are whole numbers that hardly change from voxel to voxel; "
            "check that it is the tomogram."
        ),
        _("{0}: its voxels {1} are missing; put both into one folder."),
        _(
            "{0}: its {1} has {2} numbers, but the image has {3} axes; write one for each axis into its "
            "coordinateTransformations."
        ),
        _("{0}: its {1} pages are of different sizes or types ({2}, {3}, ...); save all slices in one size and type."),
        _("{0}: keeps its images in no HDF5 file; in BigStitcher, save it again as HDF5."),
        _("{0}: lattice {1} holds {2} values, not one number per voxel."),
        _("{0}: names a part {1}, which leads elsewhere."),
        _("{0}: names its data files {1}, which has no place for a number as %03d is one."),
        _("{0}: names the data files {1}, which are {2}; correct its header."),
        _("{0}: names {1} axes, but the image has {2}; correct its axes."),
        _("{0}: names {1} data files for {2} slices; the header is damaged."),
        _("{0}: names {1} data files of {2} axes each, which do not make up {3} voxels; correct its header."),
        _("{0}: no slice has {1} in its name."),
        _("{0}: several slices have the same position ({1} mm); keep one of them."),
        _(
            "{0}: slices are missing: those at {1} and {2} mm are {3} mm apart, the others {4} mm. Add the missing "
            "ones, or keep one of the parts."
        ),
        _("{0}: states voxels of {1} {2} at ({3}), which is impossible for an image; correct its header."),
        _("{0}: states {1} dimensions and sizes of {2}; correct its header."),
        _("{0}: states {1} dimensions; NRRD has {2} at most."),
        _("{0}: states {1} slopes of its values for {2} frames; correct its header."),
        _(
            "{0}: the axes of its {1} are not at right angles; resample it to a straight grid first, as no program "
            "that uses ITK can place it."
        ),
        _("{0}: the data section of lattice {1} was not found; the file is damaged."),
        _("{0}: the file has no data section; it is cut short, or holds no voxels."),
        _("{0}: the file is cut short inside its header; copy it again from its source."),
        _(
            "{0}: the file is cut short or damaged behind its page {1}: the next one is missing; copy it again from "
            "its source."
        ),
        _(
            "{0}: the file is cut short: it holds {1} bytes of image data, but its header states {2}; copy it again "
            "from its source."
        ),
        _("{0}: the file is cut short: it holds {1} of {2} values."),
        _("{0}: the file is cut short: it holds {1} of {2} voxels."),
        _("{0}: the frames of this DICOM SEG do not lie on one grid; resample it, in Slicer, say."),
        _("{0}: the frames of this DICOM SEG lie in different directions."),
        _("{0}: the header gives a voxel size of {1}; correct its 'space directions'."),
        _(
            "{0}: the hyphen of {1} may be a sign or not ({2} has none), which gives two orders of the slices; "
            "rename them without hyphens, with as many digits each."
        ),
        _("{0}: the image is empty (shape {1})."),
        _("{0}: the model gave shapes {1} and {2}; (1, 1, masks, rows, columns) and (1, 1, masks) are expected."),
        _(
            "{0}: the names of its slices have {1} counters ({2} to {3}), so they belong to several volumes; {4}, by "
            "what the names hold ({5}), or move each volume into its own folder."
        ),
        _(
            "{0}: the slices numbered {1}{2} are missing between {3} and {4}; add them, or number the slices without "
            "gaps."
        ),
        _(
            "{0}: the spacing, origin or directions beside its data set {1} are missing or damaged; save it again "
            "with ITK."
        ),
        _("{0}: the table is empty; give a table with rows."),
        _(
            "{0}: the values ({1} to {2}) are not whole numbers of 0 or more, so these are not labels; choose the "
            "file with the labels."
        ),
        _("{0}: there is no such model file; check the name."),
        _("{0}: there is no such table; check the name."),
        _("{0}: this DICOM SEG does not state the segment of each frame."),
        _("{0}: this DICOM SEG does not state where its frames lie; convert it in Slicer."),
        _("{0}: this DICOM SEG holds {1} frames, but {2} places."),
        _("{0}: this DICOM file ({1}) holds outlines, not voxels; export it as a labelmap in Slicer."),
        _("{0}: this DICOM file holds no image, or is damaged; copy it again from its source."),
        _("{0}: this DICOM file is damaged (an element does not fit); copy it again from its source."),
        _("{0}: this HDF5 file is damaged (a heap of text); copy it again from its source."),
        _("{0}: this XML file of BigDataViewer is damaged; copy it again from its source."),
        _("{0}: this slice cannot be read ({1}); copy it again from its source."),
        _("{0}: this {1} file is damaged or cut short ({2}); copy it again from its source."),
        _(
            "{0}: two numbers in the names of its slices ({1} to {2}) count them in different orders; rename them "
            "with one number each."
        ),
        _("{0}: {1} NaN or infinite, so these are not labels; replace such values by 0."),
        _("{0}: {1} and {2} have the same number; keep one of them."),
        _(
            "{0}: {1} cannot hold overlapping segments; where they overlap the later one was kept. Save as .seg.nrrd "
            "to keep all."
        ),
        _(
            "{0}: {1} is not named as {2} is, so they may belong to several volumes; {3}, by a word of the names, or "
            "move what does not belong to the volume elsewhere."
        ),
        _("{0}: {1}, a part of it, keeps its voxels in a file of their own; copy it into one file."),
        _(
            "{0}: {1}{2} cannot be read as a part of a series; the file is damaged or cut short. Copy it again from "
            "its source, or move it elsewhere."
        ),
        _("{0}; choose another folder."),
        _("{0}{1} left out, because most slices are {2} files."),
    ]
