/** A process that runs ranges of seeds for its parent, one at a time. */
import { runRange, type SeedRange } from './seed-range.ts';

process.on('message', (range: SeedRange) => process.send?.(runRange(range)));
process.on('disconnect', () => process.exit(0));
