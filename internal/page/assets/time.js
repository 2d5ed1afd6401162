// Formats times and durations.

import { make } from './text.js';

const clock = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23' });
const day = new Intl.DateTimeFormat(undefined, { day: 'numeric', month: 'short' });
const full = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'long' });

const near = (ms) => {
  const s = Math.round(Math.abs(ms) / 1000);
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.round(s / 60)} min`;
  return s < 172800 ? `${Math.round(s / 3600)} h` : `${Math.round(s / 86400)} days`;
};

const short = (date) => {
  const passed = Date.now() - date;
  if (Math.abs(passed) < 5000) return 'now';
  if (passed >= 0 && passed < 3600000) return `${near(passed)} ago`;
  if (passed < 0) return `in ${near(passed)}`;
  return new Date().toDateString() === date.toDateString() ? clock.format(date) : `${day.format(date)}, ${clock.format(date).slice(0, 5)}`;
};

const exact = (date) => {
  const passed = Date.now() - date;
  const about = Math.abs(passed) < 5000 ? 'now' : passed > 0 ? `${near(passed)} ago` : `in ${near(passed)}`;
  return `${new Date().toDateString() === date.toDateString() ? '' : day.format(date) + ', '}${clock.format(date)} (${about})`;
};

const show = (element) => {
  const text = (element.dataset.form === 'short' ? short : exact)(new Date(element.dateTime));
  if (element.textContent !== text) element.textContent = text;
};

/** time creates an element whose text is updated as time passes. The form is "short", for a list, or "exact". */
export const time = (value, form) => {
  const element = make('time');
  element.dateTime = value;
  element.dataset.form = form;
  element.title = full.format(new Date(value));
  show(element);
  return element;
};

/** took formats a duration in milliseconds. */
export const took = (ms) => {
  if (ms < 1) return '<1 ms';
  return ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`;
};

setInterval(() => document.querySelectorAll('time').forEach(show), 5000);
