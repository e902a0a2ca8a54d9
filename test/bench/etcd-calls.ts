import type { Stack } from '@salvor/testkit';

const SAMPLE_EVERY_MS = 1_000;

export interface EtcdCallCount {
  /** Ends the count. */
  readonly stop: () => Promise<{ total: number; perSecondMax: number }>;
}

/** Counts the calls that etcd carries out from now on, by its own metrics. */
export async function etcdCalls(stack: Stack): Promise<EtcdCallCount> {
  const url = `http://${stack.etcd.endpoint}/metrics`;
  const first = await carriedOut(url);
  let [last, lastAt, perSecondMax] = [first, performance.now(), 0];
  const look = async (): Promise<void> => {
    const [now, at] = [await carriedOut(url), performance.now()];
    if (at > lastAt) perSecondMax = Math.max(perSecondMax, (1_000 * (now - last)) / (at - lastAt));
    [last, lastAt] = [now, at];
  };
  const timer = setInterval(() => void look().catch(() => undefined), SAMPLE_EVERY_MS);
  return {
    async stop() {
      clearInterval(timer);
      await look();
      return { total: last - first, perSecondMax: Math.round(perSecondMax) };
    },
  };
}

async function carriedOut(url: string): Promise<number> {
  const text = await (await fetch(url, { signal: AbortSignal.timeout(2_000) })).text();
  return [...text.matchAll(/^grpc_server_handled_total\{[^}]*grpc_type="unary"[^}]*\} (\S+)$/gm)].reduce(
    (sum, [, count]) => sum + Number(count),
    0,
  );
}
