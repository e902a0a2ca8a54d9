import { NondedupedLayout } from '../../src/layout/nondeduped.ts';
import { VolumeLayout } from '../../src/layout/volume.ts';
import { conformance } from './conformance.ts';

conformance('nondeduped', (vdisk, blockSizeBytes) => new NondedupedLayout(vdisk, blockSizeBytes));
conformance('volume', (vdisk, blockSizeBytes, shards) => new VolumeLayout(vdisk, blockSizeBytes, shards));
