// Indents JSON for display. It splits the text into tokens and never parses it, so that long numbers and repeated names are shown
// unchanged.

import { make, write } from './text.js';

const token = /"(?:[^"\\]|\\[^])*"?|-?\d[\d.eE+-]*|[{}[\],:]|[^\s{}[\],:"]+/g;
const coloured = 20000; // tokens; later ones have no colours
const deepest = 40; // maximum levels of indentation

const kind = (text, isName) => {
  if (text[0] === '"') return isName ? 'j-name' : 'j-string';
  if (text === 'true' || text === 'false' || text === 'null') return 'j-word';
  return /^-?\d/.test(text) ? 'j-number' : '';
};

/** writeJSON appends indented JSON. The text may be truncated. */
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
