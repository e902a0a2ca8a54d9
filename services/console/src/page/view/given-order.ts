import { h } from '../dom.ts';
import type { Given } from '../orders.ts';
import { mark } from '../tone.ts';
import { upperFirst } from '../words.ts';

/** What the service answered to what was ordered last: how it goes on is below. */
export function givenOrder({ title, subject, outcome }: Given): HTMLElement {
  return h(
    'div',
    { class: 'banner given', 'data-key': 'given' },
    mark('good'),
    h(
      'div',
      {},
      h('strong', {}, subject === '' ? title : `${title}: ${subject}`),
      h('p', {}, `${upperFirst(outcome)}.`),
    ),
    h('button', { 'data-do': 'read', 'data-key': 'read' }, 'Hide'),
  );
}
