// JSON, set out for reading. It is taken apart as text and never parsed: a number of twenty digits stays one, and a name that
// comes twice is seen twice.

import { make, write } from './text.js';

const token = /"(?:[^"\\]|\\[^])*"?|-?\d[\d.eE+-]*|[{}[\],:]|[^\s{}[\],:"]+/g;
const coloured = 20000; // tokens; what comes after them is set out, but plain
const deepest = 40; // levels that are indented

const kind = (text, isName) => {
  if (text[0] === '"') return isName ? 'j-name' : 'j-string';
  if (text === 'true' || text === 'false' || text === 'null') return 'j-word';
  return /^-?\d/.test(text) ? 'j-number' : '';
};

/** writeJSON appends a JSON text, or its beginning. */
export const writeJSON = (element, text) => {
  const parts = text.match(token) ?? [];
  let depth = 0;
  let plain = '';
  const lineBreak = () => '\n' + '  '.repeat(Math.min(depth, deepest));
  const flush = () => {
    if (plain) write(element, plain);
    plain = '';
  };
  parts.forEach((part, i) => {
    const next = parts[i + 1];
    if (part === '{' || part === '[') {
      depth++;
      plain += part;
      if (next !== '}' && next !== ']') plain += lineBreak();
    } else if (part === '}' || part === ']') {
      depth = Math.max(depth - 1, 0);
      const empty = parts[i - 1] === '{' || parts[i - 1] === '[';
      plain += (empty ? '' : lineBreak()) + part;
    } else if (part === ',') {
      plain += ',' + lineBreak();
    } else if (part === ':') {
      plain += ': ';
    } else {
      const className = i < coloured ? kind(part, next === ':') : '';
      if (className) {
        flush();
        element.append(write(make('span', 'isolated ' + className), part));
      } else {
        plain += part;
      }
    }
  });
  flush();
  return element;
};
