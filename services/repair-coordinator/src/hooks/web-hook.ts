/** A hook that is a webhook: one POST of the event. Signed as Standard Webhooks has it, where there is a secret. */
import { createHmac } from 'node:crypto';
import { type HookRunRecord, hookDetailCharsMax } from '@salvor/config-store';
import { messageOf } from '@salvor/service-kit';
import { CLOUD_EVENT_JSON, cloudEvent } from './cloud-event.ts';
import type { AttemptResult } from './exec-hook.ts';
import type { WebHook } from './hook-file.ts';

/** How secrets of Standard Webhooks begin when they are written in base64. */
const BASE64_SECRET = 'whsec_';

/** Posts the event once. Never rejects. Redirects are not followed: a receiver has one address. */
export async function postWebhook(
  { url, headers, secret, timeoutMs }: WebHook,
  run: HookRunRecord,
  attempt: number,
  signal: AbortSignal,
): Promise<AttemptResult> {
  const body = cloudEvent(run);
  // Ids of a stock fleet may hold characters that no header takes.
  const id = encodeURIComponent(run.event.id).replaceAll('%3A', ':');
  const timeout = AbortSignal.timeout(timeoutMs);
  try {
    const answer = await fetch(url, {
      method: 'POST',
      body,
      headers: {
        'user-agent': 'salvor',
        ...headers,
        'content-type': CLOUD_EVENT_JSON,
        'idempotency-key': id,
        'salvor-attempt': String(attempt),
        ...(secret === null ? {} : signatureHeaders(secret, id, Math.floor(Date.now() / 1000), body)),
      },
      redirect: 'manual',
      signal: AbortSignal.any([timeout, signal]),
    });
    const detail = await beginningOf(answer);
    return {
      outcome: answer.ok ? 'succeeded' : 'failed',
      httpStatus: answer.status,
      ...(detail === '' ? {} : { detail }),
    };
  } catch (error) {
    if (signal.aborted) return { outcome: 'interrupted' };
    if (timeout.aborted) return { outcome: 'timed-out', detail: `no answer within ${timeoutMs} ms` };
    return { outcome: 'failed', detail: causeOf(error).slice(0, hookDetailCharsMax) };
  }
}

/** `webhook-signature` is `v1,` and the base64 HMAC-SHA256 of `<id>.<timestamp>.<body>`. */
export function signatureHeaders(
  secret: string,
  id: string,
  timestampSeconds: number,
  body: string,
): { 'webhook-id': string; 'webhook-timestamp': string; 'webhook-signature': string } {
  const key = secret.startsWith(BASE64_SECRET)
    ? Buffer.from(secret.slice(BASE64_SECRET.length), 'base64')
    : Buffer.from(secret);
  const signed = createHmac('sha256', key).update(`${id}.${timestampSeconds}.${body}`).digest('base64');
  return {
    'webhook-id': id,
    'webhook-timestamp': String(timestampSeconds),
    'webhook-signature': `v1,${signed}`,
  };
}

/** The beginning of the answer, on one line; the rest is not read. */
async function beginningOf({ body }: Response): Promise<string> {
  if (body === null) return '';
  const decoder = new TextDecoder();
  const reader = body.getReader();
  let text = '';
  while (text.length < hookDetailCharsMax) {
    const { done, value } = await reader.read();
    if (done) break;
    text += decoder.decode(value, { stream: true });
  }
  await reader.cancel();
  return text.replace(/\s+/gu, ' ').trim().slice(0, hookDetailCharsMax);
}

function causeOf(error: unknown): string {
  const { cause } = error instanceof Error ? error : { cause: undefined };
  return cause === undefined ? messageOf(error) : `${messageOf(error)}: ${messageOf(cause)}`;
}
