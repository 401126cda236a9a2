"""The graph of a network in OpenVINO's own operators, made from a model's spec and weights; needs no PyTorch.

Each kind of network has a builder that says the same as its PyTorch module: `ACSegLib.network.model.unet` and
`ACSegLib.network.biomedisa.network`. A test compares them for every kind.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ACSegLib.errors import InputError
from ACSegLib.heavy_imports import import_openvino
from ACSegLib.network.model.spec import BIOMEDISA_KIND, NetworkSpec

_SLOPE = 0.01
_EPSILON = 1e-5
_SPACE = [2, 3, 4]
Node = Any


class GraphBuilder:
    """Operators with the weights of one model.

    Parameters
    ----------
    weights : mapping of str to ndarray
        By the names of the PyTorch module's parameters.

    Raises
    ------
    InputError
        When built, if a weight is missing.
    """

    def __init__(self, weights: Mapping[str, np.ndarray]) -> None:
        self.ops = import_openvino().opset13
        self._weights = weights

    def has(self, name: str) -> bool:
        """Whether there is such a weight."""
        return name in self._weights

    def part(self, prefix: str) -> GraphBuilder:
        """A builder with the weights whose names start with a prefix, without it."""
        return GraphBuilder({k[len(prefix) :]: v for k, v in self._weights.items() if k.startswith(prefix)})

    def weight(self, name: str, shape: Sequence[int] | None = None) -> np.ndarray:
        """A weight in float32, brought to a shape."""
        if name not in self._weights:
            raise InputError(f"the model's weights do not fit its network ({name} is missing); the file is damaged.")
        found = np.ascontiguousarray(self._weights[name], np.float32)
        return found if shape is None else found.reshape(shape)

    def per_channel(self, name: str) -> Node:
        """A weight of one value a channel, as a constant that broadcasts over (1, C, k, j, i)."""
        return self.ops.constant(self.weight(name, (1, -1, 1, 1, 1)))

    def convolution(self, image: Node, name: str, stride: Sequence[int] = (1, 1, 1)) -> Node:
        """Convolution that keeps the size but for its stride, with a bias if the model has one."""
        return self._with_bias(self._convolved(image, self.weight(f"{name}.weight"), stride), name)

    def convolution_of_both(self, first: Node, second: Node, name: str) -> Node:
        """Convolution of the channels of two images, as if joined: their sum takes less time and memory."""
        kernel, channels = self.weight(f"{name}.weight"), first.get_output_shape(0)[1]
        parts = self._convolved(first, kernel[:, :channels]), self._convolved(second, kernel[:, channels:])
        return self._with_bias(self.ops.add(*parts), name)

    def _convolved(self, image: Node, kernel: np.ndarray, stride: Sequence[int] = (1, 1, 1)) -> Node:
        padding = [n // 2 for n in kernel.shape[2:]]
        weights = self.ops.constant(np.ascontiguousarray(kernel))
        return self.ops.convolution(image, weights, list(stride), padding, padding, [1, 1, 1])

    def _with_bias(self, result: Node, name: str) -> Node:
        return self.ops.add(result, self.per_channel(f"{name}.bias")) if self.has(f"{name}.bias") else result

    def transposed(self, image: Node, name: str, stride: Sequence[int]) -> Node:
        """Transposed convolution whose kernel is its stride."""
        kernel = self.ops.constant(self.weight(f"{name}.weight"))
        zero = [0, 0, 0]
        return self.ops.convolution_backprop_data(
            image, kernel, list(stride), pads_begin=zero, pads_end=zero, dilations=[1, 1, 1]
        )

    def instance_norm(self, image: Node, name: str) -> Node:
        """Instance normalisation with scale and shift."""
        axes = self.ops.constant(np.array(_SPACE, np.int64))
        normalised = self.ops.mvn(image, axes, True, _EPSILON, "inside_sqrt")
        scaled = self.ops.multiply(normalised, self.per_channel(f"{name}.weight"))
        return self.ops.add(scaled, self.per_channel(f"{name}.bias"))

    def batch_norm(self, image: Node, name: str, epsilon: float) -> Node:
        """Batch normalisation by its running statistics: a scale and a shift."""
        scale = self.weight(f"{name}.weight") / np.sqrt(self.weight(f"{name}.running_var") + np.float32(epsilon))
        shift = self.weight(f"{name}.bias") - self.weight(f"{name}.running_mean") * scale
        shape = (1, -1, 1, 1, 1)
        scaled = self.ops.multiply(image, self.ops.constant(scale.reshape(shape)))
        return self.ops.add(scaled, self.ops.constant(shift.reshape(shape)))

    def leaky_relu(self, image: Node) -> Node:
        """Rectifier with the slope of `ACSegLib.network.model.unet`."""
        return self.ops.prelu(image, self.ops.constant(np.array([_SLOPE], np.float32)))


def build_graph(spec: NetworkSpec, weights: Mapping[str, np.ndarray], tile: Sequence[int]) -> Any:
    """Build the graph of a network, followed by softmax or sigmoid.

    Parameters
    ----------
    spec : NetworkSpec
    weights : mapping of str to ndarray
    tile : (k, j, i)
        Size of every input.

    Returns
    -------
    openvino.Model
        From (1, in_channels, k, j, i) to probabilities (1, out_channels, k, j, i), float32.

    Raises
    ------
    InputError
        If the weights do not fit the spec.
    """
    openvino = import_openvino()
    build = GraphBuilder(weights)
    image = build.ops.parameter([1, spec.in_channels, *tile], np.float32, name="image")
    try:
        inner = build if spec.refinement is None else build.part("first.")  # the main network answers
        logits = (_biomedisa if spec.kind == BIOMEDISA_KIND else _unet)(inner, spec, image)
        last = build.ops.sigmoid(logits) if spec.overlapping else build.ops.softmax(logits, 1)
        return openvino.Model([last], [image], "acseg")
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:300]
        raise InputError(f"the model's weights do not fit its network ({reason}); the file is damaged.") from error


def _block(build: GraphBuilder, image: Node, name: str, stride: Sequence[int], residual: bool) -> Node:
    """Two convolutions, each normalised and rectified; the input is added where the block is residual."""
    features = _after_first_convolution(build, build.convolution(image, f"{name}.conv1.conv", stride), name)
    if residual:
        other = image
        if build.has(f"{name}.conv3.conv.weight"):
            other = build.instance_norm(build.convolution(image, f"{name}.conv3.conv", stride), f"{name}.norm3")
        features = build.ops.add(features, other)
    return build.leaky_relu(features)


def _after_first_convolution(build: GraphBuilder, features: Node, name: str) -> Node:
    features = build.leaky_relu(build.instance_norm(features, f"{name}.norm1"))
    return build.instance_norm(build.convolution(features, f"{name}.conv2.conv"), f"{name}.norm2")


def _unet(build: GraphBuilder, spec: NetworkSpec, image: Node) -> Node:
    strides, features = spec.strides, image
    skips: list[Node] = []
    for n, stride in enumerate(strides):
        features = _block(build, features, f"encoder.{n}", stride, spec.residual)
        skips.append(features)
    for n, level in enumerate(range(len(strides) - 1, 0, -1)):
        up = build.transposed(features, f"decoder.{n}.transp_conv.conv", strides[level])
        name = f"decoder.{n}.conv_block"
        joined = build.convolution_of_both(up, skips[level - 1], f"{name}.conv1.conv")
        features = build.leaky_relu(_after_first_convolution(build, joined, name))
    finest = len(strides) - 2 if spec.deep_supervision else 0
    return build.convolution(features, f"heads.{finest}.conv.conv")


def _biomedisa(build: GraphBuilder, spec: NetworkSpec, image: Node) -> Node:
    depth = len(spec.filters) - 1
    ops, features = build.ops, image
    skips: list[Node] = []
    for n in range(2 * depth + 1):
        if n > depth:
            features = ops.concat([_doubled(build, features), skips.pop()], 1)
        features = _biomedisa_block(build, features, f"blocks.{n}", spec.epsilon)
        if n < depth:
            skips.append(features)
            zero = [0, 0, 0]
            features = ops.max_pool(features, [2, 2, 2], [1, 1, 1], zero, zero, [2, 2, 2]).output(0)
    return build.convolution(features, "head")


def _biomedisa_block(build: GraphBuilder, image: Node, name: str, epsilon: float) -> Node:
    ops = build.ops
    features = ops.relu(build.convolution(image, f"{name}.conv1"))
    features = ops.relu(build.batch_norm(features, f"{name}.norm1", epsilon))
    features = build.convolution(features, f"{name}.conv2")
    if not build.has(f"{name}.identity.weight"):
        return ops.relu(build.batch_norm(ops.relu(features), f"{name}.norm2", epsilon))
    other = build.convolution(image, f"{name}.identity")
    return ops.relu(ops.add(build.batch_norm(features, f"{name}.norm2", epsilon), other))


def _doubled(build: GraphBuilder, image: Node) -> Node:
    """Each voxel repeated along each axis (nearest neighbour, twice the size)."""
    ops = build.ops
    scales, axes = ops.constant(np.full(3, 2.0, np.float32)), ops.constant(np.array(_SPACE, np.int64))
    how = {"nearest_mode": "floor", "coordinate_transformation_mode": "asymmetric"}
    return ops.interpolate(image, scales, "nearest", "scales", axes=axes, **how)
