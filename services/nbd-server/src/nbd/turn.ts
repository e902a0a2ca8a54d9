/** Something that gathers output during a turn of the event loop and sends it at the end. */
export interface Flushable {
  flush(): void;
}

let waiting: Flushable[] = [];

/** Flushes `target` once this turn has handled its events. The caller keeps track of having asked already. */
export function flushAfterTurn(target: Flushable): void {
  if (waiting.push(target) > 1) return;
  setImmediate(() => {
    const targets = waiting;
    waiting = [];
    for (const each of targets) each.flush();
  });
}
