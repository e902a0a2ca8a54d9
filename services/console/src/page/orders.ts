/** Actions: what each asks before it is given, and how it is given. */
import { h } from './dom.ts';
import type { Refusal } from './state.ts';

interface Order {
  readonly title: string;
  /** What will happen. */
  readonly about: string;
  /** The field of the request that names what it is about. */
  readonly field: string | null;
  readonly asksReason: boolean;
  /** What the request says beside. */
  readonly more?: Readonly<Record<string, string>>;
  /** Whether that name has to be typed. */
  readonly confirms: boolean;
}

const orders: Readonly<Record<string, Order>> = {
  'incident.acknowledge': {
    title: 'Acknowledge the incident',
    about: 'Others see that somebody looks after it. Nothing else changes.',
    ...{ field: 'incident', asksReason: true, confirms: false },
  },
  'healing.pause': {
    title: 'Pause all healing',
    about:
      'Repairs under way rest, and no engine is given up or replaced, until healing goes on. Failovers go on.',
    ...{ field: null, asksReason: true, confirms: false },
  },
  'healing.resume': {
    title: 'Let healing go on',
    about: 'Repairs go on where they were.',
    ...{ field: 'cluster', asksReason: true, confirms: false },
  },
  'engine.take-offline': {
    title: 'Take the engine offline',
    about:
      'Its partner serves alone until the engine is brought online. Without a partner that is online this is refused.',
    ...{ field: 'address', asksReason: true, confirms: true },
  },
  'engine.bring-online': {
    title: 'Bring the engine online',
    about:
      'It is given back, and gets the blocks that it missed. Where something would be lost, this is refused.',
    ...{ field: 'address', asksReason: true, confirms: true },
  },
  'dr.replay': {
    title: 'Recover from the log',
    about:
      'The lost engines leave the configuration, and their blocks are written again from the transaction log.',
    ...{ field: 'cluster', asksReason: false, confirms: true },
  },
  'plan.run planned': {
    title: 'Move everything here',
    about:
      'The volumes of the plan come to this zone without loss: what uses them stops there, and starts here.',
    ...{ field: 'plan', asksReason: false, confirms: true, more: { kind: 'planned' } },
  },
  'plan.run failover': {
    title: 'Fail over to this zone',
    about:
      'For a zone that is lost: the volumes go on here with what has arrived. What did not arrive is lost to this side.',
    ...{ field: 'plan', asksReason: false, confirms: true, more: { kind: 'failover' } },
  },
  'plan.run test': {
    title: 'Test the plan',
    about: 'Instances are started here on clones; nothing that serves is touched.',
    ...{ field: 'plan', asksReason: false, confirms: true, more: { kind: 'test' } },
  },
  'volume.promote': {
    title: 'Make this zone the primary',
    about:
      'Once all that arrived is applied, this zone serves the volume. Refused while the other zone is primary.',
    ...{ field: 'volume', asksReason: false, confirms: true },
  },
  'volume.demote': {
    title: 'Make this zone a secondary',
    about: 'Nobody may use its vdisk here from then on.',
    ...{ field: 'volume', asksReason: false, confirms: true },
  },
};

const TOKEN_KEY = 'salvor-console-token';

export function isUnlocked(): boolean {
  return sessionStorage.getItem(TOKEN_KEY) !== null;
}

export function lock(): void {
  sessionStorage.removeItem(TOKEN_KEY);
}

/** The dialog of the page, for one order at a time. */
export class OrderDialog {
  readonly #dialog: HTMLDialogElement;
  readonly #onChange: () => void;

  constructor(dialog: HTMLDialogElement, onChange: () => void) {
    this.#dialog = dialog;
    this.#onChange = onChange;
  }

