/** How long orders take on real clusters, from when each is first given to its end; for whoever reads the output. */
import type { DriverOperation, ReplicationDriver } from '../../src/drivers/replication-driver.ts';

/** Verbs whose first argument is the operation. */
const ORDERS: ReadonlySet<string | symbol> = new Set([
  ...['enable', 'detach', 'takePoint', 'promote', 'demote', 'resync', 'testClone', 'removeClone'],
]);
type Order = (operation: string, ...rest: readonly unknown[]) => Promise<DriverOperation>;

const began = new Map<string, number>();

/** The same driver, which prints a line for each order that ends. */
export function timed(zone: string, driver: ReplicationDriver): ReplicationDriver {
  return new Proxy(driver, {
    get(target, name) {
      const member: unknown = Reflect.get(target, name, target);
      if (typeof member !== 'function') return member;
      if (!ORDERS.has(name)) return member.bind(target);
      return async (operation: string, ...rest: readonly unknown[]) => {
        if (!began.has(operation)) began.set(operation, performance.now());
        const end = await (member as Order).call(target, operation, ...rest);
        if (end.state !== 'waiting')
          told(`${zone}: ${String(name)} ${JSON.stringify(rest)} ${end.state} ${end.code}`, operation);
        return end;
      };
    },
  });
}

/** Prints how long something took that is no order. */
export async function timedAs<T>(what: string, act: () => Promise<T>): Promise<T> {
  const key = `${what} ${began.size}`;
  began.set(key, performance.now());
  const result = await act();
  told(what, key);
  return result;
}

function told(what: string, key: string): void {
  const ms = performance.now() - (began.get(key) ?? 0);
  process.stdout.write(`    ${(ms / 1_000).toFixed(1).padStart(6)} s  ${what.trim()}\n`);
}
