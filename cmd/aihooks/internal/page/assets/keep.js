// Keeps elements while the page changes around them. An element that is replaced loses the click that has begun on it, the
// focus, the selection and its scroll position.

const names = new WeakMap(); // of each element: its key and its value, as text

/** keep gives parent one child for each part, in order, and returns the children. A part is a key, a value, and a function
 * that makes the element. The element stays in the page until the value of its key changes. */
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
