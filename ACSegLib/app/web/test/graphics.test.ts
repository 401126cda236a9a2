import { expect, test } from 'vitest'
import { previewSize } from '../src/graphics'

test.each([
  ['ANGLE (Google, Vulkan 1.3.0 (SwiftShader Device (Subzero)), SwiftShader driver)', 8192, 160],
  ['llvmpipe (LLVM 15.0.7, 256 bits)', 2048, 160],
  ['Microsoft Basic Render Driver', 2048, 160],
  ['Apple Software Renderer', 2048, 160],
  ['ANGLE (NVIDIA, NVIDIA GeForce RTX 3060, OpenGL 4.5)', 16384, 256],
  ['Mesa Intel(R) UHD Graphics 620', 2048, 256],
  ['Mali-400', 256, 160],
  ['Unknown', 128, 128]
])('%s with volumes of up to %d voxels an edge draws %d', (renderer, limit, size) => {
  expect(previewSize({ renderer, limit })).toBe(size)
})
