import {
  type AdmissionOptions,
  admit,
  type Entries,
  type VdiskAdmissionResult,
} from '../healing/admit-vdisk.ts';
import { canonicalRequest } from '../healing/operation-mark.ts';
import { formatRecord, recordIn } from '../healing/record-text.ts';
import { operationSchema } from '../healing/records.ts';
import { operationKey, tlogConfigKey, tlogStateKey, vdiskLifecycleKey, vdiskStaticKey } from '../keys.ts';
import { lifecycleIn } from '../lifecycle/vdisk-lifecycle.ts';
import type { ConfigStore, Put } from '../types.ts';
import { parseVdiskStatic } from '../vdisk-config.ts';
import { decideTlogDisable, decideTlogEnable, type TlogAdmissionState } from './tlog-decision.ts';
import {
  type TlogConfig,
  type TlogPolicy,
  type TlogState,
  tlogConfigSchema,
  tlogStateSchema,
} from './tlog-records.ts';

export interface TlogEnableOptions extends AdmissionOptions {
  /** Where the log of the vdisk is to be, and where it begins there. */
  readonly place: Pick<TlogConfig, 'container' | 'containers' | 'begins'>;
}

/**
 * Gives a vdisk a log, or its log another policy. Whoever owns it, or mounts it next, begins with a copy of all its blocks.
 * Throws as createVdisk.
 */
export async function enableTlog(
  store: ConfigStore,
  request: { readonly vdisk: string; readonly policy: TlogPolicy },
  options: TlogEnableOptions,
): Promise<VdiskAdmissionResult> {
  const { vdisk, policy } = request;
  if (vdisk === '') return nameless(options);
  const canonical = canonicalRequest('tlog.enable', { ...request });
  return admit(store, vdisk, 'tlog.enable', options, async () => {
    const { entries, state } = await read(store, vdisk, options.operation);
    const admission = decideTlogEnable(state, request, canonical);
    const puts: Put[] = [];
    if (admission.outcome === 'applied') {
      const { place, operation, now = Date.now } = options;
      const config = state.config ?? { ...place, policy, enabledBy: operation, at: now() };
      puts.push(configPut(vdisk, { ...config, policy }));
      const reason = 'it has no copy of the blocks that were there before';
      if (state.config === null)
        puts.push(statePut(vdisk, { status: 'broken', reason, since: now(), sequence: 0 }));
    }
    return { canonical, admission, entries, puts, deletes: [] };
  });
}

/** Takes the log away from a vdisk. Throws as createVdisk. */
export async function disableTlog(
  store: ConfigStore,
  vdisk: string,
  options: AdmissionOptions,
): Promise<VdiskAdmissionResult> {
  if (vdisk === '') return nameless(options);
  const canonical = canonicalRequest('tlog.disable', { vdisk });
  return admit(store, vdisk, 'tlog.disable', options, async () => {
    const { entries, state } = await read(store, vdisk, options.operation);
    const admission = decideTlogDisable(state, vdisk, canonical);
    const deletes = admission.outcome === 'applied' ? [tlogConfigKey(vdisk), tlogStateKey(vdisk)] : [];
    return { canonical, admission, entries, puts: [], deletes };
  });
}

/** What is written for a new vdisk with a log: there is nothing that it could lack. */
export function newTlogPuts(vdisk: string, config: TlogConfig): Put[] {
  const state: TlogState = {
    status: 'whole',
    reason: 'it has been there from the first write on',
    since: config.at,
    sequence: config.begins.sequence + 1,
  };
  return [configPut(vdisk, config), statePut(vdisk, state)];
}

async function read(
  store: ConfigStore,
  vdisk: string,
  operation: string,
): Promise<{ entries: Entries; state: TlogAdmissionState }> {
  const { entries } = await store.getMany([
    ...[vdiskStaticKey(vdisk), vdiskLifecycleKey(vdisk), tlogConfigKey(vdisk)],
    operationKey(operation),
  ]);
  const fixed = entries.get(vdiskStaticKey(vdisk));
  const state = {
    static: fixed == null ? null : parseVdiskStatic(fixed.value),
    lifecycle: lifecycleIn(entries, vdisk),
    config: recordIn(entries, tlogConfigKey(vdisk), tlogConfigSchema),
    mark: recordIn(entries, operationKey(operation), operationSchema),
  };
  return { entries, state };
}

function configPut(vdisk: string, config: TlogConfig): Put {
  const key = tlogConfigKey(vdisk);
  return { key, value: formatRecord(tlogConfigSchema, key, config) };
}

function statePut(vdisk: string, state: TlogState): Put {
  const key = tlogStateKey(vdisk);
  return { key, value: formatRecord(tlogStateSchema, key, state) };
}

function nameless({ operation }: AdmissionOptions): VdiskAdmissionResult {
  const reason = 'vdisk ids must not be empty';
  return { outcome: 'refused', code: 'invalid-vdisk-id', reason, vdisk: '', operation };
}
