// The pane on the right: all there is about one delivery.

import { badge, initial, name } from './list.js';
import { writeJSON } from './json.js';
import { decode, fromBase64, icon, make, size, words, write, writeBytes } from './text.js';
import { time, took } from './time.js';

const icons = { replay: 'again', retry: 'again', rerun: 'run', discard: 'trash' };
const mostMarks = 2000; // bytes that are no text, each with a mark of its own
const plainFrom = 1 << 20; // characters; JSON that is longer is shown as it is

const button = (label, iconName, className, key) => {
  const element = make('button', className, icon(iconName), make('span', '', label));
  element.type = 'button';
  if (key) {
    element.append(make('kbd', '', key));
    element.lastChild.setAttribute('aria-hidden', 'true');
    element.setAttribute('aria-keyshortcuts', key);
  }
  return element;
};

const fact = (label, value) => make('div', '', make('dt', '', label), make('dd', '', value));

const facts = (d) => {
  const dl = make('dl', 'facts', fact('Arrived', time(d.at, 'exact')));
  if (d.due) dl.append(fact(d.verdict === 'running' ? 'Lease until' : 'Next attempt', time(d.due, 'exact')));
  if (d.since) dl.append(fact(`${name(d.verdict)[0].toUpperCase()}${name(d.verdict).slice(1)} since`, time(d.since, 'exact')));
  if (d.status) dl.append(fact('Answered', make('span', 'mono', String(d.status))));
  if (d.delivery) dl.append(fact('Delivery', words('span', 'mono', d.delivery)));
  if (d.endpoint) dl.append(fact('Endpoint', words('span', '', d.endpoint)));
  if (d.url) dl.append(fact('Request', words('span', 'mono', `${d.method ?? ''} ${d.url}`.trim())));
  for (const f of d.facts ?? []) dl.append(fact(f.name, words('span', 'mono', f.value)));
  return dl;
};

const verdict = (d) => {
  const box = make('div', 'verdict');
  box.dataset.tone = d.tone;
  if (d.explanation) box.append(words('p', 'explanation', d.explanation));
  if (d.error) box.append(words('pre', 'error', d.error));
  if (d.reason) box.append(make('p', 'reason', 'Reason: ', words('code', '', d.reason)));
  return box.childElementCount > 0 ? box : null;
};

const attempts = (list) => {
  if (!list?.length) return null;
  const rows = list.map((a, i) => {
    const outcome = words('span', 'outcome', name(a.outcome));
    outcome.dataset.good = a.outcome === 'handled' || a.outcome === 'ignored' || a.outcome === 'duplicate';
    const row = make('tr', '', make('td', 'number', String(i + 1)), make('td', 'when', time(a.at, 'exact')), make('td', 'took', took(a.took)), make('td', '', outcome));
    if (!a.counted) row.children[3].append(make('span', 'aside', ' not counted'));
    const what = make('td', 'what');
    if (a.error) what.append(words('span', 'mono', a.error));
    else if (a.reason) what.append(words('span', '', name(a.reason)));
    row.append(what);
    return row;
  });
  const heads = ['No.', 'Began', 'Took', 'Outcome', 'Error'].map((text) => {
    const th = make('th', '', text);
    th.scope = 'col';
    return th;
  });
  const table = make('table', 'attempts', make('thead', '', make('tr', '', ...heads)), make('tbody', '', ...rows));
  return make('section', 'block', make('h3', '', `Attempts (${list.length})`), make('div', 'wide', table));
};

const headers = (list) => {
  if (!list.length) return make('p', 'note', 'No headers are kept of this delivery.');
  const table = make('table', 'headers');
  for (const [key, value] of list) {
    const th = words('th', '', key);
    th.scope = 'row';
    table.append(make('tr', '', th, words('td', '', value)));
  }
  return table;
};

/** bodyPanel shows bytes, set out if they are JSON and that is asked for. */
const bodyPanel = (d, bytes, pretty, whole) => {
  const panel = make('div', '');
  const text = decode(bytes);
  const code = make('pre', 'code');
  code.tabIndex = 0;
  code.setAttribute('aria-label', pretty ? 'Event' : 'Body as it was received');
  if (pretty && !d.json) panel.append(make('p', 'note', 'The body is not JSON. It is shown as it was received.'));
  if (text === null) {
    if (!pretty || !d.json) panel.append(make('p', 'note', 'The body is not UTF-8. Bytes that are no text are marked.'));
    writeBytes(code, bytes, mostMarks);
  } else if (pretty && d.json && text.length <= plainFrom) {
    writeJSON(code, text);
  } else {
    write(code, text);
  }
  panel.append(code);
  if (bytes.length < d.size) {
    const more = make('button', 'more', `Show all ${size(d.size)}`);
    more.type = 'button';
    more.addEventListener('click', async () => {
      more.disabled = true;
      const all = await whole();
      if (all) panel.replaceWith(bodyPanel({ ...d, size: all.length }, all, pretty, whole));
      else more.disabled = false;
    });
    panel.append(make('p', 'note cut', `These are the first ${size(bytes.length)}. `, more));
  }
  return panel;
};

