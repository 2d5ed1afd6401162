// These functions insert all data from the network. They insert it as text, and mark characters that would hide or reorder it.

// Control characters, format characters and surrogates. U+200D is allowed between two emoji.
const unseen = /[\u0000-\u0008\u000B-\u001F\u007F-\u009F\u00AD\u034F\u061C\u115F\u1160\u17B4\u17B5\u180B-\u180F\u200B\u200C\u200E\u200F\u2028-\u202F\u205F-\u206F\u3164\uFE00-\uFE0E\uFEFF\uFFA0\uFFF0-\uFFFB\u{E0000}-\u{E0FFF}\p{Surrogate}]|(?<![\p{Extended_Pictographic}\p{Emoji_Modifier}\uFE0F])\u200D|\u200D(?!\p{Extended_Pictographic})/gu;

export const make = (tag, className, ...children) => {
  const element = document.createElement(tag);
  if (className) element.className = className;
  for (const child of children) if (child !== null && child !== undefined) element.append(child);
  return element;
};

export const icon = (name) => {
  const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
  svg.setAttribute('class', 'icon');
  svg.setAttribute('aria-hidden', 'true');
  const use = document.createElementNS('http://www.w3.org/2000/svg', 'use');
  use.setAttribute('href', '#i-' + name);
  svg.append(use);
  return svg;
};

const mark = (name, what) => {
  const span = make('span', 'mark-char', name);
  span.title = what;
  return span;
};

/** write appends text to an element. It replaces each invisible character by a mark with its code point. */
export const write = (element, text) => {
  let from = 0;
  for (const match of text.matchAll(unseen)) {
    if (match.index > from) element.append(text.slice(from, match.index));
    const number = match[0].codePointAt(0).toString(16).toUpperCase().padStart(4, '0');
    element.append(mark('U+' + number, 'This character is invisible, or changes the display of others.'));
    from = match.index + match[0].length;
  }
  if (from < text.length) element.append(from === 0 ? text : text.slice(from));
  return element;
};

/** words creates an element with untrusted text, isolated from the direction of the text around it. */
export const words = (tag, className, text) => write(make(tag, ('isolated ' + (className ?? '')).trim()), text);

/** fromBase64 decodes base64 to bytes. */
export const fromBase64 = (text) => Uint8Array.from(atob(text ?? ''), (c) => c.charCodeAt(0));

/** decode decodes UTF-8. It returns null if the bytes are invalid. */
export const decode = (bytes) => {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return null;
  }
};

// lengthAt returns the length of the UTF-8 character at i, or 0 if there is no valid one.
const lengthAt = (bytes, i) => {
  const first = bytes[i];
  const length = first < 0x80 ? 1 : first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : first < 0xf5 ? 4 : 0;
  return length > 0 && (length === 1 || decode(bytes.subarray(i, i + length)) !== null) ? length : 0;
};

/** writeBytes appends the valid characters of bytes, and a mark for each other byte. After most marks, it stops. */
export const writeBytes = (element, bytes, most) => {
  let from = 0;
  let marks = 0;
  for (let i = 0; i < bytes.length;) {
    const length = lengthAt(bytes, i);
    if (length > 0) {
      i += length;
      continue;
    }
    if (from < i) write(element, decode(bytes.subarray(from, i)));
    if (++marks > most) {
      element.append(make('span', 'note', `… ${bytes.length - i} more bytes. Download the body to see them.`));
      return;
    }
    element.append(mark('0x' + bytes[i].toString(16).toUpperCase().padStart(2, '0'), 'This byte is not valid UTF-8.'));
    from = ++i;
  }
  if (from < bytes.length) write(element, decode(bytes.subarray(from)));
};

/** size formats a number of bytes. */
export const size = (n) => {
  if (n < 1024) return n === 1 ? '1 byte' : `${n} bytes`;
  return n < 1024 * 1024 ? `${(n / 1024).toFixed(1)} KB` : `${(n / 1024 / 1024).toFixed(1)} MB`;
};
