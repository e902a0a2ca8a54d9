/** The event of a hook as its receiver gets it: CloudEvents 1.0, structured mode, JSON. */
import type { HookRunRecord } from '@salvor/config-store';

export const CLOUD_EVENT_JSON = 'application/cloudevents+json; charset=utf-8';
const SOURCE = '/salvor/repair-coordinator';

/** `salvorpoint` and `salvorhook` are extension attributes: why it was sent. */
export function cloudEvent({ event, point, hook }: HookRunRecord): string {
  const { id, type, subject, at, data } = event;
  return JSON.stringify({
    specversion: '1.0',
    ...{ id, source: SOURCE, type, subject },
    time: new Date(at).toISOString(),
    datacontenttype: 'application/json',
    salvorpoint: point,
    salvorhook: hook,
    data,
  });
}
