import { pause } from '@salvor/service-kit';
import type { Answer, Session } from '../connection.ts';

/** Between two looks at an operation that goes on, in milliseconds. */
const LOOK_INTERVAL_MS = 500;

/** Asks for an operation until it has ended, however it ended. */
export async function operationEnd(session: Session, operation: string): Promise<Answer<'operation.get'>> {
  for (;;) {
    const answer = await session.ask('operation.get', { operation });
    if (answer.reply.operation.endedAt !== undefined) return answer;
    await pause(LOOK_INTERVAL_MS);
  }
}
