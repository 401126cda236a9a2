/** What the page and the server say to each other: the dataclasses of `ACSegLib/app/contract.py`, which explains them. */

export type Axis = 'x' | 'y' | 'z'

export type Triple = [number, number, number]

export interface VolumeInfo {
  id: number
  name: string
  path: string
  /** (z, y, x) */
  shape: Triple
  /** (x, y, z) */
  spacing: Triple
  unit: string
  spacing_known: boolean
  dtype: string
  megabytes: number
  lazy: boolean
  range: [number, number]
  window: [number, number]
  intensity_unit: string
  notes: string[]
}

export interface SegmentInfo {
  value: number
  name: string
  colour: string
}

export interface LabelsInfo {
  version: number
  changed_by: string
  bytes_per_voxel: number
  segments: SegmentInfo[]
  labelled: Record<Axis, number[]>
  complete: boolean
  edited: number
}

export interface JobInfo {
  id: number
  kind: string
  state: 'running' | 'done' | 'failed' | 'cancelled'
  fraction: number
  message: string
  seconds: number
  seconds_left: number | null
  metrics: Record<string, number>
  notes: string[]
}

export interface FillInfo {
  axis: Axis
  dice: number | null
  segment_dice: Partial<Record<string, number>>
  suggestions: number[]
  seconds: number
  mode: string
  background: string | null
}

export interface AutosaveInfo {
  saved_at: number | null
  pending: boolean
  error: string
  restored: number | null
}

export interface Notice {
  key: string
  level: 'info' | 'warning' | 'error'
  message: string
}

export interface Overlays {
  uncertainty: number
  before: number
  reference: number
}

export interface State {
  version: string
  revision: number
  root: string
  writer: string
  volume: VolumeInfo | null
  labels: LabelsInfo | null
  box: number[]
  overlays: Overlays
  fill: FillInfo | null
  job: JobInfo | null
  undo: string
  redo: string
  table: number
  table_outdated: boolean
  contacts: boolean
  autosave: AutosaveInfo
  notices: Notice[]
  can_train: boolean
  formats: string[]
}

export interface Strip {
  axis: Axis
  labelled: number[]
  occupied: number[]
  uncertainty: number[]
  suggestions: number[]
}

export interface FileEntry {
  path: string
  kind: 'image' | 'labels' | 'model'
  megabytes: number
}

export type Cell = string | number | boolean | null

export interface Table {
  version: number
  columns: string[]
  rows: Cell[][]
  centres: (Triple | null)[]
}

export interface PutAnswer {
  version: number
  labelled: Record<Axis, number[]>
}

export interface SaveAnswer {
  path: string
  notes: string[]
}

export interface OpenRequest {
  path: string
  labels?: string
  dataset?: string
  fresh?: boolean
}

export interface PathRequest {
  path: string
}

export interface SaveRequest {
  path: string
  overwrite?: boolean
}

export interface SpacingRequest {
  spacing: Triple
  unit: string
}

export interface BoxRequest {
  box: number[]
}

export interface SegmentRequest {
  name?: string
  colour?: string
}

export interface FillOptions {
  axis?: string
  mode?: string
  box?: number[]
  background?: string | null
  islands?: number | null
  holes?: number | null
  smooth?: number | null
  device?: string
  suggest?: number
}

export interface CorrectOptions {
  reach?: number | null
  device?: string
}

export interface SplitOptions {
  segment?: string
  count?: number | null
  smallest?: number | null
  seams?: string
}

export interface PredictOptions {
  model?: string
  contrast?: string
  tta?: boolean
  refine?: string
  islands?: number | null
  holes?: number | null
  device?: string
}

export interface MeasureOptions {
  unit?: string
  cells?: boolean
  min_volume?: number
  exclude_border?: boolean
  thin_parts?: boolean
  contacts?: boolean
  intensity_unit?: string
  bead_reference?: number
}

export interface TrainOptions {
  images: string[]
  labels: string[]
  model?: string
  minutes?: number
  preset?: string
  device?: string
}
