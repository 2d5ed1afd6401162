// The chart of the last hours: a row of bars for each count of the activity, and the same numbers as a table.

import { ask } from './api.js';
import { keep } from './keep.js';
import { make } from './text.js';

const $ = (id) => document.getElementById(id);
const every = 30000; // ms; the server summarizes no more often
const counts = [['arrived', 'Arrived'], ['done', 'Done'], ['dead_lettered', 'Dead-lettered'], ['waiting', 'Waiting']];
const clock = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit', hourCycle: 'h23' });
const at = (text) => clock.format(new Date(text));

const shape = (tag, attributes, ...children) => {
  const element = document.createElementNS('http://www.w3.org/2000/svg', tag);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
};

// bars draws one count of all steps. Each bar has its number as a tooltip.
const bars = (steps, key, label, text) => {
  const most = Math.max(...steps.map((step) => step[key]));
  const svg = shape('svg', { viewBox: `0 0 ${steps.length} 100`, preserveAspectRatio: 'none', role: 'img', 'aria-label': text });
  steps.forEach((step, i) => {
    const height = most && Math.max(step[key] / most * 100, step[key] ? 3 : 0);
    svg.append(shape('g', {}, shape('title', {}, `${at(step.at)}: ${step[key].toLocaleString()} ${label.toLowerCase()}`),
      shape('rect', { class: 'whole', x: i, y: 0, width: 1, height: 100 }),
      shape('rect', { class: 'bar-of-step', x: i + 0.1, y: 100 - height, width: 0.8, height })));
  });
  return svg;
};

const panel = (activity, key, label) => {
  const steps = activity.steps;
  const values = steps.map((step) => step[key]);
  const most = Math.max(...values);
  const number = key === 'waiting' ? values.at(-1) : values.reduce((sum, n) => sum + n, 0);
  const text = `${label}: ${number.toLocaleString()}${key === 'waiting' ? ' now' : ''}, at most ${most.toLocaleString()} in a step, ${at(steps[0].at)} to now`;
  const figure = make('figure', 'panel-of-chart', make('figcaption', '', make('span', 'label', label), make('strong', '', number.toLocaleString()), make('span', 'most', `max ${most.toLocaleString()}`)),
    bars(steps, key, label, text), make('p', 'axis', make('span', '', at(steps[0].at)), make('span', '', 'now')));
  figure.dataset.count = key;
  return figure;
};

const table = (steps) => {
  const head = (text, scope) => {
    const th = make('th', '', text);
    th.scope = scope;
    return th;
  };
  return make('table', '', make('caption', '', 'Deliveries that arrived in the last hours'), make('thead', '', make('tr', '', ...['From', ...counts.map(([, label]) => label)].map((text) => head(text, 'col')))),
    make('tbody', '', ...steps.map((step) => make('tr', '', head(at(step.at), 'row'), ...counts.map(([key]) => make('td', '', step[key].toLocaleString()))))));
};

export class Chart {
  #on = false;
  #read = 0; // when the activity was requested
  #timer = 0;

  constructor() {
    $('chart-table').addEventListener('click', () => this.#showTable($('chart-table').getAttribute('aria-pressed') !== 'true'));
    document.addEventListener('visibilitychange', () => this.#follow());
  }

  /** show shows or hides the chart. */
  show(on) {
    if (on === this.#on) return;
    this.#on = on;
    $('chart').hidden = !on;
    this.#follow();
  }

  // #follow requests the activity while the chart can be seen.
  #follow() {
    clearTimeout(this.#timer);
    if (!this.#on || document.hidden) return;
    const wait = this.#read + every - Date.now();
    if (wait <= 0) this.#load();
    this.#timer = setTimeout(() => this.#follow(), wait > 0 ? wait : every);
  }

  async #load() {
    this.#read = Date.now();
    try {
      const activity = await (await ask('activity')).json();
      $('chart-note').textContent = activity.truncated ? 'More deliveries arrived than were counted. The oldest are missing.' : '';
      keep($('chart-panels'), counts.map(([key, label]) => [key, activity.steps.map((step) => [step.at, step[key]]), () => panel(activity, key, label)]));
      keep($('chart-data'), [['table', activity.steps, () => table(activity.steps)]]);
    } catch (error) {
      $('chart-note').textContent = error.message;
    }
  }

  // #showTable shows the table to everyone. Otherwise, only screen readers have it.
  #showTable(on) {
    $('chart-table').setAttribute('aria-pressed', String(on));
    $('chart-data').classList.toggle('unseen', !on);
  }
}
