import { EngineControl } from './engine-control.ts';
import { EngineError } from './errors.ts';
import type { LoginAnswer } from './locked-out.ts';
import type { MemberRecord, PairSettings } from './pair-context.ts';

/** Asks every engine anew: what was let in before says nothing about now. */
export function loginAnswers(
  engines: readonly MemberRecord[],
  { login, connectTimeoutMs: timeoutMs }: PairSettings,
): Promise<LoginAnswer[]> {
  return Promise.all(
    engines.map(async ({ address, db }) => {
      try {
        await EngineControl.with({ address, db, login, timeoutMs }, (control) => control.identity());
        return 'let-in';
      } catch (error) {
        if (!(error instanceof EngineError)) throw error;
        return error.fault === 'login-refused' ? 'refused' : 'silent';
      }
    }),
  );
}
