/** Boot of a container's own segments from its system journal, as the container does it itself. */
import { ByteReader } from '../format/byte-reader.ts';
import { FormatError } from '../format/format-error.ts';
import { CONTAINER_FOLDER } from '../naming/segment-name.ts';
import {
  type JournalSnapshot,
  readBatch,
  readSnapshotFile,
  readSnapshotInfo,
} from '../records/journal-records.ts';
import type { TreeFiles } from '../tree/tree-files.ts';
import { JournalState, type SystemChain } from './journal-state.ts';

/** A container begins a new file often: files are at most some MiB. Larger ones are read up to here. */
const MAX_JOURNAL_BYTES = 64 * 1024 * 1024;
const MAX_INFO_BYTES = 4_096;
/** So many numbers in a row without a file end an epoch. */
const MAX_MISSING_FILES = 10;

/** `_sysjournal.epoch<E>.container<N>.{file<F>,snapshot<S>}`, `_sysjournal.container<N>.snapshot_info` */
const JOURNAL_FILE = /^_sysjournal\.epoch(\d{1,15})\.container(\d{1,10})\.(file|snapshot)(\d{1,15})$/;
const SNAPSHOT_INFO = /^_sysjournal\.container(\d{1,10})\.snapshot_info$/;
const EPOCH_FILE = /^container_(\d{1,10})_epoch$/;

/** The journal's files of one container, as found. */
export interface JournalFiles {
  hasSnapshotInfo: boolean;
  /** Epoch -> numbers of files. */
  readonly files: Map<number, Set<number>>;
}

/** The containers that have journals, and theirs. */
export function findJournals(paths: Iterable<string>): Map<number, JournalFiles> {
  const journals = new Map<number, JournalFiles>();
  for (const path of paths) {
    if (!path.startsWith(CONTAINER_FOLDER)) continue;
    const name = path.slice(CONTAINER_FOLDER.length);
    const info = SNAPSHOT_INFO.exec(name);
    if (info !== null) journalOf(Number(info[1])).hasSnapshotInfo = true;
    const file = JOURNAL_FILE.exec(name);
    if (file === null) continue;
    const { files } = journalOf(Number(file[2]));
    const epoch = Number(file[1]);
    if (file[3] === 'file') files.set(epoch, (files.get(epoch) ?? new Set()).add(Number(file[4])));
  }
  return journals;

  function journalOf(container: number): JournalFiles {
    const known = journals.get(container) ?? { hasSnapshotInfo: false, files: new Map() };
    journals.set(container, known);
    return known;
  }
}

export function isJournalFile(path: string): boolean {
  if (!path.startsWith(CONTAINER_FOLDER)) return false;
  const name = path.slice(CONTAINER_FOLDER.length);
  return JOURNAL_FILE.test(name) || SNAPSHOT_INFO.test(name) || EPOCH_FILE.test(name);
}

export interface SystemJournal {
  readonly chains: ReadonlyMap<string, SystemChain>;
  /** False where a batch was torn or damaged: then the chains are those of an earlier time. */
  readonly isWhole: boolean;
}

/** The chains of the container's own segments. Undefined where the journal cannot tell: that is reported. */
export async function readSystemJournal(
  files: TreeFiles,
  container: number,
  journal: JournalFiles,
): Promise<SystemJournal | undefined> {
  const { findings } = files;
  const state = new JournalState();
  const snapshot = await readSnapshot(files, container, journal);
  if (snapshot === undefined) return undefined;
  let isWhole = true;
  try {
    state.begin(snapshot);
    for (const path of filesAfter(snapshot, container, journal))
      isWhole = (await applyFile(files, path, state)) && isWhole;
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    findings.damage('bad-journal', `${error.message}; chunks are ordered by their names instead`, {
      container,
    });
    return undefined;
  }
  state.finish();
  return { chains: state.chains, isWhole };
}

async function readSnapshot(
  files: TreeFiles,
  container: number,
  { hasSnapshotInfo }: JournalFiles,
): Promise<JournalSnapshot | undefined> {
  const infoPath = `${CONTAINER_FOLDER}_sysjournal.container${container}.snapshot_info`;
  if (!hasSnapshotInfo) {
    files.findings.damage(
      'bad-journal',
      'the journal has no snapshot_info; chunks are ordered by their names instead',
      {
        container,
        path: infoPath,
      },
    );
    return undefined;
  }
  let path = infoPath;
  try {
    const { epoch, snapshotId } = readSnapshotInfo(await files.read(infoPath, 0, MAX_INFO_BYTES));
    path = `${CONTAINER_FOLDER}_sysjournal.epoch${epoch}.container${container}.snapshot${snapshotId}`;
    if (files.file(path) === undefined)
      throw new FormatError('expected the snapshot that snapshot_info names');
    return readSnapshotFile(await files.read(path, 0, MAX_JOURNAL_BYTES));
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    const message = `${error.message}; chunks are ordered by their names instead`;
    files.findings.damage('bad-journal', message, { container, path });
    return undefined;
  }
}

/** From the snapshot's file in its epoch, and from the first one in later epochs. */
function filesAfter(snapshot: JournalSnapshot, container: number, { files }: JournalFiles): string[] {
  const paths: string[] = [];
  const epochs = [...files.keys()].filter((epoch) => epoch >= snapshot.epoch).sort((a, b) => a - b);
  for (const epoch of epochs) {
    let last = epoch === snapshot.epoch ? snapshot.fileIndex : 0;
    for (const number of [...(files.get(epoch) ?? [])].sort((a, b) => a - b)) {
      if (number <= last) continue;
      if (number - last > MAX_MISSING_FILES) break;
      paths.push(`${CONTAINER_FOLDER}_sysjournal.epoch${epoch}.container${container}.file${number}`);
      last = number;
    }
  }
  return paths;
}

/** False where a batch is incomplete or damaged: it is left out as a whole, and so is the rest of the file. */
async function applyFile(files: TreeFiles, path: string, state: JournalState): Promise<boolean> {
  const bytes = await files.read(path, 0, MAX_JOURNAL_BYTES);
  const reader = new ByteReader(bytes);
  while (reader.remaining > 0) {
    const from = reader.at;
    let batch: ReturnType<typeof readBatch>;
    try {
      batch = readBatch(reader);
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
      const message = `a batch at byte ${from} is incomplete or damaged (${error.message}); what follows is left out`;
      files.findings.damage('bad-journal', message, { path });
      return false;
    }
    for (const record of batch) state.apply(record);
  }
  return true;
}
