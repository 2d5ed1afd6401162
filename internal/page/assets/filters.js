// The filters: a button with a count for each verdict, a list of vendors, and a search.

import { keep } from './keep.js';
import { name } from './list.js';
import { icon, make, words } from './text.js';

const $ = (id) => document.getElementById(id);
const typing = 250; // ms after the last key until a search begins

export class Filters {
  #place = null; // null until show is called
  #vendorCounts = [];
  #timer = 0;
  #change;

  constructor(change) {
    this.#change = change;
    $('verdicts').addEventListener('click', (event) => {
      const b = event.target.closest('button');
      if (b) this.#send({ verdict: b.dataset.verdict }, 'push');
    });
    $('only').addEventListener('click', (event) => {
      const b = event.target.closest('button');
      if (b) this.#send({ [b.dataset.field]: '' }, 'push');
    });
    $('vendor').addEventListener('change', () => this.#send({ vendor: $('vendor').value }, 'push'));
    $('vendor').addEventListener('blur', () => this.#vendors());
    $('text').addEventListener('input', () => {
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => this.#send({}, 'replace'), typing);
    });
  }

  /** clear removes all filters. */
  clear() {
    $('text').value = '';
    this.#send({ vendor: '', verdict: '', endpoint: '', type: '' }, 'push');
  }

  // #send always includes the typed text, so that no other control discards it.
  #send(to, how) {
    clearTimeout(this.#timer);
    this.#change({ text: $('text').value.trim(), ...to }, how);
  }

  /** show shows the filters of the URL. It keeps the typed text and the chosen vendor until they change in the URL. */
  show(place) {
    const before = this.#place;
    this.#place = place;
    if ((!before || before.text !== place.text) && $('text').value.trim() !== (place.text ?? '')) {
      clearTimeout(this.#timer);
      $('text').value = place.text ?? '';
    }
    if (!before || before.vendor !== place.vendor) $('vendor').value = place.vendor ?? '';
    const only = ['endpoint', 'type'].filter((field) => place[field]);
    keep($('only'), only.map((field) => [field, place[field], () => {
      const b = make('button', 'only', `${name(field)}: `, words('span', '', place[field]), icon('close'));
      b.type = 'button';
      b.dataset.field = field;
      b.title = 'Remove this filter';
      return b;
    }]));
    for (const b of $('verdicts').children) b.setAttribute('aria-pressed', String(b.dataset.verdict === (place.verdict ?? '')));
  }

  /** offer shows the available filters. */
  offer(overview) {
    this.#verdicts(overview.verdicts ?? []);
    this.#vendorCounts = overview.vendors ?? [];
    this.#vendors();
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
      b.dataset.tone = count.n > 0 ? count.tone ?? '' : '';
      keep(b, [
        ['name', count.name, () => words('span', '', count.name ? name(count.name) : 'All')],
        ['n', count.n, () => make('span', 'n', count.n.toLocaleString())],
      ]);
      return b;
    });
    // Buttons that stay keep their position and the focus.
    wanted.forEach((b, i) => { if ($('verdicts').children[i] !== b) $('verdicts').insertBefore(b, $('verdicts').children[i] ?? null); });
    while ($('verdicts').childElementCount > wanted.length) $('verdicts').lastElementChild.remove();
  }

  // The list of a focused select may be open. If an option moved, the visitor would choose another one.
  #vendors() {
    if ($('vendor') === document.activeElement) return;
    const options = [['', 'All vendors'], ...this.#with(this.#vendorCounts, this.#place.vendor).map((c) => [c.name, `${c.name} (${c.n.toLocaleString()})`])];
    keep($('vendor'), options.map(([value, text]) => [value, text, () => {
      const o = words('option', '', text);
      o.value = value;
      return o;
    }]));
    $('vendor').value = this.#place.vendor ?? '';
  }

  // #with adds the chosen value, even if no delivery has it any more.
  #with(counts, chosen) {
    return !chosen || counts.some((c) => c.name === chosen) ? counts : [...counts, { name: chosen, n: 0 }];
  }
}
