/** Calls of a real `rbd`, where they are at hand. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const folder = join(import.meta.dirname, '../../../../../shared/fixtures/rbd');
export const isRecordingHere = existsSync(folder);
/** What two clusters answered later on, in shapes that the recording has not. */
const more = join(import.meta.dirname, 'answers');

/** To be called once by each suite that reads the recording. */
export function sayWhatIsMissing(): void {
  if (!isRecordingHere)
    process.stderr.write(
      'note: recorded answers of rbd not found; this suite ran on those of the model alone\n',
    );
}

export interface RecordedCall {
  readonly n: number;
  readonly step: string;
  readonly site: 'site-a' | 'site-b';
  readonly argv: readonly string[];
  readonly exitCode: number | null;
  readonly signal: string | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly at: string;
}

export interface DerivedSnapshots {
  readonly n: number;
  readonly role: 'primary' | 'secondary' | 'demoted';
  readonly withPeer?: readonly number[];
  readonly lastComplete?: number;
  readonly incomplete?: readonly number[];
  readonly orphan?: readonly number[];
  readonly demotedArrived?: boolean;
  readonly forcePromoteSafe?: boolean;
  readonly validUserSnapshots?: readonly string[];
  readonly invalidUserSnapshots?: readonly string[];
}

/** In the order in which they were made. */
export function recordedCalls(): RecordedCall[] {
  if (!isRecordingHere) return [];
  return readdirSync(folder)
    .filter((name) => /^\d\d-.*\.json$/.test(name))
    .flatMap((name) => read<{ calls: RecordedCall[] }>(join(folder, name)).calls)
    .concat(laterCalls())
    .sort((a, b) => a.n - b.n);
}

export function laterCalls(): RecordedCall[] {
  return readdirSync(more).flatMap((name) => read<{ calls: RecordedCall[] }>(join(more, name)).calls);
}

export function derivedSnapshots(): DerivedSnapshots[] {
  return isRecordingHere
    ? read<{ snapshots: DerivedSnapshots[] }>(join(folder, 'derived.json')).snapshots
    : [];
}

/** The command without `rbd`, the configuration, and what is said about the format. */
export function commandOf({ argv }: Pick<RecordedCall, 'argv'>): string {
  return argv
    .slice(3)
    .filter((word) => word !== '--format' && word !== 'json' && word !== '--no-progress')
    .join(' ');
}

function read<T>(path: string): T {
  return JSON.parse(readFileSync(path, 'utf8')) as T;
}