const tabs = (chosen, choose, panels) => {
  const bar = make('div', 'tabs');
  bar.setAttribute('role', 'tablist');
  const panel = make('div', 'panel');
  panel.setAttribute('role', 'tabpanel');
  panel.id = 'panel';
  const pick = (id, focus) => {
    for (const tab of bar.children) {
      const on = tab.dataset.tab === id;
      tab.setAttribute('aria-selected', String(on));
      tab.tabIndex = on ? 0 : -1;
      if (on && focus) tab.focus();
      if (on) panel.setAttribute('aria-labelledby', tab.id);
    }
    panel.replaceChildren(panels[id].make());
    choose(id);
  };
  for (const [id, { label }] of Object.entries(panels)) {
    const tab = make('button', '', label);
    tab.type = 'button';
    tab.id = 'tab-' + id;
    tab.dataset.tab = id;
    tab.setAttribute('role', 'tab');
    tab.setAttribute('aria-controls', 'panel');
    tab.addEventListener('click', () => pick(id));
    bar.append(tab);
  }
  bar.addEventListener('keydown', (event) => {
    const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    const tab = by && (by > 0 ? document.activeElement.nextElementSibling : document.activeElement.previousElementSibling);
    if (tab) pick(tab.dataset.tab, true);
  });
  pick(panels[chosen] ? chosen : Object.keys(panels)[0]);
  return { bar, panel };
};

export class Detail {
  #pane;
  #tab = 'event';
  #do;

  /** does are what the buttons do: act(action), copy(), back(), save(), whole(id). */
  constructor(pane, does) {
    this.#pane = pane;
    this.#do = does;
  }

  /** empty says that nothing is chosen, or what is missing. */
  empty(text) {
    this.#pane.replaceChildren(make('div', 'nothing', icon('hook'), make('p', '', text)));
  }

  /** show shows a delivery. */
  show(d) {
    const back = button('Deliveries', 'back', 'quiet back', '');
    back.addEventListener('click', () => this.#do.back());
    const title = d.type ? words('h2', '', d.type) : make('h2', 'none', 'no type');
    const buttons = make('div', 'actions');
    for (const action of d.actions ?? []) {
      const key = { replay: 'r', retry: 'r', discard: 'd' }[action.name];
      const b = button(action.label, icons[action.name] ?? 'run', action.name === 'discard' ? 'danger' : buttons.childElementCount ? '' : 'first', key);
      b.dataset.action = action.name;
      b.addEventListener('click', () => this.#do.act(d, action));
      buttons.append(b);
    }
    if (d.curl) {
      const b = button('Copy as curl', 'copy', '', 'c');
      b.dataset.action = 'copy';
      b.addEventListener('click', () => this.#do.copy(d.id));
      buttons.append(b);
    }
    const head = make('header', 'head', initial(d.vendor), make('div', 'names', title, make('p', 'from', words('span', 'vendor', d.vendor || 'unknown sender'), badge(d))));
    this.#pane.replaceChildren(make('div', 'bar', back, buttons), ...[head, verdict(d), facts(d), attempts(d.attempts), this.#body(d)].filter(Boolean));
  }

  #body(d) {
    if (d.gone) return make('p', 'note', 'The body and the headers of this delivery have been deleted.');
    const bytes = fromBase64(d.body);
    const whole = () => this.#do.whole(d.id);
    const { bar, panel } = tabs(this.#tab, (tab) => { this.#tab = tab; }, {
      event: { label: 'Event', make: () => bodyPanel(d, bytes, true, whole) },
      raw: { label: 'Raw body', make: () => bodyPanel(d, bytes, false, whole) },
      headers: { label: `Headers (${d.header.length})`, make: () => headers(d.header) },
    });
    const save = make('a', 'save', icon('save'), make('span', '', size(d.size)));
    save.href = `api/items/${encodeURIComponent(d.id)}/body`;
    save.download = `delivery-${d.id}.json`.replace(/[^\w.-]/g, '_');
    save.title = 'Download the body as it was received';
    return make('section', 'block', make('div', 'tabline', bar, save), panel);
  }
}
