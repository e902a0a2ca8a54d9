import type { Extent } from './extents.ts';
import type { Geometry, ShardState } from './vdisk.ts';

/** What a mounted vdisk of any type can do. Offsets and lengths are in bytes and of any alignment; errors are VdiskIoError. */
export interface VdiskDevice {
  readonly geometry: Geometry;
  /** Takes over a geometry with a greater size; what was not there before reads as zeros. */
  grow(geometry: Geometry): void;
  read(offsetBytes: number, lengthBytes: number): Promise<Buffer>;
  /**
   * Like {@link read}, but null when nothing of the range is stored, so that all of it reads as zeros. Whoever no longer
   * looks at the buffer may give it to {@link recycle}.
   */
  readStored(offsetBytes: number, lengthBytes: number): Promise<Buffer | null>;
  recycle(data: Buffer): void;
  /** Which parts of the range are stored, from its first byte on: perhaps only of a prefix, but never nothing. */
  extents(offsetBytes: number, lengthBytes: number): Promise<Extent[]>;
  write(offsetBytes: number, data: Buffer): Promise<void>;
  zero(offsetBytes: number, lengthBytes: number): Promise<void>;
  flush(): Promise<void>;
  shardStates(): ShardState[];
}
