import type { BlockLayout } from './block-layout.ts';
import { NondedupedLayout } from './nondeduped.ts';
import { VolumeLayout } from './volume.ts';

/** Which layout the blocks of a vdisk have; plain data, so that another thread can make the same layout of it. */
export interface LayoutSpec {
  readonly kind: 'nondeduped' | 'volume';
  readonly vdisk: string;
  readonly blockSizeBytes: number;
  /** The HASH that holds the blocks, where it is not the one of the vdisk; nondeduped only. */
  readonly key?: string | undefined;
  /** Servers in the cluster. */
  readonly shards: number;
}

export function layoutFrom({ kind, vdisk, blockSizeBytes, key, shards }: LayoutSpec): BlockLayout {
  switch (kind) {
    case 'nondeduped':
      return new NondedupedLayout(vdisk, blockSizeBytes, key);
    case 'volume':
      return new VolumeLayout(vdisk, blockSizeBytes, shards);
  }
}
