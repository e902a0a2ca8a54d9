/** The dialog that an action is given in. */
import { h } from './dom.ts';
import { orders } from './order-catalogue.ts';
import type { Refusal } from './state.ts';

const TOKEN_KEY = 'salvor-console-token';

export function isUnlocked(): boolean {
  return sessionStorage.getItem(TOKEN_KEY) !== null;
}

export function lock(): void {
  sessionStorage.removeItem(TOKEN_KEY);
}

/** What a button says of the order that it asks for. */
export interface Asked {
  /** An address, an incident …; empty for everything. */
  readonly subject: string;
  /** What the request says beside. */
  readonly request: Readonly<Record<string, unknown>>;
  /** What has to be typed. */
  readonly confirm: string;
}

/** What became of an order: the sentence that the service answered with. */
export interface Given {
  readonly title: string;
  readonly subject: string;
  readonly outcome: string;
}

/** The dialog of the page, for one order at a time. */
export class OrderDialog {
  readonly #dialog: HTMLDialogElement;
  readonly #onChange: () => void;
  readonly #onGiven: (given: Given) => void;

  constructor(dialog: HTMLDialogElement, onChange: () => void, onGiven: (given: Given) => void) {
    this.#dialog = dialog;
    this.#onChange = onChange;
    this.#onGiven = onGiven;
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

  ask(name: string, { subject, request, confirm }: Asked): void {
    const order = orders[name];
    if (order === undefined) return;
    const { title, option, text } = order;
    const reason = h('input', {
      id: 'reason',
      required: true,
      maxlength: 300,
      autocomplete: 'off',
    }) as HTMLInputElement;
    const typed = h('input', { id: 'typed', autocomplete: 'off', spellcheck: 'false' }) as HTMLInputElement;
    const flag = h('input', { id: 'option', type: 'checkbox' }) as HTMLInputElement;
    const written = h('textarea', {
      ...{ id: 'written', rows: 12, spellcheck: 'false', autocomplete: 'off' },
    }) as HTMLTextAreaElement;
    written.value = text?.example ?? '';
    // One for each time the dialog opens: sending it twice is one action.
    const operationId = newId();
    this.#show({
      title,
      about: order.about,
      fields: [
        ...(subject === '' ? [] : [h('p', { class: 'subject' }, subject)]),
        ...(text === undefined ? [] : [h('label', { for: 'written' }, text.label), written]),
        ...(option === undefined
          ? []
          : [h('label', { class: 'option', for: 'option' }, flag, h('span', {}, option.label))]),
        ...(order.asksReason ? [h('label', { for: 'reason' }, 'Reason, for the record'), reason] : []),
        ...(order.confirms
          ? [h('label', { for: 'typed' }, 'Type ', h('code', {}, confirm), ' to confirm'), typed]
          : []),
      ],
      go: title,
      isReady: () =>
        (!order.asksReason || reason.value.trim() !== '') &&
        (!order.confirms || typed.value === confirm) &&
        (text === undefined || written.value.trim() !== ''),
      run: async () => {
        const answer = await give({
          command: commandOf(name),
          operationId,
          request: {
            ...(order.field === null || subject === '' ? {} : { [order.field]: subject }),
            ...(order.asksReason ? { reason: reason.value.trim() } : {}),
            ...order.more,
            ...request,
            ...(option !== undefined && flag.checked ? { [option.field]: true } : {}),
            ...(text === undefined ? {} : { [text.field]: written.value }),
          },
          ...(order.confirms ? { confirm: typed.value } : {}),
        });
        if ('refusal' in answer) return answer.refusal;
        this.#onGiven({ title, subject, outcome: answer.outcome });
        return null;
      },
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
    const isReady = (): void => {
      go.disabled = !asked.isReady();
    };
    // Where nothing is asked, it is so at once.
    isReady();
    form.addEventListener('input', isReady);
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
    form.querySelector<HTMLElement>('textarea, input:not([type=checkbox])')?.focus();
  }
}

/** Of the name of an order, which may say what of the command it is. */
export function commandOf(order: string): string {
  return order.split(' ')[0] ?? order;
}

async function give(body: object): Promise<{ refusal: string } | { outcome: string }> {
  const answer = await fetch('/actions', {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      authorization: `Bearer ${sessionStorage.getItem(TOKEN_KEY) ?? ''}`,
    },
    body: JSON.stringify(body),
  });
  if (answer.ok) return { outcome: outcomeOf(((await answer.json()) as { reply: unknown }).reply) };
  const { code, message } = (await answer.json()) as Refusal;
  if (code === 'wrong-token') lock();
  return { refusal: message };
}

/** Replies to what changes something say what was done, as a sentence; a recovery says it of itself. */
function outcomeOf(reply: unknown): string {
  const { reason, recovery } = (reply ?? {}) as { reason?: unknown; recovery?: { reason?: unknown } };
  const said = reason ?? recovery?.reason;
  return typeof said === 'string' && said !== '' ? said : 'done';
}

/** Also where the page did not come over TLS, and crypto.randomUUID is missing. */
function newId(): string {
  return `console-${[...crypto.getRandomValues(new Uint8Array(12))].map((byte) => byte.toString(16).padStart(2, '0')).join('')}`;
}
