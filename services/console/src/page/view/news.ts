import { h } from '../dom.ts';
import type { Sections } from '../state.ts';
import { clockText } from '../words.ts';
import { section } from './section.ts';

/** The last events since the console runs. */
export function news({ news: all }: Sections): Node {
  return section(
    'news',
    'Events',
    all.length === 0
      ? h('p', { class: 'quiet' }, 'None since this console was started.')
      : h(
          'ol',
          { class: 'news' },
          ...all.map(({ at, text, alarming }) =>
            h(
              'li',
              { class: alarming ? 'alarming' : null },
              h('time', { datetime: new Date(at).toISOString() }, clockText(at)),
              h('span', {}, text),
            ),
          ),
        ),
  );
}
