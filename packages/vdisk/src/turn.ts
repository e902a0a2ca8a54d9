/** Something that gathers work during a turn of the event loop and does it at the end. */
export interface TurnEnd {
  atTurnEnd(): void;
}

let waiting: TurnEnd[] = [];

/**
 * Calls `target` once this turn of the loop has handled its events: what many sockets brought together is worked off
 * together. What is asked for meanwhile runs in the same round. The caller keeps track of having asked already.
 */
export function callAtTurnEnd(target: TurnEnd): void {
  if (waiting.push(target) === 1) setImmediate(runAll);
}

function runAll(): void {
  // Grows while it runs: work that is gathered first is what sockets then send.
  for (let i = 0; i < waiting.length; i++) {
    try {
      waiting[i]?.atTurnEnd();
    } catch (error) {
      // The others still get their turn.
      queueMicrotask(() => {
        throw error;
      });
    }
  }
  waiting = [];
}
