// The filters: verdicts as buttons with their numbers, vendors, and a search.

import { name } from './list.js';
import { make, words } from './text.js';

const $ = (id) => document.getElementById(id);
const typing = 250; // ms without a key before a search begins

export class Filters {
  #place = {};
  #offered = '';
  #timer = 0;

  constructor(change) {
    $('verdicts').addEventListener('click', (event) => {
      const b = event.target.closest('button');
      if (b) change({ verdict: b.dataset.verdict });
    });
    $('vendor').addEventListener('change', () => change({ vendor: $('vendor').value }));
    $('text').addEventListener('input', () => {
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => change({ text: $('text').value.trim() }), typing);
    });
  }

  /** show shows what is filtered by. */
  show(place) {
    this.#place = place;
    if ($('text') !== document.activeElement) $('text').value = place.text ?? '';
    $('vendor').value = place.vendor ?? '';
    for (const b of $('verdicts').children) b.setAttribute('aria-pressed', String(b.dataset.verdict === (place.verdict ?? '')));
  }

  /** offer offers what there is to filter by. */
  offer(overview) {
    const text = JSON.stringify([overview.verdicts, overview.vendors, this.#place.verdict, this.#place.vendor]);
    if (text === this.#offered) return;
    this.#offered = text;
    this.#verdicts(overview.verdicts ?? []);
    this.#vendors(overview.vendors ?? []);
    this.show(this.#place);
  }

  #verdicts(counts) {
    const total = counts.reduce((sum, c) => sum + c.n, 0);
    const all = [{ name: '', n: total }, ...this.#with(counts, this.#place.verdict)];
    const buttons = new Map([...$('verdicts').children].map((b) => [b.dataset.verdict, b]));
    const wanted = all.map((count) => {
      const b = buttons.get(count.name) ?? make('button', 'count');
      b.type = 'button';
      b.dataset.verdict = count.name;
      b.dataset.tone = count.tone ?? '';
      b.replaceChildren(words('span', '', count.name ? name(count.name) : 'All'), make('span', 'n', count.n.toLocaleString()));
      return b;
    });
    // Those that stay keep their place, and the focus.
    wanted.forEach((b, i) => { if ($('verdicts').children[i] !== b) $('verdicts').insertBefore(b, $('verdicts').children[i] ?? null); });
    while ($('verdicts').childElementCount > wanted.length) $('verdicts').lastElementChild.remove();
  }

  #vendors(counts) {
    const option = (value, text) => {
      const o = words('option', '', text);
      o.value = value;
      return o;
    };
    $('vendor').replaceChildren(option('', 'All vendors'), ...this.#with(counts, this.#place.vendor).map((c) => option(c.name, `${c.name} (${c.n.toLocaleString()})`)));
  }

  // What is filtered by is offered even if there is none of it left.
  #with(counts, chosen) {
    return !chosen || counts.some((c) => c.name === chosen) ? counts : [...counts, { name: chosen, n: 0 }];
  }
}