  askToken(): void {
    const token = h('input', {
      id: 'token',
      type: 'password',
      autocomplete: 'off',
      required: true,
    }) as HTMLInputElement;
    this.#show({
      title: 'Unlock actions',
      about: 'A token of this console. It stays in this tab, until it is closed or locked.',
      fields: [h('label', { for: 'token' }, 'Token'), token],
      go: 'Unlock',
      isReady: () => token.value.trim() !== '',
      run: async () => {
        sessionStorage.setItem(TOKEN_KEY, token.value.trim());
        return null;
      },
    });
  }

  /** `subject` is an address, an incident …; empty for everything. */
  ask(name: string, subject: string): void {
    const order = orders[name];
    if (order === undefined) return;
    const reason = h('input', {
      id: 'reason',
      required: true,
      maxlength: 300,
      autocomplete: 'off',
    }) as HTMLInputElement;
    const typed = h('input', { id: 'typed', autocomplete: 'off', spellcheck: 'false' }) as HTMLInputElement;
    // One for each time the dialog opens: sending it twice is one action.
    const operationId = newId();
    this.#show({
      title: order.title,
      about: order.about,
      fields: [
        ...(subject === '' ? [] : [h('p', { class: 'subject' }, subject)]),
        ...(order.asksReason ? [h('label', { for: 'reason' }, 'Reason, for the record'), reason] : []),
        ...(order.confirms
          ? [h('label', { for: 'typed' }, 'Type ', h('code', {}, subject), ' to confirm'), typed]
          : []),
      ],
      go: order.title,
      isReady: () =>
        (!order.asksReason || reason.value.trim() !== '') && (!order.confirms || typed.value === subject),
      run: () =>
        give({
          command: commandOf(name),
          operationId,
          request: {
            ...(order.field === null || subject === '' ? {} : { [order.field]: subject }),
            ...(order.asksReason ? { reason: reason.value.trim() } : {}),
            ...order.more,
          },
          ...(order.confirms ? { confirm: typed.value } : {}),
        }),
    });
  }

  #show(asked: {
    title: string;
    about: string;
    fields: readonly Node[];
    go: string;
    isReady: () => boolean;
    /** Null when it is done, else why not. */
    run: () => Promise<string | null>;
  }): void {
    const go = h(
      'button',
      { class: 'primary', type: 'submit', disabled: true },
      asked.go,
    ) as HTMLButtonElement;
    const cancel = h('button', { type: 'button' }, 'Cancel');
    const problem = h('p', { class: 'problem', role: 'alert' });
    const form = h(
      'form',
      {},
      h('h2', { id: 'dialog-title' }, asked.title),
      h('p', {}, asked.about),
      ...asked.fields,
      problem,
      h('div', { class: 'buttons' }, cancel, go),
    );
    form.addEventListener('input', () => {
      go.disabled = !asked.isReady();
    });
    form.addEventListener('submit', (event) => {
      event.preventDefault();
      go.disabled = true;
      asked.run().then(
        (refusal) => {
          problem.textContent = refusal ?? '';
          go.disabled = !asked.isReady();
          if (refusal === null) this.#dialog.close();
          this.#onChange();
        },
        () => {
          problem.textContent = 'The console did not answer. It is safe to try again.';
          go.disabled = false;
        },
      );
    });
    cancel.addEventListener('click', () => this.#dialog.close());
    this.#dialog.replaceChildren(form);
    this.#dialog.showModal();
    form.querySelector('input')?.focus();
  }
}

/** Of the name of an order, which may say what of the command it is. */
export function commandOf(order: string): string {
  return order.split(' ')[0] ?? order;
}

async function give(body: object): Promise<string | null> {
  const answer = await fetch('/actions', {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      authorization: `Bearer ${sessionStorage.getItem(TOKEN_KEY) ?? ''}`,
    },
    body: JSON.stringify(body),
  });
  if (answer.ok) return null;
  const { code, message } = (await answer.json()) as Refusal;
  if (code === 'wrong-token') lock();
  return message;
}

/** Also where the page did not come over TLS, and crypto.randomUUID is missing. */
function newId(): string {
  return `console-${[...crypto.getRandomValues(new Uint8Array(12))].map((byte) => byte.toString(16).padStart(2, '0')).join('')}`;
}
