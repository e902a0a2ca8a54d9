import { applyEngineStatus, type ConfigStore } from '@salvor/config-store';
import { type Logger, messageOf } from '@salvor/service-kit';
import { readClusters } from './descriptions.ts';

/** An address that no engine can have (port 0 cannot be dialled). */
const NOBODY = '0.0.0.0:0';
const ROUNDS = 20;

/**
 * Goes through the taking of a failure report for an engine that does not exist, which changes nothing: so that the
 * clusters are known and the code is compiled before the first real failure, where every millisecond holds up writes.
 */
export async function rehearse(store: ConfigStore, log: Logger): Promise<void> {
  try {
    for (const { cluster } of await readClusters(store)) {
      for (let round = 0; round < ROUNDS; round++) {
        const operation = `rehearsal-${round}`;
        const input = {
          kind: 'failure-reported',
          address: NOBODY,
          reporter: 'rehearsal',
          reason: 'none',
          operation,
          detectedAt: Date.now(),
        } as const;
        await applyEngineStatus(store, input, { cluster });
      }
    }
  } catch (error) {
    log.debug({ error: messageOf(error) }, 'rehearsal not finished');
  }
}
