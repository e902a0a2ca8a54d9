/** Whether the value of a key is one that Salvor would read: by the very readers that services use. */
import type { z } from 'zod';
import { archiveSchema } from '../archives/index.ts';
import { parseClusterStorage } from '../cluster-storage.ts';
import { type ConfigProblem, ConfigValueError } from '../errors.ts';
import { parseRecord } from '../healing/record-text.ts';
import {
  healingControlsSchema,
  incidentSchema,
  operationSchema,
  repairSchema,
  salvorClusterSchema,
} from '../healing/records.ts';
import { instanceSchema } from '../instances/index.ts';
import { type ParsedKey, parseKey } from '../keys.ts';
import { vdiskLifecycleSchema, vdiskTemplateSchema } from '../lifecycle/index.ts';
import { planSchema } from '../plans/index.ts';
import { recoveredVdiskSchema, recoverySchema } from '../recovery/index.ts';
import { installationKey, installationSchema, isConfiguration } from '../tier1/index.ts';
import { tlogConfigSchema, tlogSnapshotSchema, tlogStateSchema } from '../tlog/index.ts';
import { archivedSchema } from '../tlog-archive/index.ts';
import { parseTlogCluster, parseZerostorCluster } from '../tlog-clusters.ts';
import { unavailableShardSchema } from '../unavailable/index.ts';
import { parseServerVdisks, parseVdiskNbd, parseVdiskStatic, parseVdiskTlog } from '../vdisk-config.ts';
import {
  rbdVolumeSchema,
  replicationPointSchema,
  vdiskVolumeSchema,
  volumeSchema,
} from '../volumes/index.ts';

/** Beside what Tier-2 keeps: what is of use in another etcd as well. */
const exportedToo: ReadonlySet<ParsedKey['kind']> = new Set(['plan', 'rbd-volume']);

/** Whether a key belongs into a file with the configuration. What is under a lease, or tells of what is over, does not. */
export function isExported(key: string, value: string): boolean {
  const kind = parseKey(key)?.kind;
  return isConfiguration(key, value) || (kind !== undefined && exportedToo.has(kind));
}

const yamlReaders: Partial<Record<ParsedKey['kind'], (value: string) => unknown>> = {
  'vdisk-static': parseVdiskStatic,
  'vdisk-nbd': parseVdiskNbd,
  'vdisk-tlog': parseVdiskTlog,
  'cluster-storage': parseClusterStorage,
  'cluster-zerostor': parseZerostorCluster,
  'cluster-tlog': parseTlogCluster,
  'server-vdisks': parseServerVdisks,
};

const schemas: Partial<Record<ParsedKey['kind'], z.ZodType>> = {
  'salvor-cluster': salvorClusterSchema,
  'healing-everywhere': healingControlsSchema,
  'healing-cluster': healingControlsSchema,
  'vdisk-lifecycle': vdiskLifecycleSchema,
  'vdisk-template': vdiskTemplateSchema,
  'vdisk-volume': vdiskVolumeSchema,
  'volume-point': replicationPointSchema,
  'tlog-config': tlogConfigSchema,
  'tlog-state': tlogStateSchema,
  'tlog-snapshot': tlogSnapshotSchema,
  'recovered-vdisk': recoveredVdiskSchema,
  'rbd-volume': rbdVolumeSchema,
  incident: incidentSchema,
  operation: operationSchema,
  repair: repairSchema,
  instance: instanceSchema,
  unavailable: unavailableShardSchema,
  recovery: recoverySchema,
  volume: volumeSchema,
  archive: archiveSchema,
  plan: planSchema,
};

/** What is wrong with an entry, by path; empty: nothing. */
export function entryProblems(key: string, value: string): readonly ConfigProblem[] {
  const kind = parseKey(key)?.kind;
  const schema = schemaOf(key, kind);
  const readYaml = kind === undefined ? undefined : yamlReaders[kind];
  if ((schema === undefined && readYaml === undefined) || !isExported(key, value))
    return [{ path: '', found: 'of another kind', expected: 'a key of the configuration' }];
  try {
    if (schema !== undefined) parseRecord(schema, key, value);
    else readYaml?.(value);
    return [];
  } catch (error) {
    if (!(error instanceof ConfigValueError)) throw error;
    return error.details;
  }
}

function schemaOf(key: string, kind: ParsedKey['kind'] | undefined): z.ZodType | undefined {
  if (key === installationKey) return installationSchema;
  if (kind !== undefined) return schemas[kind];
  return key.startsWith('/salvor/tlogs/') ? archivedSchema : undefined;
}
