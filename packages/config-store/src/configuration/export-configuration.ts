import type { StoreReader } from '../types.ts';
import { type ConfigurationFile, digestOf, type FileEntry } from './configuration-file.ts';
import { isExported } from './entry-check.ts';
import { exportedValue } from './exported-value.ts';

/** The configuration as etcd has it, at one revision. Throws StoreError, ConfigValueError. */
export async function exportConfiguration(store: ExportReader, now: Date): Promise<ConfigurationFile> {
  const { revision, entries: all } = await store.list('');
  const entries = all
    .filter(({ key, value, lease }) => lease === null && isExported(key, value))
    .map((entry): [string, FileEntry] => {
      const value = exportedValue(entry);
      return [entry.key, { value, digest: digestOf(value) }];
    });
  return { exportedAt: now, revision, entries: new Map(entries) };
}

type ExportReader = Pick<StoreReader, 'list'>;
