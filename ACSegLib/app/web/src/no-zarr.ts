/** Stands in for zarrita, by which NiiVue reads OME-Zarr: the server sends NIfTI, and the page is half as large. */

function missing(): never {
  throw new Error('The page reads no OME-Zarr; the server does.')
}

export const get = missing
export const open = missing
export const root = missing
export const slice = missing
export const FetchStore = missing
