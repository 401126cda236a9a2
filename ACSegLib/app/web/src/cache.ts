/** Keeps what was used last, up to a number of bytes. */

export interface Sized {
  readonly byteLength: number
}

export class Cache<T extends Sized> {
  private readonly entries = new Map<string, T>()
  private bytes = 0

  constructor(private readonly limit: number) {}

  get(key: string): T | undefined {
    const entry = this.entries.get(key)
    if (entry !== undefined) {
      this.entries.delete(key) // the last in the map is the one that was used last
      this.entries.set(key, entry)
    }
    return entry
  }

  has(key: string): boolean {
    return this.entries.has(key)
  }

  set(key: string, entry: T): void {
    this.delete(key)
    this.entries.set(key, entry)
    this.bytes += entry.byteLength
    for (const [old, value] of this.entries) {
      if (this.bytes <= this.limit || old === key) break
      this.entries.delete(old)
      this.bytes -= value.byteLength
    }
  }

  delete(key: string): void {
    const entry = this.entries.get(key)
    if (entry === undefined) return
    this.entries.delete(key)
    this.bytes -= entry.byteLength
  }

  clear(): void {
    this.entries.clear()
    this.bytes = 0
  }
}
