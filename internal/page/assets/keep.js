// Keeps elements while the page changes around them. A replaced element would lose the focus, the selection, its scroll position
// and a click that has begun on it.

const names = new WeakMap(); // maps each element to its key and value, as JSON

/** keep gives parent one child for each part, in order, and returns the children. A part is a key, a value, and a function
 * that creates the element. The element stays in the page until its value changes. */
export const keep = (parent, parts) => {
  const before = new Map([...parent.children].map((child) => [names.get(child), child]));
  const children = parts.map(([key, value, create]) => {
    const name = JSON.stringify([key, value]);
    const child = before.get(name) ?? create();
    names.set(child, name);
    return child;
  });
  for (const child of [...parent.children]) if (!children.includes(child)) child.remove();
  children.forEach((child, i) => { if (parent.children[i] !== child) parent.insertBefore(child, parent.children[i] ?? null); });
  return children;
};
