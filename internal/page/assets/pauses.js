// The dialog with the paused callbacks.

import { ask } from './api.js';
import { run } from './actions.js';
import { confirm } from './dialogs.js';
import { keep } from './keep.js';
import { make, words } from './text.js';
import { time } from './time.js';

const $ = (id) => document.getElementById(id);
const fields = ['vendor', 'endpoint', 'type'];

const scopeOf = (pause) => Object.fromEntries(fields.map((name) => [name, pause[name] ?? '']));

const named = (pause) => {
  const scope = scopeOf(pause);
  return [`${scope.vendor || '*'}${scope.endpoint ? '/' + scope.endpoint : ''}`, scope.type].filter(Boolean).join(' ');
};

export class Pauses {
  #changed;
  #may = [];
  #number = 0; // counts requests: responses to older ones are ignored

  constructor(changed) {
    this.#changed = changed;
    $('pause-form').addEventListener('submit', async (event) => {
      event.preventDefault();
      const form = Object.fromEntries([...fields, 'reason'].map((name) => [name, $('pause-' + name).value.trim()]));
      if (await run('pause', form)) for (const name of [...fields, 'reason']) $('pause-' + name).value = '';
      this.#changed();
      this.load();
    });
  }

  /** open shows the pauses. The fields for another pause contain the filters of the place. */
  open(place) {
    for (const name of fields) $('pause-' + name).value = place[name] ?? '';
    this.load();
  }

  /** allow shows only what the visitor may do. */
  allow(may) {
    this.#may = may;
    $('pause-form').hidden = !may.includes('pause');
  }

  /** load requests the pauses, if the dialog is open. */
  async load() {
    if (!$('pauses').open) return;
    const number = ++this.#number;
    try {
      const { pauses } = await (await ask('pauses')).json();
      if (number === this.#number) this.#show(pauses);
    } catch (error) {
      if (number === this.#number) $('pauses-none').textContent = error.message;
    }
  }

  #show(pauses) {
    $('pauses-none').textContent = pauses.length ? '' : 'Nothing is paused.';
    keep($('pauses-list'), pauses.map((pause) => [named(pause), [pause, this.#may.includes('resume')], () => this.#row(pause)]));
  }

  #row(pause) {
    const about = make('p', 'note', 'Paused ', time(pause.at, 'short'));
    if (pause.by) about.append(' by ', words('span', '', pause.by));
    if (pause.reason) about.append(': ', words('span', '', pause.reason));
    const row = make('li', '', make('div', '', words('p', 'mono', named(pause)), about));
    if (this.#may.includes('resume')) {
      const resume = make('button', '', 'Resume');
      resume.type = 'button';
      resume.setAttribute('aria-label', `Resume ${named(pause)}`);
      resume.addEventListener('click', async () => {
        const reason = await confirm(`Resume the callbacks of ${named(pause)}?`, 'Resume', { withReason: true });
        if (reason === null) return;
        await run('resume', { ...scopeOf(pause), reason });
        this.#changed();
        this.load();
      });
      row.append(resume);
    }
    return row;
  }
}
