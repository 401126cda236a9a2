import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vite'

// The bundle is committed: file names without hashes, no source maps, nothing that depends on the computer.
export default defineConfig({
  base: './',
  publicDir: 'public',
  resolve: { alias: { zarrita: fileURLToPath(new URL('./src/no-zarr.ts', import.meta.url)) } },
  build: {
    outDir: '../static',
    emptyOutDir: true,
    target: 'es2022',
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 2000,
    rollupOptions: {
      output: {
        entryFileNames: 'assets/[name].js',
        chunkFileNames: 'assets/[name].js',
        assetFileNames: 'assets/[name][extname]'
      }
    }
  },
  test: { include: ['test/**/*.test.ts'] }
} as Parameters<typeof defineConfig>[0])
